//! `[[marks.rule]]` of LVX' config file.

use serde::{Deserialize, Serialize};

use super::text::protocol_name;
use super::{Condition, InterfacePattern, Malformed, MarkOperation, MarkRule, Network, PortRange, Target, Test};
use super::{parse_mark, parse_ports, parse_protocol, show};

/// A rule as the file has it. Every text but `mark` may begin with `!`, which is "not".
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MarkRuleConfig {
    /// The mark that matching packets get.
    pub mark: MarkConfig,
    /// Destination address or prefix; without it any, of both families.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Source address or prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `tcp`, `udp`, or another protocol's name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Destination ports. Without `protocol` they are those of TCP and UDP alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<PortsConfig>,
    /// Source ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port: Option<PortsConfig>,
    /// Interface that packets come in by, `eth0`, or `eth+` for all whose name begins so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

/// A mark: `8`, or `"0x8/0xff"` to set only the bits of a mask.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "a mark must be a number from 0 to 4294967295, or text such as \"0x8/0xff\"")]
pub enum MarkConfig {
    /// The whole mark.
    Number(u32),
    /// A mark and perhaps a mask.
    Text(String),
}

/// Ports: `80`, `"10000:20000"`, `"! 80,443"`, or a list of numbers and ranges.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "ports must be a number from 0 to 65535, text such as \"10000:20000\" or \"! 80\", or a list of these"
)]
pub enum PortsConfig {
    /// One port.
    Number(u16),
    /// Ports and ranges separated by commas, after `!` all but these.
    Text(String),
    /// Ports and ranges.
    List(Vec<PortConfig>),
}

/// An element of a list of ports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "a port must be a number from 0 to 65535, or text such as \"10000:20000\"")]
pub enum PortConfig {
    /// One port.
    Number(u16),
    /// A port or a range.
    Text(String),
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkRuleError {
    /// A value that cannot be read.
    #[error("{key}: {malformed}")]
    Malformed {
        /// The key in the file.
        key: &'static str,
        /// The value, and what it should be.
        #[source]
        malformed: Malformed,
    },
    /// Destination and source that no packet can have together.
    #[error("source: {source_network} and the destination {destination} are of different families")]
    Families {
        /// The rule's source.
        source_network: Network,
        /// The rule's destination.
        destination: Network,
    },
    /// A list that matches nothing.
    #[error("{key}: the list is empty; leave the key out to mean every port")]
    Empty {
        /// The key in the file.
        key: &'static str,
    },
}

impl MarkRuleConfig {
    /// The keys of a rule.
    pub const KEYS: [&'static str; 7] =
        ["mark", "destination", "source", "protocol", "destination_port", "source_port", "interface"];

    /// How a file says a rule; none for one that only netfilter can have.
    pub fn of(rule: &MarkRule) -> Option<Self> {
        let Target::Mark(MarkOperation { and, xor }) = rule.target else { return None };
        let mark = if and == 0 { MarkConfig::Number(xor) } else { MarkConfig::Text(format!("{xor:#x}/{:#x}", !and)) };
        let mut config = Self {
            mark,
            destination: None,
            source: None,
            protocol: None,
            destination_port: None,
            source_port: None,
            interface: None,
        };
        for Test { condition, negated } in &rule.tests {
            let said = |text: String| Some(if *negated { format!("! {text}") } else { text });
            match condition {
                // The addresses say it.
                Condition::Family(_) => {}
                Condition::Destination(network) => config.destination = said(network.to_string()),
                Condition::Source(network) => config.source = said(network.to_string()),
                Condition::Protocol(number) => {
                    config.protocol = said(protocol_name(*number).map_or_else(|| number.to_string(), str::to_owned));
                }
                Condition::DestinationPorts(ranges) => {
                    config.destination_port = said(show::list(ranges)).map(PortsConfig::Text);
                }
                Condition::SourcePorts(ranges) => config.source_port = said(show::list(ranges)).map(PortsConfig::Text),
                Condition::Interface(InterfacePattern(name)) => config.interface = said(name.clone()),
                Condition::Ports(_) | Condition::Mark { .. } => return None,
            }
        }
        Some(config)
    }
}

impl MarkRuleError {
    /// The key in the file that must be changed.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Malformed { key, .. } | Self::Empty { key } => key,
            Self::Families { .. } => "source",
        }
    }
}

impl TryFrom<&MarkRuleConfig> for MarkRule {
    type Error = MarkRuleError;

    fn try_from(config: &MarkRuleConfig) -> Result<Self, MarkRuleError> {
        let destination = read("destination", config.destination.as_deref(), str::parse::<Network>)?;
        let source = read("source", config.source.as_deref(), str::parse::<Network>)?;
        let protocol = read("protocol", config.protocol.as_deref(), parse_protocol)?;
        let interface = read("interface", config.interface.as_deref(), str::parse)?;
        let destination_ports = ports("destination_port", config.destination_port.as_ref())?;
        let source_ports = ports("source_port", config.source_port.as_ref())?;

        let tests = [
            family(source, destination)?,
            destination.map(|(network, negated)| Test { condition: Condition::Destination(network), negated }),
            source.map(|(network, negated)| Test { condition: Condition::Source(network), negated }),
            interface.map(|(pattern, negated)| Test { condition: Condition::Interface(pattern), negated }),
            protocol.map(|(number, negated)| Test { condition: Condition::Protocol(number), negated }),
            source_ports.map(|(ranges, negated)| Test { condition: Condition::SourcePorts(ranges), negated }),
            destination_ports.map(|(ranges, negated)| Test { condition: Condition::DestinationPorts(ranges), negated }),
        ];
        let operation = match &config.mark {
            MarkConfig::Number(mark) => MarkOperation::set_mark(*mark, u32::MAX),
            MarkConfig::Text(text) => {
                let (value, mask) =
                    parse_mark(text).map_err(|malformed| MarkRuleError::Malformed { key: "mark", malformed })?;
                MarkOperation::set_mark(value, mask)
            }
        };
        Ok(Self { tests: tests.into_iter().flatten().collect(), target: Target::Mark(operation) })
    }
}

