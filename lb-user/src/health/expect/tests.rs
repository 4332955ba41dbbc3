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
    let (endless, _) = lab::serve(IPV4, |mut stream| async move {
        while stream.write_all(&[b'.'; 1024]).await.is_ok() {}
    })
    .await;
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
