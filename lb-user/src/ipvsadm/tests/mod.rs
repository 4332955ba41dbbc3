//! `ipvsadm` against a table that behaves as IPVS does.

mod fake;
mod layouts;
mod recorded;
mod restores;
pub(crate) mod round_trip;
mod semantics;
mod transcript;

use std::net::{IpAddr, Ipv4Addr};

use super::names::{Names, Transport};
use super::{Output, run_with_names};
use fake::Fake;

/// A few names, and no network.
pub(crate) struct NoNames;

impl Names for NoNames {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        (host == "www.example.org").then_some(Ipv4Addr::new(192, 0, 2, 1))
    }

    fn host(&self, address: IpAddr) -> Option<String> {
        match address.to_string().as_str() {
            "192.0.2.1" => Some("www.example.org".to_owned()),
            "192.0.2.2" => Some("a-rather-long-name-of-a-host.example.org".to_owned()),
            "2001:db8::1" => Some("six.example.org".to_owned()),
            _ => None,
        }
    }

    fn port(&self, service: &str, transport: Transport) -> Option<u16> {
        match (service, transport) {
            ("http", Transport::Tcp) => Some(80),
            ("domain", Transport::Udp | Transport::Tcp) => Some(53),
            _ => None,
        }
    }

    fn service(&self, port: u16, transport: Transport) -> Option<String> {
        match (port, transport) {
            (80, Transport::Tcp) => Some("http".to_owned()),
            (53, Transport::Udp | Transport::Tcp) => Some("domain".to_owned()),
            _ => None,
        }
    }
}

/// Runs a command line, written as in a shell (without quotes), under the name that it begins with.
fn run_with_input(fake: &mut Fake, line: &str, input: &str) -> Output {
    let mut words = line.split_whitespace().map(str::to_owned);
    let program = words.next().expect("a command line begins with a name");
    let words: Vec<String> = words.collect();
    run_with_names(&program, &words, &mut input.as_bytes(), fake, &NoNames)
}

/// Runs `ipvsadm` with these words.
fn ipvsadm(fake: &mut Fake, words: &str) -> Output {
    run_with_input(fake, &format!("ipvsadm {words}"), "")
}

/// Runs `ipvsadm` with these words, which must succeed; what it printed.
fn done(fake: &mut Fake, words: &str) -> String {
    let output = ipvsadm(fake, words);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""), "ipvsadm {words}");
    output.stdout
}

/// A table made by these command lines.
fn table(lines: &[&str]) -> Fake {
    let mut fake = Fake::default();
    for line in lines {
        assert_eq!(done(&mut fake, line), "", "ipvsadm {line}");
    }
    fake
}
