//! A [`Config`] as the text of a file, which read again gives the same: `lvx export`.
//!
//! What is at its default is left out. Templates and defaults of a file that was applied are not told apart any more:
//! each service says all of its own.

mod api;
mod health;
mod policy;
mod service;
mod vips;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;
use serde::ser::Error as _;

use super::Config;
use crate::dataplane::{Mode, Sizes};
use crate::model::marks::{MarkRule, MarkRuleConfig};
use crate::model::policy::Policy;
use crate::model::{Timeouts, sysctls};

use api::ApiTable;
pub(super) use api::words as api_words;
pub(super) use health::words as health_words;
use policy::NotifyTable;
pub(super) use policy::{notify_words, words as policy_words};
use service::{Checks, ServiceTable};
use vips::VipTable;
pub(super) use vips::words as vip_words;

/// The file, key by key in the order in which it is written.
#[derive(Serialize)]
struct File<'c> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    interfaces: &'c [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    xdp_mode: Option<Mode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sizes: Option<Sizes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeouts: Option<Timeouts>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ipvs: BTreeMap<&'static str, u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generations: Option<GenerationsTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marks: Option<MarksTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<ApiTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<MetricsTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<LogTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<NotifyTable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vip: Vec<VipTable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    service: Vec<ServiceTable>,
}

#[derive(Serialize)]
struct GenerationsTable {
    keep: u32,
}

#[derive(Serialize)]
struct MetricsTable {
    listen: SocketAddr,
}

#[derive(Serialize)]
struct LogTable {
    format: &'static str,
}

#[derive(Serialize)]
struct MarksTable {
    follow_netfilter: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rule: Vec<MarkRuleConfig>,
}

/// The text of a file that says the same.
///
/// # Errors
/// Something in the config has no words in a file.
pub fn write(config: &Config) -> Result<String, toml::ser::Error> {
    let Config {
        interfaces,
        xdp_mode,
        // Only the command line asks for it.
        trace: _,
        sizes,
        timeouts,
        ipvs,
        generations_kept,
        follow_netfilter,
        mark_rules,
        services,
        api,
        metrics,
        log,
        health,
        passive,
        policies,
        notify,
        vips,
        // They are about a file that was read.
        warnings: _,
    } = config;
    let default = Config::default();
    let differ = |sysctl: &&sysctls::Sysctl| sysctl.get(ipvs) != sysctl.get(&default.ipvs);
    let keep = *generations_kept;
    let default_policy = Policy::default();
    toml::to_string(&File {
        interfaces,
        xdp_mode: (*xdp_mode != default.xdp_mode).then_some(*xdp_mode),
        sizes: (*sizes != default.sizes).then_some(*sizes),
        timeouts: (*timeouts != default.timeouts).then_some(*timeouts),
        ipvs: sysctls::ALL.iter().filter(differ).map(|sysctl| (sysctl.name, sysctl.get(ipvs))).collect(),
        generations: (keep != default.generations_kept).then_some(GenerationsTable { keep }),
        marks: marks(*follow_netfilter, mark_rules)?,
        api: (*api != default.api).then(|| ApiTable::of(api)),
        metrics: metrics.map(|listen| MetricsTable { listen }),
        log: (*log != default.log).then(|| LogTable { format: log.name() }),
        notify: (*notify != default.notify).then(|| NotifyTable::of(notify, &default.notify)),
        vip: vips.iter().map(VipTable::of).collect(),
        service: services
            .iter()
            .map(|service| {
                let policy = policies.get(&service.id).unwrap_or(&default_policy);
                ServiceTable::of(service, &Checks { active: health, passive }, policy, notify)
            })
            .collect(),
    })
}

fn marks(follow_netfilter: bool, rules: &[MarkRule]) -> Result<Option<MarksTable>, toml::ser::Error> {
    let unsaid = |rule: &MarkRule| toml::ser::Error::custom(format!("the mark rule `{rule}` has no words in a file"));
    let rule: Vec<_> =
        rules.iter().map(|rule| MarkRuleConfig::of(rule).ok_or_else(|| unsaid(rule))).collect::<Result<_, _>>()?;
    Ok((!follow_netfilter || !rule.is_empty()).then_some(MarksTable { follow_netfilter, rule }))
}

#[cfg(test)]
mod tests;
