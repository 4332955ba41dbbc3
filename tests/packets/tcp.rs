//! Which TCP packets open a connection (IPVS.md, appendix D).

use lb_common::reason::Reason;
use lb_user::model::Sysctls;
use lvx_tests::frame::{Packet, flags};

use super::*;

/// All combinations of the six classic flags, each from a port of its own.
fn combinations() -> impl Iterator<Item = Packet> {
    (0..64u16).map(|bits| {
        let mut packet = Packet::tcp("10.0.0.1:1024", VIP_WEB, "-");
        packet.transport = lvx_tests::frame::Transport::Tcp(bits as u8);
        packet.source.set_port(2000 + bits);
        packet
    })
}

fn bits(packet: &Packet) -> u8 {
    (packet.source.port() - 2000) as u8
}

/// The server that rr gives the `number`th connection.
fn server(number: usize) -> &'static str {
    [C, B, A][number % 3]
}

#[test]
fn only_a_syn_without_rst_opens_a_connection() {
    let mut director = with(WEB_OF_THREE);
    let mut opened = 0;
    for packet in combinations() {
        let opens = bits(&packet) & flags("S") != 0 && bits(&packet) & flags("R") == 0;
        let expected = if opens {
            opened += 1;
            Expected::sent(WEB, server(opened - 1)).opening()
        } else {
            Expected::passed_for(Reason::NoConnection)
        };
        expected.check(&mut director, &format!("flags {:#04x}", bits(&packet)), &packet.frame());
    }
    assert_eq!(opened, 16);
}

/// A first packet that is neither SYN nor a bare ACK makes a connection that is closed already, and inactive.
#[test]
fn with_sloppy_tcp_only_rst_opens_none() {
    let mut director = with(WEB_OF_THREE);
    director.director().tables().set_sysctls(&Sysctls { sloppy_tcp: true, ..Sysctls::default() });
    let mut opened = 0;
    for packet in combinations() {
        let bits = bits(&packet);
        let set = |letter| bits & flags(letter) != 0;
        let expected = if set("R") {
            Expected::passed_for(Reason::NoConnection)
        } else {
            opened += 1;
            let sent = Expected::sent(WEB, server(opened - 1));
            if set("S") || set("A") && !set("F") { sent.opening() } else { sent.opening_inactive() }
        };
        expected.check(&mut director, &format!("flags {bits:#04x}"), &packet.frame());
    }
    assert_eq!(opened, 32);
    let connections = director.run("ipvsadm -Lnc").stdout;
    let count = |state| connections.lines().filter(|line| line.contains(state)).count();
    assert_eq!((count("SYN_RECV"), count("ESTABLISHED"), count("CLOSE")), (16, 4, 12), "{connections}");
}

/// "FTPDATA" is never scheduled (`ip_vs_schedule`).
#[test]
fn source_port_20_opens_nothing() {
    let mut director = with(&format!("{WEB_OF_THREE}{DNS_OF_THREE}"));
    for packet in [Packet::tcp("10.0.0.1:20", VIP_WEB, "S"), Packet::udp("10.0.0.1:20", VIP_DNS)] {
        Expected::passed().check(&mut director, "from port 20", &packet.frame());
    }
}
