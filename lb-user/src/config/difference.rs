//! What differs between two files, besides what is in the model: in words.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::{Config, write};
use crate::api::settings::Settings;
use crate::dataplane::Sizes;
use crate::health::{Check, PassiveCheck, Target};
use crate::logging::LogFormat;
use crate::model::policy::Policy;
use crate::model::{Change, Subject};

/// What differs and can be changed while LVX runs; services, timeouts and sysctls are in the
/// [model](crate::model::differences).
pub fn differences(old: &Config, new: &Config) -> Vec<Change> {
    let Config {
        interfaces,
        xdp_mode: _,
        trace: _,
        sizes: _,
        timeouts: _,
        ipvs: _,
        generations_kept,
        follow_netfilter,
        mark_rules,
        services: _,
        api: _,
        metrics: _,
        log: _,
        health,
        passive,
        policies,
        notify,
        vips,
        warnings: _,
    } = new;
    let mut changes = sets(Subject::Interface, &old.interfaces, interfaces);
    let setting = |name, before: String, after: String| {
        Change::of(Subject::Setting, name, Some(&before), Some(&after), String::clone)
    };
    changes.extend(setting("generations.keep", old.generations_kept.to_string(), generations_kept.to_string()));
    changes.extend(setting("marks.follow_netfilter", old.follow_netfilter.to_string(), follow_netfilter.to_string()));
    let rules = |rules: &[_]| rules.iter().map(ToString::to_string).collect::<Vec<String>>();
    changes.extend(sets(Subject::MarkRule, &rules(&old.mark_rules), &rules(mark_rules)));
    changes.extend(setting("notify", write::notify_words(&old.notify), write::notify_words(notify)));
    let words = |vips: &[_]| vips.iter().map(write::vip_words).collect::<Vec<String>>();
    changes.extend(sets(Subject::Vip, &words(&old.vips), &words(vips)));
    let gone = old.policies.keys().filter(|id| !policies.contains_key(id));
    changes.extend(policies.keys().chain(gone).filter_map(|id| {
        let words = |policy: Option<&Policy>, notify| policy.map(|policy| write::policy_words(*id, policy, notify));
        let (before, after) = (words(old.policies.get(id), &old.notify), words(policies.get(id), notify));
        Change::of(Subject::Policy, id, before.as_ref(), after.as_ref(), String::clone)
    }));
    let gone = old.health.keys().filter(|target| !health.contains_key(target));
    changes.extend(health.keys().chain(gone).filter_map(|target| {
        let before = old.health.get(target).map(|check| (check, old.passive.get(target)));
        let after = health.get(target).map(|check| (check, passive.get(target)));
        let words = |(check, passive): &(&Check, Option<&PassiveCheck>)| write::health_words(target, check, *passive);
        Change::of(Subject::Health, name(target), before.as_ref(), after.as_ref(), words)
    }));
    changes
}

/// What differs and stays as it is until LVX is started anew.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<Change> {
    let Sizes { connections, templates, services, real_servers } = new.sizes;
    let sizes = [
        ("sizes.connections", old.sizes.connections, connections),
        ("sizes.templates", old.sizes.templates, templates),
        ("sizes.services", old.sizes.services, services),
        ("sizes.real_servers", old.sizes.real_servers, real_servers),
    ];
    let size = |(name, old, new)| Change::of(Subject::Setting, name, Some(&old), Some(&new), u32::to_string);
    let mode = |mode: &crate::dataplane::Mode| mode.name().to_owned();
    let mode = Change::of(Subject::Setting, "xdp_mode", Some(&old.xdp_mode), Some(&new.xdp_mode), mode);
    let address = |address: &SocketAddr| address.to_string();
    let metrics = Change::of(Subject::Setting, "metrics.listen", old.metrics.as_ref(), new.metrics.as_ref(), address);
    let format = |format: &LogFormat| format.name().to_owned();
    let log = Change::of(Subject::Setting, "log.format", Some(&old.log), Some(&new.log), format);
    let others = mode.into_iter().chain(metrics).chain(log).chain(api(&old.api, &new.api));
    sizes.into_iter().filter_map(size).chain(others).collect()
}

/// `[api]`, key by key.
fn api(old: &Settings, new: &Settings) -> Vec<Change> {
    let (old, new) = (write::api_words(old), write::api_words(new));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let of = |key: &String| {
        Change::of(Subject::Setting, format!("api.{key}"), old.get(key), new.get(key), toml::Value::to_string)
    };
    keys.into_iter().filter_map(of).collect()
}

fn name(target: &Target) -> String {
    let Target { id, address, port } = target;
    format!("{id} -> {}", std::net::SocketAddr::new(*address, *port))
}

/// What comes and goes of a list; where only its order differs, the whole of it.
fn sets(subject: Subject, old: &[String], new: &[String]) -> Vec<Change> {
    let change = |name: &String, before: bool| {
        let there = Some(String::new());
        let (before, after) = if before { (there, None) } else { (None, there) };
        Change { subject, name: name.clone(), before, after }
    };
    let gone = old.iter().filter(|name| !new.contains(name)).map(|name| change(name, true));
    let came = new.iter().filter(|name| !old.contains(name)).map(|name| change(name, false));
    let mut changes: Vec<_> = gone.chain(came).collect();
    if changes.is_empty() {
        let words = |list: &&[String]| list.join("; ");
        changes.extend(Change::of(subject, "order", Some(&old), Some(&new), words));
    }
    changes
}
