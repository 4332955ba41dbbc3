//! The dialogue of an expect check.

use std::sync::Arc;

use crate::config::item::Item;
use crate::config::section::Section;
use crate::health::pattern::{Pattern, unescape};
use crate::health::{CheckKind, ExpectCheck, Step};

use super::http::expression;
use super::keys::Keys;
use super::tls;

const ADVICE: &str = "write \"PING\\\\r\\\\n\"; the escapes are \\r, \\n, \\t, \\0, \\\\ and \\xHH";

pub(super) fn read(keys: &Keys<'_, '_>, outer: &CheckKind) -> CheckKind {
    let outer = if let CheckKind::Expect(outer) = outer { Some(&**outer) } else { None };
    let tls = tls::optional(keys, outer.and_then(|outer| outer.tls.as_ref()));
    let (send, expect, steps) = (keys.take("send"), keys.take("expect"), keys.take("steps"));
    let steps = match (&send, &expect, steps) {
        (None, None, None) if outer.is_none() => {
            keys.refuse_missing("expect", "add expect = \"a regular expression\", or steps = [{ send, expect }, ...]");
            Vec::new()
        }
        (None, None, None) => outer.map(|outer| outer.steps.clone()).unwrap_or_default(),
        (_, _, None) => vec![step(send.as_ref(), expect.as_ref())],
        (None, None, Some(steps)) => list(&steps),
        (_, _, Some(steps)) => {
            steps.refuse("send and expect are there as well", "write them as the first of the steps");
            Vec::new()
        }
    };
    CheckKind::Expect(Arc::new(ExpectCheck { steps, tls }))
}

fn list(item: &Item<'_>) -> Vec<Step> {
    let items = item.list();
    if items.is_empty() {
        item.refuse("there is no step", "write [{ send = \"...\", expect = \"...\" }]");
    }
    items.iter().filter_map(|item| item.table(|section| one(item, section))).collect()
}

fn one(item: &Item<'_>, section: &Section<'_>) -> Step {
    let (send, expect) = (section.get("send"), section.get("expect"));
    if send.is_none() && expect.is_none() {
        item.refuse("a step that neither sends nor expects anything", "add send or expect, or remove it");
    }
    step(send.as_ref(), expect.as_ref())
}

fn step(send: Option<&Item<'_>>, expect: Option<&Item<'_>>) -> Step {
    Step {
        send: send.and_then(|item| item.parsed("bytes as text", ADVICE, unescape)),
        expect: expect.and_then(|item| expression(item, Pattern::binary)),
    }
}
