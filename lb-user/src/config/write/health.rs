//! The `health` of a service or server.

use toml::{Table, Value};

use crate::config::health_value;
use crate::health::{Check, PassiveCheck, Target};

/// What the service says, and what each server says besides: where all checks are the same it is said once, and `false` is
/// said by a server that is not checked.
pub(super) fn once_where_all_agree(checks: Vec<Option<Value>>) -> (Option<Value>, Vec<Option<Value>>) {
    let mut different = checks.iter().flatten();
    match different.next().cloned() {
        Some(first) if different.all(|other| *other == first) => {
            let own = checks.iter().map(|check| check.is_none().then_some(Value::Boolean(false))).collect();
            (Some(first), own)
        }
        Some(_) | None => (None, checks),
    }
}

/// A check in the words of the file.
pub(in super::super) fn words(target: &Target, check: &Check, passive: Option<&PassiveCheck>) -> String {
    let inline = value(check, target, passive).to_string();
    inline.trim_start_matches('{').trim_end_matches('}').trim().to_owned()
}

/// The value of `health` for a check and what clients' handshakes say besides.
pub(super) fn value(check: &Check, target: &Target, passive: Option<&PassiveCheck>) -> Value {
    let mut value = health_value(check, target);
    let first = if value.is_array() { value.get_mut(0) } else { Some(&mut value) };
    if let (Some(Value::Table(first)), Some(passive)) = (first, passive) {
        first.insert("passive".to_owned(), Value::Table(passive_table(passive)));
    }
    value
}

fn passive_table(check: &PassiveCheck) -> Table {
    let PassiveCheck { min_share, min_connections, window, hold } = *check;
    let duration = |duration| Value::from(humantime::format_duration(duration).to_string());
    let pairs = [
        ("min_share", Value::from(min_share)),
        ("min_connections", Value::from(min_connections)),
        ("window", duration(window)),
        ("hold", duration(hold)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
