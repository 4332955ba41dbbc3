//! `[api]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use crate::api::settings::{Role, Settings, Tcp};

/// `[api]`, key by key; what is at its default is left out.
#[derive(Serialize)]
pub(super) struct ApiTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_role: Option<&'static str>,
    #[serde(flatten)]
    tcp: Option<TcpKeys>,
}

#[derive(Serialize)]
struct TcpKeys {
    listen: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ca: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_token_file: Option<PathBuf>,
}

impl ApiTable {
    pub(super) fn of(settings: &Settings) -> Self {
        let Settings { socket_mode, socket_group, socket_role, tcp } = settings;
        let default = Settings::default();
        Self {
            socket_mode: (*socket_mode != default.socket_mode).then(|| format!("{socket_mode:04o}")),
            socket_group: socket_group.clone(),
            socket_role: (*socket_role != default.socket_role).then_some(match socket_role {
                Role::Read => "read",
                Role::Admin => "admin",
            }),
            tcp: tcp.clone().map(TcpKeys::of),
        }
    }
}

impl TcpKeys {
    fn of(Tcp { listen, certificate, key, client_ca, token_file, read_token_file }: Tcp) -> Self {
        Self { listen, certificate, key, client_ca, token_file, read_token_file }
    }
}

/// Its keys and values.
pub(in super::super) fn words(settings: &Settings) -> toml::Table {
    // Paths come from a file, which is UTF-8.
    toml::Table::try_from(ApiTable::of(settings)).unwrap_or_default()
}
