//! Chains of mark rules as one list of `[[marks.rule]]`, which has neither chains nor an end of the walk.

use std::collections::BTreeMap;

use toml::Value;

use super::draft::{Entry, Rule};
use super::note::{Notes, Place};
use crate::model::marks::{Condition, MarkOperation, MarkRule, Network, PortRange, Target, Test};
use crate::model::{Family, Protocol};

mod conditions;

use conditions::{Joined, disjoint, implies, join};

/// A rule and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) place: Place,
    /// As it is written.
    pub(super) text: String,
    pub(super) rule: MarkRule,
}

/// The chains that a packet walks through.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The packets that walk here; none is both families.
    pub(super) family: Option<Family>,
    pub(super) entry: String,
    pub(super) chains: BTreeMap<String, Vec<Step>>,
}

/// Something that a list of `[[marks.rule]]` cannot say.
#[derive(Clone, Debug)]
pub(super) struct Unsayable {
    pub(super) place: Place,
    pub(super) why: &'static str,
}

/// Chains within chains, more than anyone has; a loop is refused by netfilter.
const DEEPEST: usize = 16;

/// Chains as a list.
#[derive(Debug, Default)]
pub(super) struct Flattened {
    /// The rules in an order in which the last that matches wins.
    pub(super) rules: Vec<Rule>,
    /// What became of the steps that are no rule.
    pub(super) notes: Notes,
}

/// The chains as a list.
///
/// # Errors
/// The first thing that cannot be said.
pub(super) fn flatten(walk: &Walk) -> Result<Flattened, Unsayable> {
    let mut flat = Flat { walk, stops: Vec::new(), out: Flattened::default() };
    flat.chain(&walk.entry, &[], 0)?;
    Ok(flat.out)
}

/// Packets that do not come to the rules behind.
struct Stop {
    tests: Vec<Test>,
    /// How deep the chain is in which they still come to none.
    depth: usize,
}

struct Flat<'w> {
    walk: &'w Walk,
    stops: Vec<Stop>,
    out: Flattened,
}

impl Flat<'_> {
    fn chain(&mut self, name: &str, outer: &[Test], depth: usize) -> Result<(), Unsayable> {
        let walk = self.walk;
        for step in walk.chains.get(name).into_iter().flatten() {
            let unsayable = |why| Unsayable { place: step.place.clone(), why };
            let tests = match join(outer, &step.rule.tests) {
                Joined::Tests(tests) => tests,
                Joined::Never => {
                    self.out.notes.remark(&step.place, format!("`{}`: no packet comes to it", step.text));
                    continue;
                }
                Joined::Unsayable(why) => return Err(unsayable(why)),
            };
            if depth > DEEPEST {
                return Err(unsayable("the chains are nested too deeply"));
            }
            if !matches!(step.rule.target, Target::Mark(_)) {
                self.out.notes.remark(&step.place, format!("`{}`: where the walk goes is in the rules", step.text));
            }
            match &step.rule.target {
                Target::Mark(operation) => self.mark(step, &tests, *operation)?,
                Target::Jump(chain) => self.chain(chain, &tests, depth + 1)?,
                Target::Goto(chain) => {
                    self.chain(chain, &tests, depth + 1)?;
                    self.stops.push(Stop { tests, depth });
                }
                Target::Return => self.stops.push(Stop { tests, depth }),
                Target::Accept => self.stops.push(Stop { tests, depth: 0 }),
            }
        }
        self.stops.retain(|stop| stop.depth != depth || depth == 0);
        Ok(())
    }

    fn mark(&mut self, step: &Step, tests: &[Test], operation: MarkOperation) -> Result<(), Unsayable> {
        let unsayable = |why| Unsayable { place: step.place.clone(), why };
        for stop in &self.stops {
            if implies(tests, &stop.tests) {
                self.out.notes.remark(&step.place, format!("`{}`: no packet comes to it", step.text));
                return Ok(());
            }
            if !disjoint(tests, &stop.tests) {
                return Err(unsayable("an ACCEPT, RETURN or goto before it ends the walk for some of its packets"));
            }
        }
        let mark = mark_of(operation).ok_or_else(|| unsayable("the bits of a mark can be set, not turned over"))?;
        let Some((tests, family)) = of_one_family(tests, self.walk.family) else {
            self.out.notes.remark(&step.place, format!("`{}`: no packet comes to it", step.text));
            return Ok(());
        };
        // Either port may fit, which takes a rule each; setting the same bits twice is as setting them once.
        for of_side in [Condition::DestinationPorts, Condition::SourcePorts] {
            let tests: Vec<Test> = tests.iter().map(|test| side(test, of_side)).collect();
            let tests = match join(&[], &tests) {
                Joined::Tests(tests) => tests,
                Joined::Never => continue,
                Joined::Unsayable(why) => return Err(unsayable(why)),
            };
            if tests.iter().any(|test| matches!(test.condition, Condition::Ports(_))) {
                return Err(unsayable("that neither port is one of these cannot be said"));
            }
            let keys = keys(&mark, &tests, family);
            let mut notes = Notes::default();
            notes.remark(&step.place, step.text.as_str());
            if tests.iter().any(is_for_others) {
                notes.warn(&step.place, "only TCP and UDP packets are ever looked at: this rule gives none a mark");
            }
            if self.out.rules.last().is_none_or(|last| last.keys != keys) {
                self.out.rules.push(Rule { notes, keys });
            }
        }
        Ok(())
    }
}

