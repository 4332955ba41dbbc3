//! Checks of every kind: what is read, what is refused, and that what is written is read again.

use crate::health::{CheckKind, HttpVersion, Step};

use super::*;

/// The check of the only server of a service of 192.0.2.1:80 with this `health`.
fn read(health: &str) -> Check {
    let text = file(health);
    let config = valid(&text);
    check(&config, 0, "192.0.2.10").unwrap_or_else(|| panic!("{health}: no check")).clone()
}

fn file(health: &str) -> String {
    format!("[[service]]\ntcp = \"192.0.2.1:80\"\nhealth = {health}\nreal_server = [{{ address = \"192.0.2.10\" }}]")
}

/// `key: message` of each problem.
fn refused(health: &str) -> Vec<String> {
    let problems = parse("lvx.toml", &file(health)).expect_err(health);
    let key = |problem: &Problem| problem.key.trim_start_matches("service.health").trim_start_matches('.').to_owned();
    problems.iter().map(|problem| format!("{}: {}", key(problem), problem.message)).collect()
}

/// Every kind, with every key that it has.
const EVERY_KIND: [&str; 14] = [
    r#"{ type = "tcp", address = "2001:db8::1", port = 81, interval = "2s", jitter = "1s", warmup = "10s" }"#,
    r#"{ type = "tcp", rise = 3, fall = 4, retry = 5, delay_before_retry = "100ms", timeout = "2s" }"#,
    r#"{ type = "http", method = "OPTIONS", path = "/a?b", host = "shop.example:81", version = "1.0", status = "200,301" }"#,
    r#"{ type = "http", body = "^a\\d+", body_absent = "b", digest = "5d41402abc4b2a76b9719d911017c592", redirects = 3 }"#,
    r#"{ type = "http", headers = { X-A = "b", Accept = "*/*" } }"#,
    r#"{ type = "https", path = "/", sni = "shop.example", verify = false, version = "2", min_days_left = 7 }"#,
    r#"{ type = "tls", sni = "shop.example", port = 443 }"#,
    r#"{ type = "udp", port = 53, payload = "00ff", reply = "0xx1", min_reply_length = 2, max_reply_length = 9 }"#,
    r#"{ type = "dns", name = "www.example.com", record = "MX", answer = "10 mail.example.com" }"#,
    r#"{ type = "icmp" }"#,
    r#"{ type = "smtp", helo = "lb.example", tls = true, sni = "mail.example" }"#,
    r#"{ type = "script", command = ["/bin/true", "{vip}", "{port}"], user = "root", dynamic = true }"#,
    r#"{ type = "expect", tls = false, steps = [{ send = '\x00a"', expect = "b" }, { expect = '\xff' }] }"#,
    r#"[{ type = "tcp", fall = 9 }, { type = "https", port = 443 }, { type = "icmp", timeout = "3s" }]"#,
];

#[test]
fn a_check_that_is_written_is_read_again() {
    for health in EVERY_KIND {
        let check = read(health);
        let target = valid(&file(health)).health.keys().next().copied().expect("a target");
        let written = health_value(&check, &target).to_string();
        assert_eq!(read(&written), check, "{written}");
    }
}

