//! The ICMP probe: an echo, IPv4 and IPv6.

use std::io;
use std::net::SocketAddr;

use socket2::{Protocol, Type};
use tokio::time::Instant;

use lb_common::checksum;

use super::probe::{Call, Failure};
use super::sockets::datagram;

const PAYLOAD: &[u8; 16] = b"lvx health check";

/// Type numbers of request and answer (RFC 792, RFC 4443).
const ECHO_V4: (u8, u8) = (8, 0);
const ECHO_V6: (u8, u8) = (128, 129);

/// Sends an echo request and waits for its answer.
pub(super) async fn ask(call: Call<'_>) -> Result<String, Failure> {
    let to = SocketAddr::new(call.endpoint.ip(), 0);
    let protocol = if to.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    // Ping sockets would need no privilege, but a sysctl that is off in a new network namespace.
    let socket = call.sockets.datagrams(to, Type::RAW, protocol).map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            return Failure::Unknown(format!("the director could not ask: {error} (icmp needs CAP_NET_RAW)"));
        }
        error.into()
    })?;
    let (request, expected) = echo(to.is_ipv4(), fastrand::u32(..).to_be_bytes());
    let sent = Instant::now();
    socket.send(&request).await?;
    loop {
        let packet = datagram(&socket).await?;
        let message = if to.is_ipv4() { behind_ipv4_header(&packet) } else { Some(packet.as_slice()) };
        if message.is_some_and(|message| is_answer(message, &expected)) {
            let took = sent.elapsed();
            return Ok(format!("echo within {:.1}ms", took.as_secs_f64() * 1000.0));
        }
    }
}

/// A request, and the answer to it. `token` is identifier and sequence number, by which the two belong together.
fn echo(v4: bool, token: [u8; 4]) -> (Vec<u8>, Vec<u8>) {
    let (asks, answers) = if v4 { ECHO_V4 } else { ECHO_V6 };
    let message = |kind: u8| [&[kind, 0, 0, 0], &token[..], PAYLOAD].concat();
    let mut request = message(asks);
    if v4 {
        // The kernel writes that of ICMPv6.
        let words = request.chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(word[1]));
        let checksum = checksum::fold(words.sum()).to_be_bytes();
        request[2..4].copy_from_slice(&checksum);
    }
    (request, message(answers))
}

/// The same but for the checksum, which the kernel has looked at.
fn is_answer(message: &[u8], expected: &[u8]) -> bool {
    message.len() == expected.len() && message[..2] == expected[..2] && message[4..] == expected[4..]
}

/// A raw IPv4 socket hands out the IP header as well.
fn behind_ipv4_header(packet: &[u8]) -> Option<&[u8]> {
    let words = packet.first()? & 0xf;
    packet.get(usize::from(words) * 4..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_request_adds_up_and_only_its_own_answer_fits() {
        let (request, expected) = echo(true, [1, 2, 3, 4]);
        let words = request.chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(word[1]));
        assert_eq!(checksum::fold(words.sum()), 0, "with its checksum a message sums up to ones");
        assert!(is_answer(&expected, &expected));
        assert!(!is_answer(&request, &expected));
        let (_, other) = echo(true, [1, 2, 3, 5]);
        assert!(!is_answer(&other, &expected));
        assert!(!is_answer(&expected[..8], &expected));
    }

    #[test]
    fn the_message_begins_behind_the_header_with_its_options() {
        let mut packet = vec![0; 24];
        packet[0] = 0x46;
        packet.extend_from_slice(b"message");
        assert_eq!(behind_ipv4_header(&packet), Some(&b"message"[..]));
        assert_eq!(behind_ipv4_header(&[0x4f, 0]), None);
    }
}