/// The tests without those of the family, and the family; none if no packet passes them. As in nft, an address, with
/// "not" or without, makes a rule one for its family.
fn of_one_family(tests: &[Test], family: Option<Family>) -> Option<(Vec<Test>, Option<Family>)> {
    let named = tests.iter().filter_map(|Test { condition, negated }| match (condition, negated) {
        (Condition::Family(Family::Inet), false) | (Condition::Family(Family::Inet6), true) => Some(Family::Inet),
        (Condition::Family(Family::Inet6), false) | (Condition::Family(Family::Inet), true) => Some(Family::Inet6),
        (Condition::Destination(network) | Condition::Source(network), false) => Some(network.family()),
        _other => None,
    });
    let negated = tests.iter().filter_map(network).map(Network::family);
    let mut named = named.chain(family);
    let family = match named.next() {
        Some(first) if named.all(|other| other == first) => Some(first),
        Some(_contradicted) => return None,
        None => negated.into_iter().next(),
    };
    let kept = |test: &&Test| match network(test) {
        Some(network) => Some(network.family()) == family,
        None => !matches!(test.condition, Condition::Family(_)),
    };
    Some((tests.iter().filter(kept).cloned().collect(), family))
}

fn network(test: &Test) -> Option<&Network> {
    match &test.condition {
        Condition::Destination(network) | Condition::Source(network) => Some(network),
        Condition::Family(_)
        | Condition::Protocol(_)
        | Condition::DestinationPorts(_)
        | Condition::SourcePorts(_)
        | Condition::Ports(_)
        | Condition::Interface(_)
        | Condition::Mark { .. } => None,
    }
}

/// The test with its ports, where either may fit, as those of one side.
fn side(test: &Test, of_side: fn(Vec<PortRange>) -> Condition) -> Test {
    let Condition::Ports(ranges) = &test.condition else { return test.clone() };
    if test.negated { test.clone() } else { Test { condition: of_side(ranges.clone()), negated: false } }
}

fn is_for_others(test: &Test) -> bool {
    let ours = [Protocol::Tcp.number(), Protocol::Udp.number()];
    matches!(test.condition, Condition::Protocol(number) if !test.negated && !ours.contains(&number))
}

/// `mark = `: a number, or with the mask of the bits that change.
fn mark_of(operation: MarkOperation) -> Option<Value> {
    let MarkOperation { and, xor } = operation;
    match and {
        0 => Some(xor.into()),
        _ if and & xor != 0 => None,
        _ => Some(format!("{xor:#x}/{:#x}", !and).into()),
    }
}

fn keys(mark: &Value, tests: &[Test], family: Option<Family>) -> Vec<Entry> {
    let mut keys = vec![("mark", mark.clone())];
    // Without an address a rule is for both families.
    if let Some(family) = family
        && tests.iter().all(|test| network(test).is_none())
    {
        let all = if family == Family::Inet { "0.0.0.0/0" } else { "::/0" };
        keys.push(("destination", all.into()));
    }
    for Test { condition, negated } in tests {
        let not = if *negated { "! " } else { "" };
        match condition {
            Condition::Destination(network) => keys.push(("destination", format!("{not}{network}").into())),
            Condition::Source(network) => keys.push(("source", format!("{not}{network}").into())),
            Condition::Protocol(number) => keys.push(("protocol", format!("{not}{}", protocol(*number)).into())),
            Condition::DestinationPorts(ranges) => keys.push(("destination_port", ports(not, ranges))),
            Condition::SourcePorts(ranges) => keys.push(("source_port", ports(not, ranges))),
            Condition::Interface(pattern) => keys.push(("interface", format!("{not}{}", pattern.as_str()).into())),
            Condition::Family(_) | Condition::Ports(_) | Condition::Mark { .. } => {}
        }
    }
    keys
}

fn protocol(number: u8) -> String {
    let known = [Protocol::Tcp, Protocol::Udp].into_iter().find(|known| known.number() == number);
    known.map_or_else(|| number.to_string(), |known| known.to_string().to_lowercase())
}

fn ports(not: &str, ranges: &[PortRange]) -> Value {
    match ranges {
        [PortRange { first, last }] if first == last && not.is_empty() => u32::from(*first).into(),
        ranges => {
            let list = ranges.iter().map(PortRange::to_string).collect::<Vec<_>>().join(",");
            format!("{not}{list}").into()
        }
    }
}
