//! What frames tell: what came out for a packet, of the real IPVS or of LVX.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::case::{Protocol, Sent};
use super::recording::Came;
use crate::director::mac_of;
use crate::fate::Fate;
use crate::frame::{DIRECTOR, ETHERNET, Mac, ROUTER, flags, forwarded, icmp_error, is_ipv4, mac_addresses, verify};

/// The real server that a MAC address belongs to: an address of the network that real servers are in.
///
/// It is the inverse of [`mac_of`] for 172.16.0.0/16 and 2001:db8:100::/112.
fn server_of(mac: Mac, ipv4: bool) -> Option<IpAddr> {
    let [2, 0, 0, 0, high, low] = mac else { return None };
    Some(if ipv4 {
        Ipv4Addr::new(172, 16, high, low).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, u16::from_be_bytes([high, low])).into()
    })
}

/// What came out for a frame, from the frames that did.
pub fn came(sent: &[u8], frames: &[Vec<u8>]) -> Came {
    match frames {
        [] => Came::Nothing,
        [frame] => one(sent, frame).unwrap_or_else(|what| Came::Odd(format!("{what}: {}", hex(frame)))),
        several => Came::Odd(several.iter().map(|frame| hex(frame)).collect::<Vec<_>>().join(" and ")),
    }
}

fn one(sent: &[u8], frame: &[u8]) -> Result<Came, String> {
    if frame.len() < ETHERNET + 20 || frame[12..14] != sent[12..14] {
        return Err("of another protocol".to_owned());
    }
    let (to, from) = mac_addresses(frame);
    if from != DIRECTOR {
        return Err("not from the director".to_owned());
    }
    if to == ROUTER {
        return answer(sent, frame).map(Came::Answered);
    }
    let server = server_of(to, is_ipv4(sent)).ok_or("to nobody that is known")?;
    if frame != forwarded(sent, to, DIRECTOR) {
        return Err("not the client's packet".to_owned());
    }
    verify(frame)?;
    let packet = &frame[ETHERNET..];
    let (ttl, tos) = if is_ipv4(frame) { (packet[8], packet[1]) } else { (packet[7], packet[0] << 4 | packet[1] >> 4) };
    Ok(Came::Forwarded { server, ttl, tos })
}

/// What an answer to the client says.
fn answer(sent: &[u8], frame: &[u8]) -> Result<String, String> {
    let packet = &frame[ETHERNET..];
    let (protocol, carried) =
        if is_ipv4(frame) { (packet[9], packet.get(20..)) } else { (packet[6], packet.get(40..)) };
    let carried = carried.filter(|carried| carried.len() >= 14 || protocol != 6).ok_or("too short")?;
    verify(frame)?;
    match (protocol, carried) {
        (6, [..]) => Ok(format!("tcp{:02x}", carried[13])),
        (1, [0, 0, ..]) | (58, [129, 0, ..]) => Ok(format!("icmp{}/0", carried[0])),
        (1 | 58, _) => {
            let error = icmp_error(sent, frame)?;
            Ok(format!("icmp{}/{}", error.kind, error.code))
        }
        (other, _) => Err(format!("of protocol {other}")),
    }
}

/// What comes out when LVX does this with a packet. What LVX passes on, the director's stack answers.
pub fn of_fate(sent: &Sent, frame: &[u8], fate: Fate) -> Came {
    match fate {
        Fate::Dropped => Came::Nothing,
        Fate::Sent(out) => came(frame, &[out]),
        Fate::Passed(passed) if passed == frame => by_the_stack(sent),
        Fate::Passed(passed) => Came::Odd(format!("passed on, but changed: {}", hex(&passed))),
        Fate::Redirected(out) => Came::Odd(format!("out of another interface: {}", hex(&out))),
    }
}

/// What a stack with the VIP answers when nothing listens on any port.
fn by_the_stack(sent: &Sent) -> Came {
    let answer = match sent.protocol {
        Protocol::Tcp => {
            let set = flags(&sent.flags);
            match (set & flags("R") != 0, set & flags("A") != 0) {
                (true, _) => return Came::Nothing,
                (false, true) => "tcp04",
                (false, false) => "tcp14",
            }
        }
        Protocol::Udp if sent.is_ipv4() => "icmp3/3",
        Protocol::Udp => "icmp1/4",
        Protocol::Icmp if sent.is_ipv4() => "icmp0/0",
        Protocol::Icmp => "icmp129/0",
    };
    Came::Answered(answer.to_owned())
}

/// Whether two outcomes are the same. Servers are, if their MAC addresses are: only those are in a frame.
pub fn same(recorded: &Came, played: &Came) -> bool {
    match (recorded, played) {
        (Came::Forwarded { server, ttl, tos }, Came::Forwarded { server: other, ttl: other_ttl, tos: other_tos }) => {
            mac_of(*server) == mac_of(*other) && (ttl, tos) == (other_ttl, other_tos)
        }
        (recorded, played) => recorded == played,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
