//! `passive` of a health table: what clients' handshakes say of a server.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::health::PassiveCheck;

use super::section::Section;

pub(super) const MIN_SHARE: RangeInclusive<f64> = 0.01..=1.0;
pub(super) const WINDOW: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(300);
pub(super) const HOLD: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

/// True, false, or what differs from `outer`.
pub(super) fn read(section: &Section<'_>, outer: Option<PassiveCheck>) -> Option<PassiveCheck> {
    let Some(item) = section.get("passive") else { return outer };
    let before = outer.unwrap_or_default();
    if item.is_boolean() {
        return (item.boolean() == Some(true)).then_some(before);
    }
    let read = item.table(|section| PassiveCheck {
        min_share: section.get("min_share").and_then(|item| item.fraction(MIN_SHARE)).unwrap_or(before.min_share),
        min_connections: section.number("min_connections", 1..=1_000_000).unwrap_or(before.min_connections),
        window: section.duration("window", WINDOW).unwrap_or(before.window),
        hold: section.duration("hold", HOLD).unwrap_or(before.hold),
    });
    Some(read.unwrap_or(before))
}
