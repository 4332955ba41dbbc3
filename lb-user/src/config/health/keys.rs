//! Keys that belong to some kinds of checks and to others not.

use std::cell::RefCell;

use crate::config::item::Item;
use crate::config::section::Section;

const HTTP: &[&str] = &["http", "https"];
const TLS: &[&str] = &["https", "tls", "smtp", "expect"];

/// Each key, and the kinds that have it.
const OWNERS: [(&str, &[&str]); 30] = [
    ("method", HTTP),
    ("path", HTTP),
    ("host", HTTP),
    ("version", HTTP),
    ("headers", HTTP),
    ("status", HTTP),
    ("body", HTTP),
    ("body_absent", HTTP),
    ("digest", HTTP),
    ("redirects", HTTP),
    ("tls", &["smtp", "expect"]),
    ("sni", TLS),
    ("verify", TLS),
    ("ca", TLS),
    ("min_days_left", TLS),
    ("payload", &["udp"]),
    ("require_reply", &["udp"]),
    ("reply", &["udp"]),
    ("min_reply_length", &["udp"]),
    ("max_reply_length", &["udp"]),
    ("name", &["dns"]),
    ("record", &["dns"]),
    ("answer", &["dns"]),
    ("helo", &["smtp"]),
    ("command", &["script"]),
    ("user", &["script"]),
    ("dynamic", &["script"]),
    ("send", &["expect"]),
    ("expect", &["expect"]),
    ("steps", &["expect"]),
];

/// Those that a table has. A kind takes its own; the rest is out of place.
pub(super) struct Keys<'s, 'd> {
    section: &'s Section<'d>,
    items: RefCell<Vec<(&'static str, Item<'d>)>>,
}

impl<'s, 'd> Keys<'s, 'd> {
    pub(super) fn of(section: &'s Section<'d>) -> Self {
        let items = OWNERS.iter().filter_map(|(key, _)| Some((*key, section.get(key)?))).collect();
        Self { section, items: RefCell::new(items) }
    }

    pub(super) fn take(&self, key: &str) -> Option<Item<'d>> {
        let mut items = self.items.borrow_mut();
        let index = items.iter().position(|(name, _)| *name == key)?;
        Some(items.swap_remove(index).1)
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        self.take(key)?.boolean()
    }

    /// The key is needed and not there.
    pub(super) fn refuse_missing(&self, key: &str, advice: &str) {
        self.section.refuse_key(key, "is missing", advice);
    }

    /// A problem of the check as a whole.
    pub(super) fn refuse(&self, message: &str) {
        self.section.refuse(message, "");
    }

    /// What this kind has not taken.
    pub(super) fn refuse_rest(self, kind: &str) {
        for (key, item) in self.items.into_inner() {
            let owners = OWNERS.iter().find(|(name, _)| *name == key).map_or(&[][..], |(_, owners)| owners);
            let advice = format!("it is one of {}: name the type, or remove it", owners.join(", "));
            item.refuse(&format!("{} check has no such key", with_article(kind)), &advice);
        }
    }
}

/// As it is spoken: a tcp check, an http check.
pub(super) fn with_article(kind: &str) -> String {
    let article = if ["http", "https", "icmp", "smtp", "expect"].contains(&kind) { "an" } else { "a" };
    format!("{article} {kind}")
}
