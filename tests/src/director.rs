//! A director in this process, with the real XDP program.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lb_common::real_server::Counts;
use lb_user::api::{Request, Response};
use lb_user::config::Config;
use lb_user::dataplane::Sizes;
use lb_user::director::Director;
use lb_user::ipvsadm::{self, Backend, BackendError, Output};
use lb_user::model::sysctls::{self, Sysctl};
use lb_user::model::{Family, Sysctls};
use lb_user::neighbours::{Link, LinkEvent, LinkState, Path};
use lb_user::netfilter::Snapshot;
use lb_user::tables::maps::Maps as _;

use crate::fate::Fate;
use crate::frame::{DIRECTOR, Mac};
use crate::time::{self, Clock};

/// The interface that frames come in by: loopback, which is there on every machine.
pub const INGRESS: u32 = 1;

/// Seconds after which a removed server without connections is forgotten.
const FORGOTTEN_AFTER: u32 = 121;

/// A director for tests. Its real servers are neighbours as soon as they are added, each at the address of
/// [`mac_of`], unless a test says otherwise.
///
/// To load the program takes the verifier a while, so a director that a test is done with is emptied and used again;
/// that nothing is left in it then is a test of its own.
pub struct TestDirector {
    /// There until the end.
    director: Option<Director>,
    /// Whether it is of the usual kind, and can be used again.
    usual: bool,
    paths: BTreeMap<IpAddr, Path>,
    /// Rules of netfilter's mangle tables, in the order in which they were given.
    rules: Vec<(Family, String)>,
    clock: Clock,
}

/// Directors of the usual kind that are not in use.
static IDLE: Mutex<Vec<Director>> = Mutex::new(Vec::new());

/// Tables that are large enough for most tests; the number of connections is what IPVS' `ipvsadm -Ln` shows.
const USUAL: Sizes = Sizes { connections: 4096, templates: 1024, services: 64, real_servers: 256 };

impl Default for TestDirector {
    fn default() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(director) => Self::of(director, true),
            None => {
                let mut director = Self::new(USUAL);
                director.usual = true;
                director
            }
        }
    }
}

impl Drop for TestDirector {
    fn drop(&mut self) {
        if self.usual && !std::thread::panicking() {
            self.empty();
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).extend(self.director.take());
        }
    }
}

impl TestDirector {
    /// A director with tables of these sizes, and no service.
    ///
    /// # Panics
    /// The kernel refuses the program.
    pub fn new(sizes: Sizes) -> Self {
        Self::configured(&Config { sizes, ..Config::default() })
    }

    /// A director with a config.
    ///
    /// # Panics
    /// The kernel refuses the program.
    pub fn configured(config: &Config) -> Self {
        let mut director = match Director::new(config) {
            Ok(director) => director,
            Err(error) => panic!("the packet program cannot be loaded, which these tests need root for: {error:#}"),
        };
        director.tables().maps_mut().set_interface(INGRESS, Some(DIRECTOR)).expect("loopback's index is in the map");
        let mut director = Self::of(director, false);
        director.set_interface_name("eth0", INGRESS);
        director.resolve();
        director
    }

    fn of(director: Director, usual: bool) -> Self {
        let (paths, rules, clock) = (BTreeMap::new(), Vec::new(), Clock::default());
        Self { director: Some(director), usual, paths, rules, clock }
    }

    /// The director itself.
    pub fn director(&mut self) -> &mut Director {
        self.director.as_mut().expect("it is there until the end")
    }

    /// Removes everything and lets all connections end; nobody may count one then.
    fn empty(&mut self) {
        self.must(["ipvsadm -C", "ipvsadm --set 900 120 300"]);
        let director = self.director();
        director.set_netfilter(Vec::new(), Vec::new());
        director.handle(&set(&Sysctls::default()));
        director.tables().set_sysctls(&Sysctls::default());
        time::expire_all(director);
        for (slot, server) in director.tables().slots() {
            let Counts { active, inactive, persistent, .. } = director.tables().maps().counts(slot);
            assert_eq!((active, inactive, persistent), (0, 0, 0), "{server:?} has connections, but none is left");
        }
        (0..=FORGOTTEN_AFTER).for_each(|_| director.tables().tick());
        assert!(director.tables().slots().is_empty(), "removed servers are not forgotten");
    }

    /// Lets templates expire as late as the timers would of a kernel that ticks `hz` times a second. `phase` tells where
    /// those stand, in milliseconds.
    pub fn expire_templates_late(&mut self, hz: u32, phase: u64) {
        self.clock = Clock::with_late_templates(hz, phase);
    }

    /// An interface with this index has this name, for mark rules.
    pub fn set_interface_name(&mut self, name: &str, index: u32) {
        let link =
            Link { index, name: name.to_owned(), mac: Some(DIRECTOR), mtu: 1500, state: LinkState::Up, resolves: true };
        self.director().set_link(LinkEvent::Changed(link));
    }

    /// Runs `ipvsadm` with the words of a line that starts with its name.
    pub fn run(&mut self, line: &str) -> Output {
        self.run_with_input(line, "")
    }

    /// The same, with something to read from its standard input.
    pub fn run_with_input(&mut self, line: &str, input: &str) -> Output {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap_or_default();
        let words: Vec<&str> = words.collect();
        let output = ipvsadm::run(program, &words, &mut input.as_bytes(), &mut InProcess(self.director()));
        self.resolve();
        output
    }

