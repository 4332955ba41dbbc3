//! One rule as `iptables-save` prints it.

use std::collections::BTreeSet;

use crate::model::Protocol;
use crate::model::marks::{
    Condition, Malformed, MarkOperation, MarkRule, Target, Test, parse_mark, parse_ports, parse_protocol,
};

/// What a rule does, as far as marks are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Gives a mark, or leads the walk elsewhere.
    Do(Target),
    /// Drops the packet.
    Drop,
    /// May change the mark in a way that cannot be known beforehand, and why.
    Unknown(String),
    /// Leaves mark and walk alone.
    Nothing,
}

/// A rule, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The tests that could be read.
    pub(super) tests: Vec<Test>,
    /// Why there are others, if there are.
    pub(super) obstacle: Option<String>,
    /// What it does.
    pub(super) verb: Verb,
}

impl Rule {
    /// The rule for the model, if the model can say it.
    pub(super) fn expressed(&self) -> Option<MarkRule> {
        match (&self.verb, &self.obstacle) {
            (Verb::Do(target), None) => Some(MarkRule { tests: self.tests.clone(), target: target.clone() }),
            (Verb::Do(_) | Verb::Drop | Verb::Unknown(_) | Verb::Nothing, _) => None,
        }
    }

    /// Whether it may be for packets of virtual services, which are TCP or UDP.
    pub(super) fn concerns_services(&self) -> bool {
        let ours = |number| number == 0 || [Protocol::Tcp, Protocol::Udp].iter().any(|known| known.number() == number);
        self.tests.iter().all(|test| match test.condition {
            Condition::Protocol(number) => test.negated || ours(number),
            Condition::Family(_)
            | Condition::Destination(_)
            | Condition::Source(_)
            | Condition::DestinationPorts(_)
            | Condition::SourcePorts(_)
            | Condition::Ports(_)
            | Condition::Interface(_)
            | Condition::Mark { .. } => true,
        })
    }
}

/// Targets that end no walk and touch no packet mark.
const HARMLESS: [&str; 23] = [
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNSECMARK",
    "CT",
    "DSCP",
    "ECN",
    "HL",
    "IDLETIMER",
    "LED",
    "LOG",
    "NFLOG",
    "NOTRACK",
    "RATEEST",
    "SECMARK",
    "SET",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TRACE",
    "TTL",
    "ULOG",
];

/// Reads what follows `-A CHAIN`; `chains` are the names of the table's own chains.
pub(super) fn parse(words: &[String], chains: &BTreeSet<&str>) -> Rule {
    let mut words = words.iter().map(String::as_str);
    let mut rule = Rule { tests: Vec::new(), obstacle: None, verb: Verb::Nothing };
    let (mut module, mut negated) = ("", false);
    while let Some(word) = words.next() {
        match word {
            "!" => {
                negated = true;
                continue;
            }
            "-m" | "--match" => module = words.next().unwrap_or_default(),
            "-j" | "--jump" | "-g" | "--goto" => {
                let name = words.next().unwrap_or_default();
                let options: Vec<_> = words.by_ref().collect();
                rule.verb = if chains.contains(name) {
                    let goto = matches!(word, "-g" | "--goto");
                    Verb::Do(if goto { Target::Goto(name.to_owned()) } else { Target::Jump(name.to_owned()) })
                } else {
                    verb(name, &options)
                };
            }
            "--comment" if module == "comment" => {
                words.next();
            }
            option => match condition(module, option, &mut words) {
                Ok(condition) => rule.tests.push(Test { condition, negated }),
                Err(why) => rule.obstacle = rule.obstacle.or(Some(why)),
            },
        }
        if word == "-m" && !KNOWN_MODULES.contains(&module) {
            rule.obstacle = rule.obstacle.or_else(|| Some(format!("XDP cannot evaluate the match `{module}`")));
        }
        negated = false;
    }
    rule
}

/// Matches of which at least some options can be expressed.
const KNOWN_MODULES: [&str; 8] = ["comment", "dccp", "mark", "multiport", "sctp", "tcp", "udp", "udplite"];

fn condition<'a>(module: &str, option: &str, words: &mut impl Iterator<Item = &'a str>) -> Result<Condition, String> {
    let unknown = || format!("XDP cannot evaluate `{option}`");
    let mut value = || words.next().ok_or_else(|| format!("`{option}` has no value"));
    let said = |malformed: Malformed| malformed.to_string();
    match (module, option) {
        (_, "-s" | "--source") => value()?.parse().map(Condition::Source).map_err(said),
        (_, "-d" | "--destination") => value()?.parse().map(Condition::Destination).map_err(said),
        (_, "-i" | "--in-interface") => value()?.parse().map(Condition::Interface).map_err(said),
        (_, "-p" | "--protocol") => parse_protocol(value()?).map(Condition::Protocol).map_err(said),
        ("mark", "--mark") => {
            let (value, mask) = parse_mark(value()?).map_err(said)?;
            Ok(Condition::Mark { value, mask })
        }
        ("tcp" | "udp" | "udplite" | "sctp" | "dccp", "--dport" | "--destination-port")
        | ("multiport", "--dports" | "--destination-ports") => {
            parse_ports(value()?).map(Condition::DestinationPorts).map_err(said)
        }
        ("tcp" | "udp" | "udplite" | "sctp" | "dccp", "--sport" | "--source-port")
        | ("multiport", "--sports" | "--source-ports") => {
            parse_ports(value()?).map(Condition::SourcePorts).map_err(said)
        }
        ("multiport", "--ports" | "--port") => parse_ports(value()?).map(Condition::Ports).map_err(said),
        _ => Err(unknown()),
    }
}

