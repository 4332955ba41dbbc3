use std::collections::BTreeSet;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::*;
use crate::api::call::{self, tests::requests};
use crate::api::{
    BucketShare, Change, CheckTimes, ConnectionEntry, Counters, DrainEntry, DrainedServer, FlowShare, Generation,
    Handshakes, Health, InterfaceStatus, NeighbourState, NoticeCounts, Quorum, Rates, ReasonCount, Refusal, Report,
    Request, Response as Answer, Role, ServerEntry, Subject, SysctlEntry, TableFill, VipState, VipStatus, reply,
};
use crate::generations::How;
use crate::health::Via;
use crate::model::ServiceId;

fn json_document() -> Value {
    serde_json::to_value(document()).expect("JSON")
}

/// Checks values against a schema of the document.
fn validator(schema: &str) -> Validator {
    let mut root = json_document();
    root["$ref"] = format!("#/components/schemas/{schema}").into();
    jsonschema::validator_for(&root).expect("a schema")
}

fn must_fit(schema: &str, value: &Value) {
    let validator = validator(schema);
    let errors: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{schema}: {errors:?}\n{value:#}");
}

#[test]
fn it_is_valid_and_has_every_route_and_nothing_else() {
    let document = json_document();
    assert_eq!(document["openapi"], "3.1.0");
    let read = oas3::from_json(document.to_string()).expect("OpenAPI 3.1");
    let mut found = BTreeSet::new();
    for (path, method, operation) in read.operations() {
        assert!(found.insert((path.clone(), method.to_string())), "{method} {path} is there twice");
        let route = Route::ALL.iter().find(|route| Some(route.name()) == operation.operation_id.as_deref());
        let route = route.unwrap_or_else(|| panic!("{method} {path} is no route"));
        assert_eq!((route.path(), route.method().as_str()), (path.as_str(), method.as_str()));
        let named: BTreeSet<_> =
            operation.parameters(&read).expect("parameters").into_iter().map(|it| it.name).collect();
        assert_eq!(named, route.parameter_names().map(str::to_owned).collect());
    }
    let all = Route::ALL.iter().map(|route| (route.path().to_owned(), route.method().to_string())).collect();
    assert_eq!(found, all);
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(root: &Value, value: &Value) {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(root.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        match value {
            Value::Object(object) => object.values().for_each(|value| walk(root, value)),
            Value::Array(list) => list.iter().for_each(|value| walk(root, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = json_document();
    walk(&document, &document);
}

#[test]
fn bodies_of_requests_fit_their_schemas() {
    let mut seen = BTreeSet::new();
    for request in requests() {
        let outgoing = call::encode(&request).expect("encoded");
        let schema = body_schema(outgoing.route);
        assert_eq!(schema.is_some(), outgoing.body.is_some(), "{request:?}");
        if let (Some(schema), Some(body)) = (schema, outgoing.body) {
            must_fit(schema, &serde_json::from_slice(&body).expect("JSON"));
            seen.insert(outgoing.route.name());
        }
    }
    let all: BTreeSet<_> =
        Route::ALL.iter().filter(|route| body_schema(**route).is_some()).map(|route| route.name()).collect();
    assert_eq!(seen, all);
    must_fit("Service", &json!({"id": {"address": {"protocol": "tcp", "vip": "172.16.100.1", "port": 80}}}));
    must_fit("ServiceChange", &json!({"scheduler": "rr"}));
    must_fit("RealServer", &json!({"address": "172.16.100.10"}));
    must_fit("RealServerChange", &json!({"weight": 2}));
    for (schema, value) in [
        ("Service", json!({"scheduler": "rr"})),
        ("ServiceChange", json!({"scheduler": "best"})),
        ("ServiceChange", json!({"netmask": 129})),
        ("RealServer", json!({"weight": 1})),
        ("RealServerChange", json!({"weight": -1})),
        ("SysctlValues", json!({"drop_entry": "3"})),
    ] {
        assert!(!validator(schema).is_valid(&value), "{schema} takes {value}");
    }
}

/// A service of each kind with servers in each state.
fn services() -> Vec<ServiceEntry> {
    let (mut services, mut server) = (Vec::new(), None);
    for request in requests() {
        if let Request::AddService { service } | Request::EditService { service } = request {
            services.push(service);
        } else if let Request::AddServer { server: added, .. } = request {
            server = Some(added);
        }
    }
    let entry = |health, role, neighbour| ServerEntry {
        server: server.clone().expect("a server"),
        active: 1,
        inactive: 2,
        persistent: 3,
        counters: Counters { connections: u64::MAX, packets: 0, bytes: 0 },
        rates: Rates::default(),
        health,
        handshakes: Handshakes { begun: 3, confirmed: 2, retransmitted: 1 },
        check: Some(CheckTimes { probes: 2, failed: 1, last_seconds: 0.5, total_seconds: 1.0 }),
        role,
        effective_weight: Some(1),
        asked: Some(Via::Vip),
        neighbour,
    };
    let (detail, reason) = ("connected".to_owned(), "refused".to_owned());
    let servers = vec![
        entry(Health::Unchecked, Role::Serves, NeighbourState::Local),
        entry(
            Health::Up { detail },
            Role::SlowStart { percent: 20 },
            NeighbourState::Unresolved { reason: reason.clone() },
        ),
        entry(
            Health::Down { reason },
            Role::Draining { left: 7 },
            NeighbourState::Reachable { interface: "eth0".into(), mac: "02:00:00:00:00:01".into() },
        ),
    ];
    let whole = |service| ServiceEntry {
        service,
        counters: Counters::default(),
        rates: Rates::default(),
        servers: servers.clone(),
        quorum: Some(Quorum { up: true, weight: 2, quorum: 1, hysteresis: 0 }),
    };
    let mut all: Vec<_> = services.into_iter().map(whole).collect();
    let mark = ServiceId::Mark { mark: u32::MAX, family: crate::model::Family::Inet6 };
    all.extend(
        all.last()
            .cloned()
            .map(|last| ServiceEntry { service: Service { id: mark, persistence: None, ..last.service }, ..last }),
    );
    all
}

fn connection() -> ConnectionEntry {
    let address = |text: &str| text.parse().expect("an address");
    ConnectionEntry {
        protocol: 6,
        expires: 900,
        state: "ESTABLISHED".into(),
        client: address("[2001:db8::5]:1024"),
        virtual_address: address("[2001:db8::1]:80"),
        destination: address("[2001:db8::10]:80"),
    }
}

fn status() -> Status {
    Status {
        version: "1.0".into(),
        uptime: 1,
        interfaces: vec![InterfaceStatus {
            name: "eth0".into(),
            index: 2,
            mode: "native".into(),
            mac: String::new(),
            up: true,
        }],
        vips: vec![VipStatus {
            address: [172, 16, 100, 1].into(),
            prefix: 32,
            interface: "eth0".into(),
            state: VipState::Missing { reason: "no eth0".into() },
            announced: 3,
        }],
        services: services(),
        sysctls: vec![SysctlEntry { name: "net.ipv4.vs.drop_entry".into(), value: 0, default: 0 }],
        mark_rules: vec!["a rule".into()],
        reasons: vec![ReasonCount { reason: "vlan".into(), meaning: "a meaning".into(), packets: 1 }],
        tables: vec![TableFill { table: "connections".into(), used: 1, size: 2 }],
        warnings: vec!["a warning".into()],
        by_hand: report().changes,
        generation: Some(generation()),
        table_writes: 12,
        notices: NoticeCounts { delivered: 1, failed: 2, dropped: 3, waiting: 4 },
    }
}

fn generation() -> Generation {
    let (name, hash) = ("lvx.toml".to_owned(), "00".repeat(32));
    Generation { number: 2, time: 1, name, how: How::Rollback, of: Some(1), hash: hash.clone(), file: Some(hash) }
}

fn report() -> Report {
    let change = |before: Option<&str>, after: Option<&str>| Change {
        subject: Subject::MarkRule,
        name: "a rule".into(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    Report {
        changes: vec![change(None, Some("")), change(Some("1"), Some("2"))],
        overruled: vec![change(Some("1"), None)],
        buckets: vec![BucketShare { service: "TCP 172.16.100.1:80".into(), scheduler: "sh".into(), moved: 1, of: 256 }],
        connections: FlowShare { lost: 1, moved: 2, of: 3 },
        templates: FlowShare::default(),
        needs_restart: vec![change(None, None)],
    }
}

fn drain() -> DrainEntry {
    let (service, address) = (services().remove(0).service.id, [172, 16, 100, 10].into());
    let server = DrainedServer { service, address, port: 80, connections: 1, templates: 2 };
    DrainEntry {
        address,
        port: None,
        service: None,
        until: 60,
        left: 1,
        now: false,
        over: false,
        servers: vec![server],
    }
}

/// What the director answers to a question that goes by a route.
fn answer(route: Route) -> Option<Answer> {
    Some(match route {
        Route::Status => Answer::Status { status: Box::new(status()) },
        Route::Services => Answer::Services { services: services(), connection_table_size: 4096 },
        Route::Service => Answer::Services { services: vec![services().remove(0)], connection_table_size: 0 },
        Route::Connections => Answer::Connections { connections: vec![connection()] },
        Route::ConnectionPart => Answer::ConnectionPart { connections: vec![connection()], next: Some(512) },
        Route::Timeouts => Answer::Timeouts { timeouts: Timeouts::default() },
        Route::Sysctls => Answer::Sysctls { sysctls: status().sysctls },
        Route::Drains => Answer::Drains { drains: vec![drain()] },
        Route::Export => Answer::Exported { text: "# TOML".to_owned() },
        Route::Plan => Answer::Planned { report: Box::new(report()) },
        Route::Apply | Route::Reload | Route::Rollback => Answer::Applied { report: Box::new(report()), generation: 2 },
        Route::Generations => Answer::Generations { generations: vec![generation()] },
        Route::AddService
        | Route::Flush
        | Route::EditService
        | Route::DeleteService
        | Route::ZeroService
        | Route::AddServer
        | Route::EditServer
        | Route::DeleteServer
        | Route::OrderServers
        | Route::Drain
        | Route::Undrain
        | Route::Zero
        | Route::SetTimeouts
        | Route::SetSysctls => Answer::Done,
        Route::Watch | Route::Metrics | Route::OpenApi => return None,
    })
}

#[test]
fn answers_fit_their_schemas_and_are_understood_by_the_client() {
    for route in Route::ALL {
        let Some(answer) = answer(*route) else { continue };
        let body = reply::encode(*route, answer.clone()).expect("encoded");
        assert_eq!(body.is_some(), answer_schema(*route).is_some(), "{}", route.name());
        if let (Some(body), Some(schema)) = (&body, answer_schema(*route)) {
            must_fit(schema, &serde_json::from_slice(body).expect("JSON"));
        }
        let understood = reply::decode(*route, route.success(), &body.unwrap_or_default()).expect("decoded");
        assert_eq!(understood, answer, "{}", route.name());
    }
}

#[test]
fn problems_and_events_fit_their_schemas() {
    let mistakes = crate::config::parse("lvx.toml", "x = 1").expect_err("a mistake");
    let refusals = [
        Refusal::NoSuchService,
        Refusal::Full("full".into()),
        Refusal::Config(mistakes),
        Refusal::Other("other".into()),
    ];
    for refusal in refusals {
        let problem = Problem::from(&refusal);
        must_fit("Problem", &serde_json::to_value(&problem).expect("JSON"));
        let body = serde_json::to_vec(&problem).expect("JSON");
        let understood = reply::decode(Route::Flush, problem.code(), &body).expect("decoded");
        assert_eq!(understood, Answer::Refused { refusal });
    }
    let server = services().remove(0).servers.remove(1);
    let (id, address, port) = (services().remove(0).service.id, server.server.address, server.server.port);
    for event in [
        Event::Watching,
        Event::Missed { events: 7 },
        Event::ServiceAdded { service: services().remove(0).service },
        Event::ServiceRemoved { id },
        Event::ServerAdded { id, server: server.server },
        Event::ServerRemoved { id, address, port },
        Event::Health { id, address, port, health: server.health },
        Event::Neighbour { address, neighbour: server.neighbour },
        Event::ServersOrdered { id, servers: vec![std::net::SocketAddr::new(address, port)] },
        Event::Draining { which: Which { address, port: None, service: Some(id) }, seconds: 1, now: false },
        Event::Undrained { which: Which { address, port: Some(port), service: None } },
        Event::Applied { generation: 7 },
    ] {
        let json = serde_json::to_value(&event).expect("JSON");
        assert_eq!(json["event"], event.name());
        must_fit("Event", &json);
    }
}
