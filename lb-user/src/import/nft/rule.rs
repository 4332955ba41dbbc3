//! One rule of nft, as mark rules.

use std::str::FromStr;

use super::lexer::Statement;
use crate::model::Family;
use crate::model::marks::{
    Condition, InterfacePattern, MarkOperation, MarkRule, PortRange, Target, Test, parse_mark, parse_protocol,
};

/// The words of a rule that are still to be read.
struct Words<'a>(std::slice::Iter<'a, &'a str>);

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.0.next().copied()
    }

    fn peek(&self) -> Option<&'a str> {
        self.0.as_slice().first().copied()
    }

    fn need(&mut self) -> Result<&'a str, String> {
        self.next().ok_or_else(|| "it ends too early".to_owned())
    }

    fn skip(&mut self, word: &str) -> bool {
        let there = self.peek() == Some(word);
        if there {
            self.next();
        }
        there
    }

    /// `[!=|==] value`, or `{ value, value }`.
    fn values(&mut self) -> Result<(bool, Vec<&'a str>), String> {
        let negated = self.skip("!=");
        self.skip("==");
        let first = self.need()?;
        if first.starts_with('@') || matches!(first, "vmap" | "map" | "&" | "<" | ">" | "<=" | ">=") {
            return Err(format!("LVX has nothing like `{first}`"));
        }
        if first != "{" {
            return Ok((negated, vec![first]));
        }
        let mut values = Vec::new();
        loop {
            match self.need()? {
                "}" => return Ok((negated, values)),
                "," => {}
                value => values.push(value),
            }
        }
    }
}

/// The mark rules that do the same; none where it does nothing to marks and to the walk.
///
/// # Errors
/// What LVX has nothing like.
pub(super) fn read(statement: &Statement) -> Result<Vec<MarkRule>, String> {
    let words = statement.words();
    let mut words = Words(words.iter());
    // Each a list of tests of which one must hold.
    let mut tests: Vec<Vec<Test>> = Vec::new();
    let mut targets = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "counter" => {
                for name in ["packets", "bytes"] {
                    if words.skip(name) {
                        words.need()?;
                    }
                }
            }
            "comment" => drop(words.need()?),
            "accept" => targets.push(Target::Accept),
            "return" => targets.push(Target::Return),
            "continue" => {}
            "jump" => targets.push(Target::Jump(words.need()?.to_owned())),
            "goto" => targets.push(Target::Goto(words.need()?.to_owned())),
            "mark" | "meta" if is_mark(word, &mut words) => match mark(&mut words)? {
                Mark::Set(operation) => targets.push(Target::Mark(operation)),
                Mark::Tested(test) => tests.push(vec![test]),
            },
            "meta" => tests.push(meta(words.need()?, &mut words)?),
            "tcp" | "udp" | "sctp" | "dccp" | "udplite" => {
                tests.push(vec![Test { condition: protocol(word)?, negated: false }]);
                tests.push(vec![ports(&mut words)?]);
            }
            "th" => tests.push(vec![ports(&mut words)?]),
            other => tests.push(network(other, &mut words)?),
        }
    }
    Ok(product(&tests, &targets))
}

fn is_mark(word: &str, words: &mut Words<'_>) -> bool {
    word == "mark" || words.skip("mark")
}

enum Mark {
    Set(MarkOperation),
    Tested(Test),
}

/// What follows `meta mark`.
fn mark(words: &mut Words<'_>) -> Result<Mark, String> {
    if !words.skip("set") {
        let (negated, values) = words.values()?;
        let [value] = values[..] else { return Err("LVX looks at one mark, not at a set".to_owned()) };
        let (value, mask) = parse_mark(value).map_err(|malformed| malformed.to_string())?;
        return Ok(Mark::Tested(Test { condition: Condition::Mark { value, mask }, negated }));
    }
    let mut operation = MarkOperation { and: u32::MAX, xor: 0 };
    let first = words.need()?;
    if first == "mark" || first == "meta" && words.skip("mark") {
        while let Some(operator @ ("and" | "&" | "or" | "|" | "xor" | "^")) = words.peek() {
            words.next();
            let value = number(words.need()?)?;
            operation = match operator {
                "and" | "&" => MarkOperation { and: operation.and & value, xor: operation.xor & value },
                "or" | "|" => MarkOperation { and: operation.and & !value, xor: operation.xor | value },
                _xor => MarkOperation { and: operation.and, xor: operation.xor ^ value },
            };
        }
        return Ok(Mark::Set(operation));
    }
    Ok(Mark::Set(MarkOperation::set_mark(number(first)?, u32::MAX)))
}

fn number(word: &str) -> Result<u32, String> {
    let whole = parse_mark(word).ok().filter(|(_, mask)| *mask == u32::MAX);
    whole.map(|(value, _)| value).ok_or_else(|| format!("LVX has nothing like a mark of `{word}`"))
}

