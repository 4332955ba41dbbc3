//! The `health` of a service or server.

use toml::Value;

use crate::config::health_value;
use crate::health::{Check, Target};

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
pub(in super::super) fn words(target: &Target, check: &Check) -> String {
    let inline = health_value(check, target).to_string();
    inline.trim_start_matches('{').trim_end_matches('}').trim().to_owned()
}
