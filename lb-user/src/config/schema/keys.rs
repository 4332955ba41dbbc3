//! Every key of the file, a line each.

use crate::dataplane::Sizes;
use crate::health::PassiveCheck;
use crate::model::policy::Subject;
use crate::model::{Persistence, SchedulerKind, Sysctls, Timeouts, sysctls};

use super::super::general::MOST_GENERATIONS;
use super::super::health::{INTERVAL, MOST_IN_A_ROW, TIMEOUT};
use super::super::inheritance::{SERVER_ITSELF, SERVICE_ITSELF};
use super::super::server::INT_MAX;
use super::super::vips;
use super::super::{passive, policy};
use super::shape::{
    Key, Table, boolean, choice, duration, either, false_or, fraction, key, list, named, number, of, only, table, text,
};

/// The tables of the file, the whole file first.
pub(super) fn tables() -> Vec<Table> {
    let whole = table("file", "One mistake, and nothing of the file is used; lvx check finds them all", file());
    let one = ["tcp", "udp", "mark"];
    vec![
        whole,
        table("vip", "An address that LVX puts on an interface and announces", vip()),
        table("sizes", "Entries of the tables, fixed at start", sizes()),
        table("generations", "Files to go back to", generations()),
        table("timeouts", "Seconds, as ipvsadm --set", timeouts()),
        table("ipvs", "Sysctls of IPVS, and LVX' own", ipvs()),
        table("marks", "Firewall marks", marks()),
        table("rule", "Packets that match every key get the mark", rule()),
        table("api", "Who may reach the daemon, and how; read at the start", api()),
        table("metrics", "What LVX counts, for Prometheus; read at the start", metrics()),
        table("log", "The log; read at the start", log()),
        table("defaults", "What is said once for all", defaults()),
        table("template", "What is said once for the services that name it", inherited(service(), &SERVICE_ITSELF)),
        table("defaults_real_server", "What every real server has", inherited(real_server(), &SERVER_ITSELF)),
        table("service", "A virtual service, as ipvsadm -A", service()).one_of(&one),
        table("real_server", "A real server, as ipvsadm -a", real_server()),
        table("health", "What differs from the check around this one", health()),
        table("passive", "When clients' handshakes take a server out", passive_keys()),
        table("notify", "Who is told; in a service what differs from what is for all", notify()),
    ]
}

fn file() -> Vec<Key> {
    vec![
        key("interfaces", list(text("")), "interfaces that get the XDP program"),
        key("xdp_mode", choice(["native", "generic"]), "where the program runs: in the driver, or in the stack")
            .default("native"),
        key("vip", list(of("vip")), "addresses that LVX puts on interfaces"),
        key("sizes", of("sizes"), "entries of the tables"),
        key("generations", of("generations"), "files to go back to"),
        key("timeouts", of("timeouts"), "timeouts of connections"),
        key("ipvs", of("ipvs"), "sysctls"),
        key("marks", of("marks"), "firewall marks"),
        key("api", of("api"), "who may reach the daemon, and how"),
        key("metrics", of("metrics"), "where what LVX counts is served"),
        key("log", of("log"), "the log"),
        key("notify", false_or(of("notify")), "who is told when servers, services and quorums go down and come back"),
        key("defaults", of("defaults"), "what is said once for all"),
        key("template", named(of("template")), "what is said once for the services that name it"),
        key("service", list(of("service")), "virtual services"),
    ]
}

fn vip() -> Vec<Key> {
    vec![
        key("address", text(""), "address, or address/prefix").required(),
        key("interface", text(""), "where it is put; without it on the first of interfaces"),
        key("announce", boolean(), "the neighbours are told where it is").default(true),
        key("announce_interval", either([duration(&vips::INTERVAL), choice(["off"])]), "they are told again")
            .default("off"),
        key("keep", boolean(), "it stays on the interface when LVX ends").default(false),
    ]
}

fn sizes() -> Vec<Key> {
    let sizes = Sizes::default();
    vec![
        key("connections", number(1..=1 << 28), "connections").default(sizes.connections),
        key("templates", number(1..=1 << 28), "persistence templates").default(sizes.templates),
        key("services", number(1..=1 << 20), "virtual services").default(sizes.services),
        key("real_servers", number(1..=1 << 22), "real servers, once for each service they are in")
            .default(sizes.real_servers),
    ]
}

