//! What the real ipvsadm 1.31 (Debian's 1.31-1+b1, on Linux 6.1.176) printed, command line by command line, must be
//! what this one prints.
//!
//! A file of `recorded/` is one run that starts with an empty table: `$` a command line, `<` a line of its standard
//! input, `1` and `2` lines of its standard output and error, `=` its exit status unless that is 0. Words and input
//! have the escapes of `printf %b`; `''` is an empty word, and `·` a blank at the end of a line. The names that the
//! machine knew are in `hosts` and `services`. In `recorded/traffic` there was traffic.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::super::names::{Names, Transport};
use super::super::{Output, order, run_with_names};
use super::fake::Fake;
use crate::api::{ConnectionEntry, Counters, Rates, Refusal};

/// Words of command lines that ask for what LVX does not have.
const LACKING: [&str; 6] = ["-i", "-m", "--sctp-service", "--start-daemon", "--stop-daemon", "sip"];

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/ipvsadm/tests/recorded")
}

fn read(name: &str) -> String {
    fs::read_to_string(directory().join(name)).expect("a recording can be read")
}

/// A command line, and what came of it.
#[derive(Debug, Default)]
struct Step {
    line: String,
    input: Vec<u8>,
    output: Output,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        if kind == "$" {
            steps.push(Step { line: rest.to_owned(), ..Step::default() });
            continue;
        }
        let Some(step) = steps.last_mut() else { continue };
        let printed = || rest.replace('·', " ") + "\n";
        match kind {
            "<" => {
                let (mut line, goes_on) = unescaped(rest);
                line.extend(goes_on.then_some(b'\n'));
                step.input.extend(line);
            }
            "1" => step.output.stdout.push_str(&printed()),
            "2" => step.output.stderr.push_str(&printed()),
            "=" => step.output.status = rest.parse().expect("a number"),
            "#" | "" => {}
            other => panic!("{other:?} begins no line of a recording"),
        }
    }
    steps
}

/// The bytes, and whether they go on: `\c` ends them.
fn unescaped(text: &str) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'c') => return (bytes, false),
            Some(b'0') => rest.by_ref().take(3).fold(0, |number, digit| number * 8 + (digit - b'0')),
            Some(b't') => b'\t',
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b'f') => 0x0c,
            Some(b'v') => 0x0b,
            Some(b'\\') => b'\\',
            other => panic!("no escape: {other:?}"),
        });
    }
    (bytes, true)
}

fn words(line: &str) -> Vec<String> {
    let word = |word: &str| match word {
        "''" => String::new(),
        word => String::from_utf8(unescaped(word).0).expect("words are text"),
    };
    line.split(' ').map(word).collect()
}

/// The names of /etc/hosts and /etc/services.
struct Files {
    hosts: Vec<(IpAddr, Vec<String>)>,
    services: Vec<(u16, String, Vec<String>)>,
}

impl Files {
    fn read() -> Self {
        let fields = |line: &str| -> Vec<String> {
            let known = line.split('#').next().unwrap_or_default();
            known.split_whitespace().map(str::to_owned).collect()
        };
        let (hosts, services) = (read("hosts"), read("services"));
        let hosts = hosts.lines().map(fields).map(|line| {
            let address = line[0].parse().expect("an address");
            (address, line[1..].to_vec())
        });
        let services = services.lines().map(fields).map(|line| {
            let (port, protocol) = line[1].split_once('/').expect("a port");
            let names = line.iter().take(1).chain(&line[2..]).cloned().collect();
            (port.parse().expect("a number"), protocol.to_owned(), names)
        });
        Self { hosts: hosts.collect(), services: services.collect() }
    }
}

impl Names for Files {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        self.hosts.iter().find_map(|(address, names)| match address {
            IpAddr::V4(address) => names.iter().any(|name| name.eq_ignore_ascii_case(host)).then_some(*address),
            IpAddr::V6(_) => None,
        })
    }

    fn host(&self, address: IpAddr) -> Option<String> {
        self.hosts.iter().find(|(known, _)| *known == address)?.1.first().cloned()
    }

    fn port(&self, service: &str, transport: Transport) -> Option<u16> {
        let mut known = self.services.iter().filter(|(_, protocol, _)| protocol == transport.name());
        known.find(|(_, _, names)| names.iter().any(|name| name == service)).map(|(port, _, _)| *port)
    }

    fn service(&self, port: u16, transport: Transport) -> Option<String> {
        let mut known = self.services.iter().filter(|(_, protocol, _)| protocol == transport.name());
        known.find(|(known, _, _)| *known == port)?.2.first().cloned()
    }
}

