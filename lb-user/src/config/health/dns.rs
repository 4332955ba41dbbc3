//! The question of a dns check, and its answer.

use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};

use crate::health::{CheckKind, DnsCheck, RECORDS};

use super::keys::Keys;

pub(super) fn read(keys: &Keys<'_, '_>, outer: &CheckKind) -> CheckKind {
    let outer = if let CheckKind::Dns(outer) = outer { (**outer).clone() } else { DnsCheck::default() };
    let name = |text: &str| Name::from_ascii(text).ok().filter(|_| !text.is_empty()).map(absolute);
    let name = keys.take("name").and_then(|item| item.parsed("a domain name", "write \"www.example.com\"", name));
    let records = RECORDS.map(|record| (record, record));
    let record = keys.take("record").and_then(|item| item.choice(&records));
    let record = record.and_then(|record| record.parse::<RecordType>().ok());
    let answer = keys.take("answer").and_then(|item| item.string()).map(str::to_owned);
    CheckKind::Dns(Arc::new(DnsCheck {
        name: name.unwrap_or(outer.name),
        record: record.unwrap_or(outer.record),
        answer: answer.or(outer.answer),
    }))
}

/// With the final dot: the question has no search list.
fn absolute(mut name: Name) -> Name {
    name.set_fqdn(true);
    name
}
