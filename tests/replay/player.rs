//! Plays a recording to a director.

use std::net::IpAddr;
use std::time::Duration;

use lb_user::model::Sysctls;
use lvx_tests::director::{TestDirector, mac_of};
use lvx_tests::fate::Fate;
use lvx_tests::frame::{DIRECTOR, IcmpError, Packet, forwarded, icmp_error, verify};

use super::compare;
use super::recording::{self, Recording, Step};

/// A recording and the director that it is played to.
pub struct Player<'a> {
    recording: &'a Recording,
    director: TestDirector,
    sysctls: Sysctls,
    ttl: u8,
    tos: u8,
    differences: Vec<String>,
}

impl<'a> Player<'a> {
    /// A director without services; its connection table has IPVS' default size, which `ipvsadm -Ln` shows.
    pub fn new(recording: &'a Recording) -> Self {
        let (director, sysctls) = (TestDirector::default(), Sysctls::default());
        Self { recording, director, sysctls, ttl: 64, tos: 0, differences: Vec::new() }
    }

    /// Templates expire as late as the kernel's timers; `phase` tells where those stand.
    pub fn expire_templates_late(&mut self, phase: u64) {
        self.director.expire_templates_late(phase);
    }

    /// Plays all of it; gives what differed.
    pub fn play(mut self) -> Vec<String> {
        for (number, step) in self.recording.steps.iter().enumerate() {
            if let Some(difference) = self.step(step) {
                self.differences.push(format!("step {number}, {}: {difference}", self.name(step)));
            }
        }
        let stats = self.director.run("ipvsadm -Ln --stats").stdout;
        self.differences.extend(compare::incoming(&self.recording.stats, &stats));
        self.differences
    }

    fn name(&self, step: &Step) -> String {
        match step {
            Step::Cmd { cmd, .. } | Step::Sh { cmd } => cmd.clone(),
            Step::Pkt(packet) => format!("{} {} > {} {}", packet.proto, packet.src, packet.dst, packet.flags),
            Step::Set { k, v } => format!("{k} {v}"),
            Step::Sleep { ms } => format!("{ms} ms"),
            Step::Dump { .. } => "the tables".to_owned(),
        }
    }

    fn step(&mut self, step: &Step) -> Option<String> {
        match step {
            Step::Cmd { cmd, rc, output } => self.command(cmd, *rc, output),
            Step::Sh { cmd } => {
                self.write_sysctl(cmd);
                None
            }
            Step::Pkt(packet) => self.packet(packet).err(),
            Step::Set { k, v } => {
                match k.as_str() {
                    "ttl" => self.ttl = *v,
                    "tos" => self.tos = *v,
                    "wait" => {}
                    other => panic!("{other} cannot be set"),
                }
                None
            }
            Step::Sleep { ms } => {
                self.director.advance(Duration::from_millis(*ms));
                None
            }
            Step::Dump { ln, persistent, conns, save } => {
                let differences = [
                    self.command("ipvsadm -Ln", 0, ln),
                    self.command("ipvsadm -Ln --persistent-conn", 0, persistent),
                    self.command("ipvsadm -Lnc", 0, conns),
                    self.command("ipvsadm -Sn", 0, save),
                ];
                let differences: Vec<String> = differences.into_iter().flatten().collect();
                (!differences.is_empty()).then(|| differences.join("\n"))
            }
        }
    }

    fn command(&mut self, line: &str, status: i32, output: &str) -> Option<String> {
        if let Some(rule) = line.strip_prefix("iptables -t mangle ") {
            self.director.iptables(rule);
            return None;
        }
        let played = self.director.run(line);
        let printed = played.stdout + &played.stderr;
        if played.status != status {
            return Some(format!("status {} instead of {status}: {printed}", played.status));
        }
        if line.contains("-Lnc") { compare::connections(output, &printed) } else { compare::lines(output, &printed) }
    }