fn meta(key: &str, words: &mut Words<'_>) -> Result<Vec<Test>, String> {
    let (negated, values) = match key {
        "l4proto" | "protocol" | "nfproto" | "iifname" | "iif" => words.values()?,
        _other => return Err(format!("LVX has nothing like `meta {key}`")),
    };
    match key {
        "l4proto" => alternatives(negated, &values, protocol),
        "iifname" | "iif" => alternatives(negated, &values, interface),
        _family => alternatives(negated, &values, |value| match value {
            "ipv4" | "ip" => Ok(Condition::Family(Family::Inet)),
            "ipv6" | "ip6" => Ok(Condition::Family(Family::Inet6)),
            other => Err(format!("`{other}` is no family of LVX'")),
        }),
    }
}

fn network(word: &str, words: &mut Words<'_>) -> Result<Vec<Test>, String> {
    let network = |value: &str| value.parse().map_err(|_error| format!("`{value}` is not an address or a prefix"));
    match word {
        "iifname" | "iif" => {
            let (negated, values) = words.values()?;
            alternatives(negated, &values, interface)
        }
        "ip" | "ip6" => {
            let field = words.need()?;
            let (negated, values) = words.values()?;
            match field {
                "daddr" => alternatives(negated, &values, |value| network(value).map(Condition::Destination)),
                "saddr" => alternatives(negated, &values, |value| network(value).map(Condition::Source)),
                "protocol" | "nexthdr" => alternatives(negated, &values, protocol),
                other => Err(format!("LVX has nothing like `{word} {other}`")),
            }
        }
        other => Err(format!("LVX has nothing like `{other}`")),
    }
}

/// `dport 80`, `sport { 80, 443 }`
fn ports(words: &mut Words<'_>) -> Result<Test, String> {
    let field = words.need()?;
    if !matches!(field, "dport" | "sport") {
        return Err(format!("LVX has nothing like `{field}`"));
    }
    let (negated, values) = words.values()?;
    let ranges = values.iter().map(|value| port(value)).collect::<Result<Vec<_>, _>>()?;
    let destination = field == "dport";
    let condition = if destination { Condition::DestinationPorts(ranges) } else { Condition::SourcePorts(ranges) };
    Ok(Test { condition, negated })
}

/// Each value a test of its own: one of them must hold, or with "not" none.
fn alternatives(
    negated: bool,
    values: &[&str],
    read: impl Fn(&str) -> Result<Condition, String>,
) -> Result<Vec<Test>, String> {
    if negated && values.len() != 1 {
        return Err("LVX has no \"none of these\" but for ports".to_owned());
    }
    values.iter().map(|value| Ok(Test { condition: read(value)?, negated })).collect()
}

fn protocol(value: &str) -> Result<Condition, String> {
    parse_protocol(value).map(Condition::Protocol).map_err(|malformed| malformed.to_string())
}

fn interface(value: &str) -> Result<Condition, String> {
    let name = value.trim_matches('"');
    let name = name.strip_suffix('*').map_or_else(|| name.to_owned(), |start| format!("{start}+"));
    InterfacePattern::from_str(&name).map(Condition::Interface).map_err(|malformed| malformed.to_string())
}

fn port(value: &str) -> Result<PortRange, String> {
    value.replace('-', ":").parse().map_err(|_error| format!("`{value}` is not a port; list the rules with nft -n"))
}

/// A rule for each combination and each thing that it does.
fn product(tests: &[Vec<Test>], targets: &[Target]) -> Vec<MarkRule> {
    let mut combinations = vec![Vec::new()];
    for alternatives in tests {
        let longer = |tests: &Vec<Test>| {
            let tests = tests.clone();
            alternatives.iter().map(move |test| [tests.clone(), vec![test.clone()]].concat()).collect::<Vec<_>>()
        };
        combinations = combinations.iter().flat_map(longer).collect();
    }
    let rule = |tests: &Vec<Test>, target: &Target| MarkRule { tests: tests.clone(), target: target.clone() };
    combinations.iter().flat_map(|tests| targets.iter().map(move |target| rule(tests, target))).collect()
}

/// The priority of a chain: a name, a number, or a name and a difference (`mangle - 5`).
pub(super) fn priority(text: &str) -> Option<i64> {
    let split = text.find(['+', '-']).filter(|at| *at > 0).unwrap_or(text.len());
    let (name, difference) = text.split_at_checked(split)?;
    let base = match name {
        "raw" => -300,
        "mangle" => -150,
        "dstnat" => -100,
        "filter" => 0,
        "security" => 50,
        "srcnat" => 100,
        number => number.parse().ok()?,
    };
    let difference = if difference.is_empty() { 0 } else { difference.parse().ok()? };
    Some(base + difference)
}
