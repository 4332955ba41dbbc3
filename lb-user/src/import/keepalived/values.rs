//! The values of directives.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use super::tree::Directive;
use crate::import::note::Notes;

/// A value that must be there and be right.
pub(super) fn value<T: FromStr>(directive: &Directive, index: usize, what: &str, notes: &mut Notes) -> Option<T> {
    let text = directive.value(index);
    let value = text.parse().ok();
    if value.is_none() {
        notes.error(&directive.place, format!("{}: `{text}` is not {what}", directive.shown()));
    }
    value
}

/// A number.
pub(super) fn number(directive: &Directive, notes: &mut Notes) -> Option<u32> {
    value(directive, 0, "a number", notes)
}

/// Seconds, with a fraction perhaps.
pub(super) fn timer(directive: &Directive, notes: &mut Notes) -> Option<Duration> {
    let text = directive.value(0);
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if seconds.is_none() {
        notes.error(&directive.place, format!("{}: `{text}` is not a time in seconds", directive.shown()));
    }
    seconds.map(|seconds| Duration::from_micros(u64::try_from(seconds.as_micros()).unwrap_or(u64::MAX)))
}

/// A word for yes or no; a keyword alone is yes.
pub(super) fn flag(directive: &Directive, notes: &mut Notes) -> Option<bool> {
    match directive.value(0) {
        "" | "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        other => {
            notes.error(&directive.place, format!("{}: `{other}` is neither on nor off", directive.shown()));
            None
        }
    }
}

/// An address and perhaps a port, from the value `index` on.
pub(super) fn address_and_port(
    directive: &Directive,
    index: usize,
    notes: &mut Notes,
) -> Option<(IpAddr, Option<u16>)> {
    let address = value(directive, index, "an address", notes)?;
    let port = match directive.value(index + 1) {
        "" => None,
        _port => Some(value(directive, index + 1, "a port", notes)?),
    };
    Some((address, port))
}

/// A netmask of IPv4: dotted, or the length of a prefix.
pub(super) fn netmask(text: &str) -> Option<Ipv4Addr> {
    match text.parse::<u32>() {
        Ok(length @ 0..=32) => Some(Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - length).unwrap_or(0))),
        Ok(_) => None,
        Err(_dotted) => text.parse().ok(),
    }
}

/// Hexadecimal digits as keepalived reads them: in groups, of which the last digit may stand alone; `x` is any digit.
pub(super) fn hex(words: &[&str]) -> Option<String> {
    let mut out = String::new();
    for word in words.iter().flat_map(|word| word.split_whitespace()) {
        let digits: Vec<char> = word.chars().map(|digit| digit.to_ascii_lowercase()).collect();
        if digits.iter().any(|digit| !digit.is_ascii_hexdigit() && *digit != 'x') {
            return None;
        }
        for pair in digits.chunks(2) {
            match pair {
                [digit] => out.extend(['0', *digit]),
                pair => out.extend(pair),
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_in_groups() {
        assert_eq!(hex(&["Ab12f 3 456 546443123"]).as_deref(), Some("ab120f0345065464431203"));
        assert_eq!(hex(&["00", "XX"]).as_deref(), Some("00xx"));
        assert_eq!(hex(&["0g"]), None);
    }

    #[test]
    fn netmasks() {
        assert_eq!(netmask("255.255.255.0"), Some(Ipv4Addr::new(255, 255, 255, 0)));
        assert_eq!(netmask("24"), Some(Ipv4Addr::new(255, 255, 255, 0)));
        assert_eq!(netmask("33"), None);
    }
}
