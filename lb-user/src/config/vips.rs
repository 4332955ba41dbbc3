//! `[[vip]]`: virtual addresses that LVX puts on interfaces and announces.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::vips::Vip;

use super::general;
use super::identity;
use super::item::Item;
use super::section::Section;

/// Announcements once a second are what neighbours hear at the start; a day is as good as never.
pub(super) const INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

pub(super) fn read(root: &Section<'_>) -> Vec<Vip> {
    let mut lines = HashMap::new();
    let vips = root.list("vip").into_iter().map(|item| {
        item.table(|section| {
            let vip = vip(section)?;
            if let Some(first) = lines.insert((vip.address, vip.interface.clone()), section.line()) {
                section.refuse("the same address a second time", &format!("it is in line {first} already"));
            }
            Some(vip)
        })
    });
    vips.flatten().flatten().collect()
}

fn vip(section: &Section<'_>) -> Option<Vip> {
    let interface = section.get("interface").and_then(|item| general::interface(&item));
    let announce = section.boolean("announce").unwrap_or(true);
    let announce_interval = section.get("announce_interval").and_then(|item| interval(&item, announce));
    let keep = section.boolean("keep").unwrap_or(false);
    let item = section.require("address", "add address = \"192.0.2.1\"")?;
    let (address, prefix) = address(&item)?;
    Some(Vip { address, prefix, interface, announce, announce_interval, keep })
}

fn address(item: &Item<'_>) -> Option<(IpAddr, u8)> {
    let advice = "write \"192.0.2.1\", \"2001:db8::1\", or with a prefix \"192.0.2.1/24\"";
    let (address, prefix) = item.parsed("an address", advice, |text| {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok().filter(|prefix| *prefix > 0)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        Some((address, prefix.unwrap_or(whole))).filter(|(_, prefix)| *prefix <= whole)
    })?;
    identity::refuse_not_unicast(item, address);
    Some((address, prefix))
}

fn interval(item: &Item<'_>, announce: bool) -> Option<Duration> {
    if item.is("off") {
        return None;
    }
    let interval = item.duration(INTERVAL)?;
    if !announce {
        item.refuse("there are no announcements to repeat: announce is false", "remove one of the two");
    }
    Some(interval)
}
