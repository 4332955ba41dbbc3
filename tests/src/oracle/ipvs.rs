//! The real IPVS does what a case says: in a guest kernel.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::case::{Action, Case, Sent};
use super::outcome;
use super::recording::{Ran, Recording, Step, Wheel};
use super::world::{SERVERS, VIPS, VIPS6, router, server};
use crate::director::mac_of;
use crate::frame::{DIRECTOR, Mac, ROUTER};
use crate::guest::{Guest, Op, Outcome};

/// What the director's network is, as lines for `ip -batch`: its addresses, real servers as permanent neighbours, and a
/// router, by which clients are reached.
fn network() -> String {
    let mut lines = format!("link set dev eth0 address {}\n", colons(DIRECTOR));
    lines += "addr add 172.16.100.2/24 dev eth0\naddr add 2001:db8:100::2/64 dev eth0 nodad\n";
    for vip in VIPS {
        lines += &format!("addr add {vip}/32 dev eth0\n");
    }
    for vip in VIPS6 {
        lines += &format!("addr add {vip}/128 dev eth0 nodad\n");
    }
    let servers = (0..SERVERS).flat_map(|number| [server(true, number), server(false, number)]);
    let routers = [router(true), router(false)];
    let neighbours = servers.map(|address| (address, mac_of(address))).chain(routers.map(|router| (router, ROUTER)));
    for (address, mac) in neighbours {
        lines += &format!("neigh replace {address} lladdr {} dev eth0 nud permanent\n", colons(mac));
    }
    for router in routers {
        lines += &format!("route add default via {router} dev eth0\n");
    }
    lines
}

fn colons(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// What the real IPVS does with a case. Time passes while it does, so one that took too long is done again.
///
/// # Errors
/// The guest's, or that the machine is too busy.
pub fn record(guest: &mut Guest, case: &Case) -> Result<Recording> {
    let timed = case.actions.iter().any(|action| matches!(action, Action::Wait(time) if *time >= LONG));
    let patience = if timed { PATIENCE_TIMED } else { PATIENCE };
    let mut took = Duration::ZERO;
    for _ in 0..TRIES {
        let recording = once(guest, case, timed)?;
        if recording.took < patience {
            return Ok(recording);
        }
        took = recording.took;
    }
    bail!("the machine is too busy: commands and packets that take no time took {took:?}, {TRIES} times")
}

fn once(guest: &mut Guest, case: &Case, timed: bool) -> Result<Recording> {
    let mut session = Session {
        guest,
        ops: Vec::new(),
        outcomes: Vec::new(),
        started: None,
        took: Duration::ZERO,
        ended: HashSet::new(),
    };
    session.ops.push(Op::Begin { ip: network(), sysctls: Vec::new() });
    if timed {
        session.ops.push(run("cat /proc/timer_list", ""));
    }
    session.flush()?;
    let wheel = match session.outcomes.pop() {
        Some(Outcome::Ran { stdout, .. }) => Some(wheel(&stdout)?),
        Some(Outcome::Done | Outcome::Received { .. }) | None => None,
    };
    session.outcomes.clear();
    case.actions.iter().try_for_each(|action| session.act(action))?;
    session.flush()?;
    let took = session.took;
    let mut outcomes = Outcomes { outcomes: session.outcomes.into_iter(), frames: Vec::new().into_iter() };
    let steps = case.actions.iter().map(|action| outcomes.step(action).with_context(|| action.to_string()));
    let steps = steps.collect::<Result<_>>()?;
    let Case { name, about, .. } = case.clone();
    Ok(Recording { name, about, kernel: guest.kernel().to_owned(), wheel, took, steps })
}

/// A guest at work on a case. From one wait to the next it gets everything at once.
struct Session<'a> {
    guest: &'a mut Guest,
    ops: Vec<Op>,
    outcomes: Vec<Outcome>,
    /// When what was done since the last wait was begun.
    started: Option<Instant>,
    took: Duration,
    /// Connections that may be over: anything but the usual was sent for them.
    ended: HashSet<(SocketAddr, SocketAddr)>,
}

