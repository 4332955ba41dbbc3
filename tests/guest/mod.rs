//! The guest is under control: its IPVS is asked, and answers, one frame at a time, at the time that we choose.

mod answers;
mod time;

use anyhow::{Result, bail, ensure};
use lvx_tests::frame::{DIRECTOR, Packet, ROUTER, mac_addresses};
use lvx_tests::guest::{Guest, Op, Outcome};

/// A director with a VIP, and real servers as neighbours, whose MAC addresses end as their IP addresses do.
const IP: &str = "\
link set eth0 address 02:00:00:00:00:01
addr add 172.16.100.2/24 dev eth0
addr add 172.16.100.1/32 dev eth0
addr add 2001:db8::2/64 dev eth0
addr add 2001:db8::100/128 dev eth0
route add default via 172.16.100.254
route add default via 2001:db8::fe
neigh add 172.16.100.254 lladdr 02:00:00:00:00:fe dev eth0 nud permanent
neigh add 172.16.100.10 lladdr 02:00:00:00:00:0a dev eth0 nud permanent
neigh add 172.16.100.11 lladdr 02:00:00:00:00:0b dev eth0 nud permanent
neigh add 172.16.100.12 lladdr 02:00:00:00:00:0c dev eth0 nud permanent
neigh add 2001:db8::fe lladdr 02:00:00:00:00:fe dev eth0 nud permanent
neigh add 2001:db8::a lladdr 02:00:00:00:00:0a dev eth0 nud permanent
neigh add 2001:db8::b lladdr 02:00:00:00:00:0b dev eth0 nud permanent
";

/// A web service with three real servers.
const WEB: [&str; 4] = [
    "-A -t 172.16.100.1:80 -s rr",
    "-a -t 172.16.100.1:80 -r 172.16.100.10 -g",
    "-a -t 172.16.100.1:80 -r 172.16.100.11 -g",
    "-a -t 172.16.100.1:80 -r 172.16.100.12 -g",
];

/// A fresh director.
fn begin(guest: &mut Guest) -> Result<()> {
    let outcomes = guest.run(&[Op::Begin { ip: IP.to_owned(), sysctls: Vec::new() }])?;
    ensure!(outcomes == [Outcome::Done], "{outcomes:?}");
    Ok(())
}

/// Does each of the commands, and returns what the last one printed.
fn ipvsadm(guest: &mut Guest, commands: &[&str]) -> Result<String> {
    let words = |line: &&str| ["ipvsadm"].into_iter().chain(line.split(' ')).map(str::to_owned).collect();
    let ops: Vec<Op> = commands.iter().map(|line| Op::Run { words: words(line), stdin: String::new() }).collect();
    let mut printed = String::new();
    for outcome in guest.run(&ops)? {
        match outcome {
            Outcome::Ran { status: 0, stdout, stderr } if stderr.is_empty() => printed = stdout,
            other @ (Outcome::Done | Outcome::Ran { .. } | Outcome::Received { .. }) => bail!("{other:?}"),
        }
    }
    Ok(printed)
}

/// What comes out of the director for each packet.
fn send(guest: &mut Guest, packets: &[Packet]) -> Result<Vec<Vec<Vec<u8>>>> {
    let frames = packets.iter().map(Packet::frame).collect();
    match guest.run(&[Op::Send { frames }])?.pop() {
        Some(Outcome::Received { frames }) => Ok(frames),
        other => bail!("{other:?}"),
    }
}

/// To whom each packet goes: the last byte of the MAC address; none where not exactly one frame comes out of the director.
fn sent_to(guest: &mut Guest, packets: &[Packet]) -> Result<Vec<Option<u8>>> {
    let came = send(guest, packets)?;
    Ok(came
        .iter()
        .map(|frames| match frames.as_slice() {
            [frame] if mac_addresses(frame).1 == DIRECTOR => Some(mac_addresses(frame).0[5]),
            _ => None,
        })
        .collect())
}

/// The first packets of so many clients.
fn clients(count: u8) -> Vec<Packet> {
    (0..count).map(|client| Packet::tcp(&format!("10.0.0.{client}:1024"), "172.16.100.1:80", "S")).collect()
}

/// The MAC address of the router that packets come from, as [`sent_to`] tells it.
const BACK: u8 = ROUTER[5];
