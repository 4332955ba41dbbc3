//! What becomes of servers that fail, and who is told: quorum, sorry server, slow start, notifications.

use std::ops::RangeInclusive;
use std::time::Duration;

use hyper::Uri;

use crate::model::policy::{AllDown, Notify, OnFailure, Policy, ServerPolicy, Subject};
use crate::model::{ForwardingMethod, RealServer, ServiceId};

use super::identity;
use super::item::Item;
use super::section::Section;
use super::server::{port_in, refuse_other_family};

pub(super) const SLOW_START: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

/// Schemes of URLs that can be posted to.
const SCHEMES: [&str; 1] = ["http"];

/// The rules of a service, but those of its single servers.
pub(super) fn service(section: &Section<'_>, id: Option<ServiceId>, outer: &Notify) -> Policy {
    let default = Policy::default();
    let all_down = section.get("all_down");
    let choices = [("refuse", AllDown::Refuse), ("all", AllDown::All)];
    let policy = Policy {
        quorum: section.number("quorum", 1..=u32::MAX).unwrap_or(default.quorum),
        hysteresis: section.number("hysteresis", 0..=u32::MAX).unwrap_or(default.hysteresis),
        on_failure: on_failure(section).unwrap_or_default(),
        alpha: section.boolean("alpha").unwrap_or(false),
        all_down: all_down.as_ref().and_then(|item| item.choice(&choices)).unwrap_or_default(),
        slow_start: slow_start(section).unwrap_or_default(),
        sorry_server: section.table("sorry_server", |section| sorry_server(section, id)).flatten(),
        notify: section.get("notify").map(|item| notify(&item, outer)),
        ..default
    };
    if let Some(item) = all_down.filter(|_| policy.all_down == AllDown::All) {
        if policy.sorry_server.is_some() {
            item.refuse("when all are down, either all serve or the sorry server does", "remove one of the two");
        }
        if policy.alpha {
            item.refuse("with alpha all count as down until they answered, and so all would serve", "remove one");
        }
    }
    policy
}

/// What a server has instead of its service's rules.
pub(super) fn server(section: &Section<'_>) -> ServerPolicy {
    ServerPolicy { on_failure: on_failure(section), slow_start: slow_start(section) }
}

fn on_failure(section: &Section<'_>) -> Option<OnFailure> {
    section.get("on_failure")?.choice(&[("remove", OnFailure::Remove), ("inhibit", OnFailure::Inhibit)])
}

fn slow_start(section: &Section<'_>) -> Option<Duration> {
    section.duration("slow_start", SLOW_START)
}

fn sorry_server(section: &Section<'_>, id: Option<ServiceId>) -> Option<RealServer> {
    let item = section.require("address", "add address = \"192.0.2.99\"")?;
    let (address, port) = identity::real_server(&item)?;
    let id = id?;
    refuse_other_family(&item, address, id.family());
    let port = port_in(&item, port, id);
    let method = ForwardingMethod::Gate;
    Some(RealServer { address, port, weight: 1, method, upper_threshold: 0, lower_threshold: 0 })
}

/// `notify`: false, or what differs from `outer`.
pub(super) fn notify(item: &Item<'_>, outer: &Notify) -> Notify {
    if item.is_boolean() {
        if item.boolean() == Some(true) {
            item.refuse("true says nobody", "write notify = { command = [\"/path/to/program\"] }, or false");
        }
        return Notify::default();
    }
    item.table(|section| notify_keys(section, outer)).unwrap_or_default()
}

fn notify_keys(section: &Section<'_>, outer: &Notify) -> Notify {
    let webhook = section.get("webhook").map(|item| {
        item.parsed("a URL", "write \"http://192.0.2.1:8080/lvx\"", |text| is_url(text).then(|| text.to_owned()))
    });
    Notify {
        command: section.get("command").map_or_else(|| outer.command.clone(), |item| command(&item)),
        webhook: webhook.unwrap_or_else(|| outer.webhook.clone()),
        on: section.get("on").map_or_else(|| outer.on.clone(), |item| subjects(&item)),
    }
}

fn command(item: &Item<'_>) -> Vec<String> {
    let words: Vec<_> = item.list().iter().filter_map(|word| Some(word.string()?.to_owned())).collect();
    if words.first().is_some_and(|program| !program.starts_with('/')) {
        item.refuse("the program is not an absolute path", "write command = [\"/usr/local/bin/told\", \"argument\"]");
    }
    words
}

fn subjects(item: &Item<'_>) -> Vec<Subject> {
    let choices = Subject::ALL.map(|subject| (subject.name(), subject));
    item.list().iter().filter_map(|word| word.choice(&choices)).collect()
}

fn is_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|url| {
        url.host().is_some_and(|host| !host.is_empty()) && url.scheme_str().is_some_and(|it| SCHEMES.contains(&it))
    })
}
