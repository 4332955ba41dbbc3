//! `[api]`: who may reach the daemon, and how.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::api::settings::{Role, Settings, Tcp};

use super::item::Item;
use super::section::Section;

/// The permission bits that a socket can have.
const MODE_BITS: u32 = 0o777;

pub(super) fn read(root: &Section<'_>, settings: &mut Settings) {
    root.table("api", |section| api(section, settings));
}

fn api(section: &Section<'_>, settings: &mut Settings) {
    if let Some(mode) = section.get("socket_mode").and_then(|item| mode(&item)) {
        settings.socket_mode = mode;
    }
    let advice = "write its name, or its number as text";
    settings.socket_group = section.get("socket_group").and_then(|item| {
        item.parsed("the name of a group", advice, |name| (!name.is_empty()).then(|| name.to_owned()))
    });
    let roles = [("read", Role::Read), ("admin", Role::Admin)];
    if let Some(role) = section.get("socket_role").and_then(|item| item.choice(&roles)) {
        settings.socket_role = role;
    }
    settings.tcp = tcp(section);
}

fn mode(item: &Item<'_>) -> Option<u32> {
    item.parsed("permissions in octal", "write \"0600\" or \"0660\"", |text| {
        u32::from_str_radix(text, 8).ok().filter(|mode| mode & !MODE_BITS == 0)
    })
}

fn tcp(section: &Section<'_>) -> Option<Tcp> {
    let listen = section.get("listen");
    let [certificate, key, client_ca, token_file, read_token_file] =
        ["certificate", "key", "client_ca", "token_file", "read_token_file"].map(|name| (name, section.get(name)));
    let all = [&certificate, &key, &client_ca, &token_file, &read_token_file];
    let Some(listen) = listen else {
        for (_, item) in all {
            if let Some(item) = item {
                item.refuse("has no effect without api.listen", "add listen = \"address:port\", or remove it");
            }
        }
        return None;
    };
    for (name, item) in [&certificate, &key] {
        if item.is_none() {
            section.refuse_key(name, "is missing", "api.listen is served by TLS only: name a PEM file");
        }
    }
    if [&client_ca, &token_file, &read_token_file].iter().all(|(_, item)| item.is_none()) {
        listen.refuse("everybody could change the services", "add client_ca, token_file or read_token_file");
    }
    let address = listen
        .parsed("address:port", "write \"192.0.2.1:8443\" or \"[::]:8443\"", |text| text.parse::<SocketAddr>().ok());
    let file = |(_, item): (&str, Option<Item<'_>>)| item.and_then(|item| path(&item));
    let [certificate, key, client_ca, token_file, read_token_file] =
        [certificate, key, client_ca, token_file, read_token_file].map(file);
    Some(Tcp { listen: address?, certificate: certificate?, key: key?, client_ca, token_file, read_token_file })
}

fn path(item: &Item<'_>) -> Option<PathBuf> {
    item.parsed("the path of a file", "write it from the root, as \"/etc/lvx/api.pem\"", |text| {
        text.starts_with('/').then(|| PathBuf::from(text))
    })
}
