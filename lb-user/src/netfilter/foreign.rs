//! Marks that nftables gives outside iptables' mangle tables.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::{Origin, Unsupported};

/// What `nft -j list ruleset` prints.
#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Object>,
}

/// An element of the listing; the keys say which.
#[derive(Deserialize)]
struct Object {
    chain: Option<Chain>,
    rule: Option<Rule>,
    map: Option<Map>,
}

#[derive(Deserialize)]
struct Chain {
    family: String,
    table: String,
    name: String,
    hook: Option<String>,
}

#[derive(Deserialize)]
struct Rule {
    family: String,
    table: String,
    chain: String,
    expr: Value,
}

/// A named map, perhaps of verdicts.
#[derive(Deserialize)]
struct Map {
    family: String,
    table: String,
    #[serde(default)]
    elem: Value,
}

/// The hooks that a packet passes after XDP and before IPVS.
const HOOKS: [&str; 3] = ["ingress", "prerouting", "input"];

/// The chains that give marks, one entry each, in those of the tables that are named (`inet filter`).
pub(super) fn marks(listing: &str, tables: &[&str]) -> Result<Vec<Unsupported>, serde_json::Error> {
    let Listing { nftables: objects } = serde_json::from_str(listing)?;
    let marking: BTreeSet<_> = rules(&objects)
        .filter(|rule| gives_mark(&rule.expr))
        .map(|rule| (format!("{} {}", rule.family, rule.table), rule.chain.as_str()))
        .filter(|(table, chain)| tables.contains(&table.as_str()) && reachable(&objects, table).contains(chain))
        .collect();
    Ok(marking.into_iter().map(|(table, chain)| unsupported(format!("table {table}, chain {chain}"), MARKS)).collect())
}

/// What can be said of tables when nft is not installed. iptables' own seldom give marks, and are everywhere.
pub(super) fn unseen(tables: &[&str]) -> Vec<Unsupported> {
    let unknown = tables.iter().filter(|table| !IPTABLES.contains(table) && !table.starts_with("arp "));
    unknown.map(|table| unsupported(format!("table {table}"), UNSEEN)).collect()
}

const MARKS: &str = "it changes marks, which LVX does not follow: it follows what iptables-nft-save and \
                     ip6tables-nft-save print of mangle PREROUTING, if they are installed";
const UNSEEN: &str = "whether it changes marks cannot be seen, as nft is not installed";

/// The tables that iptables makes besides mangle.
const IPTABLES: [&str; 8] =
    ["ip filter", "ip nat", "ip raw", "ip security", "ip6 filter", "ip6 nat", "ip6 raw", "ip6 security"];

fn unsupported(what: String, why: &str) -> Unsupported {
    Unsupported { origin: Origin::Nftables, what, why: why.to_owned() }
}

fn rules(objects: &[Object]) -> impl Iterator<Item = &Rule> {
    objects.iter().filter_map(|object| object.rule.as_ref())
}

/// The chains of a table that packets on their way to IPVS reach.
fn reachable<'a>(objects: &'a [Object], table: &str) -> BTreeSet<&'a str> {
    let here = |family: &str, name: &str| table == format!("{family} {name}");
    let mut open = Vec::new();
    for object in objects {
        match object {
            Object { chain: Some(Chain { family, table, name, hook: Some(hook) }), .. }
                if here(family, table) && HOOKS.contains(&hook.as_str()) =>
            {
                open.push(name.as_str());
            }
            // Which rules look into a map of verdicts is not followed: all might.
            Object { map: Some(Map { family, table, elem }), .. } if here(family, table) => targets(elem, &mut open),
            Object { .. } => {}
        }
    }
    let mut reached = BTreeSet::new();
    while let Some(chain) = open.pop() {
        if reached.insert(chain) {
            let inside = rules(objects).filter(|rule| rule.chain == chain && here(&rule.family, &rule.table));
            inside.for_each(|rule| targets(&rule.expr, &mut open));
        }
    }
    reached
}

/// The chains that jumps and gotos anywhere in an expression lead to.
fn targets<'a>(expression: &'a Value, found: &mut Vec<&'a str>) {
    match expression {
        Value::Array(elements) => elements.iter().for_each(|element| targets(element, found)),
        Value::Object(members) => {
            for (name, value) in members {
                if matches!(name.as_str(), "jump" | "goto") {
                    found.extend(value.get("target").and_then(Value::as_str));
                }
                targets(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `meta mark set ...`, or one of iptables' targets that may do the same.
fn gives_mark(expressions: &Value) -> bool {
    let own = |expression: &Value| expression.pointer("/mangle/key/meta/key").is_some_and(|key| key == "mark");
    let iptables = |expression: &Value| {
        let named = |pointer: &str, name: &str| expression.pointer(pointer).is_some_and(|value| value == name);
        named("/xt/type", "target") && named("/xt/name", "MARK")
    };
    expressions.as_array().is_some_and(|list| list.iter().any(|expression| own(expression) || iptables(expression)))
}

#[cfg(test)]
mod tests;
