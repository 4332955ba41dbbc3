//! `cargo xtask kernels [SERIES...]`: the release on kernels of Debian's, each in a machine that QEMU makes up. Each must
//! take the packet program, and `lvx` must balance there.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::guest::{Guest, Machine, Op, Outcome};
use crate::{build, wait, workspace};

/// The oldest series that LVX runs on, and the long-term ones since.
pub const SERIES: [&str; 3] = ["6.1", "6.12", "6.18"];

/// A director with a VIP and three real servers, whose MAC addresses end as their IP addresses do.
const IP: &str = "\
addr add 172.16.100.2/24 dev eth0
addr add 172.16.100.1/32 dev eth0
neigh add 172.16.100.10 lladdr 02:00:00:00:00:0a dev eth0 nud permanent
neigh add 172.16.100.11 lladdr 02:00:00:00:00:0b dev eth0 nud permanent
neigh add 172.16.100.12 lladdr 02:00:00:00:00:0c dev eth0 nud permanent
";

/// Where the daemon writes its log, in the guest.
const LOG: &str = "/run/lvx.log";

/// How long the daemon may take for something in the guest, which is a slow machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// The last bytes of the real servers' addresses, and their weights.
const SERVERS: [(u8, u32); 3] = [(10, 1), (11, 2), (12, 3)];

/// Schedulers, and how many of [`CLIENTS`] each server gets of them.
const SHARES: [(&str, [usize; 3]); 3] = [("rr", [4, 4, 4]), ("wrr", [2, 4, 6]), ("wlc", [2, 4, 6])];
const CLIENTS: u8 = 12;

/// Tries each series, and prints a line about it.
///
/// # Errors
/// A kernel cannot be had, or something does not work on one of them; the others are tried all the same.
pub fn run(series: &[String], prepared: bool) -> Result<()> {
    if !prepared {
        build::run()?;
    }
    let mut failed = Vec::new();
    for series in series {
        let start = Instant::now();
        match attempt(series) {
            Ok(done) => println!("kernels: {done}, {:.0} s in all: ok", start.elapsed().as_secs_f64()),
            Err(error) => {
                println!("kernels: {series}: {error:#}");
                failed.push(series.as_str());
            }
        }
    }
    if !failed.is_empty() {
        bail!("not on {}", failed.join(", "));
    }
    Ok(())
}

/// Boots, loads, balances; says what was seen.
fn attempt(series: &str) -> Result<String> {
    let machine = Machine::ensure(series, &workspace::lvx())?;
    let mut guest = Guest::boot_in(&machine)?;
    guest.run(&[Op::Begin { ip: IP.to_owned(), sysctls: Vec::new() }])?;
    let loading = Instant::now();
    start_daemon(&mut guest)?;
    let loading = loading.elapsed().as_secs_f64();
    let verified = must(&mut guest, &["sh", "-c", "cat /proc/[0-9]*/fdinfo/* 2>/run/gone | grep verified_insns"])?;
    if let Err(error) = balance(&mut guest) {
        let status = lvx(&mut guest, "status").unwrap_or_default();
        return Err(error.context(status));
    }
    let instructions: Vec<u64> = verified.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let largest = instructions.iter().max().context("no program says how many instructions were verified")?;
    Ok(format!("{}: loaded in {loading:.1} s, {largest} instructions verified", guest.kernel()))
}

/// Sets services, sends clients' first packets, and checks who gets them.
fn balance(guest: &mut Guest) -> Result<()> {
    for (port, (scheduler, shares)) in (80..).zip(SHARES) {
        let vip = format!("172.16.100.1:{port}");
        lvx(guest, &format!("ipvsadm -A -t {vip} -s {scheduler}"))?;
        for (server, weight) in SERVERS {
            lvx(guest, &format!("ipvsadm -a -t {vip} -r 172.16.100.{server} -g -w {weight}"))?;
        }
        // The daemon learns the servers' MAC addresses in its own time.
        let known = || Ok(!lvx(guest, "status")?.contains("UNREACHABLE"));
        wait::until("a MAC address of a permanent neighbour", PATIENCE, known)?;
        let sent = sent_to(guest, port)?;
        let seen = SERVERS.map(|(server, _)| sent.iter().filter(|to| **to == server).count());
        ensure!(seen == shares, "{scheduler}: the servers get {seen:?} of {CLIENTS} clients, not {shares:?}");
    }
    Ok(())
}

/// Starts `lvx run` and waits until it balances.
fn start_daemon(guest: &mut Guest) -> Result<()> {
    let lvx = Machine::program().join(" ");
    must(guest, &["sh", "-c", &format!("exec >{LOG} 2>&1; ({lvx} run --interface eth0; echo ended) </dev/null &")])?;
    let balances = || {
        let log = must(guest, &["cat", LOG])?;
        ensure!(!log.contains("ended"), "lvx does not start:\n{log}");
        Ok(log.contains("balancing"))
    };
    wait::until("lvx is ready in the guest", PATIENCE, balances).map(drop)
}

/// A command of lvx that must succeed: what it printed.
fn lvx(guest: &mut Guest, arguments: &str) -> Result<String> {
    let lvx = Machine::program();
    let words: Vec<&str> = lvx.iter().map(String::as_str).chain(arguments.split(' ')).collect();
    must(guest, &words)
}

/// A program that must succeed: what it printed.
fn must(guest: &mut Guest, words: &[&str]) -> Result<String> {
    let owned = words.iter().map(|word| (*word).to_owned()).collect();
    match guest.run(&[Op::Run { words: owned, stdin: String::new() }])?.pop() {
        Some(Outcome::Ran { status: 0, stdout, .. }) => Ok(stdout),
        other => bail!("{}: {other:?}", words.join(" ")),
    }
}

/// To whom the SYNs of the clients go: the last byte of the MAC address.
fn sent_to(guest: &mut Guest, port: u16) -> Result<Vec<u8>> {
    let frames = (0..CLIENTS).map(|client| syn(client, port)).collect();
    let Some(Outcome::Received { frames }) = guest.run(&[Op::Send { frames }])?.pop() else {
        bail!("no answer to frames");
    };
    let one = |frames: &Vec<Vec<u8>>| match frames.as_slice() {
        [frame] if frame.starts_with(&[2, 0, 0, 0, 0]) => Ok(frame[5]),
        other => bail!("a SYN makes the director send {other:02x?}"),
    };
    frames.iter().map(one).collect()
}

/// The SYN of a client to a port of the VIP. Its TCP checksum is of no interest to a director.
fn syn(client: u8, port: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 0xfe, 8, 0];
    let mut header = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, client, 172, 16, 100, 1];
    let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    frame.extend(header);
    frame.extend([4, 0, (port >> 8) as u8, port as u8, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 255, 255, 0, 0, 0, 0]);
    frame
}