/// Whether the line is one of those that LVX refuses in words of its own, and did; the real one must not have found
/// fault with its words.
fn is_refused_by_name(step: &Step, output: &Output) -> bool {
    let input = String::from_utf8_lossy(&step.input);
    let mut words = step.line.split(' ').chain(input.split_whitespace()).flat_map(|word| word.split(','));
    output.status == 255
        && output.stderr.starts_with("LVX ")
        && output.stdout.is_empty()
        && step.output.status != 2
        && words.any(|word| LACKING.contains(&word))
}

/// Replays the files of a directory, each after `prepare` had a look at it, and shows where LVX prints something else.
fn replay(directory: &Path, prepare: fn(&mut Fake, &[Step])) {
    let names = Files::read();
    let entries = fs::read_dir(directory).expect("recordings");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    assert!(!files.is_empty(), "there are no recordings");
    let mut differences = Vec::new();
    for file in files {
        let steps = steps(&fs::read_to_string(&file).expect("a recording can be read"));
        let mut fake = Fake::default();
        // Whether the real one did what LVX refused, so that its table is another one until it is emptied.
        let mut parted = false;
        for step in &steps {
            parted &= step.line != "ipvsadm -C";
            prepare(&mut fake, &steps);
            let mut words = words(&step.line);
            let program = words.remove(0);
            let output = run_with_names(&program, &words, &mut step.input.as_slice(), &mut fake, &names);
            if is_refused_by_name(step, &output) {
                parted |= step.output.status == 0;
            } else if output != step.output && !parted {
                differences.push(format!(
                    "{}: {}\nreal {:#?}\nLVX {output:#?}",
                    file.display(),
                    step.line,
                    step.output
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn every_recorded_line_is_reproduced() {
    replay(&directory(), |_, _| {});
}

#[test]
fn the_tables_of_real_traffic_are_reproduced() {
    replay(&directory().join("traffic"), count);
}

/// Lets the table have counted what the real one had: what it printed of it exactly, and in numbers.
fn count(fake: &mut Fake, steps: &[Step]) {
    let printed = |options: &str| -> Vec<Vec<&str>> {
        let shown = steps.iter().find(|step| step.line == format!("ipvsadm {options}"));
        shown
            .map(|step| step.output.stdout.lines().map(|line| line.split_whitespace().collect()).collect())
            .unwrap_or_default()
    };
    let mut lines = printed("-Ln --stats --exact").into_iter().zip(printed("-Ln --rate --exact")).skip(3);
    let entries: Vec<_> = order::services(&fake.services).into_iter().cloned().collect();
    for entry in entries {
        let Some((totals, rates)) = lines.next() else { break };
        let service = fake.find(entry.service.id, Refusal::NoSuchService).expect("it is listed");
        (service.counters, service.rates) = (counters(&totals), per_second(&rates));
        for server in &mut service.servers {
            let (totals, rates) = lines.next().expect("a line for the server");
            (server.counters, server.rates) = (counters(&totals), per_second(&rates));
        }
    }
    fake.connections = printed("-Lnc").iter().skip(2).map(|line| connection(line)).collect();
}

fn counters(line: &[&str]) -> Counters {
    let [connections, packets, _, bytes, _] = numbers(line);
    Counters { connections, packets, bytes }
}

fn per_second(line: &[&str]) -> Rates {
    let [connections, packets, _, bytes, _] = numbers(line);
    Rates { connections, packets, bytes }
}

fn numbers(line: &[&str]) -> [u64; 5] {
    let numbers = line.last_chunk().expect("five numbers");
    numbers.map(|number| number.parse().expect("a number"))
}

fn connection(line: &[&str]) -> ConnectionEntry {
    let [protocol, expires, state, client, virtual_address, destination] = *line else { panic!("{line:?}") };
    let (minutes, seconds) = expires.split_once(':').expect("minutes and seconds");
    let [minutes, seconds] = [minutes, seconds].map(|number| number.parse::<u64>().expect("a number"));
    let socket = |text: &str| text.parse().expect("address and port");
    ConnectionEntry {
        protocol: match protocol {
            "TCP" => 6,
            "UDP" => 17,
            _ => 0,
        },
        expires: 60 * minutes + seconds,
        state: state.to_owned(),
        client: socket(client),
        virtual_address: socket(virtual_address),
        destination: socket(destination),
    }
}
