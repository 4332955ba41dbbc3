//! Sets of HTTP status codes.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use hyper::StatusCode;

/// A set of HTTP status codes, written `200-299,301`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// Whether a status is in the set.
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

impl Default for StatusSet {
    /// 200-299
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl FromStr for StatusSet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.split(',').map(status_range).collect::<Option<_>>().map(Self).ok_or(())
    }
}

fn status_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (status(first)?, status(last)?);
    (first <= last).then_some(first..=last)
}

fn status(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|code| (100..=599).contains(code))
}

impl fmt::Display for StatusSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{}", range.start())?;
            if range.start() != range.end() {
                write!(out, "-{}", range.end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_set_holds_what_it_names() {
        let set: StatusSet = "200-204, 301,400-404".parse().expect("a set");
        for (code, member) in [(199, false), (200, true), (204, true), (205, false), (301, true), (404, true)] {
            let code = StatusCode::from_u16(code).expect("a status");
            assert_eq!(set.contains(code), member, "{code}");
        }
        assert_eq!(set.to_string(), "200-204,301,400-404");
    }

    #[test]
    fn what_is_not_a_status_set_is_refused() {
        for text in ["", "ok", "200-", "299-200", "20", "600", "200;301", "200,,301"] {
            assert!(text.parse::<StatusSet>().is_err(), "{text}");
        }
    }
}
