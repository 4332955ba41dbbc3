//! What is accepted, and what it means.

use std::net::IpAddr;
use std::time::Duration;

use crate::health::{CheckKind, Via};
use crate::model::{Family, Netmask, Persistence, Protocol, RealServer, SchedulerKind, ServiceId};

use super::*;

mod api;
mod health;
mod inheritance;
mod passive;
mod policy;
mod refused;
mod vips;

const REFERENCE: &str = include_str!("../../../../docs/config.md");

fn valid(text: &str) -> Config {
    parse("lvx.toml", text).unwrap_or_else(|problems| panic!("{}", problem::list(&problems)))
}

fn addresses(servers: &[RealServer]) -> Vec<String> {
    servers.iter().map(|server| server.address.to_string()).collect()
}

fn check<'c>(config: &'c Config, service: usize, address: &str) -> Option<&'c Check> {
    let address: IpAddr = address.parse().expect("an address");
    let found = |target: &&Target| target.id == config.services[service].id && target.address == address;
    config.health.keys().find(found).and_then(|target| config.health.get(target))
}

#[test]
fn an_empty_file_asks_for_the_defaults() {
    assert_eq!(valid(""), Config::default());
}

#[test]
fn the_example_of_the_reference_is_valid() {
    let (_, example) = REFERENCE.split_once("```toml\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    let config = valid(example);
    assert_eq!(config.interfaces, ["eth0"]);
    assert_eq!((config.sizes, config.ipvs), (Sizes::default(), Sysctls::default()));
    assert_eq!((config.timeouts, config.xdp_mode), (Timeouts::default(), Mode::Native));
    assert_eq!(config.mark_rules.len(), 1);
    let ids: Vec<_> = config.services.iter().map(|service| service.id.to_string()).collect();
    assert_eq!(ids, ["TCP 172.16.100.2:0", "TCP 172.16.100.1:80", "FWM 10", "UDP [2001:db8::1]:53"]);
    assert_eq!(config.health.len(), 6);
}

#[test]
fn the_reference_has_every_key() {
    let unknown = "x = 1
        [sizes]\nx = 1\n[timeouts]\nx = 1\n[ipvs]\nx = 1\n[marks]\nx = 1\n[metrics]\nx = 1\n[log]\nx = 1\n[defaults.health]\nx = 1
        [[service]]\nmark = 1\nhealth = false\nx = 1\n[[service.real_server]]\naddress = '192.0.2.1'\nx = 1";
    let problems = parse("lvx.toml", unknown).expect_err("a refusal");
    assert_eq!(problems.len(), 10);
    for problem in problems {
        let keys = problem.advice.strip_prefix("known here: ").expect("the known keys");
        for key in keys.split(", ") {
            assert!(REFERENCE.contains(&format!("`{key}`")), "docs/config.md lacks {key} of {}", problem.key);
        }
    }
}

#[test]
fn what_serde_refuses_is_named_with_its_line() {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rule {
        #[serde(rename = "mark")]
        _mark: u32,
    }
    let text = "[[rule]]\nmark = 1\n[[rule]]\nmark = -1\n[[rule]]\nmark = 2\nprotcol = 'tcp'\n";
    let root = DeTable::parse(text).expect("TOML");
    let document = Document::new("lvx.toml", text);
    let rules = Section::root(&document, root.get_ref()).read(|root| root.list("rule"));
    let read = rules.iter().filter_map(|item| item.deserialized::<Rule>()).count();
    let (problems, _) = document.into_problems();
    assert_eq!((read, problems.len()), (1, 2));
    assert_eq!((problems[0].line, problems[0].source.as_str()), (4, "mark = -1"));
    assert_eq!((problems[1].line, problems[1].source.as_str()), (7, "protcol = 'tcp'"));
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_strange_to_be_refused(
        start in 0_usize..3000,
        length in 0_usize..40,
        insert in ".{0,12}",
    ) {
        let (_, example) = REFERENCE.split_once("```toml\n").expect("an example");
        let mut text: Vec<char> = example.chars().collect();
        let end = (start + length).min(text.len());
        text.splice(start.min(end)..end, insert.chars());
        let text: String = text.into_iter().collect();
        for problem in parse("lvx.toml", &text).err().into_iter().flatten() {
            proptest::prop_assert!(problem.line <= text.lines().count() + 1);
        }
    }
}

#[test]
fn services_are_as_ipvsadm_would_make_them() {
    let config = valid(
        r#"
        [[service]]
        tcp = "172.16.100.1:0"
        persistent = true
        netmask = "255.255.255.0"
        scheduler = "sh"
        scheduler_flags = ["sh-port", "sh-fallback"]
        real_server = [{ address = "172.16.100.10", weight = 2 }, { address = "172.16.100.11" }]
        [[service]]
        mark = 4294967295
        ipv6 = true
        netmask = 64
        one_packet = true
        scheduler = "nq"
        real_server = [{ address = "2001:db8::1" }, { address = "[2001:db8::1]:8080", upper_threshold = 9 }]
        "#,
    );
    let [first, second] = config.services.as_slice() else { panic!("two services") };
    let vip = [172, 16, 100, 1].into();
    assert_eq!(first.id, ServiceId::Address { protocol: Protocol::Tcp, vip, port: 0 });
    assert_eq!(first.scheduler, SchedulerKind::Sh);
    assert_eq!(first.scheduler_flags.names(first.scheduler), "sh-fallback,sh-port");
    assert_eq!(first.persistence, Some(Persistence { timeout: 360 }));
    assert_eq!(first.netmask, Netmask::V4([255, 255, 255, 0].into()));
    assert_eq!(addresses(&first.servers), ["172.16.100.11", "172.16.100.10"]);
    assert_eq!((first.servers[0].weight, first.servers[1].weight), (1, 2));

    assert_eq!(second.id, ServiceId::Mark { mark: u32::MAX, family: Family::Inet6 });
    assert!(second.scheduler_flags.is_empty());
    assert_eq!((second.scheduler, second.persistence), (SchedulerKind::Nq, None));
    assert_eq!((second.netmask, second.one_packet), (Netmask::V6(64), true));
    assert_eq!((second.servers[0].port, second.servers[1].port), (8080, 0));
    assert!(config.health.is_empty());
}

#[test]
fn a_health_table_says_what_differs_from_the_one_around_it() {
    let config = valid(
        r#"
        [defaults.health]
        type = "http"
        path = "/health"
        interval = "5s"
        [[service]]
        tcp = "192.0.2.1:80"
        health = { fall = 7, host = "shop.example" }
        real_server = [
            { address = "192.0.2.10" },
            { address = "192.0.2.11", health = { port = 8080, path = "/other" } },
            { address = "192.0.2.12", health = { type = "tcp" } },
            { address = "192.0.2.13", health = false },
        ]
        [[service]]
        tcp = "192.0.2.1:443"
        health = false
        real_server = [{ address = "192.0.2.10" }, { address = "192.0.2.11", health = true }]
        "#,
    );
    let plain = check(&config, 0, "192.0.2.10").expect("a check");
    assert_eq!((plain.via, plain.endpoint.to_string().as_str()), (Via::Vip, "192.0.2.1:80"));
    assert_eq!((plain.interval, plain.timeout), (Duration::from_secs(5), Duration::from_secs(1)));
    assert_eq!((plain.rise, plain.fall), (2, 7));
    let CheckKind::Http(request) = &plain.kind else { panic!("an http check") };
    assert_eq!(request.path, "/health");

    let other = check(&config, 0, "192.0.2.11").expect("a check");
    assert_eq!(other.endpoint.to_string(), "192.0.2.1:8080");
    let CheckKind::Http(request) = &other.kind else { panic!("an http check") };
    assert_eq!(
        (request.path.path(), request.host.as_ref().map(|host| host.as_bytes())),
        ("/other", Some(&b"shop.example"[..]))
    );

    assert_eq!(check(&config, 0, "192.0.2.12").map(|check| &check.kind), Some(&CheckKind::Tcp));
    assert_eq!(check(&config, 0, "192.0.2.13"), None);
    assert_eq!(check(&config, 1, "192.0.2.10"), None);
    let on_again = check(&config, 1, "192.0.2.11").expect("a check");
    assert_eq!((on_again.kind.name(), on_again.fall), ("http", 2));
}

#[test]
fn a_service_with_a_port_is_asked_at_its_vip_unless_it_is_told_otherwise() {
    let config = valid(
        r#"
        [defaults]
        health = { port = 8080 }
        [[service]]
        tcp = "192.0.2.1:80"
        real_server = [{ address = "192.0.2.10" }, { address = "192.0.2.11", health = { via = "address" } }]
        [[service]]
        tcp = "192.0.2.1:0"
        persistent = true
        real_server = [{ address = "192.0.2.10" }, { address = "192.0.2.11", health = { via = "vip" } }]
        [[service]]
        mark = 1
        real_server = [{ address = "192.0.2.10" }]
        [[service]]
        udp = "[2001:db8::1]:53"
        health.via = "address"
        real_server = [{ address = "2001:db8::10" }, { address = "2001:db8::11", health = { via = "vip" } }]
        "#,
    );
    for (service, address, expected) in [
        (0, "192.0.2.10", (Via::Vip, "192.0.2.1:8080")),
        (0, "192.0.2.11", (Via::Address, "192.0.2.11:8080")),
        (1, "192.0.2.10", (Via::Address, "192.0.2.10:8080")),
        (1, "192.0.2.11", (Via::Vip, "192.0.2.1:8080")),
        (2, "192.0.2.10", (Via::Address, "192.0.2.10:8080")),
        (3, "2001:db8::10", (Via::Address, "[2001:db8::10]:8080")),
        (3, "2001:db8::11", (Via::Vip, "[2001:db8::1]:8080")),
    ] {
        let check = check(&config, service, address).expect("a check");
        assert_eq!((check.via, check.endpoint.to_string().as_str()), expected, "{service} {address}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = load(Path::new("/nonexistent/lvx.toml")).expect_err("no such file");
    assert_eq!(error.to_string(), "cannot read the configuration /nonexistent/lvx.toml");
    assert!(std::error::Error::source(&error).is_some());
}
