//! Saying things once: `[defaults.service]`, `[defaults.real_server]` and `[template.NAME]`.
//!
//! A service is read as a chain of tables: its own, its templates from the last to the first, the defaults. So every key of a
//! service can be inherited, and none of the readers of keys knows of it.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::item::Item;
use super::section::{Layer, Section};
use super::suggestion;

/// What makes a service the one that it is, and so cannot be said for several.
pub(super) const SERVICE_ITSELF: [&str; 5] = ["tcp", "udp", "mark", "ipv6", "template"];

/// What makes a real server the one that it is.
pub(super) const SERVER_ITSELF: [&str; 1] = ["address"];

/// What services and real servers inherit.
#[derive(Default)]
pub(super) struct Inheritance<'d> {
    service: Option<Layer<'d>>,
    real_server: Option<Layer<'d>>,
    templates: BTreeMap<&'d str, Template<'d>>,
}

struct Template<'d> {
    item: Item<'d>,
    layer: Layer<'d>,
    used: Cell<bool>,
}

impl<'d> Inheritance<'d> {
    /// Reads `defaults.service` and `defaults.real_server`.
    pub(super) fn defaults(&mut self, defaults: &Section<'d>) {
        self.service = defaults.get("service").and_then(|item| layer(&item, &SERVICE_ITSELF));
        self.real_server = defaults.get("real_server").and_then(|item| layer(&item, &SERVER_ITSELF));
    }

    /// Reads `template`.
    pub(super) fn templates(&mut self, root: &Section<'d>) {
        let entries = root.get("template").map(|item| item.entries()).unwrap_or_default();
        let templates = entries.into_iter().filter_map(|(name, item)| {
            let layer = layer(&item, &SERVICE_ITSELF)?;
            Some((name, Template { item, layer, used: Cell::new(false) }))
        });
        self.templates = templates.collect();
    }

    /// What a service inherits, nearest first.
    pub(super) fn of_service(&self, service: &Item<'d>) -> Vec<Layer<'d>> {
        let named = match service.at("template") {
            Some(item) if item.is_list() => item.list(),
            item => item.into_iter().collect(),
        };
        let templates: Vec<_> = named.iter().filter_map(|name| self.template(name)).collect();
        templates.into_iter().rev().chain(self.service.clone()).collect()
    }

    /// What each real server inherits.
    pub(super) fn of_real_server(&self) -> Vec<Layer<'d>> {
        self.real_server.iter().cloned().collect()
    }

    /// Names the templates that no service has asked for.
    pub(super) fn warn_of_unused(&self) {
        for template in self.templates.values().filter(|template| !template.used.get()) {
            template.item.warn("no service uses this template", "what it says was not looked at");
        }
    }

    fn template(&self, name: &Item<'d>) -> Option<Layer<'d>> {
        let text = name.string()?;
        let Some(template) = self.templates.get(text) else {
            let known: Vec<_> = self.templates.keys().copied().collect();
            let advice = match suggestion::nearest(text, &known) {
                Some(known) => format!("did you mean \"{known}\"?"),
                None => format!("add [template.{text}]"),
            };
            name.refuse(&format!("there is no template {}", name.written()), &advice);
            return None;
        };
        template.used.set(true);
        Some(template.layer.clone())
    }
}

/// A table that others inherit from, without what is for one alone.
fn layer<'d>(item: &Item<'d>, itself: &[&str]) -> Option<Layer<'d>> {
    for key in itself.iter().filter_map(|key| item.at(key)) {
        key.refuse("is for one alone, and cannot be inherited", "move it to the one that it belongs to");
    }
    item.layer()
}
