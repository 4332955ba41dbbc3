//! The options of the connection sync daemon: read and checked as `ipvsadm` does, so that a wrong one is named; what
//! they ask for is refused afterwards.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::failure::Failure;
use super::grammar::illegal;
use super::number;
use super::options::{Kind, Verb};

/// The longest sync message: a UDP datagram without its headers.
const MAX_LENGTH: u32 = 65535 - 20 - 8;

/// Checks the value of `--start-daemon` and `--stop-daemon`.
pub(super) fn check_state(verb: Verb, value: Option<&str>) -> Result<(), Failure> {
    let known = matches!(value, Some("master" | "backup"));
    if verb == Verb::StartDaemon && !known {
        return Err(illegal("start-daemon parameter"));
    }
    if verb == Verb::StopDaemon && !known {
        return Err(illegal("start_daemon"));
    }
    Ok(())
}

/// Checks `--syncid`.
pub(super) fn check_sync_id(value: &str) -> Result<(), Failure> {
    check_number(Kind::SyncId, value, 0, 255)
}

/// Checks `--sync-maxlen`.
pub(super) fn check_sync_maxlen(value: &str) -> Result<(), Failure> {
    check_number(Kind::SyncMaxlen, value, 1, MAX_LENGTH)
}

/// Checks `--mcast-port`.
pub(super) fn check_mcast_port(value: &str) -> Result<(), Failure> {
    check_number(Kind::McastPort, value, 1, 65535)
}

/// Checks `--mcast-ttl`.
pub(super) fn check_mcast_ttl(value: &str) -> Result<(), Failure> {
    check_number(Kind::McastTtl, value, 1, 255)
}

/// Checks `--mcast-group`.
pub(super) fn check_mcast_group(value: &str) -> Result<(), Failure> {
    let (family, is_group) = if value.contains(':') {
        ("IPv6", value.parse().is_ok_and(|group: Ipv6Addr| group.is_multicast()))
    } else {
        ("IPv4", value.parse().is_ok_and(|group: Ipv4Addr| group.is_multicast()))
    };
    if is_group { Ok(()) } else { Err(Failure::Usage(format!("invalid {family} mcast-group `{value}'"))) }
}

fn check_number(kind: Kind, value: &str, least: u32, most: u32) -> Result<(), Failure> {
    number::between(value, least, most).map(|_| ()).ok_or_else(|| illegal(kind.name()))
}