impl Session<'_> {
    fn act(&mut self, action: &Action) -> Result<()> {
        match (action, self.ops.last_mut()) {
            (Action::Send(sent), Some(Op::Send { frames })) => {
                frames.push(sent.frame());
                self.settle(sent)?;
            }
            (Action::Send(sent), _) => {
                self.ops.push(Op::Send { frames: vec![sent.frame()] });
                self.settle(sent)?;
            }
            (Action::Command(line), _) => {
                self.ops.push(run(&line.words, &line.input));
                let removes =
                    ["ipvsadm -d", "ipvsadm -D", "ipvsadm -C"].iter().any(|word| line.words.starts_with(word));
                if removes {
                    self.tick()?;
                }
            }
            (Action::Sysctl(_), _) => self.ops.push(Op::Run {
                words: vec!["sh".to_owned(), "-c".to_owned(), action.to_string()],
                stdin: String::new(),
            }),
            (Action::Wait(time), _) => {
                let took = self.flush()?;
                // A long wait ends when it was meant to; a short one is for what came before it.
                let left = if *time < LONG { *time } else { time.saturating_sub(took) };
                self.ops.push(Op::Sleep { time: left });
                self.flush()?;
                if *time >= LONG {
                    self.started = Some(Instant::now());
                }
            }
        }
        Ok(())
    }

    /// Lets a connection go that this packet has replaced: it counts until the kernel's next tick
    /// (`ip_vs_conn_expire_now`). The recording does not show that; it is as if the tick came at once.
    fn settle(&mut self, sent: &Sent) -> Result<()> {
        let connection = (sent.source, sent.destination);
        let replaces = sent.flags.contains('S') && self.ended.contains(&connection);
        if !["S", "A", "PA", "SA"].contains(&sent.flags.as_str()) {
            self.ended.insert(connection);
        }
        if replaces { self.tick() } else { Ok(()) }
    }

    /// Gives the kernel the time for what it does later: with `expire_nodest_conn` = 1 the connections of a removed server
    /// go by a work of their own, a tick later (`ip_vs_enqueue_expire_nodest_conns`).
    fn tick(&mut self) -> Result<()> {
        self.flush()?;
        self.guest.run(&[Op::Sleep { time: TICKS }])?;
        Ok(())
    }

    /// Has the guest do what was not done yet; gives the time since the last wait, or since the beginning.
    fn flush(&mut self) -> Result<Duration> {
        self.outcomes.extend(self.guest.run(&self.ops)?);
        self.ops.clear();
        let started = *self.started.get_or_insert_with(Instant::now);
        self.took = self.took.max(started.elapsed());
        Ok(started.elapsed())
    }
}

fn run(words: &str, stdin: &str) -> Op {
    Op::Run { words: words.split_whitespace().map(str::to_owned).collect(), stdin: stdin.to_owned() }
}

/// The timer wheel of the guest, from `/proc/timer_list`: it tells jiffies. Their zero is where the wheel's is.
fn wheel(text: &str) -> Result<Wheel> {
    let jiffies = text.lines().find_map(|line| line.trim().strip_prefix("jiffies: "));
    let jiffies: u64 = jiffies.context("/proc/timer_list has no jiffies")?.trim().parse()?;
    Ok(Wheel { hz: HZ, phase: jiffies * 1000 / u64::from(HZ) })
}

/// How long commands and packets may take, besides short waits. Connections that were reset live for ten seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same where it matters what expires when.
const PATIENCE_TIMED: Duration = Duration::from_millis(1500);

/// More than one tick of the kernel's.
const TICKS: Duration = Duration::from_millis(50);

/// How often a case is tried that takes longer.
const TRIES: usize = 20;

/// A wait after which it matters how late timers are.
const LONG: Duration = Duration::from_secs(5);

/// Ticks a second of Debian's user-mode Linux.
const HZ: u32 = 100;

/// Outcomes of the guest, of which those of packets come many at once.
struct Outcomes {
    outcomes: std::vec::IntoIter<Outcome>,
    frames: std::vec::IntoIter<Vec<Vec<u8>>>,
}

impl Outcomes {
    /// The next outcome, which is that of this action.
    fn step(&mut self, action: &Action) -> Result<Step> {
        if let Action::Send(sent) = action {
            if self.frames.len() == 0 {
                self.frames = self.received()?.into_iter();
            }
            let frames: Vec<_> =
                self.frames.next().context("no frames")?.into_iter().filter(|frame| is_for_one(frame)).collect();
            return Ok(Step::Send(sent.clone(), outcome::came(&sent.frame(), &frames)));
        }
        if let Action::Wait(time) = action {
            if let Some(frame) = self.received()?.concat().into_iter().find(|frame| is_for_one(frame)) {
                bail!("the director sent a frame unasked: {frame:02x?}");
            }
            return Ok(Step::Wait(*time));
        }
        let Some(Outcome::Ran { status, stdout, stderr }) = self.outcomes.next() else { bail!("nothing was run") };
        let ran = Ran { status, output: stdout, error: Some(stderr) };
        match action {
            Action::Command(line) => Ok(Step::Command(line.clone(), ran)),
            Action::Sysctl(sysctl) if status == 0 => Ok(Step::Sysctl(sysctl.clone())),
            Action::Sysctl(_) | Action::Send(_) | Action::Wait(_) => bail!("{ran:?}"),
        }
    }

    fn received(&mut self) -> Result<Vec<Vec<Vec<u8>>>> {
        match self.outcomes.next() {
            Some(Outcome::Received { frames }) => Ok(frames),
            other => bail!("nothing was sent, but {other:?}"),
        }
    }
}

/// Whether a frame is for one host: the director also tells its network which multicast groups it is in.
fn is_for_one(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 1 == 0)
}