/// What a target that is no chain of the table does.
fn verb(name: &str, options: &[&str]) -> Verb {
    match name {
        "ACCEPT" => Verb::Do(Target::Accept),
        "RETURN" => Verb::Do(Target::Return),
        "DROP" => Verb::Drop,
        "MARK" => match mark(options) {
            Some(operation) => Verb::Do(Target::Mark(operation)),
            None => Verb::Unknown(format!("XDP cannot do `MARK {}`", options.join(" "))),
        },
        "CONNMARK" if options.contains(&"--restore-mark") => {
            Verb::Unknown("the mark comes from connection tracking, which XDP does not see".to_owned())
        }
        "CONNMARK" => Verb::Nothing,
        harmless if HARMLESS.contains(&harmless) => Verb::Nothing,
        other => Verb::Unknown(format!("XDP cannot do what the target {other} does")),
    }
}

fn mark(options: &[&str]) -> Option<MarkOperation> {
    let [option, value] = options else { return None };
    let (value, mask) = parse_mark(value).ok()?;
    match *option {
        "--set-xmark" => Some(MarkOperation::set_xmark(value, mask)),
        "--set-mark" => Some(MarkOperation::set_mark(value, mask)),
        "--and-mark" => Some(MarkOperation { and: value, xor: 0 }),
        "--or-mark" => Some(MarkOperation::set_xmark(value, value)),
        "--xor-mark" => Some(MarkOperation { and: u32::MAX, xor: value }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Rule {
        parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>(), &["WEB", "SUB"].into_iter().collect())
    }

    #[test]
    fn rules_that_can_be_expressed() {
        let rows = [
            (
                "-d 172.16.100.1/32 -i eth0 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x8/0xffffffff",
                "-d 172.16.100.1/32 -i eth0 -p tcp --dport 80 -j MARK --set-mark 8",
            ),
            (
                "-p udp -m udp --sport 0:1023 -j MARK --set-xmark 0x100/0xf00",
                "-p udp --sport 0:1023 -j MARK --set-xmark 0x100/0xf00",
            ),
            (
                "-p tcp -m multiport --dports 80,443,8000:8100 -j MARK --or-mark 0x10",
                "-p tcp -m multiport --dports 80,443,8000:8100 -j MARK --set-xmark 0x10/0x10",
            ),
            (
                "-p tcp -m multiport ! --sports 80,443 -j MARK --and-mark 0xff",
                "-p tcp -m multiport ! --sports 80,443 -j MARK --set-xmark 0x0/0xffffff00",
            ),
            (
                "-p udp -m multiport --ports 53,5353 -j MARK --xor-mark 0x1",
                "-p udp -m multiport --ports 53,5353 -j MARK --set-xmark 0x1/0x0",
            ),
            (
                "! -s 10.0.0.0/8 ! -i eth+ ! -p udp -j MARK --set-mark 3/5",
                "! -s 10.0.0.0/8 ! -i eth+ ! -p udp -j MARK --set-xmark 0x3/0x7",
            ),
            ("-m mark ! --mark 0x1/0xff -m comment --comment -j -j ACCEPT", "-m mark ! --mark 0x1/0xff -j ACCEPT"),
            ("-p sctp -m sctp ! --dport 5 -g SUB", "-p sctp ! --dport 5 -g SUB"),
            ("-j WEB", "-j WEB"),
            ("-p 253 -j RETURN", "-p 253 -j RETURN"),
        ];
        for (line, shown) in rows {
            let rule = read(line).expressed();
            assert_eq!(rule.map(|rule| rule.to_string()).as_deref(), Some(shown), "{line}");
        }
    }

    #[test]
    fn rules_that_cannot_be_expressed_say_why() {
        let rows = [
            ("-m addrtype --dst-type LOCAL -j MARK --set-xmark 0x63/0xffffffff", "match `addrtype`"),
            ("-m conntrack --ctstate NEW -m mark --mark 0x1 -j MARK --set-xmark 0x63/0xffffffff", "match `conntrack`"),
            ("-m connmark --mark 0x5 -j ACCEPT", "match `connmark`"),
            ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j MARK --set-xmark 0x4/0xffffffff", "`--tcp-flags`"),
            ("-f -j ACCEPT", "`-f`"),
            ("-p tcp -m tcp --dport http -j ACCEPT", "`http` is not a port"),
        ];
        for (line, why) in rows {
            let rule = read(line);
            assert!(matches!(rule.verb, Verb::Do(_)) && rule.expressed().is_none(), "{line}");
            assert!(rule.obstacle.as_deref().is_some_and(|obstacle| obstacle.contains(why)), "{rule:?}");
        }
    }

    #[test]
    fn targets_are_known_by_what_they_do_to_marks() {
        for line in ["-s 10.1.1.1/32", "-j TTL --ttl-set 5", "-j CONNMARK --save-mark", "-j LOG --log-prefix x"] {
            assert_eq!(read(line).verb, Verb::Nothing, "{line}");
        }
        for line in [
            "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff",
            "-j NFQUEUE --queue-num 1",
            "-p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1",
            "-j MARK --new-option 5",
        ] {
            assert!(matches!(read(line).verb, Verb::Unknown(_)), "{line}");
        }
        assert_eq!(read("-j DROP").verb, Verb::Drop);
    }

    #[test]
    fn only_tcp_and_udp_concern_services() {
        for (line, concerns) in
            [("-p tcp", true), ("-p icmp", false), ("! -p icmp", true), ("", true), ("-p all", true)]
        {
            assert_eq!(read(line).concerns_services(), concerns, "{line}");
        }
    }
}
