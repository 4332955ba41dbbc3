//! real: one server, or a range of them.

use std::net::IpAddr;

use super::check::{Checked, warn_of_method};
use super::endpoint;
use super::lines::Key;
use crate::import::draft::Server;
use crate::import::note::Notes;
use crate::ipvsadm::Names;
use crate::model::ServiceId;

/// What `real = HOST[->HOST][:PORT] METHOD [WEIGHT] ["REQUEST", "RECEIVE"] [l:N] [u:N]` says.
struct Words<'a> {
    hosts: &'a str,
    port: Option<&'a str>,
    method: &'a str,
    weight: u32,
    pair: Option<(String, String)>,
    lower: u32,
    upper: u32,
}

/// The servers of a line, with their checks.
pub(super) fn read(
    key: &Key,
    id: ServiceId,
    checked: &Checked<'_>,
    names: &dyn Names,
    notes: &mut Notes,
) -> Vec<Server> {
    let read = words(&key.value).and_then(|words| {
        let addresses = endpoint::addresses(words.hosts, id.family(), names)?;
        let port = words.port.map(|port| endpoint::port(port, None, names)).transpose()?;
        Ok((words, addresses, port.unwrap_or(0)))
    });
    let (words, addresses, port) = match read {
        Ok(read) => read,
        Err(why) if why.ends_with("known here") => {
            notes.warn(&key.place, format!("{}: {why}; left out", key.shown()));
            return Vec::new();
        }
        Err(why) => {
            notes.error(&key.place, format!("{}: {why}", key.shown()));
            return Vec::new();
        }
    };
    let mut own = Notes::default();
    warn_of_method(key, words.method, &mut own);
    warn_of_port(key, Some(port).filter(|port| *port != 0), id, &mut own);
    let pair = words.pair.as_ref().map(|(request, receive)| (request.as_str(), receive.as_str()));
    let server = |address| {
        let mut server = Server { weight: words.weight, notes: own.clone(), ..Server::new(address) };
        (server.lower_threshold, server.upper_threshold) = (words.lower.min(words.upper), words.upper);
        server.checks.extend(checked.check(key, address, port, pair));
        server
    };
    let (here, elsewhere): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_loopback);
    for address in here {
        let text = format!("{}: LVX forwards to other machines only, not to {address}; left out", key.shown());
        notes.warn(&key.place, text);
    }
    elsewhere.into_iter().map(server).collect()
}

/// The port that direct routing does not change.
pub(super) fn warn_of_port(key: &Key, port: Option<u16>, id: ServiceId, notes: &mut Notes) {
    if let (Some(port), ServiceId::Address { port: services, .. }) = (port, id)
        && port != services
    {
        let text = format!("{}: port {port}: direct routing keeps the service's, {services}", key.shown());
        notes.warn(&key.place, text);
    }
}

fn words(text: &str) -> Result<Words<'_>, String> {
    let (hosts, rest) = text.split_once(char::is_whitespace).ok_or("gate, masq or ipip is missing")?;
    let (hosts, port) = endpoint::split(hosts);
    let rest = rest.trim_start();
    let (method, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if !matches!(method, "gate" | "masq" | "ipip") {
        return Err(format!("`{method}` is not gate, masq or ipip"));
    }
    let mut words = Words { hosts, port, method, weight: 1, pair: None, lower: 0, upper: 0 };
    let mut rest = rest.trim();
    if let Some((number, after)) = leading_number(rest) {
        (words.weight, rest) = (number, after.trim_start());
    }
    // As ldirectord's pattern, the request goes up to the last quotes that leave a pair.
    if rest.starts_with('"') {
        let (quoted, after) = rest.rsplit_once('"').ok_or("a quote is missing")?;
        let inside = quoted.strip_prefix('"').unwrap_or(quoted);
        let (request, receive) = split_pair(inside).ok_or("\"request\", \"receive\" is not a pair")?;
        words.pair = Some((request.to_owned(), receive.to_owned()));
        rest = after.trim_start();
    }
    for word in rest.split_whitespace() {
        let threshold = |prefix| word.strip_prefix(prefix).and_then(|number: &str| number.parse().ok());
        match (threshold("l:"), threshold("u:")) {
            (Some(lower), _) => words.lower = lower,
            (_, Some(upper)) => words.upper = upper,
            (None, None) => return Err(format!("`{word}` is not understood")),
        }
    }
    Ok(words)
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// At the last quote that a comma or a blank, and another quote follow.
fn split_pair(inside: &str) -> Option<(&str, &str)> {
    inside.rmatch_indices('"').find_map(|(at, _)| {
        let (request, rest) = inside.split_at_checked(at)?;
        let rest = rest.strip_prefix('"')?.strip_prefix([',', ' '])?;
        Some((request, rest.trim_start().strip_prefix('"')?))
    })
}