#[test]
fn what_is_read_is_what_is_written() {
    let CheckKind::Http(http) = read(EVERY_KIND[3]).kind else { panic!("http") };
    assert_eq!((http.body.as_ref().map(|body| body.as_str()), http.redirects), (Some(r"^a\d+"), 3));
    let CheckKind::Http(https) = read(EVERY_KIND[5]).kind else { panic!("https") };
    assert_eq!((https.version, https.tls.as_ref().map(|tls| tls.http2())), (HttpVersion::Two, Some(true)));
    let CheckKind::Udp(udp) = read(EVERY_KIND[7]).kind else { panic!("udp") };
    assert_eq!(
        (udp.payload.as_slice(), udp.require_reply),
        (&[0, 0xff][..], true),
        "a reply is required if it is named"
    );
    let CheckKind::Script(script) = read(EVERY_KIND[11]).kind else { panic!("script") };
    assert_eq!(script.command, ["/bin/true", "192.0.2.1", "80"]);
    assert_eq!(script.user.as_ref().map(|user| (user.uid, user.gid)), Some((0, 0)));
    let CheckKind::Expect(expect) = read(r#"{ type = "expect", send = 'a\n' }"#).kind else { panic!("expect") };
    assert_eq!(expect.steps, [Step { send: Some(b"a\n".to_vec()), expect: None }]);
    let first = read(EVERY_KIND[0]);
    assert_eq!(first.endpoint.to_string(), "[2001:db8::1]:81");
    assert_eq!((first.jitter, first.warmup), (Duration::from_secs(1), Duration::from_secs(10)));
    assert_eq!(read(r#"{ interval = "7s" }"#).warmup, Duration::from_secs(7));
}

#[test]
fn all_of_a_list_are_asked_in_the_rhythm_of_the_first() {
    let check = read(EVERY_KIND[13]);
    let CheckKind::All(all) = &check.kind else { panic!("a list") };
    let asked: Vec<_> =
        all.iter().map(|one| (one.kind.name(), one.endpoint.to_string(), one.timeout.as_secs())).collect();
    let endpoint = |text: &str| text.to_owned();
    assert_eq!(
        asked,
        [
            ("tcp", endpoint("192.0.2.1:80"), 1),
            ("https", endpoint("192.0.2.1:443"), 1),
            ("icmp", endpoint("192.0.2.1:80"), 3)
        ]
    );
    assert_eq!((check.fall, all[1].fall), (9, 9));
}

#[test]
fn a_type_keeps_what_belongs_to_it_and_forgets_the_rest() {
    let config = valid(
        r#"
        [defaults.health]
        type = "https"
        host = "shop.example"
        verify = true
        ca = "/etc/ssl/certs/ca-certificates.crt"
        [[service]]
        tcp = "192.0.2.1:443"
        real_server = [
            { address = "192.0.2.10", health = { path = "/x" } },
            { address = "192.0.2.11", health = { type = "http" } },
            { address = "192.0.2.12", health = { type = "expect", expect = "a" } },
            { address = "192.0.2.13", health = [{ path = "/y" }, { type = "tcp" }] },
        ]
        "#,
    );
    let kind = |address| check(&config, 0, address).map(|check| check.kind.clone()).expect("a check");
    let CheckKind::Http(https) = kind("192.0.2.10") else { panic!("https") };
    assert!(https.tls.as_ref().is_some_and(|tls| tls.settings().verify));
    let CheckKind::Http(http) = kind("192.0.2.11") else { panic!("http") };
    assert_eq!(
        (http.tls.is_none(), http.host.as_ref().map(|host| host.as_bytes())),
        (true, Some(&b"shop.example"[..]))
    );
    assert!(matches!(kind("192.0.2.12"), CheckKind::Expect(expect) if expect.tls.is_none()));
    let CheckKind::All(all) = kind("192.0.2.13") else { panic!("a list") };
    assert!(matches!(&all[0].kind, CheckKind::Http(http) if http.path == "/y" && http.tls.is_some()));
}

#[test]
fn keys_and_values_out_of_place_are_named() {
    for (health, problem) in [
        (r#"{ type = "tls", path = "/" }"#, "path: a tls check has no such key"),
        (r#"{ type = "icmp", status = "200" }"#, "status: an icmp check has no such key"),
        (r#"{ type = "icmp", port = 80 }"#, "port: an icmp check has no such key"),
        (r#"{ type = "http", verify = true }"#, "verify: an http check has no such key"),
        (r#"{ address = "web1" }"#, r#"address: "web1" is not an address"#),
        (r#"{ retry = 101 }"#, "retry: 101 is out of range: 0..=100"),
        (r#"{ type = "http", version = "3" }"#, r#"version: "3" is not one of 1.0, 1.1, 2"#),
        (r#"{ type = "http", digest = "md5:00" }"#, r#"digest: "md5:00" is not a digest"#),
        (r#"{ type = "http", method = "HEAD", body = "a" }"#, "body: the answer to HEAD has no body"),
        (r#"{ type = "http", headers = { "a b" = "c" } }"#, "headers.a b: `a b` is not the name of a header"),
        (r#"{ type = "http", headers = 1 }"#, "headers: 1 is a whole number, not a table"),
        (r#"{ type = "http", body = "(" }"#, r#"body: "(" is not a regular expression: unclosed group"#),
        (r#"{ type = "https", sni = "a b" }"#, r#"sni: "a b" is not a host name"#),
        (r#"{ type = "https", ca = "/x" }"#, "ca: is not looked at unless certificates are verified"),
        (r#"{ type = "smtp", verify = true }"#, "verify: has no meaning without TLS"),
        (r#"{ type = "smtp", helo = "a b" }"#, r#"helo: "a b" is not a host name"#),
        (r#"{ type = "udp" }"#, "port: a udp check needs one here: the service's port is one of TCP"),
        (r#"{ type = "udp", port = 1, payload = "0" }"#, r#"payload: "0" is not hex digits in pairs"#),
        (
            r#"{ type = "udp", port = 1, min_reply_length = 2, max_reply_length = 1 }"#,
            "max_reply_length: 1 is below min_reply_length, 2",
        ),
        (
            r#"{ type = "dns", record = "B" }"#,
            r#"record: "B" is not one of A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT"#,
        ),
        (r#"{ type = "dns", name = "" }"#, r#"name: "" is not a domain name"#),
        (r#"{ type = "script" }"#, "command: is missing"),
        (r#"{ type = "script", command = [] }"#, "command: names no program"),
        (r#"{ type = "script", command = ["true"] }"#, r#"command: "true" is not an absolute path"#),
        (r#"{ type = "script", command = ["/etc/passwd"] }"#, r#"command: "/etc/passwd" is not executable"#),
        (
            r#"{ type = "script", command = ["/bin/true"], user = "no such user" }"#,
            r#"user: "no such user" is not a user of this machine"#,
        ),
        (r#"{ type = "expect" }"#, "expect: is missing"),
        (r#"{ type = "expect", send = '\q' }"#, r"send: '\q' is not bytes as text"),
        (r#"{ type = "expect", steps = [] }"#, "steps: there is no step"),
        (r#"{ type = "expect", steps = [{}] }"#, "steps: a step that neither sends nor expects anything"),
        (r#"{ type = "expect", send = "a", steps = [{ send = "b" }] }"#, "steps: send and expect are there as well"),
        ("[]", ": an empty list"),
        (r#"[{ fall = 2 }, { fall = 3 }]"#, "fall: the checks of a list are asked together"),
    ] {
        assert_eq!(refused(health), [problem], "{health}");
    }
    let missing = refused(r#"{ type = "tls", verify = true, ca = "/nonexistent.pem" }"#);
    assert!(missing[0].starts_with("ca: cannot read the certificates of /nonexistent.pem"), "{missing:?}");
    let two = refused(r#"{ type = "http", path = "a", port = 0, bdy = "x" }"#);
    assert_eq!(two.len(), 3, "{two:?}");
}
