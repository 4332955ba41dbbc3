use std::net::SocketAddr;
use std::time::Duration;

use super::super::lab::{self, IPV4, IPV6, Identity, bad, identity, serve_tls, silent};
use super::super::probe::Answer;
use super::*;
use crate::health::CheckKind;

async fn server(host: &str, identity: &Identity) -> SocketAddr {
    serve_tls(host, identity, |_stream| async {}).await
}

fn check(settings: TlsSettings) -> CheckKind {
    CheckKind::Tls(Arc::new(Tls::new(settings, false).expect("settings")))
}

fn verified(identity: &Identity, sni: Option<&str>) -> CheckKind {
    let ca = Some(identity.authority.path().to_owned());
    check(TlsSettings { sni: sni.map(str::to_owned), verify: true, ca, min_days_left: None })
}

fn words(answer: Answer) -> (bool, String) {
    match answer {
        Answer::Good(words) => (true, words),
        Answer::Bad(words) => (false, words),
        other @ (Answer::Weighted(..) | Answer::Unknown(_)) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn any_certificate_is_good_unless_it_is_verified() {
    let shop = identity("shop.example", 30, &[]);
    let old = identity("shop.example", -3, &[]);
    for host in [IPV4, IPV6] {
        let address = server(host, &shop).await;
        assert_eq!(
            lab::ask(check(TlsSettings::default()), address).await,
            lab::good("TLS 1.3, certificate good for 30 days")
        );
        let address = server(host, &old).await;
        assert!(words(lab::ask(check(TlsSettings::default()), address).await).0);
    }
}

#[tokio::test]
async fn a_verified_certificate_must_be_known_valid_and_of_the_name() {
    let shop = identity("shop.example", 30, &[]);
    let numbered = identity("127.0.0.1", 30, &[]);
    let old = identity("shop.example", -3, &[]);
    for (served, trusted, sni, expected) in [
        (&shop, &shop, Some("shop.example"), (true, "TLS 1.3")),
        (&numbered, &numbered, None, (true, "TLS 1.3")),
        (&shop, &shop, Some("other.example"), (false, "not valid for name")),
        (&shop, &shop, None, (false, "not valid for name")),
        (&shop, &old, Some("shop.example"), (false, "UnknownIssuer")),
        (&old, &old, Some("shop.example"), (false, "expired")),
    ] {
        let address = server(IPV4, served).await;
        let (good, words) = words(lab::ask(verified(trusted, sni), address).await);
        assert_eq!(good, expected.0, "{words}");
        assert!(words.contains(expected.1), "{words}");
    }
}

#[tokio::test]
async fn a_certificate_that_will_expire_soon_is_named() {
    let ask = async |days, least| {
        let address = server(IPV6, &identity("shop.example", days, &[])).await;
        let settings = TlsSettings { min_days_left: Some(least), ..TlsSettings::default() };
        words(lab::ask(check(settings), address).await)
    };
    assert!(ask(30, 30).await.0);
    assert_eq!(ask(29, 30).await, (false, "certificate good for 29 days, expected at least 30".to_owned()));
    assert_eq!(ask(-3, 0).await, (false, "certificate good for -3 days, expected at least 0".to_owned()));
}

#[tokio::test]
async fn what_is_not_tls_is_named_so() {
    let plain = lab::dialogue(IPV4, &[(b"", b"220 mail.example ESMTP\r\n")]).await;
    let (good, said) = words(lab::ask(check(TlsSettings::default()), plain).await);
    assert!(!good && said.starts_with("TLS: "), "{said}");

    let closes = lab::dialogue(IPV6, &[(b"\x16", b"")]).await;
    let (good, said) = words(lab::ask(check(TlsSettings::default()), closes).await);
    assert!(!good && (said == "connection closed during the TLS handshake" || said == "connection reset"), "{said}");

    let (_listener, silent) = silent(IPV4).await;
    let limit = Duration::from_millis(100);
    let answer = lab::ask_for(check(TlsSettings::default()), silent, limit).await;
    assert_eq!(answer, bad("no answer within 100ms"));
}

#[test]
fn authorities_that_cannot_be_read_are_named() {
    let settings = |ca: &str| TlsSettings { verify: true, ca: Some(ca.into()), ..TlsSettings::default() };
    let missing = Tls::new(settings("/nonexistent.pem"), false).expect_err("no such file").to_string();
    assert!(missing.starts_with("cannot read the certificates of /nonexistent.pem: "), "{missing}");
    let empty = Tls::new(settings("/dev/null"), false).expect_err("no certificate").to_string();
    assert_eq!(empty, "cannot read the certificates of /dev/null: there is none");
}
