//! `[[vip]]`.

use serde::Serialize;

use crate::vips::Vip;

/// A virtual address, key by key; what is at its default is left out.
#[derive(Serialize)]
pub(super) struct VipTable {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    announce: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    announce_interval: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keep: bool,
}

impl VipTable {
    pub(super) fn of(vip: &Vip) -> Self {
        let Vip { address, prefix, interface, announce, announce_interval, keep } = vip;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        Self {
            address: if *prefix == whole { address.to_string() } else { format!("{address}/{prefix}") },
            interface: interface.clone(),
            announce: (!announce).then_some(false),
            announce_interval: announce_interval.map(|interval| humantime::format_duration(interval).to_string()),
            keep: *keep,
        }
    }
}

/// A virtual address in the words of the file.
pub(in super::super) fn words(vip: &Vip) -> String {
    match toml::to_string(&VipTable::of(vip)) {
        Ok(text) => text.trim_end().replace('\n', ", "),
        Err(error) => error.to_string(),
    }
}
