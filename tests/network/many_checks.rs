//! Ten thousand real servers, each asked for the VIP every two seconds: what that costs, and what becomes of the daemon
//! when all of them fail at once.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lb_user::api::client::Client;
use lb_user::api::{Health, Request, Response};
use socket2::{Domain, Protocol, Socket, Type};
use xtask::lab::Arms;
use xtask::wait;

use super::director::Director;
use super::setup::Setup;

const SERVICES: u16 = 10;
const SERVERS: u16 = 1000;
const ALL: usize = SERVICES as usize * SERVERS as usize;
const LIMIT: Duration = Duration::from_secs(60);

/// How long the processor time is counted.
const SPAN: Duration = Duration::from_secs(20);

/// Of one core.
const SHARE: f64 = 0.25;

/// The longest that a call may wait while all servers fail or recover.
const STALL: Duration = Duration::from_millis(500);

/// All servers are behind one MAC address, so that the machine needs no ten thousand hosts.
fn config() -> Result<String> {
    let mut text = "[defaults.health]\ninterval = \"2s\"\ntimeout = \"1s\"\n".to_owned();
    for service in 0..SERVICES {
        writeln!(
            text,
            "[[service]]\ntcp = \"172.16.100.1:{}\"\nscheduler = \"wrr\"\nhealth = true\nreal_server = [",
            8000 + service
        )?;
        for server in 0..SERVERS {
            writeln!(text, "{{ address = \"10.64.{}.{}\" }},", service * 4 + server / 250, server % 250 + 1)?;
        }
        writeln!(text, "]")?;
    }
    text.push_str("[sizes]\nconnections = 16384\ntemplates = 4096\nservices = 64\nreal_servers = 10000\n");
    Ok(text)
}

/// Accepts everything on all ports of the services, on whatever address, as real servers do.
struct Servers {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Servers {
    fn start(director: &Director) -> Result<Self> {
        let listeners = director
            .lab
            .enter("r1", || (0..SERVICES).map(|service| listener(8000 + service)).collect::<Result<Vec<_>>>())?;
        let stop = Arc::new(AtomicBool::new(false));
        let threads = listeners.into_iter().map(|listener| {
            let stop = Arc::clone(&stop);
            // The time limit of `accept` is its read timeout.
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    drop(listener.accept());
                }
            })
        });
        Ok(Self { threads: threads.collect(), stop })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                eprintln!("a real server panicked");
            }
        }
    }
}

fn listener(port: u16) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    socket.listen(4096)?;
    Ok(socket)
}

/// Processor time of a process so far.
fn processor_time(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).context("a short stat")?.parse()?) };
    // utime and stime, in ticks of a hundredth of a second (proc(5)).
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// How many servers have answered, by the status.
fn answered(director: &Director) -> Result<usize> {
    let status = director.status()?;
    let unasked = Health::Up { detail: "not checked yet".to_owned() };
    let entries = status.services.iter().flat_map(|service| &service.servers);
    Ok(entries.filter(|entry| matches!(entry.health, Health::Up { .. }) && entry.health != unasked).count())
}

/// How many transitions the log has: the status of ten thousand servers is much to write, and not what is measured.
fn transitions(director: &Director, healthy: bool) -> usize {
    director.log().matches(&format!("healthy={healthy}")).count()
}

/// Waits until all servers are as they must be; gives how long that took, and the longest that a small call took meanwhile.
fn until_all(director: &Director, healthy: bool) -> Result<(Duration, Duration)> {
    let (done, mut client) = (AtomicBool::new(false), Client::new(&director.lab.socket()));
    thread::scope(|scope| {
        let done = &done;
        let caller = scope.spawn(move || -> Result<Duration> {
            let mut longest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                ensure!(matches!(client.ask(&Request::Timeouts)?, Response::Timeouts { .. }), "no timeouts");
                longest = longest.max(start.elapsed());
                thread::sleep(Duration::from_millis(2));
            }
            Ok(longest)
        });
        let what = format!("all servers are {}", if healthy { "up" } else { "down" });
        let took = wait::until(&what, LIMIT, || Ok(transitions(director, healthy) == ALL));
        done.store(true, Ordering::Relaxed);
        let longest = caller.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((took?, longest))
    })
}

#[test]
fn ten_thousand_servers_are_asked_at_little_cost_and_fail_together_without_a_stall() -> Result<()> {
    let director = Setup::new(Arms::One).stopped()?;
    fs::write(director.config(), config()?)?;
    director.does(&["ip route add 10.64.0.0/16 via 172.16.100.10"])?;
    let _servers = Servers::start(&director)?;
    director.start()?;
    wait::until("all servers have answered", LIMIT, || Ok(answered(&director)? == ALL))?;
    assert_eq!((transitions(&director, false), transitions(&director, true)), (0, 0), "all were well from the start");

    let process = director.process()?;
    let (before, start) = (processor_time(process)?, Instant::now());
    thread::sleep(SPAN);
    let share = (processor_time(process)? - before).as_secs_f64() / start.elapsed().as_secs_f64();
    eprintln!("{ALL} servers every 2 s: {:.1} % of a core", share * 100.0);

    let firewall =
        |action: &str| director.sh_on("r1", &format!("iptables -{action} INPUT -p tcp --dport 8000:8999 -j DROP"));
    ensure!(firewall("I")?.status == 0);
    let (down, stall_down) = until_all(&director, false)?;
    eprintln!("all down within {down:?}; the longest call took {stall_down:?}");
    ensure!(firewall("D")?.status == 0);
    let (up, stall_up) = until_all(&director, true)?;
    eprintln!("all up within {up:?}; the longest call took {stall_up:?}");

    assert!(share < SHARE, "{:.1} % of a core", share * 100.0);
    assert!(stall_down.max(stall_up) < STALL, "{stall_down:?}, {stall_up:?}");
    Ok(())
}
