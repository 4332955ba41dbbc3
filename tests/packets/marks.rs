//! Firewall marks: one mark, one service.

use lb_common::reason::Reason;
use lvx_tests::frame::Packet;

use super::expect::change;
use super::*;

const EIGHT: &str = "FWM 8";
const NINE: &str = "FWM 9";

/// Services of the marks 8 and 9.
const SERVICES: &str = "
    ipvsadm -A -f 8 -s rr -p 300
    ipvsadm -a -f 8 -r 172.16.100.10 -g
    ipvsadm -a -f 8 -r 172.16.100.11 -g
    ipvsadm -A -f 9 -s rr
    ipvsadm -a -f 9 -r 172.16.100.12 -g";

fn tcp(client: &str, port: u16) -> Packet {
    Packet::tcp(&format!("{client}:1024"), &format!("172.16.100.1:{port}"), "S")
}

/// Case 7.
#[test]
fn a_client_of_a_mark_lands_on_one_server_by_every_port_and_protocol_in_any_order() {
    let kinds = [("tcp", 80u16), ("tcp", 443), ("udp", 443)];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let mut director = with(&format!(
        "iptables -t mangle -A PREROUTING -d 172.16.100.1/32 -p tcp -m multiport --dports 80,443 -j MARK --set-mark 8
         iptables -t mangle -A PREROUTING -d 172.16.100.1/32 -p udp --dport 443 -j MARK --set-mark 8
         {SERVICES}"
    ));
    for (client, order) in orders.iter().enumerate() {
        let server = [B, A][client % 2];
        for (position, kind) in order.iter().enumerate() {
            let (protocol, port) = kinds[*kind];
            let (client, vip) = (format!("10.0.0.{}:1024", client + 1), format!("172.16.100.1:{port}"));
            let sent = Expected::sent(EIGHT, server);
            let (packet, opening) = match protocol {
                "tcp" => (Packet::tcp(&client, &vip, "S"), sent.opening()),
                _ => (Packet::udp(&client, &vip), sent.opening_inactive()),
            };
            let expected = if position == 0 { opening.with_template() } else { opening };
            expected.check(&mut director, &format!("{order:?}: {protocol} {port}"), &packet.frame());
        }
    }
}

/// Case 21.
#[test]
fn a_range_and_a_port_a_prefix_and_a_host_overlap() {
    let mut director = with(&format!(
        "iptables -t mangle -A PREROUTING -d 172.16.100.1/32 -p tcp --dport 10000:20000 -j MARK --set-mark 8
         iptables -t mangle -A PREROUTING -d 172.16.100.1/32 -p tcp --dport 10080 -j MARK --set-mark 9
         iptables -t mangle -A PREROUTING -s 10.0.0.0/8 -d 172.16.100.1/32 -p tcp --dport 443 -j MARK --set-mark 8
         iptables -t mangle -A PREROUTING -s 10.0.0.7/32 -d 172.16.100.1/32 -p tcp --dport 443 -j MARK --set-mark 9
         {SERVICES}"
    ));
    let nine = || Expected::sent(NINE, C).opening();
    story(
        &mut director,
        [
            Row("the range's first port", tcp("10.0.0.1", 10_000), Expected::sent(EIGHT, B).opening().with_template()),
            Row("its last port", tcp("10.0.0.1", 20_000), Expected::sent(EIGHT, B).opening()),
            Row("the port within the range has a later rule", tcp("10.0.0.1", 10_080), nine()),
            Row("below the range", tcp("10.0.0.1", 9_999), Expected::passed()),
            Row("above the range", tcp("10.0.0.1", 20_001), Expected::passed()),
            Row("a client of the prefix", tcp("10.0.0.1", 443), Expected::sent(EIGHT, B).opening()),
            Row("the client with a rule of its own", tcp("10.0.0.7", 443), nine()),
            Row("a client outside", tcp("11.0.0.1", 443), Expected::passed()),
        ],
    );
}

/// Case 23.
#[test]
fn of_two_rules_that_match_the_last_wins_unless_the_walk_ended_before() {
    let rule = "iptables -t mangle -A PREROUTING -p tcp --dport";
    for (sentence, rules, service, server) in [
        ("the last one", format!("{rule} 80 -j MARK --set-mark 8\n{rule} 1:100 -j MARK --set-mark 9"), NINE, C),
        ("the other order", format!("{rule} 1:100 -j MARK --set-mark 9\n{rule} 80 -j MARK --set-mark 8"), EIGHT, B),
        (
            "ACCEPT ends the walk",
            format!("{rule} 80 -j MARK --set-mark 8\n{rule} 80 -j ACCEPT\n{rule} 1:100 -j MARK --set-mark 9"),
            EIGHT,
            B,
        ),
        (
            "bits of one and the other",
            format!("{rule} 80 -j MARK --set-mark 1\n{rule} 80 -j MARK --or-mark 8"),
            NINE,
            C,
        ),
    ] {
        let mut director = with(&format!("{rules}{SERVICES}"));
        let opening = Expected::sent(service, server).opening();
        let expected = if service == EIGHT { opening.with_template() } else { opening };
        expected.check(&mut director, sentence, &tcp("10.0.0.1", 80).frame());
    }
}

#[test]
fn the_interface_counts() {
    let rule = "iptables -t mangle -A PREROUTING -p tcp --dport 80";
    let mut director = with(&format!("{rule} -i eth1 -j MARK --set-mark 8{SERVICES}"));
    Expected::passed().check(&mut director, "the rule is for another interface", &tcp("10.0.0.1", 80).frame());
    let mut director = with(&format!("{rule} ! -i eth1 -j MARK --set-mark 9{SERVICES}"));
    let expected = Expected::sent(NINE, C).opening();
    expected.check(&mut director, "the rule is for all but another interface", &tcp("10.0.0.1", 80).frame());
}

#[test]
fn a_mark_comes_before_an_address_and_a_connection_before_both() {
    let mut director = with(&format!(
        "iptables -t mangle -A PREROUTING -d 172.16.100.1/32 -p tcp --dport 80 -j MARK --set-mark 9
         {SERVICES}
         ipvsadm -A -t 172.16.100.1:80 -s rr
         ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g"
    ));
    let syn = |port| Packet::tcp(&format!("10.0.0.1:{port}"), VIP_WEB, "S");
    let ack = Packet::tcp("10.0.0.1:1024", VIP_WEB, "A");
    let opens = Row("the mark's service", syn(1024), Expected::sent(NINE, C).opening());
    story(&mut director, [opens]);
    director.flush_iptables();
    story(
        &mut director,
        [
            Row("its connection stays when the rule goes", ack.clone(), Expected::sent(NINE, C)),
            Row("a new one is the address'", syn(1025), Expected::sent(WEB, A).opening()),
        ],
    );
    change(
        &mut director,
        "ipvsadm -D -t 172.16.100.1:80
         iptables -t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-mark 77",
    );
    story(
        &mut director,
        [
            Row("and stays when another mark has no service", ack, Expected::sent(NINE, C)),
            Row("a mark without a service is no service", syn(1026), Expected::passed()),
        ],
    );
}

#[test]
fn a_packet_of_a_marks_unknown_connection_is_the_stacks() {
    let mut director =
        with(&format!("iptables -t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-mark 8{SERVICES}"));
    let ack = Packet::tcp("10.0.0.1:1024", VIP_WEB, "A");
    Expected::passed_for(Reason::NoConnection).check(&mut director, "an ACK", &ack.frame());
}