/// A negated network needs to be told which family it is the opposite in; otherwise the network itself says it.
fn family(
    source: Option<(Network, bool)>,
    destination: Option<(Network, bool)>,
) -> Result<Option<Test>, MarkRuleError> {
    if let (Some((source_network, _)), Some((destination, _))) = (source, destination)
        && source_network.family() != destination.family()
    {
        return Err(MarkRuleError::Families { source_network, destination });
    }
    let networks = || [source, destination].into_iter().flatten();
    if networks().any(|(_, negated)| !negated) {
        return Ok(None);
    }
    Ok(networks().next().map(|(network, _)| Test { condition: Condition::Family(network.family()), negated: false }))
}

fn read<T>(
    key: &'static str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, Malformed>,
) -> Result<Option<(T, bool)>, MarkRuleError> {
    let Some(text) = text else { return Ok(None) };
    let (text, negated) = match text.strip_prefix('!') {
        Some(rest) => (rest.trim_start(), true),
        None => (text, false),
    };
    parse(text).map(|value| Some((value, negated))).map_err(|malformed| MarkRuleError::Malformed { key, malformed })
}

fn ports(key: &'static str, config: Option<&PortsConfig>) -> Result<Option<(Vec<PortRange>, bool)>, MarkRuleError> {
    match config {
        None => Ok(None),
        Some(PortsConfig::Number(port)) => Ok(Some((vec![PortRange { first: *port, last: *port }], false))),
        Some(PortsConfig::Text(text)) => read(key, Some(text), parse_ports),
        Some(PortsConfig::List(list)) if list.is_empty() => Err(MarkRuleError::Empty { key }),
        Some(PortsConfig::List(list)) => {
            let ranges = list.iter().map(|element| match element {
                PortConfig::Number(port) => Ok(PortRange { first: *port, last: *port }),
                PortConfig::Text(text) => text.parse(),
            });
            let ranges: Result<_, _> = ranges.collect();
            ranges.map(|ranges| Some((ranges, false))).map_err(|malformed| MarkRuleError::Malformed { key, malformed })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<String, String> {
        let config: MarkRuleConfig = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let rule = MarkRule::try_from(&config).map_err(|error| error.to_string())?;
        let written = MarkRuleConfig::of(&rule).ok_or("no words for it")?;
        let again = toml::from_str(&toml::to_string(&written).map_err(|error| error.to_string())?);
        let again: MarkRuleConfig = again.map_err(|error| error.to_string())?;
        assert_eq!(MarkRule::try_from(&again), Ok(rule.clone()), "{written:?}");
        Ok(rule.to_string())
    }

    #[test]
    fn what_the_file_says_in_the_words_of_iptables() {
        let rows = [
            ("mark = 8", "-j MARK --set-mark 8"),
            ("mark = \"0x8/0xff\"", "-j MARK --set-xmark 0x8/0xff"),
            (
                "mark = 8\ndestination = \"172.16.100.1\"\nprotocol = \"tcp\"\ndestination_port = 80",
                "-d 172.16.100.1/32 -p tcp --dport 80 -j MARK --set-mark 8",
            ),
            ("mark = 8\ndestination = \"! 10.0.0.0/8\"", "-4 ! -d 10.0.0.0/8 -j MARK --set-mark 8"),
            (
                "mark = 8\nsource = \"2001:db8::/32\"\ndestination = \"!2001:db8::1\"",
                "! -d 2001:db8::1/128 -s 2001:db8::/32 -j MARK --set-mark 8",
            ),
            ("mark = 10\ndestination_port = \"10000:20000\"", "--dport 10000:20000 -j MARK --set-mark 10"),
            (
                "mark = 10\nsource_port = [80, \"443\", \"8000:8100\"]",
                "-m multiport --sports 80,443,8000:8100 -j MARK --set-mark 10",
            ),
            ("mark = 10\ndestination_port = \"! 80,443\"", "-m multiport ! --dports 80,443 -j MARK --set-mark 10"),
            ("mark = 10\nprotocol = \"!tcp\"\ninterface = \"! eth+\"", "! -i eth+ ! -p tcp -j MARK --set-mark 10"),
        ];
        for (text, shown) in rows {
            assert_eq!(rule(text).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn errors_name_the_key_and_the_value() {
        let rows = [
            ("destination = \"::1\"", "missing field `mark`"),
            ("mark = 8\nport = 80", "unknown field `port`"),
            ("mark = -1", "a mark must be a number"),
            ("mark = \"eight\"", "mark: `eight` is not a mark"),
            ("mark = 8\ndestination_port = 65536", "ports must be a number from 0 to 65535"),
            ("mark = 8\ndestination_port = \"20:10\"", "destination_port: `20:10` is not a port"),
            ("mark = 8\ndestination_port = []", "destination_port: the list is empty"),
            ("mark = 8\ndestination_port = [80, \"http\"]", "destination_port: `http` is not a port"),
            ("mark = 8\nsource = \"10.0.0.0/40\"", "source: `10.0.0.0/40` is not an address"),
            ("mark = 8\nprotocol = \"tpc\"", "protocol: `tpc` is not a protocol"),
            ("mark = 8\ninterface = \"\"", "interface: `` is not the name of an interface"),
            ("mark = 8\nsource = \"::1\"\ndestination = \"10.0.0.1\"", "of different families"),
        ];
        for (text, expected) in rows {
            let error = rule(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