    /// Runs commands that must succeed and print nothing.
    ///
    /// # Panics
    /// One does not.
    pub fn must<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        for line in lines {
            let output = self.run(line);
            assert_eq!((output.status, output.stdout + &output.stderr), (0, String::new()), "{line}");
        }
    }

    /// Appends to netfilter's mangle table what `iptables -t mangle` would with these words: a rule for the ports of
    /// TCP or UDP gets that match by itself.
    ///
    /// # Panics
    /// LVX cannot follow the rule.
    pub fn iptables(&mut self, rule: &str) {
        self.netfilter(Family::Inet, rule).unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// The same for the mangle table of a family; `-F PREROUTING` empties that.
    ///
    /// # Errors
    /// LVX cannot follow the rule; the error says why.
    pub fn netfilter(&mut self, family: Family, rule: &str) -> Result<(), String> {
        if rule == "-F PREROUTING" {
            self.rules.retain(|(of, _)| *of != family);
        } else {
            let rule = rule.replace("-p tcp --", "-p tcp -m tcp --").replace("-p udp --", "-p udp -m udp --");
            self.rules.push((family, rule));
        }
        self.follow_netfilter()
    }

    /// Empties netfilter's mangle tables.
    pub fn flush_iptables(&mut self) {
        self.rules.clear();
        self.follow_netfilter().expect("no rule is left");
    }

    fn follow_netfilter(&mut self) -> Result<(), String> {
        let mut followed = Vec::new();
        for family in [Family::Inet, Family::Inet6] {
            let rules = self.rules.iter().filter(|(of, _)| *of == family);
            let rules: String = rules.map(|(_, rule)| format!("{rule}\n")).collect();
            let text = format!("*mangle\n:PREROUTING ACCEPT [0:0]\n{rules}COMMIT\n");
            let Snapshot { rulesets, unsupported } = Snapshot::of_saved(family, &text);
            if let Some(unsupported) = unsupported.first() {
                return Err(unsupported.to_string());
            }
            followed.extend(rulesets);
        }
        self.director().set_netfilter(followed, Vec::new());
        Ok(())
    }

    /// Sets all sysctls, as `lvx sysctl` does.
    ///
    /// # Panics
    /// A value is out of range.
    pub fn set_sysctls(&mut self, sysctls: &Sysctls) {
        assert_eq!(self.director().handle(&set(sysctls)), Response::Done);
    }

    /// A real server's address is reached in this way from now on.
    pub fn set_path(&mut self, address: &str, path: Path) {
        let address = address.parse().expect("an address");
        self.director().set_path(address, path.clone());
        self.paths.insert(address, path);
    }

    /// Makes neighbours of real servers that are new.
    fn resolve(&mut self) {
        for address in self.director().addresses() {
            if !self.paths.contains_key(&address) {
                let path = reachable(mac_of(address), INGRESS);
                self.director().set_path(address, path.clone());
                self.paths.insert(address, path);
            }
        }
    }

    /// What becomes of a frame that comes in by [`INGRESS`].
    ///
    /// # Panics
    /// The kernel does not run the program, or the program gives an action that it must not give.
    pub fn receive(&mut self, frame: &[u8]) -> Fate {
        self.receive_by(INGRESS, frame)
    }

    /// What becomes of a frame that comes in by an interface.
    ///
    /// # Panics
    /// As [`Self::receive`].
    pub fn receive_by(&mut self, ifindex: u32, frame: &[u8]) -> Fate {
        let outcome = self.director().plane().try_frame(frame, ifindex);
        Fate::of(outcome.unwrap_or_else(|error| panic!("the program does not run: {error:#}")))
    }

    /// Lets time pass for what schedulers remember, and for nothing else.
    pub fn age_memory(&mut self, time: Duration) {
        let director = self.director();
        let hz = u64::from(director.tables().maps().hz());
        time::age_memory(director, time.as_secs() * hz);
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        let director = self.director.as_mut().expect("it is there until the end");
        self.clock.advance(director, time);
    }
}

/// The request that sets all sysctls.
fn set(sysctls: &Sysctls) -> Request {
    let value = |sysctl: &Sysctl| (sysctl.name.to_owned(), sysctl.get(sysctls));
    Request::SetSysctls { values: sysctls::ALL.iter().map(value).collect() }
}

/// The MAC address of a real server: 02:00:00:00 and the low two bytes of its IP address.
pub fn mac_of(address: IpAddr) -> Mac {
    let [high, low] = match address {
        IpAddr::V4(address) => [address.octets()[2], address.octets()[3]],
        IpAddr::V6(address) => [address.octets()[14], address.octets()[15]],
    };
    [2, 0, 0, 0, high, low]
}

/// A neighbour with a MAC address, out of an interface whose own is [`DIRECTOR`].
pub fn reachable(mac: Mac, ifindex: u32) -> Path {
    Path::Reachable {
        ifindex,
        interface: "eth0".to_owned(),
        destination_mac: mac,
        source_mac: DIRECTOR,
        mtu: 1500,
        source: None,
    }
}

/// `ipvsadm`'s daemon without a socket between.
struct InProcess<'a>(&'a mut Director);

impl Backend for InProcess<'_> {
    fn request(&mut self, request: Request) -> Result<Response, BackendError> {
        Ok(self.0.handle(&request))
    }
}
