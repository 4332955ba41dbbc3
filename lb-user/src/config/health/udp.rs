//! The datagram of a udp check, and its reply.

use std::sync::Arc;

use crate::health::pattern::HexPattern;
use crate::health::{CheckKind, UdpCheck};

use super::keys::Keys;

/// The largest datagram over IPv4, without its headers.
const LARGEST: u32 = 65_507;

pub(super) fn read(keys: &Keys<'_, '_>, outer: &CheckKind) -> CheckKind {
    let outer = if let CheckKind::Udp(outer) = outer { (**outer).clone() } else { UdpCheck::default() };
    let bytes = |text: &str| HexPattern::parse(text)?.bytes();
    let payload = keys.take("payload").and_then(|item| item.parsed("hex digits in pairs", "write \"00ff\"", bytes));
    let reply = keys
        .take("reply")
        .and_then(|item| item.parsed("hex digits and `x` in pairs", "write \"00ff8xxx\"", HexPattern::parse));
    let require_reply = keys.boolean("require_reply").unwrap_or(outer.require_reply || reply.is_some());
    let length = |key| keys.take(key).and_then(|item| item.number(0..=LARGEST));
    let min_reply_length = length("min_reply_length").unwrap_or(outer.min_reply_length);
    let max_item = keys.take("max_reply_length");
    let max_reply_length = max_item.as_ref().and_then(|item| item.number(0..=LARGEST)).or(outer.max_reply_length);
    if let (Some(item), Some(most)) = (max_item, max_reply_length)
        && most < min_reply_length
    {
        item.refuse(&format!("{most} is below min_reply_length, {min_reply_length}"), "raise it");
    }
    CheckKind::Udp(Arc::new(UdpCheck {
        payload: payload.unwrap_or(outer.payload),
        require_reply,
        reply: reply.or(outer.reply),
        min_reply_length,
        max_reply_length,
    }))
}
