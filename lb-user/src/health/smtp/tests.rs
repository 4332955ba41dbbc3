use std::time::Duration;

use super::super::lab::{self, IPV4, IPV6, bad, dialogue, good, identity, serve_tls, silent};
use super::*;
use crate::health::{CheckKind, TlsSettings};

fn check() -> CheckKind {
    CheckKind::Smtp(Arc::new(SmtpCheck { helo: "lb.example".to_owned(), tls: None }))
}

#[tokio::test]
async fn a_mail_server_greets_and_says_goodbye() {
    for host in [IPV4, IPV6] {
        let polite = dialogue(
            host,
            &[
                (b"", b"220-mail.example\r\n220 ESMTP ready\r\n"),
                (b"HELO lb.example\r\n", b"250 hello\r\n"),
                (b"QUIT\r\n", b"221 bye\r\n"),
            ],
        );
        assert_eq!(lab::ask(check(), polite.await).await, good("`220 ESMTP ready`"));
    }
}

#[tokio::test]
async fn a_mail_server_that_refuses_is_quoted() {
    let busy = dialogue(IPV4, &[(b"", b"421 too busy\r\n")]).await;
    assert_eq!(lab::ask(check(), busy).await, bad("greeting: `421 too busy`, expected 220"));
    let unfriendly = dialogue(IPV4, &[(b"", b"220 hello\r\n"), (b"HELO lb.example\r\n", b"550 who?\r\n")]).await;
    assert_eq!(lab::ask(check(), unfriendly).await, bad("HELO: `550 who?`, expected 250"));
    let closes = dialogue(IPV6, &[(b"", b"")]).await;
    assert_eq!(lab::ask(check(), closes).await, bad("connection closed without an answer"));
    let (_listener, mute) = silent(IPV6).await;
    assert_eq!(lab::ask_for(check(), mute, Duration::from_millis(100)).await, bad("no answer within 100ms"));
}

#[tokio::test]
async fn a_reply_without_an_end_is_given_up() {
    let (endless, _) =
        lab::serve(IPV4, |mut stream| async move { while stream.write_all(&[b'2'; 1024]).await.is_ok() {} }).await;
    assert_eq!(lab::ask(check(), endless).await, bad("the answer goes on after 8192 bytes"));
}

#[tokio::test]
async fn mail_by_tls_is_asked_by_tls() {
    let address = serve_tls(IPV4, &identity("mail.example", 9, &[]), |mut stream| async move {
        use tokio::io::AsyncReadExt as _;
        let mut heard = [0; 18];
        for (length, said) in [(0, &b"220 hello\r\n"[..]), (17, b"250 hello\r\n"), (6, b"221 bye\r\n")] {
            stream.read_exact(&mut heard[..length]).await.expect("a command");
            stream.write_all(said).await.expect("an answer");
            stream.flush().await.expect("an answer");
        }
    })
    .await;
    let tls = Some(Arc::new(Tls::new(TlsSettings::default(), false).expect("settings")));
    let check = CheckKind::Smtp(Arc::new(SmtpCheck { helo: "lb.example".to_owned(), tls }));
    assert_eq!(lab::ask(check, address).await, good("`220 hello`"));
}
