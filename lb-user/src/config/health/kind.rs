//! Which kind a check is of. Each kind has a file that reads its keys.

use crate::config::section::Section;
use crate::health::CheckKind;

use super::keys::Keys;
use super::{dns, expect, http, script, smtp, tls, udp};

/// Reads the keys of a kind; what is not said is as in the check around it, if that is of the same kind.
type Reader = fn(&Keys<'_, '_>, &CheckKind) -> CheckKind;

const KINDS: [(&str, Reader); 10] = [
    ("tcp", |_keys, _outer| CheckKind::Tcp),
    ("http", http::plain),
    ("https", http::secure),
    ("tls", tls::check),
    ("udp", udp::read),
    ("dns", dns::read),
    ("icmp", |_keys, _outer| CheckKind::Icmp),
    ("smtp", smtp::read),
    ("script", script::read),
    ("expect", expect::read),
];

pub(super) fn read(section: &Section<'_>, outer: &CheckKind) -> CheckKind {
    let keys = Keys::of(section);
    let kind = match section.get("type") {
        // Which one was meant is unknown, and so is whether the other keys belong to it.
        Some(item) => match item.choice(&KINDS.map(|(name, reader)| (name, (name, reader)))) {
            Some(kind) => kind,
            None => return outer.clone(),
        },
        None => match KINDS.into_iter().find(|(name, _)| *name == outer.name()) {
            Some(kind) => kind,
            None => return outer.clone(),
        },
    };
    let (name, reader) = kind;
    let read = reader(&keys, outer);
    keys.refuse_rest(name);
    read
}