    /// `echo VALUE > /proc/sys/net/ipv4/vs/NAME`
    fn write_sysctl(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["echo", value, ">", path] = words[..] else { panic!("{line} writes no sysctl") };
        let value: u32 = value.parse().expect("a number");
        match path.strip_prefix("/proc/sys/net/ipv4/vs/") {
            Some("conn_reuse_mode") => self.sysctls.conn_reuse_mode = value,
            Some("expire_nodest_conn") => self.sysctls.expire_nodest_conn = value != 0,
            Some("expire_quiescent_template") => self.sysctls.expire_quiescent_template = value != 0,
            Some("sloppy_tcp") => self.sysctls.sloppy_tcp = value != 0,
            Some(_) | None => panic!("LVX has no {path}"),
        }
        self.director.director().tables().set_sysctls(&self.sysctls);
    }

    fn packet(&mut self, recorded: &recording::Packet) -> Result<(), String> {
        let packet = match recorded.proto.as_str() {
            "tcp" => Packet::tcp(&recorded.src, &recorded.dst, &recorded.flags),
            "udp" => Packet::udp(&recorded.src, &recorded.dst),
            "icmp" => Packet::icmp(&recorded.src, &recorded.dst, 8, 0),
            other => panic!("packets of {other} cannot be made"),
        };
        let packet = Packet { tos: self.tos, ..packet.with_hop_limit(self.ttl).with_payload(recorded.payload) };
        let frame = packet.frame();
        let fate = self.director.receive(&frame);
        match (recorded.to.as_deref(), recorded.l4.as_deref()) {
            (None, _) => silence(recorded, &frame, fate),
            (Some("client"), Some(answer)) => answered(recorded, answer, &frame, fate),
            (Some(server), _) => sent(server.parse().expect("an address"), recorded, &frame, fate),
        }
    }
}

/// IPVS sent the packet to a real server.
fn sent(server: IpAddr, recorded: &recording::Packet, frame: &[u8], fate: Fate) -> Result<(), String> {
    let Fate::Sent(out) = fate else { return Err(format!("not forwarded to {server} but {fate:02x?}")) };
    let expected = forwarded(frame, mac_of(server), DIRECTOR);
    if out[..6] != expected[..6] {
        return Err(format!("to {:02x?} instead of {server}", &out[..6]));
    }
    if out != expected || (out[22], out[15]) != (recorded.ttl, recorded.tos) {
        return Err(format!("{out:02x?} instead of {expected:02x?}"));
    }
    verify(&out)
}

/// The director answered. Where IPVS does, LVX answers in the same way; where the stack behind IPVS does (resets, echo
/// replies, and port unreachable for UDP that no service wants), LVX passes the packet to that stack untouched.
fn answered(recorded: &recording::Packet, answer: &str, frame: &[u8], fate: Fate) -> Result<(), String> {
    let expected = match (recorded.proto.as_str(), answer) {
        ("tcp", "icmp3/3") => IcmpError { kind: 3, code: 3, mtu: 0 },
        (_, "icmp11/0") => IcmpError { kind: 11, code: 0, mtu: 0 },
        _ => return passed(frame, fate),
    };
    let Fate::Sent(out) = fate else { return Err(format!("not answered by {answer} but {fate:02x?}")) };
    let error = icmp_error(frame, &out)?;
    if error == expected { Ok(()) } else { Err(format!("{error:?} instead of {answer}")) }
}

/// Nothing came out: a reset of an unknown connection, which goes to the stack behind IPVS, and the stack ignores it.
fn silence(recorded: &recording::Packet, frame: &[u8], fate: Fate) -> Result<(), String> {
    if recorded.flags.contains('R') {
        return passed(frame, fate);
    }
    if fate == Fate::Dropped { Ok(()) } else { Err(format!("not dropped but {fate:02x?}")) }
}

fn passed(frame: &[u8], fate: Fate) -> Result<(), String> {
    if fate == Fate::Passed(frame.to_vec()) { Ok(()) } else { Err(format!("not passed but {fate:02x?}")) }
}
