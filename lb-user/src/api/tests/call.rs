use super::*;
use crate::api::route::{Found, find};
use crate::model::{Persistence, RealServer, SchedulerFlags, SchedulerKind};

/// One request of each kind, and what is special about addresses.
pub(crate) fn requests() -> Vec<Request> {
    let v4 = id::service("tcp", "172.16.100.1:80").expect("an id");
    let v6 = id::service("udp", "[2001:db8::1]:53").expect("an id");
    let mark = id::service("mark6", "7").expect("an id");
    let service = |id: ServiceId, scheduler| Service {
        id,
        scheduler,
        scheduler_flags: SchedulerFlags::named(scheduler, "flag-1").expect("a flag"),
        persistence: Some(Persistence { timeout: 360 }),
        netmask: Netmask::host(id.family()),
        one_packet: false,
        servers: Vec::new(),
    };
    let server = |address: &str, port| RealServer {
        address: address.parse().expect("an address"),
        port,
        weight: 7,
        method: crate::model::ForwardingMethod::Gate,
        upper_threshold: 9,
        lower_threshold: 8,
    };
    let address = "172.16.100.10".parse().expect("an address");
    vec![
        Request::AddService { service: service(v4, SchedulerKind::Wrr) },
        Request::EditService { service: service(v6, SchedulerKind::Sh) },
        Request::DeleteService { id: mark },
        Request::Flush,
        Request::AddServer { id: v4, server: server("172.16.100.10", 80) },
        Request::EditServer { id: v6, server: server("2001:db8::10", 53) },
        Request::DeleteServer { id: mark, address: "2001:db8::10".parse().expect("an address"), port: 0 },
        Request::Zero { id: None },
        Request::Zero { id: Some(v6) },
        Request::SetTimeouts { timeouts: Timeouts { tcp: 0, tcpfin: 1, udp: 2 } },
        Request::SetSysctls { values: [("drop_entry".to_owned(), 3)].into() },
        Request::List { id: None },
        Request::List { id: Some(mark) },
        Request::Connections,
        Request::ConnectionPart { from: 512 },
        Request::Timeouts,
        Request::Sysctls,
        Request::Status,
        Request::OrderServers {
            id: v6,
            servers: vec![
                ("2001:db8::10".parse().expect("an address"), 53),
                ("2001:db8::11".parse().expect("an address"), 53),
            ],
        },
        Request::Drain { which: Which { address, port: Some(80), service: Some(v4) }, seconds: 60, now: true },
        Request::Undrain { which: Which { address, port: None, service: None } },
        Request::Drains,
        Request::Plan { name: "lvx.toml".to_owned(), text: "# \"a\"\n".to_owned() },
        Request::Apply { name: "lvx.toml".to_owned(), text: String::new() },
        Request::Reload,
        Request::Export,
        Request::Generations,
        Request::Rollback { to: None },
        Request::Rollback { to: Some(3) },
    ]
}

#[test]
fn a_request_comes_out_of_http_as_it_went_in() {
    for request in requests() {
        let outgoing = encode(&request).expect("encoded");
        let Found::Route(route, parameters) = find(&outgoing.route.method(), &outgoing.path()) else {
            panic!("{} leads nowhere", outgoing.path())
        };
        let task = decode(route, &parameters, outgoing.body.as_deref().unwrap_or_default()).expect("decoded");
        let expected = if request == Request::Connections { Task::Connections } else { Task::Ask(request) };
        assert_eq!(task, expected, "{}", outgoing.path());
    }
}

#[test]
fn ipv6_addresses_are_escaped_in_paths() {
    let id = id::service("tcp", "[2001:db8::1]:80").expect("an id");
    let path = encode(&Request::List { id: Some(id) }).expect("encoded").path();
    assert_eq!(path, "/v1/services/tcp/%5B2001:db8::1%5D:80");
}

fn parameters(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn what_is_left_out_is_as_with_ipvsadm() {
    let body = br#"{"id":{"address":{"protocol":"tcp","vip":"172.16.100.1","port":80}}}"#;
    let Ok(Task::Ask(Request::AddService { service })) = decode(Route::AddService, &[], body) else {
        panic!("no service")
    };
    assert_eq!((service.scheduler, service.persistence, service.one_packet), (SchedulerKind::Wlc, None, false));
    assert_eq!(service.netmask, Netmask::host(crate::model::Family::Inet));
    let put = decode(Route::EditService, &parameters(&["udp", "[2001:db8::1]:53"]), br#"{"scheduler":"rr"}"#);
    let Ok(Task::Ask(Request::EditService { service })) = put else { panic!("{put:?}") };
    assert_eq!((service.scheduler, service.netmask), (SchedulerKind::Rr, Netmask::V6(128)));
    let post = decode(Route::AddServer, &parameters(&["tcp", "172.16.100.1:80"]), br#"{"address":"172.16.100.10"}"#);
    let Ok(Task::Ask(Request::AddServer { server, .. })) = post else { panic!("{post:?}") };
    assert_eq!((server.port, server.weight, server.upper_threshold), (80, 1, 0));
}

#[test]
fn what_does_not_fit_is_named() {
    let service = ["tcp", "172.16.100.1:80"];
    let server = ["tcp", "172.16.100.1:80", "172.16.100.10:80"];
    for (route, path, body, expected) in [
        (Route::AddService, &[][..], "", "no JSON object"),
        (Route::AddService, &[], "[]", "no JSON object"),
        (Route::AddService, &[], "{}", "missing field `id`"),
        (Route::EditService, &service, r#"{"schedular":"rr"}"#, "nobody knows here: schedular"),
        (Route::EditService, &service, r#"{"scheduler":"best"}"#, "unknown variant `best`"),
        (Route::EditService, &service, r#"{"id":{"mark":{"mark":1,"family":"inet"}}}"#, "leave it out"),
        (Route::EditService, &service, r#"{"servers":[{"address":"10.0.0.1","port":80}]}"#, "one by one"),
        (Route::EditService, &["sctp", "1"], "{}", "no kind of service"),
        (Route::AddServer, &service, "{}", "missing field `address`"),
        (Route::AddServer, &service, r#"{"address":"r1"}"#, "invalid IP address"),
        (Route::AddServer, &service, r#"{"address":"10.0.0.1","weight":-1}"#, "invalid value: integer `-1`"),
        (Route::EditServer, &server, r#"{"port":81}"#, "`port` is 81 in the body, and 80 in the path"),
        (Route::SetTimeouts, &[], r#"{"sctp":1}"#, "nobody knows here: sctp"),
        (Route::ConnectionPart, &["x"], "", "part of the connection table"),
        (Route::OrderServers, &service, r#"{"servers":["10.0.0.1"]}"#, "invalid socket address"),
        (Route::Drain, &[], r#"{"address":"10.0.0.1","second":1,"seconds":1}"#, "nobody knows here: second"),
        (Route::Drain, &[], r#"{"address":"10.0.0.1"}"#, "missing field `seconds`"),
        (Route::Undrain, &[], r#"{"address":"10.0.0.1","seconds":1}"#, "nobody knows here: seconds"),
        (Route::Apply, &[], r#"{"text":""}"#, "missing field `name`"),
        (Route::Rollback, &[], r#"{"to":-1}"#, "invalid value: integer `-1`"),
    ] {
        let problem = decode(route, &parameters(path), body.as_bytes()).expect_err(body);
        assert!(problem.detail.contains(expected), "{body}: {}", problem.detail);
        assert_eq!(problem.status, 400);
    }
}