fn generations() -> Vec<Key> {
    vec![key("keep", number(1..=MOST_GENERATIONS), "how many of the files that were applied last are kept").default(10)]
}

fn api() -> Vec<Key> {
    vec![
        key("socket_mode", text("octal"), "permissions of the unix socket").default("0600"),
        key("socket_group", text("name, or number as text"), "group of the unix socket"),
        key("socket_role", choice(["read", "admin"]), "what those may do whom the permissions of the socket let in")
            .default("read"),
        key("listen", text("address:port"), "where the API is offered over TCP, with TLS"),
        key("certificate", text("PEM file"), "with listen: the certificate of the server"),
        key("key", text("PEM file"), "with listen: its private key"),
        key("client_ca", text("PEM file"), "whoever has a certificate of these CAs is an administrator"),
        key("token_file", text("file"), "the token of administrators"),
        key("read_token_file", text("file"), "the token of those who may ask only"),
    ]
}

fn metrics() -> Vec<Key> {
    vec![key("listen", text("address:port"), "where metrics are served by plain HTTP")]
}

fn log() -> Vec<Key> {
    vec![key("format", choice(["text", "json"]), "what a line looks like").default("text")]
}

fn passive_keys() -> Vec<Key> {
    let default = PassiveCheck::default();
    vec![
        key("min_share", fraction(passive::MIN_SHARE), "the share of connections that must get past the SYN")
            .default(default.min_share),
        key("min_connections", number(1..=1_000_000), "with fewer connections nothing is said of a server")
            .default(default.min_connections),
        key("window", duration(&passive::WINDOW), "what is looked back on").default("10s"),
        key("hold", duration(&passive::HOLD), "how long the server stays out").default("60s"),
    ]
}

fn notify() -> Vec<Key> {
    vec![
        key("command", list(text("")), "a program by its absolute path, and its arguments"),
        key("webhook", text("http URL"), "gets an HTTP POST of a JSON object"),
        key("on", list(choice(Subject::ALL.map(Subject::name))), "of what"),
    ]
}

fn timeouts() -> Vec<Key> {
    let timeouts = Timeouts::default();
    let seconds = || number(1..=Persistence::MAX_TIMEOUT);
    vec![
        key("tcp", seconds(), "seconds of an established TCP connection without packets").default(timeouts.tcp),
        key("tcpfin", seconds(), "seconds of a TCP connection after its FIN").default(timeouts.tcpfin),
        key("udp", seconds(), "seconds of a UDP flow without packets").default(timeouts.udp),
    ]
}

fn ipvs() -> Vec<Key> {
    let defaults = Sysctls::default();
    let line = |sysctl: &sysctls::Sysctl| {
        key(sysctl.name, number(sysctl.range()), sysctl.meaning()).default(sysctl.get(&defaults))
    };
    sysctls::ALL.iter().map(line).collect()
}

fn marks() -> Vec<Key> {
    vec![
        key("follow_netfilter", boolean(), "rules of the mangle table that set marks are followed").default(true),
        key("rule", list(of("rule")), "LVX' own rules; the last that matches wins"),
    ]
}

fn rule() -> Vec<Key> {
    let port = || either([number(0..=65_535), text("")]);
    let ports = || either([number(0..=65_535), text("\"10000:20000\", \"! 80,443\""), list(port())]);
    vec![
        key("mark", either([number(0..=u32::MAX), text("\"0x8/0xff\"")]), "the mark, perhaps with a mask").required(),
        key("destination", text(""), "destination address or prefix"),
        key("source", text(""), "source address or prefix"),
        key("protocol", text(""), "tcp, udp, or a number as text"),
        key("destination_port", ports(), "destination ports"),
        key("source_port", ports(), "source ports"),
        key("interface", text(""), "where the packet came in; eth+ is every name that begins so"),
    ]
}

fn defaults() -> Vec<Key> {
    vec![
        key("service", of("template"), "what every service has that does not say otherwise"),
        key("real_server", of("defaults_real_server"), "what every real server has that does not say otherwise"),
        key("health", checks(), "the health checks of all servers").default(false),
    ]
}

