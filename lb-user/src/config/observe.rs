//! `[metrics]` and `[log]`: how the director is watched.

use std::net::SocketAddr;

use crate::logging::LogFormat;

use super::Config;
use super::section::Section;

pub(super) fn read(root: &Section<'_>, config: &mut Config) {
    root.table("metrics", |section| {
        let listen = section.get("listen");
        config.metrics = listen.and_then(|item| {
            let advice = "write \"127.0.0.1:9100\" or \"[::1]:9100\"";
            let address = |text: &str| text.parse().ok().filter(|address: &SocketAddr| address.port() != 0);
            item.parsed("an address with a port", advice, address)
        });
    });
    root.table("log", |section| {
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        if let Some(format) = section.get("format").and_then(|item| item.choice(&formats)) {
            config.log = format;
        }
    });
}
