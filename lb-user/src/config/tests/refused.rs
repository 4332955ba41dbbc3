//! What is refused, and in which words.

use super::*;

/// `line: key: message` of each problem.
pub(super) fn problems(text: &str) -> Vec<String> {
    let problems = parse("lvx.toml", text).expect_err("a refusal");
    problems.iter().map(|problem| format!("{}: {}: {}", problem.line, problem.key, problem.message)).collect()
}

#[test]
fn every_problem_of_a_file_is_named_with_its_line() {
    let text = r#"interfaces = ["eth0", "eth0", "a name of too many letters"]
xdp_mode = "nativ"
[sizes]
conections = 1
[timeouts]
tcp = 0
[ipvs]
sloppy_tcp = true
sync_ports = 2
drop_packet = 4
[marks]
follow_netfilter = 1
[metrics]
listen = "localhost:9100"
[log]
format = "xml"
"#;
    assert_eq!(
        problems(text),
        [
            r#"1: interfaces: "eth0" is there twice"#,
            r#"1: interfaces: "a name of too many letters" is not the name of an interface"#,
            r#"2: xdp_mode: "nativ" is not one of native, generic"#,
            "4: sizes.conections: unknown key",
            "6: timeouts.tcp: 0 is out of range: 1..=2678400",
            "8: ipvs.sloppy_tcp: true is a boolean, not a whole number",
            "9: ipvs.sync_ports: this sysctl of the kernel has no meaning here",
            "10: ipvs.drop_packet: 4 is out of range: 0..=3",
            "12: marks.follow_netfilter: 1 is a whole number, not true or false",
            r#"14: metrics.listen: "localhost:9100" is not an address with a port"#,
            r#"16: log.format: "xml" is not one of text, json"#,
        ]
    );
}

