//! How often servers are asked, and how many answers make a transition.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::section::Section;
use crate::health::{Check, CheckKind};

pub(in crate::config) const INTERVAL: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
pub(in crate::config) const DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 3600);
pub(in crate::config) const MOST_IN_A_ROW: u32 = 1000;
pub(in crate::config) const MOST_RETRIES: u32 = 100;
const KEYS: [&str; 8] = ["passive", "interval", "jitter", "warmup", "rise", "fall", "retry", "delay_before_retry"];

/// What the checks of a list have in common: they are asked together.
#[derive(Clone, Copy)]
pub(super) struct Rhythm {
    interval: Duration,
    jitter: Duration,
    warmup: Option<Duration>,
    rise: u32,
    fall: u32,
    retry: u32,
    delay_before_retry: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        let (jitter, retry) = (Duration::ZERO, 0);
        Self { interval: second, jitter, warmup: None, rise: 2, fall: 2, retry, delay_before_retry: second }
    }
}

impl Rhythm {
    pub(super) fn read(section: &Section<'_>, outer: &Self) -> Self {
        let limit = |key| section.number(key, 1..=MOST_IN_A_ROW);
        Self {
            interval: section.duration("interval", INTERVAL).unwrap_or(outer.interval),
            jitter: section.duration("jitter", DELAY).unwrap_or(outer.jitter),
            warmup: section.duration("warmup", DELAY).or(outer.warmup),
            rise: limit("rise").unwrap_or(outer.rise),
            fall: limit("fall").unwrap_or(outer.fall),
            retry: section.number("retry", 0..=MOST_RETRIES).unwrap_or(outer.retry),
            delay_before_retry: section.duration("delay_before_retry", DELAY).unwrap_or(outer.delay_before_retry),
        }
    }

    /// In a list, only the first check says it.
    pub(super) fn refuse(section: &Section<'_>) {
        for item in KEYS.iter().filter_map(|key| section.get(key)) {
            item.refuse("the checks of a list are asked together", "write it in the first check of the list");
        }
    }

    pub(super) fn check(&self, kind: CheckKind, endpoint: SocketAddr) -> Check {
        let Self { interval, jitter, warmup, rise, fall, retry, delay_before_retry } = *self;
        let warmup = warmup.unwrap_or(interval);
        Check { interval, jitter, warmup, rise, fall, retry, delay_before_retry, ..Check::new(kind, endpoint) }
    }
}
