use std::net::IpAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::model::Protocol;

fn service() -> ServiceId {
    ServiceId::Address { protocol: Protocol::Tcp, vip: IpAddr::from([172, 16, 100, 1]), port: 80 }
}

fn notice() -> Notice {
    let server = "172.16.100.10:80".parse().expect("an address");
    Notice::new(Subject::Server, &service(), Some(server), false, "connection refused".to_owned())
}

fn to(command: &[&str], webhook: Option<String>) -> Notify {
    Notify { command: command.iter().map(|word| (*word).to_owned()).collect(), webhook, ..Notify::default() }
}

/// Waits until so many notices had an end.
async fn ended(notifier: &Notifier, notices: u64) -> NoticeCounts {
    let start = Instant::now();
    loop {
        let counts = notifier.counts();
        if counts.delivered + counts.failed >= notices {
            return counts;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{counts:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_command_hears_of_it_by_its_environment_and_its_standard_input() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("told");
    // The words are handed on as they are: no shell looks at them but the one that is named.
    let script = "{ echo \"$LVX_EVENT $LVX_SERVICE $LVX_SERVER $LVX_STATE $LVX_REASON $1\"; cat; } > \"$0\"";
    let path = file.to_str().expect("a path");
    let mut notifier = Notifier::spawn(to(&["/bin/sh", "-c", script, path, "$(x) ;"], None));
    notifier.send(notice(), None);
    assert_eq!(ended(&notifier, 1).await, NoticeCounts { delivered: 1, ..NoticeCounts::default() });
    let told = std::fs::read_to_string(&file).expect("told");
    let (line, json) = told.split_once('\n').expect("a line");
    assert_eq!(line, "server TCP 172.16.100.1:80 172.16.100.10:80 down connection refused $(x) ;");
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(
        (json["service"].as_str(), json["reason"].as_str()),
        (Some("TCP 172.16.100.1:80"), Some("connection refused"))
    );
    assert_eq!(json["sequence"], 1);
}

#[tokio::test]
async fn a_web_service_gets_a_post_and_its_refusal_counts_as_failed() {
    for (status, delivered) in [("204 No Content", 1), ("500 No", 0)] {
        let listener = TcpListener::bind("[::1]:0").await.expect("a socket");
        let url = format!("http://{}/told?by=lvx", listener.local_addr().expect("an address"));
        let mut notifier = Notifier::spawn(to(&[], Some(url)));
        notifier.send(notice(), None);
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = String::new();
        while !request.ends_with('}') {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).await.expect("a request");
            request.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        assert!(request.starts_with("POST /told?by=lvx HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("content-type: application/json\r\n"), "{request}");
        assert!(request.contains("\"state\":\"down\""), "{request}");
        stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await.expect("sent");
        assert_eq!(ended(&notifier, 1).await.delivered, delivered, "{status}");
    }
}

#[tokio::test]
async fn what_finds_no_room_is_dropped_and_counted_and_nobody_waits() {
    let mut notifier = Notifier::spawn(to(&["/bin/sleep", "60"], None));
    let start = Instant::now();
    // Nothing is delivered while this task does not wait, so the queue is all the room there is.
    (0..QUEUE + 10).for_each(|_| notifier.send(notice(), None));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(notifier.counts(), NoticeCounts { dropped: 10, waiting: QUEUE as u64, ..NoticeCounts::default() });
}

#[tokio::test]
async fn a_service_can_tell_others_or_nobody_and_only_of_what_it_wants() {
    let mut notifier = Notifier::spawn(to(&["/bin/true"], None));
    notifier.send(notice(), Some(&Notify::default()));
    notifier.send(notice(), Some(&Notify { on: vec![Subject::Quorum], ..to(&["/bin/true"], None) }));
    notifier.send(notice(), Some(&to(&["/nonexistent"], None)));
    notifier.send(notice(), Some(&to(&["/bin/false"], None)));
    assert_eq!(ended(&notifier, 2).await, NoticeCounts { failed: 2, ..NoticeCounts::default() });
}
