//! Network namespaces, and a watcher inside one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{panic, thread};

use lb_user::neighbours::{self, Event, Handle, Link, LinkEvent, Path};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// How long a change may take to be seen: the kernel itself needs three seconds to find that nobody answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// A network namespace that goes when it is dropped.
pub(crate) struct Netns(String);

impl Netns {
    /// Makes one, its loopback up.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // SAFETY: geteuid has no preconditions.
        assert!(unsafe { libc::geteuid() } == 0, "needs root");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let netns = Self(format!("lvx-neigh-{}-{number}", process::id()));
        run("ip", &["netns", "add", &netns.0]);
        netns.ip("link set lo up");
        netns
    }

    /// Runs `ip` in it.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.0];
        all.extend(arguments.split_whitespace());
        run("ip", &all)
    }

    /// Sets a kernel parameter under `/proc/sys/net` in it.
    pub(crate) fn set(&self, parameter: &str, value: &str) {
        let write = format!("echo {value} > /proc/sys/net/{parameter}");
        run("ip", &["netns", "exec", &self.0, "sh", "-c", &write]);
    }

    /// Joins it to `other` by a pair of interfaces, both up, with these addresses.
    pub(crate) fn link(&self, name: &str, addresses: &[&str], other: &Self, others: &[&str]) {
        self.ip(&format!("link add {name} type veth peer name {name} netns {}", other.0));
        for (netns, addresses) in [(self, addresses), (other, others)] {
            for address in addresses {
                // An IPv6 address is of use at once without the search for duplicates.
                let nodad = if address.contains(':') { "nodad" } else { "" };
                netns.ip(&format!("address add {address} dev {name} {nodad}"));
            }
            netns.ip(&format!("link set {name} up"));
        }
    }

    /// The MAC address of an interface in it.
    pub(crate) fn mac(&self, name: &str) -> [u8; 6] {
        let shown = self.ip(&format!("-o link show {name}"));
        let text = shown.split_whitespace().skip_while(|word| *word != "link/ether").nth(1);
        parse_mac(text.expect("a MAC address"))
    }

    /// Runs `test` in it, on a thread and a runtime of its own.
    pub(crate) fn watch(&self, test: impl AsyncFnOnce(Watcher) + Send) {
        let path = format!("/run/netns/{}", self.0);
        let ran = thread::scope(|scope| {
            let inside = scope.spawn(move || {
                let netns = File::open(path).expect("the namespace's file");
                // SAFETY: the descriptor is open, and setns moves only this thread, which ends with the test.
                let moved = unsafe { libc::setns(netns.as_raw_fd(), libc::CLONE_NEWNET) };
                assert_eq!(moved, 0, "{}", io::Error::last_os_error());
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async { test(Watcher::new()).await });
            });
            inside.join()
        });
        ran.unwrap_or_else(|failure| panic::resume_unwind(failure));
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let deleted = Command::new("ip").args(["netns", "delete", &self.0]).status();
        if !deleted.as_ref().is_ok_and(process::ExitStatus::success) {
            eprintln!("namespace {} is left behind: {deleted:?}", self.0);
        }
    }
}

/// What was reported so far.
pub(crate) struct Watcher {
    handle: Handle,
    events: mpsc::Receiver<Event>,
    /// The way to each address.
    pub(crate) paths: BTreeMap<IpAddr, Path>,
    /// The interfaces by name.
    pub(crate) links: BTreeMap<String, Link>,
}

impl Watcher {
    fn new() -> Self {
        let (sender, events) = mpsc::channel(1024);
        let handle = neighbours::spawn(sender).expect("netlink sockets");
        Self { handle, events, paths: BTreeMap::new(), links: BTreeMap::new() }
    }

    /// Watches these addresses.
    pub(crate) fn watch<'a>(&self, addresses: impl IntoIterator<Item = &'a str>) {
        let addresses: BTreeSet<IpAddr> = addresses.into_iter().map(ip).collect();
        self.handle.watch(addresses);
    }

    /// Waits until what was reported is as it should be.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            match timeout_at(deadline, self.events.recv()).await {
                Ok(Some(event)) => self.take(event),
                Ok(None) => panic!("the task ended; waited for: {what}"),
                Err(_) => panic!("waited in vain for: {what}; {:?} {:?}", self.paths, self.links),
            }
        }
    }

    /// Waits until `address` is reached through `interface` by this MAC address.
    pub(crate) async fn reaches(&mut self, address: &str, interface: &str, mac: [u8; 6]) {
        let what = format!("{address} by {mac:02x?} through {interface}");
        self.until(&what, |watcher| {
            let Some(Path::Reachable { interface: egress, destination_mac, .. }) = watcher.paths.get(&ip(address))
            else {
                return false;
            };
            egress == interface && *destination_mac == mac
        })
        .await;
    }

    /// Waits until `address` is not reached for this reason.
    pub(crate) async fn misses(&mut self, address: &str, reason: &str) {
        let expected = Path::Unresolved { reason: reason.into() };
        self.until(reason, |watcher| watcher.paths.get(&ip(address)) == Some(&expected)).await;
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Neighbour(news) => {
                self.paths.insert(news.address, news.path);
            }
            Event::Link(LinkEvent::Changed(link)) => {
                self.links.insert(link.name.clone(), link);
            }
            Event::Link(LinkEvent::Removed(link)) => {
                self.links.remove(&link.name);
            }
        }
    }
}

/// An address from its text.
pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A MAC address from its text.
pub(crate) fn parse_mac(text: &str) -> [u8; 6] {
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("a byte")).collect();
    bytes.try_into().expect("six bytes")
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("iproute2");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
