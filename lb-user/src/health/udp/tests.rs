use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::super::lab::{IPV4, IPV6, ask_for, bad, good};
use super::super::probe::Answer;
use super::*;
use crate::health::CheckKind;

const SHORT: Duration = Duration::from_millis(150);

/// Asks a server that answers the payload "ping" with `reply`, or nothing with nothing.
async fn asked(host: &str, reply: Option<&'static [u8]>, check: UdpCheck) -> Answer {
    let socket = UdpSocket::bind(host).await.expect("a socket");
    let address = socket.local_addr().expect("an address");
    let limit = if reply.is_some() { Duration::from_secs(5) } else { SHORT };
    let _server = tokio::spawn(async move {
        let mut payload = [0; 100];
        let (length, client) = socket.recv_from(&mut payload).await.expect("a datagram");
        if let Some(reply) = reply.filter(|_| &payload[..length] == b"ping") {
            socket.send_to(reply, client).await.expect("sent");
        }
        std::future::pending::<()>().await;
    });
    ask_for(CheckKind::Udp(Arc::new(check)), address, limit).await
}

fn ping() -> UdpCheck {
    UdpCheck { payload: b"ping".to_vec(), ..UdpCheck::default() }
}

#[tokio::test]
async fn a_closed_port_is_bad_and_silence_is_good_unless_a_reply_is_required() {
    for host in [IPV4, IPV6] {
        let socket = UdpSocket::bind(host).await.expect("a socket");
        let address = socket.local_addr().expect("an address");
        drop(socket);
        let closed = ask_for(CheckKind::Udp(Arc::new(ping())), address, Duration::from_secs(5)).await;
        assert_eq!(closed, bad("ICMP port unreachable"));
        assert_eq!(asked(host, None, ping()).await, good("no ICMP error"));
        let required = UdpCheck { require_reply: true, ..ping() };
        assert_eq!(asked(host, None, required.clone()).await, bad("no answer within 150ms"));
        assert_eq!(asked(host, Some(b"pong"), required).await, good("reply of 4 bytes"));
    }
}

#[tokio::test]
async fn a_reply_must_fit_its_pattern_and_lengths() {
    let pattern = |text| UdpCheck { reply: HexPattern::parse(text), require_reply: true, ..ping() };
    let lengths = |least, most| UdpCheck { min_reply_length: least, max_reply_length: most, ..ping() };
    for (check, expected) in [
        (pattern("70xx6x"), good("reply of 4 bytes")),
        (pattern("71"), bad("reply `pong`, expected hex 71")),
        (pattern("706f6e6700"), bad("reply `pong`, expected hex 706f6e6700")),
        (lengths(4, Some(4)), good("reply of 4 bytes")),
        (lengths(5, None), bad("reply of 4 bytes, expected at least 5")),
        (lengths(0, Some(3)), bad("reply of 4 bytes, expected 0 to 3")),
    ] {
        assert_eq!(asked(IPV4, Some(b"pong"), check).await, expected);
    }
}