fn service() -> Vec<Key> {
    let schedulers = SchedulerKind::ALL.map(SchedulerKind::name);
    let persistent = either([number(1..=Persistence::MAX_TIMEOUT), boolean()]);
    vec![
        key("tcp", text("address:port"), "virtual address and TCP port; port 0 is every port"),
        key("udp", text("address:port"), "virtual address and UDP port; port 0 is every port"),
        key("mark", number(1..=u32::MAX), "packets with this firewall mark"),
        key("ipv6", boolean(), "with mark: its packets are IPv6").default(false),
        key("scheduler", choice(schedulers), "how a new connection picks its real server").default("wlc"),
        key("scheduler_flags", list(text("")), "sh-fallback, sh-port, mh-fallback, mh-port, flag-1, ..."),
        key("persistent", persistent, "seconds in which a client comes back to its server; true is 360").default(false),
        key(
            "netmask",
            either([text("255.255.255.0"), number(1..=128)]),
            "the part of the client's address that counts",
        ),
        key("one_packet", boolean(), "each UDP packet is scheduled by itself").default(false),
        key("health", checks(), "how its servers are checked"),
        on_failure("what a failed check does to its server").default("remove"),
        key("quorum", number(1..=u32::MAX), "how much the weights of healthy servers must add up to").default(1),
        key("hysteresis", number(0..=u32::MAX), "how far above quorum it is gained, and below lost").default(0),
        key("sorry_server", only("address", text("")), "serves alone while the quorum is lost"),
        key("alpha", boolean(), "checked servers are out until their check is good").default(false),
        key("all_down", choice(["refuse", "all"]), "when no healthy server has a weight").default("refuse"),
        slow_start(),
        key("notify", false_or(of("notify")), "who is told, where it differs from what is for all"),
        key("template", either([text(""), list(text(""))]), "templates that say what this table does not"),
        key("real_server", list(of("real_server")), "its real servers, as ipvsadm -a would add them"),
    ]
}

fn real_server() -> Vec<Key> {
    vec![
        key("address", text(""), "address, of the service's family; with mark also address:port").required(),
        key("weight", number(0..=INT_MAX), "share of new connections; 0 is quiesced").default(1),
        key("upper_threshold", number(0..=INT_MAX), "at so many connections it takes no new ones; 0 is no limit")
            .default(0),
        key("lower_threshold", number(0..=INT_MAX), "below so many it takes new ones again").default(0),
        key("health", checks(), "how it is checked"),
        on_failure("what its failed check does"),
        slow_start(),
    ]
}

fn on_failure(about: &str) -> Key {
    key("on_failure", choice(["remove", "inhibit"]), about)
}

fn slow_start() -> Key {
    key("slow_start", duration(&policy::SLOW_START), "how long a server that comes back takes to its full weight")
}

fn checks() -> serde_json::Value {
    either([boolean(), of("health")])
}

fn health() -> Vec<Key> {
    let in_a_row = || number(1..=MOST_IN_A_ROW);
    vec![
        key("type", choice(["tcp", "http"]), "what is asked").default("tcp"),
        key("port", number(1..=65_535), "the port that is asked; without it the real server's"),
        key(
            "via",
            choice(["vip", "address"]),
            "whose address is asked: the VIP, at the server's MAC address, or its own",
        ),
        key("interval", duration(&INTERVAL), "from one probe to the next").default("1s"),
        key("timeout", duration(&TIMEOUT), "for the whole probe").default("1s"),
        key("rise", in_a_row(), "good answers in a row that put a server back").default(2),
        key("fall", in_a_row(), "bad answers in a row that take it out").default(2),
        key("passive", either([boolean(), of("passive")]), "what clients' handshakes say, besides the check")
            .default(false),
        key("method", choice(["GET", "HEAD", "OPTIONS"]), "http: the method").default("GET"),
        key("path", text(""), "http: the path, with its query").default("/"),
        key("host", text(""), "http: the Host header; without it the address that is asked"),
        key("status", text(""), "http: expected statuses").default("200-299"),
    ]
}

/// Keys that can be inherited: all but what makes one the one that it is.
fn inherited(keys: Vec<Key>, itself: &[&str]) -> Vec<Key> {
    keys.into_iter().filter(|key| !itself.contains(&key.name)).collect()
}
