//! How the API is offered, and to whom.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ask, by GET.
    Read,
    /// Ask, and change.
    Admin,
}

/// How the API is offered. The default is a socket for root alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Permissions of the unix socket.
    pub socket_mode: u32,
    /// Its group, by name or number; none is that of the daemon.
    pub socket_group: Option<String>,
    /// What those may do whom the socket's permissions let in, but who are neither root nor the daemon's user.
    pub socket_role: Role,
    /// Over TCP, if it is offered there.
    pub tcp: Option<Tcp>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { socket_mode: 0o600, socket_group: None, socket_role: Role::Read, tcp: None }
    }
}

/// The API over TCP: always with TLS, never for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The server's certificate, and those between it and its CA: a PEM file.
    pub certificate: PathBuf,
    /// Its private key: a PEM file.
    pub key: PathBuf,
    /// Certificates of CAs, a PEM file: whoever has one of theirs is an administrator.
    pub client_ca: Option<PathBuf>,
    /// The token of administrators, in a file.
    pub token_file: Option<PathBuf>,
    /// The token of those who may only read.
    pub read_token_file: Option<PathBuf>,
}