/// Each row: what follows `[[service]]` in line 2, and the one problem with it.
const BAD_SERVICES: &[(&str, &str)] = &[
    ("", "1: service: names no virtual service"),
    (r#"tcp = "192.0.2.1""#, r#"2: service.tcp: "192.0.2.1" is not address:port"#),
    ("tcp = 80", "2: service.tcp: 80 is a whole number, not address:port"),
    (r#"tcp = "224.0.0.1:80""#, r#"2: service.tcp: "224.0.0.1:80" is multicast"#),
    (r#"tcp = "0.0.0.0:80""#, r#"2: service.tcp: "0.0.0.0:80" is in 0.0.0.0/8, which no host has"#),
    (r#"tcp = "[::ffff:192.0.2.1]:80""#, r#"2: service.tcp: "[::ffff:192.0.2.1]:80" is an IPv4-mapped address"#),
    (r#"tcp = "192.0.2.1:0""#, "1: service: port 0 is every port, which needs persistence"),
    ("tcp = \"192.0.2.1:0\"\npersistent = 0", "3: service.persistent: 0 is out of range: 1..=2678400"),
    ("tcp = \"192.0.2.1:0\"\npersistent = false", "1: service: port 0 is every port, which needs persistence"),
    ("tcp = \"192.0.2.1:80\"\nudp = \"192.0.2.1:80\"", "3: service.udp: a service is only one of tcp, udp and mark"),
    ("tcp = \"192.0.2.1:80\"\nipv6 = true", "3: service.ipv6: only a mark has it: an address says its family itself"),
    ("mark = 0", "2: service.mark: 0 is out of range: 1..=4294967295"),
    ("mark = 4294967296", "2: service.mark: 4294967296 is out of range: 1..=4294967295"),
    (
        "tcp = \"192.0.2.1:80\"\none_packet = true",
        "3: service.one_packet: a TCP service cannot be scheduled packet by packet",
    ),
    (
        "udp = \"192.0.2.1:53\"\nscheduler = \"rrr\"",
        "3: service.scheduler: \"rrr\" is not one of rr, wrr, lc, wlc, lblc, lblcr, sed, nq, fo, ovf, sh, dh, mh, twos",
    ),
    (
        "mark = 8\nscheduler = \"sh\"\nscheduler_flags = [\"mh-port\"]",
        "4: service.scheduler_flags: \"mh-port\" is not one of sh-fallback, sh-port",
    ),
    ("mark = 8\nnetmask = \"255.255.255\"", "3: service.netmask: \"255.255.255\" is not an IPv4 netmask"),
    ("mark = 8\nnetmask = 24", "3: service.netmask: 24 is a whole number, not an IPv4 netmask"),
    ("mark = 8\nipv6 = true\nnetmask = 129", "4: service.netmask: 129 is out of range: 1..=128"),
    ("mark = 8\nshceduler = \"rr\"", "3: service.shceduler: unknown key"),
    ("mark = 8\n[[service]]\nmark = 8", "3: service: the same service a second time"),
];

#[test]
fn what_ipvsadm_refuses_of_a_service_is_refused() {
    for (service, problem) in BAD_SERVICES {
        assert_eq!(problems(&format!("[[service]]\n{service}")), [*problem], "{service}");
    }
}

/// Each row: what follows `[[service.real_server]]` in line 4 of a service of 192.0.2.1:80, and the one problem with it.
const BAD_SERVERS: &[(&str, &str)] = &[
    ("weight = 1", "3: service.real_server.address: is missing"),
    (r#"address = "web1""#, r#"4: service.real_server.address: "web1" is not an address"#),
    (r#"address = "255.255.255.255""#, r#"4: service.real_server.address: "255.255.255.255" is the broadcast address"#),
    (r#"address = "2001:db8::1""#, r#"4: service.real_server.address: "2001:db8::1" is IPv6, but its service is IPv4"#),
    (
        r#"address = "192.0.2.10:8080""#,
        "4: service.real_server.address: port 8080 is not the service's, 80, which direct routing keeps",
    ),
    (
        "address = \"192.0.2.10\"\nweight = 70000000000",
        "5: service.real_server.weight: 70000000000 is out of range: 0..=2147483647",
    ),
    ("address = \"192.0.2.10\"\nweight = -1", "5: service.real_server.weight: -1 is out of range: 0..=2147483647"),
    (
        "address = \"192.0.2.10\"\nupper_threshold = 5\nlower_threshold = 10",
        "6: service.real_server.lower_threshold: 10 is above the upper_threshold, 5",
    ),
    (
        "address = \"192.0.2.10\"\n[[service.real_server]]\naddress = \"192.0.2.10\"",
        "5: service.real_server: the same real server a second time",
    ),
    (
        "address = \"192.0.2.10\"\nhealth = { path = \"/\" }",
        "5: service.real_server.health.path: a tcp check has no such key",
    ),
    (
        "address = \"192.0.2.10\"\nhealth = { type = \"http\", path = \"health\" }",
        "5: service.real_server.health.path: \"health\" is not a path",
    ),
    (
        "address = \"192.0.2.10\"\nhealth = { type = \"http\", host = \"a b\" }",
        "5: service.real_server.health.host: \"a b\" is not a host name",
    ),
    (
        "address = \"192.0.2.10\"\nhealth = { type = \"http\", status = \"ok\" }",
        "5: service.real_server.health.status: \"ok\" is not a set of status codes",
    ),
    (
        "address = \"192.0.2.10\"\nhealth = { interval = 2 }",
        "5: service.real_server.health.interval: 2 is a whole number, not a duration",
    ),
    (
        "address = \"192.0.2.10\"\nhealth = { timeout = \"1ms\" }",
        "5: service.real_server.health.timeout: \"1ms\" is out of range: 10ms to 1h",
    ),
    (
        "address = \"192.0.2.10\"\nhealth = { fall = 0 }",
        "5: service.real_server.health.fall: 0 is out of range: 1..=1000",
    ),
    (
        "address = \"192.0.2.10\"\nhealth = { type = \"ping\" }",
        "5: service.real_server.health.type: \"ping\" is not one of tcp, http, https, tls, udp, dns, icmp, smtp, script, expect",
    ),
];

#[test]
fn what_ipvsadm_refuses_of_a_real_server_is_refused() {
    for (server, problem) in BAD_SERVERS {
        let text = format!("[[service]]\ntcp = \"192.0.2.1:80\"\n[[service.real_server]]\n{server}");
        assert_eq!(problems(&text), [*problem], "{server}");
    }
}

#[test]
fn link_local_servers_and_ipv4_servers_of_ipv6_marks_are_refused() {
    let text =
        "[[service]]\nmark = 8\nipv6 = true\nreal_server = [{ address = \"fe80::1\" }, { address = \"192.0.2.1\" }]";
    assert_eq!(
        problems(text),
        [
            "4: service.real_server.address: \"fe80::1\" is link-local, which no real server can be",
            "4: service.real_server.address: \"192.0.2.1\" is IPv4, but its service is IPv6",
        ]
    );
}

#[test]
fn a_check_needs_a_port_where_the_servers_have_none() {
    let servers = r#"real_server = [{ address = "192.0.2.10" }, { address = "192.0.2.11" }]"#;
    for (id, why) in [
        ("tcp = \"192.0.2.1:0\"\npersistent = true", "the real servers have no port of their own"),
        ("mark = 8", "the real servers have no port of their own"),
        ("udp = \"192.0.2.1:53\"", "the service's port is one of UDP"),
    ] {
        let expected = format!("1: service.health.port: a tcp check needs one here: {why}");
        assert_eq!(problems(&format!("[[service]]\n{id}\nhealth = true\n{servers}")), [expected]);
        let with_port = valid(&format!("[[service]]\n{id}\nhealth.port = 80\n{servers}"));
        assert_eq!(with_port.health.len(), 2);
    }
}

#[test]
fn a_mark_has_no_vip_to_ask_for() {
    let text =
        "[[service]]\nmark = 8\nhealth = { port = 80, via = \"vip\" }\nreal_server = [{ address = \"192.0.2.10\" }]";
    let expected = r#"1: service.health.via: "vip" asks for a service's VIP, and a mark has none"#;
    assert_eq!(problems(text), [expected]);
}

#[test]
fn a_file_that_does_not_fit_its_sizes_is_refused() {
    let text = r#"sizes = { services = 1, real_servers = 1 }
[[service]]
mark = 1
real_server = [{ address = "192.0.2.1" }]
[[service]]
mark = 2
real_server = [{ address = "192.0.2.1" }]
[[service]]
mark = 3
real_server = [{ address = "192.0.2.1" }]
"#;
    assert_eq!(
        problems(text),
        [
            "5: service: one more than the 1 of sizes.services",
            "7: service.real_server: one more than the 1 of sizes.real_servers",
        ]
    );
}

#[test]
fn a_problem_shows_its_line_and_what_to_do() {
    let problems = parse("lvx.toml", "[[service]]\nmark = 8\nshceduler = \"rr\"\n").expect_err("a refusal");
    let expected =
        "lvx.toml:3: service.shceduler: unknown key\n    3 | shceduler = \"rr\"\n      = did you mean `scheduler`?";
    assert_eq!(problem::list(&problems), expected);
}

#[test]
fn malformed_toml_is_named_with_its_lines() {
    let problems = parse("lvx.toml", "interfaces = [\"eth0\"\n\n[sizes]\nservices = = 1\n").expect_err("a refusal");
    assert!(problems.iter().any(|problem| problem.line == 4), "{problems:?}");
    assert!(problems.iter().all(|problem| problem.key.is_empty()), "{problems:?}");
}
