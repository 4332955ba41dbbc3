//! Every key of the file, a line each.

use crate::dataplane::Sizes;
use crate::health::PassiveCheck;
use crate::health::RECORDS;
use crate::model::policy::Subject;
use crate::model::{Persistence, SchedulerKind, Sysctls, Timeouts, sysctls};

use super::super::general::MOST_GENERATIONS;
use super::super::health::{DELAY, INTERVAL, MOST_IN_A_ROW, MOST_RETRIES, TIMEOUT};
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
        table("step", "A step of an expect check", step()),
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
    either([boolean(), of("health"), list(of("health"))])
}

fn health() -> Vec<Key> {
    let in_a_row = || number(1..=MOST_IN_A_ROW);
    let types = ["tcp", "http", "https", "tls", "udp", "dns", "icmp", "smtp", "script", "expect"];
    let passive = either([boolean(), of("passive")]);
    let keys = vec![
        key("type", choice(types), "what is asked").default("tcp"),
        key("address", text(""), "whom it is asked; without it the VIP or the real server"),
        key("port", number(1..=65_535), "the port that is asked; without it the real server's"),
        key(
            "via",
            choice(["vip", "address"]),
            "whose address is asked: the VIP, at the server's MAC address, or its own",
        ),
        key("timeout", duration(&TIMEOUT), "for the whole probe").default("1s"),
        key("interval", duration(&INTERVAL), "from one probe to the next").default("1s"),
        key("jitter", duration(&DELAY), "each probe comes later by a random part of this").default("0s"),
        key("warmup", duration(&DELAY), "the first probe comes within this time; without it within interval"),
        key("rise", in_a_row(), "good answers in a row that put a server back").default(2),
        key("fall", in_a_row(), "bad answers in a row that take it out").default(2),
        key("retry", number(0..=MOST_RETRIES), "a bad answer counts after so many more").default(0),
        key("delay_before_retry", duration(&DELAY), "how soon it is asked again").default("1s"),
        key("passive", passive, "what clients' handshakes say, besides the check").default(false),
    ];
    [keys, of_http(), of_tls(), of_udp(), of_others()].concat()
}

fn of_http() -> Vec<Key> {
    vec![
        key("method", choice(["GET", "HEAD", "OPTIONS"]), "http: the method").default("GET"),
        key("path", text(""), "http: the path, with its query").default("/"),
        key("host", text(""), "http: the Host header; without it the address that is asked"),
        key("version", choice(["1.0", "1.1", "2"]), "http: the version").default("1.1"),
        key("headers", named(text("")), "http: further headers"),
        key("status", text(""), "http: expected statuses").default("200-299"),
        key("body", text(""), "http: a regular expression that the body must have"),
        key("body_absent", text(""), "http: a regular expression that the body must not have"),
        key("digest", text("md5:... or sha256:..."), "http: what the body must hash to"),
        key("redirects", number(0..=20), "http: how many redirects are followed").default(0),
    ]
}

fn of_tls() -> Vec<Key> {
    vec![
        key("sni", text(""), "TLS: the name that is asked for"),
        key("verify", boolean(), "TLS: the certificate must be valid").default(false),
        key("ca", text(""), "TLS: a PEM file of the authorities; without it the system's"),
        key("min_days_left", number(0..=10_000), "TLS: the certificate must be good for so many days more"),
    ]
}

fn of_udp() -> Vec<Key> {
    vec![
        key("payload", text("hex digits"), "udp: what is sent"),
        key("require_reply", boolean(), "udp: silence is bad"),
        key("reply", text("hex digits and x"), "udp: what a reply must begin with"),
        key("min_reply_length", number(0..=65_507), "udp: the shortest good reply, in bytes").default(0),
        key("max_reply_length", number(0..=65_507), "udp: the longest good reply, in bytes"),
    ]
}

fn of_others() -> Vec<Key> {
    vec![
        key("name", text(""), "dns: the name that is asked for").default("."),
        key("record", choice(RECORDS), "dns: the type of its records").default("SOA"),
        key("answer", text(""), "dns: what one of the records must say"),
        key("helo", text(""), "smtp: the name for HELO").default("lvx.invalid"),
        key("tls", boolean(), "smtp, expect: TLS from the first byte on").default(false),
        key("command", list(text("")), "script: the program and its arguments"),
        key("user", text(""), "script: who runs it; without it root"),
        key("dynamic", boolean(), "script: exit statuses from 2 on are good, and ask for a weight").default(false),
        key("send", text(""), "expect: what is sent"),
        key("expect", text(""), "expect: a regular expression that must then come"),
        key("steps", list(of("step")), "expect: several steps"),
    ]
}

fn step() -> Vec<Key> {
    vec![key("send", text(""), "what is sent"), key("expect", text(""), "what must then come")]
}

/// Keys that can be inherited: all but what makes one the one that it is.
fn inherited(keys: Vec<Key>, itself: &[&str]) -> Vec<Key> {
    keys.into_iter().filter(|key| !itself.contains(&key.name)).collect()
}
