//! `[[vip]]`.

use super::refused::problems;
use super::*;
use crate::vips::Vip;

fn vip(address: &str, prefix: u8) -> Vip {
    let address = address.parse().expect("an address");
    Vip { address, prefix, interface: None, announce: true, announce_interval: None, keep: false }
}

#[test]
fn an_address_alone_is_enough() {
    let config = valid(
        r#"
        [[vip]]
        address = "172.16.100.1"
        [[vip]]
        address = "2001:db8::1"
        announce_interval = "off"
        [[vip]]
        address = "172.16.100.2/24"
        interface = "eth1"
        announce_interval = "1m"
        keep = true
        [[vip]]
        address = "2001:db8::2/64"
        announce = false
        "#,
    );
    let third = Vip {
        interface: Some("eth1".into()),
        announce_interval: Some(Duration::from_secs(60)),
        keep: true,
        ..vip("172.16.100.2", 24)
    };
    let fourth = Vip { announce: false, ..vip("2001:db8::2", 64) };
    assert_eq!(config.vips, [vip("172.16.100.1", 32), vip("2001:db8::1", 128), third, fourth]);
}

/// Each row: what follows `[[vip]]` in line 1, and the one problem with it.
const REFUSED: &[(&str, &str)] = &[
    ("keep = true", "1: vip.address: is missing"),
    ("address = 1", "2: vip.address: 1 is a whole number, not an address"),
    ("address = '172.16.100.1/33'", "2: vip.address: '172.16.100.1/33' is not an address"),
    ("address = '172.16.100.1/0'", "2: vip.address: '172.16.100.1/0' is not an address"),
    ("address = '2001:db8::1/129'", "2: vip.address: '2001:db8::1/129' is not an address"),
    ("address = '224.0.0.1'", "2: vip.address: '224.0.0.1' is multicast"),
    ("address = '::'", "2: vip.address: '::' is the unspecified address"),
    ("address = '::1'\ninterface = 'eth 0'", "3: vip.interface: 'eth 0' is not the name of an interface"),
    ("address = '::1'\nannounce = 'yes'", "3: vip.announce: 'yes' is a string, not true or false"),
    ("address = '::1'\nannounce_interval = '1ms'", "3: vip.announce_interval: '1ms' is out of range: 1s to 1day"),
    ("address = '::1'\nannounce_interval = 5", "3: vip.announce_interval: 5 is a whole number, not a duration"),
    (
        "address = '::1'\nannounce = false\nannounce_interval = '5s'",
        "4: vip.announce_interval: there are no announcements to repeat: announce is false",
    ),
    ("address = '::1'\n[[vip]]\naddress = '::1/64'", "3: vip: the same address a second time"),
    ("address = '::1'\nadress = '::1'", "3: vip.adress: unknown key"),
];

#[test]
fn what_no_address_can_be_is_refused() {
    for (vip, problem) in REFUSED {
        assert_eq!(problems(&format!("[[vip]]\n{vip}")), [*problem], "{vip}");
    }
}
