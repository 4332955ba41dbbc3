//! How an smtp check introduces itself.

use std::sync::Arc;

use crate::health::{CheckKind, SmtpCheck};

use super::keys::Keys;
use super::tls;

pub(super) fn read(keys: &Keys<'_, '_>, outer: &CheckKind) -> CheckKind {
    let outer = if let CheckKind::Smtp(outer) = outer { (**outer).clone() } else { SmtpCheck::default() };
    let name = |text: &str| {
        let plain = !text.is_empty() && text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| text.to_owned())
    };
    let helo = keys.take("helo").and_then(|item| item.parsed("a host name", "write \"lvx.example.com\"", name));
    let tls = tls::optional(keys, outer.tls.as_ref());
    CheckKind::Smtp(Arc::new(SmtpCheck { helo: helo.unwrap_or(outer.helo), tls }))
}
