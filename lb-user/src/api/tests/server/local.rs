//! Over the unix socket.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::director::{Running, connections};
use super::{request, say};
use crate::api::call::tests::requests;
use crate::api::server::{Limits, Server};
use crate::api::settings::Settings;
use crate::api::{Refusal, Request, Response};

#[test]
fn changes_and_questions_go_over_one_connection_and_refusals_are_as_they_were() {
    let running = Running::new();
    let mut client = running.client();
    let [add, edit, ..] = &requests()[..] else { panic!("no requests") };
    assert_eq!(client.ask(add).expect("asked"), Response::Done);
    assert_eq!(client.ask(add).expect("asked"), Response::Refused { refusal: Refusal::ServiceExists });
    assert_eq!(client.ask(edit).expect("asked"), Response::Refused { refusal: Refusal::NoSuchService });
    let Response::Services { services, connection_table_size } =
        client.ask(&Request::List { id: None }).expect("asked")
    else {
        panic!("no services")
    };
    assert_eq!((services.len(), connection_table_size), (1, 4096));
    let id = services[0].service.id;
    let one = client.ask(&Request::List { id: Some(id) }).expect("asked");
    assert!(matches!(one, Response::Services { services, .. } if services[0].service.id == id));
    assert_eq!(client.ask(&Request::DeleteService { id }).expect("asked"), Response::Done);
    let unknown = Request::SetSysctls { values: [("no_such_sysctl".to_owned(), 1)].into() };
    assert!(matches!(client.ask(&unknown).expect("asked"), Response::Refused { refusal: Refusal::Other(_) }));
}

#[test]
fn the_connection_table_comes_in_parts_and_arrives_whole() {
    let running = Running::new();
    assert_eq!(running.client().ask(&Request::Connections).expect("asked"), connections());
    let said = say(running.connect(), &request("GET", "/v1/connections", &[], ""));
    assert!(said.head.contains("transfer-encoding: chunked"), "{said:?}");
    let said = say(running.connect(), &request("GET", "/v1/connections/4", &[], ""));
    assert!(said.body.ends_with("\"next\":null}"), "{said:?}");
}

#[test]
fn what_is_wrong_is_a_problem_with_a_name_and_advice() {
    let running = Running::new();
    let json = "Content-Type: application/json";
    let service = r#"{"id":{"mark":{"mark":1,"family":"inet"}}}"#;
    for (method, path, headers, body, status, name) in [
        ("GET", "/", &[][..], "", 404, "not_found"),
        ("GET", "/v1/services/tcp/10.0.0.1:80", &[], "", 404, "no_such_service"),
        ("DELETE", "/v1/status", &[], "", 405, "method_not_allowed"),
        ("POST", "/v1/services", &[json], "{", 400, "bad_request"),
        ("POST", "/v1/services", &["Content-Type: application/x-www-form-urlencoded"], service, 415, "media_type"),
        ("POST", "/v1/services", &[json], r#"{"id":{"mark":{"mark":0,"family":"inet"}}}"#, 422, "invalid"),
        ("GET", "/v1/services/tcp/nowhere", &[], "", 400, "bad_request"),
    ] {
        let said = say(running.connect(), &request(method, path, headers, body));
        assert_eq!(said.status, status, "{method} {path}: {said:?}");
        assert!(said.head.contains("content-type: application/problem+json"), "{said:?}");
        let problem: Value = serde_json::from_str(&said.body).expect("JSON");
        assert!(problem["type"].as_str().is_some_and(|kind| kind.ends_with(&format!("#{name}"))), "{problem}");
        assert_ne!(problem["advice"], "", "{problem}");
        assert_eq!(problem["status"], status);
    }
    let said = say(running.connect(), &request("PATCH", "/v1/services", &[], ""));
    assert!(said.head.contains("allow: get, post, delete"), "{said:?}");
    let said = say(running.connect(), &request("POST", "/v1/services", &[json], service));
    assert!(said.status == 201 && said.head.contains("location: /v1/services/mark/1"), "{said:?}");
    let said = say(running.connect(), &request("HEAD", "/v1/status", &[], ""));
    assert!(said.status == 200 && said.body.is_empty(), "{said:?}");
    let said = say(running.connect(), b"rubbish\r\n\r\n");
    assert_eq!(said.status, 400, "{said:?}");
}

#[test]
fn the_document_is_served() {
    let running = Running::new();
    let said = say(running.connect(), &request("GET", "/v1/openapi.json", &[], ""));
    let document: Value = serde_json::from_str(&said.body).expect("JSON");
    assert_eq!((said.status, &document["openapi"]), (200, &Value::from("3.1.0")));
}

#[test]
fn who_watches_is_told_of_a_change() {
    let running = Running::new();
    let mut stream = running.connect();
    stream.write_all(&request("GET", "/v1/watch", &[], "")).expect("sent");
    let mut events =
        BufReader::new(stream).lines().map(|line| line.expect("an event")).filter(|line| line.starts_with("data: "));
    assert_eq!(events.next().as_deref(), Some(r#"data: {"event":"watching"}"#));
    for change in &requests()[..1] {
        assert_eq!(running.client().ask(change).expect("asked"), Response::Done);
    }
    assert_eq!(running.client().ask(&Request::Flush).expect("asked"), Response::Done);
    let added = events.next().expect("an event");
    assert!(added.starts_with(r#"data: {"event":"service_added","service":{"id":{"address":"#), "{added}");
    assert_eq!(events.next().as_deref(), Some(r#"data: {"event":"flushed"}"#));
}

#[test]
fn the_socket_has_its_permissions_and_goes_with_its_server() {
    let running = Running::new();
    let socket = running.socket();
    let mode = |path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    let error = Server::bind(&socket, &Settings::default()).expect_err("another listens").to_string();
    assert!(error.contains("another lvx listens"), "{error}");
    let directory = socket.parent().expect("a directory").to_owned();
    let other = directory.join("other.sock");
    let group = nix::unistd::getegid().to_string();
    let open = Settings { socket_mode: 0o660, socket_group: Some(group), ..Settings::default() };
    let server = Server::with_limits(&other, &open, Limits::default()).expect("bound");
    assert_eq!(mode(&other), 0o660);
    drop(server);
    assert!(!other.exists() && !directory.join("other.new").exists());
    let unknown = Settings { socket_group: Some("no-such-group".to_owned()), ..Settings::default() };
    let error = format!("{:#}", Server::bind(&other, &unknown).expect_err("no group"));
    assert!(error.contains("groupadd"), "{error}");
    drop(running);
    assert!(!socket.exists());
}
