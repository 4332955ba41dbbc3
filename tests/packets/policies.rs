//! What becomes of packets when checks fail, under each policy; and of those to a server that is drained.

use lb_common::reason::Reason;
use lb_user::api::{Request, Response, Role, ServerEntry};
use lb_user::config;
use lb_user::health::{Report, Target};
use lb_user::model::{Protocol, ServiceId, Which};
use lvx_tests::director::TestDirector;
use lvx_tests::frame::Packet;

use super::expect::Expected;

/// A service of a family, its servers, and clients.
struct World {
    director: TestDirector,
    service: &'static str,
    vip: &'static str,
    servers: [&'static str; 2],
    sorry: &'static str,
    clients: [&'static str; 4],
}

const FOUR: (&str, &str, [&str; 2], &str, [&str; 4]) = (
    "TCP 172.16.100.1:80",
    "172.16.100.1:80",
    ["172.16.100.10", "172.16.100.11"],
    "172.16.100.99",
    ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"],
);

const SIX: (&str, &str, [&str; 2], &str, [&str; 4]) = (
    "TCP [2001:db8:100::1]:80",
    "[2001:db8:100::1]:80",
    ["2001:db8:100::10", "2001:db8:100::11"],
    "2001:db8:100::99",
    ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"],
);

impl World {
    /// A persistent service whose servers have each a connection and a template: the first of the second client, the
    /// second of the first.
    fn new(six: bool, keys: &str) -> Self {
        let (service, vip, servers, sorry, clients) = if six { SIX } else { FOUR };
        let keys = keys.replace("SORRY", sorry);
        let [a, b] = servers;
        let text = format!(
            "[[service]]\ntcp = \"{vip}\"\nscheduler = \"rr\"\npersistent = 300\n{keys}
             real_server = [{{ address = \"{a}\", health = true }}, {{ address = \"{b}\", health = true }}]"
        );
        let config = config::parse("lvx.toml", &text).unwrap_or_else(|problems| panic!("{}", problems[0]));
        let sizes = lb_user::dataplane::Sizes { connections: 4096, templates: 1024, services: 8, real_servers: 16 };
        let director = TestDirector::configured(&config::Config { sizes, ..config });
        let mut world = Self { director, service, vip, servers, sorry, clients };
        for (client, server) in [(0, 1), (1, 0)] {
            world.opens("a new client", client, 1024, server);
        }
        world
    }

    fn packet(&self, client: usize, port: u16, flags: &str) -> Vec<u8> {
        let client = self.clients[client];
        let client = if client.contains(':') { format!("[{client}]:{port}") } else { format!("{client}:{port}") };
        Packet::tcp(&client, self.vip, flags).frame()
    }

    fn check(&mut self, sentence: &str, expected: Expected, frame: &[u8]) {
        expected.check(&mut self.director, sentence, frame);
    }

    /// A client without a template opens a connection to a server.
    fn opens(&mut self, sentence: &str, client: usize, port: u16, server: usize) {
        let (expected, frame) = (Expected::sent(self.service, self.servers[server]), self.packet(client, port, "S"));
        self.check(sentence, expected.opening().with_template(), &frame);
    }

    /// A client's template takes it to a server.
    fn returns(&mut self, sentence: &str, client: usize, port: u16, server: usize) {
        let (expected, frame) = (Expected::sent(self.service, self.servers[server]), self.packet(client, port, "S"));
        self.check(sentence, expected.opening(), &frame);
    }

    /// A client's first connection goes on at a server.
    fn stays(&mut self, sentence: &str, client: usize, server: usize) {
        let (expected, frame) = (Expected::sent(self.service, self.servers[server]), self.packet(client, 1024, "A"));
        self.check(sentence, expected, &frame);
    }

    fn dropped(&mut self, sentence: &str, client: usize) {
        let frame = self.packet(client, 1024, "A");
        self.check(sentence, Expected::dropped_for(Reason::RealServerRemoved), &frame);
    }

    fn id(&self) -> ServiceId {
        let virtual_address: std::net::SocketAddr = self.vip.parse().expect("an address");
        ServiceId::Address { protocol: Protocol::Tcp, vip: virtual_address.ip(), port: 80 }
    }

    /// What checks find out, all at once.
    fn healthy(&mut self, servers: &[(usize, bool)]) {
        let id = self.id();
        let event = |(server, healthy): &(usize, bool)| {
            let address = self.servers[*server].parse().expect("an address");
            (Target { id, address, port: 80 }, report(*healthy))
        };
        let events: Vec<_> = servers.iter().map(event).collect();
        self.director.director().set_health_many(events);
    }

    fn which(&self, server: usize) -> Which {
        Which { address: self.servers[server].parse().expect("an address"), port: None, service: Some(self.id()) }
    }

    fn drain(&mut self, server: usize, seconds: u64, now: bool) {
        let which = self.which(server);
        assert_eq!(self.director.director().handle(&Request::Drain { which, seconds, now }), Response::Done);
    }

    fn listed(&mut self) -> Vec<ServerEntry> {
        let id = Some(self.id());
        let Response::Services { services, .. } = self.director.director().handle(&Request::List { id }) else {
            panic!("no list")
        };
        services.into_iter().flat_map(|service| service.servers).collect()
    }

    fn roles(&mut self) -> Vec<(Role, Option<u32>)> {
        self.listed().iter().map(|server| (server.role, server.effective_weight)).collect()
    }
}

#[test]
fn an_inhibited_server_keeps_connections_and_known_clients() {
    for six in [false, true] {
        let mut world = World::new(six, "on_failure = \"inhibit\"");
        world.healthy(&[(0, false)]);
        world.stays("its connection", 1, 0);
        world.returns("its known client", 1, 1025, 0);
        world.opens("a new client", 2, 1024, 1);
        world.opens("another one", 3, 1024, 1);
        assert_eq!(world.roles(), [(Role::Serves, Some(1)), (Role::Inhibited, Some(0))]);
        let listed = world.director.run("ipvsadm -Ln").stdout;
        assert!(listed.contains(&format!("{:<28} Route   0 ", name(world.servers[0]))), "{listed}");
        world.healthy(&[(0, true)]);
        assert_eq!(world.roles(), [(Role::Serves, Some(1)), (Role::Serves, Some(1))]);
    }
}

#[test]
fn a_sorry_server_serves_while_the_quorum_is_lost_and_not_longer() {
    for six in [false, true] {
        let mut world = World::new(six, "quorum = 2\nsorry_server = { address = \"SORRY\" }");
        world.healthy(&[(0, false)]);
        let (sorry, service) = (world.sorry, world.service);
        let frame = world.packet(2, 1024, "S");
        world.check("a new client", Expected::sent(service, sorry).opening().with_template(), &frame);
        world.dropped("a connection of the server that failed", 1);
        world.dropped("a connection of the one that is left: as keepalived does", 0);
        let out = [(Role::Sorry, Some(1)), (Role::Suspended, None), (Role::Removed, None)];
        assert_eq!(world.roles(), out);
        assert!(world.director.run("ipvsadm -Ln").stdout.contains("99"), "the sorry server is listed");
        assert!(!world.director.run("ipvsadm -Sn").stdout.contains("99"), "but it is not of the configuration");
        world.healthy(&[(0, true)]);
        world.stays("a connection is there again", 1, 0);
        world.stays("the other one too", 0, 1);
        let ack = world.packet(2, 1024, "A");
        world.check("the sorry server's", Expected::dropped_for(Reason::RealServerRemoved), &ack);
        assert_eq!(world.roles(), [(Role::Serves, Some(1)), (Role::Serves, Some(1))]);
    }
}

#[test]
fn when_all_are_down_all_serve_if_the_policy_says_so() {
    for six in [false, true] {
        let mut world = World::new(six, "all_down = \"all\"");
        world.healthy(&[(0, false), (1, false)]);
        world.stays("a connection", 0, 1);
        world.returns("a known client", 1, 1025, 0);
        assert_eq!(world.roles(), [(Role::ServesThoughFailed, Some(1)); 2]);
        world.healthy(&[(1, true)]);
        world.dropped("one is well again, so the other one is taken for what it is", 1);

        let mut world = World::new(six, "");
        world.healthy(&[(0, false), (1, false)]);
        let (kind, code) = if six { (1, 4) } else { (3, 3) };
        let frame = world.packet(2, 1024, "S");
        world.check("without it", Expected::answered(kind, code, Reason::NoRealServer), &frame);
    }
}

#[test]
fn a_drained_server_keeps_its_clients_until_its_time_is_over() {
    for six in [false, true] {
        let mut world = World::new(six, "");
        world.drain(0, 300, false);
        world.stays("its connection", 1, 0);
        world.returns("its known client", 1, 1025, 0);
        world.opens("a new client", 2, 1024, 1);
        let roles = world.roles();
        assert!(matches!(roles[1], (Role::Draining { left: 290..=300 }, Some(0))), "{roles:?}");

        world.drain(0, 0, false);
        world.dropped("when its time is over, its connection", 1);
        world.opens("its known client", 1, 1026, 1);
        assert_eq!(world.roles()[1], (Role::Drained, None));
        world.healthy(&[(0, false), (0, true)]);
        assert_eq!(world.roles()[1], (Role::Drained, None), "health does not put it back");
        let which = world.which(0);
        assert_eq!(world.director.director().handle(&Request::Undrain { which }), Response::Done);
        world.stays("it is back, with its connection", 1, 0);
    }
}

#[test]
fn a_server_that_is_drained_now_keeps_connections_only() {
    for six in [false, true] {
        let mut world = World::new(six, "");
        world.drain(0, 300, true);
        world.stays("its connection", 1, 0);
        world.opens("its known client", 1, 1025, 1);
        let which = world.which(0);
        assert_eq!(world.director.director().handle(&Request::Undrain { which }), Response::Done);
        world.drain(1, 300, false);
        world.returns("drained in the usual way, known clients stay", 0, 1025, 1);
    }
}

#[test]
fn a_change_by_hand_heals_nobody_and_ends_no_drain() {
    for six in [false, true] {
        let mut world = World::new(six, "on_failure = \"inhibit\"");
        world.healthy(&[(0, false)]);
        world.drain(1, 300, false);
        for server in 0..2 {
            let (vip, server) = (world.vip, world.servers[server]);
            world.director.must([format!("ipvsadm -e -t {vip} -r {server} -g -w 7").as_str()]);
        }
        let roles = world.roles();
        assert_eq!((roles[1], roles[0].1), ((Role::Inhibited, Some(0)), Some(0)), "{roles:?}");
        world.healthy(&[(0, true)]);
        assert_eq!(world.roles()[1], (Role::Serves, Some(7)), "the weight of the last command");
        let (vip, server) = (world.vip, world.servers[0]);
        world.healthy(&[(0, false)]);
        world.director.must([format!("ipvsadm -d -t {vip} -r {server}").as_str()]);
        assert_eq!(world.listed().len(), 1);
        world.director.must([format!("ipvsadm -a -t {vip} -r {server} -g -w 2").as_str()]);
        assert_eq!(
            world.roles()[0],
            (Role::Serves, Some(2)),
            "a server that is added is healthy until its check says so"
        );
    }
}

/// A server as `ipvsadm -Ln` writes it.
fn name(server: &str) -> String {
    if server.contains(':') { format!("[{server}]:80") } else { format!("{server}:80") }
}

/// Thousands of verdicts at once: each service is changed once, and nobody waits long.
#[test]
fn a_mass_failure_and_recovery_is_one_change_of_each_service() {
    let servers: String = (1..=10).map(|last| format!("{{ address = \"172.16.100.{last}\" }},")).collect();
    let service = |number: u32| {
        let (high, low) = (number / 200, number % 200 + 1);
        format!(
            "[[service]]\ntcp = \"10.1.{high}.{low}:80\"\nscheduler = \"rr\"
             sorry_server = {{ address = \"172.16.100.99\" }}\nreal_server = [{servers}]\n"
        )
    };
    let text: String = (0..1000).map(service).collect();
    let config = config::parse("lvx.toml", &text).unwrap_or_else(|problems| panic!("{}", problems[0]));
    let sizes = lb_user::dataplane::Sizes { connections: 4096, templates: 1024, services: 1024, real_servers: 16_384 };
    let mut director = TestDirector::configured(&config::Config { sizes, ..config.clone() });
    let all = |healthy: bool| {
        let servers = config.services.iter().flat_map(|service| service.servers.iter().map(|one| (service.id, one)));
        let target =
            |(id, one): (ServiceId, &lb_user::model::RealServer)| Target { id, address: one.address, port: 80 };
        servers.map(|server| (target(server), report(healthy))).collect::<Vec<_>>()
    };
    let last = config.services.last().expect("services").id;
    for (healthy, members) in [(false, 1), (true, 10)] {
        let events = all(healthy);
        let start = std::time::Instant::now();
        director.director().set_health_many(events);
        let took = start.elapsed();
        println!("10,000 servers of 1,000 services, healthy: {healthy}: {took:?}");
        assert_eq!(director.director().tables().members(&last).count(), members);
        assert!(took < std::time::Duration::from_secs(30), "{took:?}");
    }
}

fn report(healthy: bool) -> Report {
    Report { healthy, detail: "as the test says".to_owned(), weight: None }
}
