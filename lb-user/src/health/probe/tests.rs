use std::sync::Arc;

use tokio::net::TcpListener;

use super::super::lab::{IPV4, IPV6, ask as asked, bad, closed, good, listen};
use super::*;
use crate::health::script::ScriptCheck;

#[tokio::test]
async fn an_accepted_connection_is_good_and_a_closed_port_is_refused() {
    for host in [IPV4, IPV6] {
        let (_listener, open) = listen(host).await;
        assert_eq!(asked(CheckKind::Tcp, open).await, good("connected"));
        assert_eq!(asked(CheckKind::Tcp, closed(host).await).await, bad("connection refused"));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_bad_after_the_timeout() {
    let answer = within(Duration::from_millis(1500), std::future::pending()).await;
    assert_eq!(Answer::from(answer), bad("no answer within 1s 500ms"));
}

#[test]
fn what_the_director_lacks_is_not_held_against_the_server() {
    let descriptors = io::Error::from_raw_os_error(libc::EMFILE);
    assert!(matches!(Failure::from(descriptors), Failure::Unknown(_)));
    let route = io::Error::from_raw_os_error(libc::EHOSTUNREACH);
    assert_eq!(Answer::from(Err(route.into())), bad("host unreachable"));
}

fn script(line: &str) -> CheckKind {
    let command = ["/bin/sh", "-c", line].map(str::to_owned).to_vec();
    CheckKind::Script(Arc::new(ScriptCheck { command, user: None, dynamic: true, environment: Vec::new() }))
}

#[tokio::test]
async fn all_of_a_list_must_be_good_and_the_one_that_is_not_is_named() {
    let (_listener, open) = listen(IPV4).await;
    let closed = closed(IPV6).await;
    let check = |kind, endpoint| Check::new(kind, endpoint);
    let missing = ScriptCheck {
        command: vec!["/nonexistent/check".to_owned()],
        user: None,
        dynamic: false,
        environment: Vec::new(),
    };
    let missing = CheckKind::Script(Arc::new(missing));
    for (checks, expected) in [
        (vec![check(CheckKind::Tcp, open), check(CheckKind::Tcp, open)], good("connected, connected")),
        (
            vec![check(CheckKind::Tcp, open), check(missing.clone(), open), check(CheckKind::Tcp, closed)],
            bad("check 3 (tcp): connection refused"),
        ),
        (
            vec![check(script("exit 12"), open), check(script("exit 7"), open), check(CheckKind::Tcp, open)],
            Answer::Weighted("exit status 12, weight 10, exit status 7, weight 5, connected".to_owned(), 5),
        ),
    ] {
        assert_eq!(asked(CheckKind::All(checks.into()), open).await, expected);
    }
    let unknown = asked(CheckKind::All([check(missing, open), check(CheckKind::Tcp, open)].into()), open).await;
    assert!(matches!(unknown, Answer::Unknown(_)), "{unknown:?}");
}

/// A port that refuses the first `failures` connections, and the time that passed until the outcome.
async fn retried(up: bool, failures: u32) -> (Answer, Duration) {
    let endpoint = closed("127.0.0.9:0").await;
    let delay = Duration::from_secs(3600);
    let check = Check { retry: 2, delay_before_retry: delay, ..Check::new(CheckKind::Tcp, endpoint) };
    let started = tokio::time::Instant::now();
    let opens = async {
        tokio::time::sleep(delay * failures - delay / 2).await;
        let _listener = TcpListener::bind(endpoint).await.expect("the same port");
        std::future::pending::<Answer>().await
    };
    tokio::pin!(opens);
    let sockets = Sockets::host();
    let answer = tokio::select! {
        answer = outcome(&check, &sockets, up) => answer,
        answer = &mut opens => answer,
    };
    (answer, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_up_is_asked_again_before_it_counts_as_failed() {
    let hours = |answer: &(Answer, Duration)| answer.1.as_secs() / 3600;
    let recovered = retried(true, 2).await;
    assert_eq!((&recovered.0, hours(&recovered)), (&good("connected"), 2));
    let failed = retried(true, 3).await;
    assert_eq!((&failed.0, hours(&failed)), (&bad("connection refused"), 2));
    let down = retried(false, 2).await;
    assert_eq!((&down.0, hours(&down)), (&bad("connection refused"), 0), "what is out is not asked again so soon");
}

#[test]
fn a_probe_that_waits_for_its_turn_is_small() {
    let check = Check::new(CheckKind::Tcp, "192.0.2.1:80".parse().expect("an endpoint"));
    let sockets = Sockets::host();
    let size = size_of_val(&outcome(&check, &sockets, true));
    assert!(size <= 2048, "{size} bytes");
}
