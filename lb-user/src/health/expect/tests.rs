use std::time::Duration;

use super::super::lab::{self, IPV4, IPV6, ask_for, bad, dialogue, good, identity, serve_tls, silent};
use super::*;
use crate::health::pattern::unescape;
use crate::health::{CheckKind, TlsSettings};

fn check(steps: &[(&str, &str)]) -> CheckKind {
    CheckKind::Expect(Arc::new(ExpectCheck { steps: self::steps(steps), tls: None }))
}

/// Steps as they are written; an empty text is none.
fn steps(steps: &[(&str, &str)]) -> Vec<Step> {
    let written = |text: &&str| !text.is_empty();
    let step = |(send, expect): &(&str, &str)| Step {
        send: Some(*send).filter(written).map(|send| unescape(send).expect("bytes")),
        expect: Some(*expect).filter(written).map(|expect| Pattern::binary(expect).expect("an expression")),
    };
    steps.iter().map(step).collect()
}

#[tokio::test]
async fn a_dialogue_goes_step_by_step_and_uses_up_what_it_matched() {
    for host in [IPV4, IPV6] {
        let server = dialogue(host, &[(b"", b"hello one two"), (b"\x00\xff", b"\xfe"), (b"bye", b"")]).await;
        let steps = [("", "^hello "), ("", "^one "), (r"\x00\xff", r"^two\xfe$"), ("bye", "")];
        assert_eq!(lab::ask(check(&steps), server).await, good("4 steps as expected"));
    }
}

#[tokio::test]
async fn what_did_not_come_is_named_with_its_step() {
    let server = dialogue(IPV4, &[(b"a", b"b"), (b"c", b"no\x01")]).await;
    let answer = lab::ask(check(&[("a", "b"), ("c", "yes")]), server).await;
    assert_eq!(answer, bad(r"step 2: connection closed after 3 bytes (after `no\x01`), expected `yes`"));
    let closes = dialogue(IPV6, &[(b"a", b"")]).await;
    let answer = lab::ask(check(&[("a", "b")]), closes).await;
    assert_eq!(answer, bad("step 1: connection closed without an answer, expected `b`"));
    let (_listener, mute) = silent(IPV6).await;
    let answer = ask_for(check(&[("a", "b")]), mute, Duration::from_millis(100)).await;
    assert_eq!(answer, bad("step 1: no answer within 100ms"));
    let (_listener, mute) = silent(IPV4).await;
    assert_eq!(ask_for(check(&[("a", "")]), mute, Duration::from_secs(5)).await, good("as expected"));
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up() {
    let (endless, _) =
        lab::serve(IPV4, |mut stream| async move { while stream.write_all(&[b'.'; 1024]).await.is_ok() {} }).await;
    let lab::Answer::Bad(words) = lab::ask(check(&[("", "end")]), endless).await else { panic!("it has no end") };
    assert!(words.starts_with("step 1: the answer goes on after 16384 bytes"), "{words}");
}

#[tokio::test]
async fn a_dialogue_by_tls_is_one() {
    let address = serve_tls(IPV6, &identity("redis.example", 9, &[]), |mut stream| async move {
        stream.write_all(b"+PONG\r\n").await.expect("an answer");
        stream.flush().await.expect("an answer");
    })
    .await;
    let tls = Some(Arc::new(Tls::new(TlsSettings::default(), false).expect("settings")));
    let kind = CheckKind::Expect(Arc::new(ExpectCheck { steps: steps(&[("PING", "^.PONG\r\n")]), tls }));
    assert_eq!(lab::ask(kind, address).await, good("as expected"));
}

/// The examples of the reference, in its order.
fn documented() -> Vec<CheckKind> {
    let reference = include_str!("../../../../docs/config.md");
    let (_, examples) = reference.split_once("are asked like this:\n\n```toml\n").expect("the examples");
    let (examples, _) = examples.split_once("```").expect("their end");
    let config = crate::config::parse("config.md", examples).expect("valid examples");
    let check = |service: &crate::model::Service| {
        config.health.iter().find(|(target, _)| target.id == service.id).map(|(_, check)| check.kind.clone())
    };
    config.services.iter().map(|service| check(service).expect("a check")).collect()
}

#[tokio::test]
async fn the_databases_of_the_reference_are_told_from_broken_ones() {
    const STARTUP: &[u8] = b"\x00\x00\x00\x12\x00\x03\x00\x00user\x00lvx\x00\x00";
    let servers: [(lab::Dialogue, lab::Dialogue); 3] = [
        (
            &[(b"PING\r\n", b"+PONG\r\n"), (b"QUIT\r\n", b"+OK\r\n")],
            &[(b"PING\r\n", b"-LOADING Redis is loading the dataset in memory\r\n")],
        ),
        (
            &[(STARTUP, b"R\x00\x00\x00\x0c\x00\x00\x00\x05abcd")],
            &[(STARTUP, b"E\x00\x00\x00\x30SFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00")],
        ),
        (
            &[(b"", b"\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00")],
            &[(b"", b"\x17\x00\x00\x00\xff\x10\x04Too many connections")],
        ),
    ];
    for (kind, (works, fails)) in documented().into_iter().zip(servers) {
        let CheckKind::Expect(expect) = &kind else { panic!("{kind:?}") };
        let words = if expect.steps.len() == 1 { "as expected" } else { "2 steps as expected" };
        assert_eq!(lab::ask(kind.clone(), dialogue(IPV4, works).await).await, good(words));
        let failed = lab::ask(kind, dialogue(IPV6, fails).await).await;
        assert!(matches!(&failed, lab::Answer::Bad(words) if words.starts_with("step 1: ")), "{failed:?}");
    }
}
