use std::net::IpAddr;
use std::sync::Arc;

use super::super::lab::{Answer, ask_for, bad, good};
use super::*;
use crate::health::CheckKind;
use crate::model::Family;

fn shell(line: &str) -> ScriptCheck {
    let command = ["/bin/sh", "-c", line].map(str::to_owned).to_vec();
    ScriptCheck { command, user: None, dynamic: false, environment: Vec::new() }
}

async fn asked(check: ScriptCheck, limit: Duration) -> Answer {
    let endpoint = "192.0.2.1:80".parse().expect("an endpoint");
    ask_for(CheckKind::Script(Arc::new(check)), endpoint, limit).await
}

async fn run(check: ScriptCheck) -> Answer {
    asked(check, Duration::from_secs(10)).await
}

#[tokio::test]
async fn the_exit_status_decides_and_the_first_line_says_why() {
    let dynamic = |line| ScriptCheck { dynamic: true, ..shell(line) };
    for (check, expected) in [
        (shell("exit 0"), good("exit status 0")),
        (shell("echo; echo all well; echo and more"), good("exit status 0: all well")),
        (shell("echo disk full >&2; exit 1"), bad("exit status 1: disk full")),
        (shell("exit 5"), bad("exit status 5")),
        (dynamic("exit 0"), good("exit status 0")),
        (dynamic("exit 1"), bad("exit status 1")),
        (dynamic("exit 2"), Answer::Weighted("exit status 2, weight 0".to_owned(), 0)),
        (dynamic("exit 255"), Answer::Weighted("exit status 255, weight 253".to_owned(), 253)),
        (shell("kill -9 $$"), bad("signal: 9 (SIGKILL)")),
    ] {
        assert_eq!(run(check).await, expected);
    }
    // More than a pipe holds.
    let talkative = run(shell("head -c 300000 /dev/zero | tr '\\0' x; exit 1")).await;
    assert!(matches!(&talkative, Answer::Bad(words) if words.ends_with("xxx...")), "{talkative:?}");
}

#[tokio::test]
async fn a_program_that_is_not_there_says_nothing_of_the_server() {
    let missing = ScriptCheck { command: vec!["/nonexistent/check".to_owned()], ..shell("") };
    assert!(matches!(run(missing).await, Answer::Unknown(_)));
}

#[tokio::test]
async fn no_shell_looks_at_the_words_and_the_environment_is_what_is_documented() {
    let target = Target {
        id: ServiceId::Address { protocol: Protocol::Udp, vip: IpAddr::from([192, 0, 2, 1]), port: 53 },
        address: IpAddr::from([192, 0, 2, 10]),
        port: 53,
    };
    let line = r#"echo "$0 $1 $2 $LVX_PROTOCOL $LVX_VIP $LVX_VPORT $LVX_ADDRESS $LVX_PORT $HOME""#;
    let mut check = shell(line);
    check.command.extend(["{vip}:{vport}", "{address};{port}", "$(id)"].map(str::to_owned));
    let said = run(check.of_server(&target, 5353)).await;
    let expected = "192.0.2.1:53 192.0.2.10;5353 $(id) udp 192.0.2.1 53 192.0.2.10 5353";
    assert_eq!(said, Answer::Good(format!("exit status 0: {}...", &expected[..60])));
    let mark = Target { id: ServiceId::Mark { mark: 8, family: Family::Inet }, ..target };
    let said = run(shell("echo $LVX_PROTOCOL $LVX_VIP").of_server(&mark, 0)).await;
    assert_eq!(said, good("exit status 0: mark 8"));
}

#[tokio::test]
async fn what_takes_too_long_is_killed_with_all_its_children() {
    let pids = tempfile::NamedTempFile::new().expect("a file");
    let file = pids.path().display();
    // One child ends on SIGTERM, the other one ignores it.
    let line = format!("sleep 1000 & echo $! >>{file}; sh -c 'trap \"\" TERM; echo $$ >>{file}; sleep 1000' & wait");
    assert_eq!(asked(shell(&line), Duration::from_millis(500)).await, bad("no answer within 500ms"));
    let written = std::fs::read_to_string(pids.path()).expect("their ids");
    let ids: Vec<&str> = written.lines().collect();
    assert_eq!(ids.len(), 2, "{written}");
    for id in ids {
        ends(id).await;
    }
}

#[tokio::test]
async fn a_probe_that_is_stopped_leaves_nothing_behind() {
    let pids = tempfile::NamedTempFile::new().expect("a file");
    let path = pids.path().to_owned();
    let line = format!("echo $$ >{}; trap '' TERM; while :; do sleep 1000; done", path.display());
    let probe = tokio::spawn(run(shell(&line)));
    let id = loop {
        let written = std::fs::read_to_string(&path).expect("its id");
        if let Some(id) = written.strip_suffix('\n') {
            break id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    probe.abort();
    ends(&id).await;
}

/// Waits until a process is gone, or is a zombie that nobody has reaped yet.
async fn ends(id: &str) {
    let gone = async {
        while std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.expect("the end of the process");
}
