//! The API's socket: who may use it, and what it bears.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lb_user::api::client::Client;
use lb_user::api::{Health, Request, Response};
use xtask::lab::Arms;

use crate::network::director::Director;
use crate::network::setup::Setup;

/// More than the daemon takes at a time.
const CLIENTS: usize = 200;

/// For what happens at once.
const LIMIT: Duration = Duration::from_secs(10);

/// Sends bytes and reads what comes back until the daemon has nothing more to say.
fn say(director: &Director, bytes: &[u8]) -> Result<String> {
    let mut stream = UnixStream::connect(director.lab.socket())?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // The daemon may hang up in the middle.
    drop(stream.write_all(bytes));
    drop(stream.shutdown(std::net::Shutdown::Write));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    Ok(String::from_utf8(answer)?)
}

#[test]
fn rubbish_is_refused_and_hurts_nobody() -> Result<()> {
    let director = Director::one_arm()?;
    let mode = std::fs::metadata(director.lab.socket())?.permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}: only root may use the socket");
    let before = director.does(&["ipvsadm -A -t 172.16.100.1:80 -s rr", "ipvsadm -Sn"])?;
    let post = |media: &str, body: &str| {
        let length = body.len();
        format!(
            "POST /v1/services HTTP/1.1\r\nHost: lvx\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let json = |body: &str| post("application/json", body);
    for (what, bytes, status) in [
        ("text", b"hello\r\n\r\n".to_vec(), 400),
        ("bytes", b"\xff\x00\xfe\r\n\r\n".to_vec(), 400),
        ("JSON lines", b"{\"op\":\"flush\"}\n".to_vec(), 400),
        ("an unknown path", b"GET /explode HTTP/1.1\r\nHost: lvx\r\n\r\n".to_vec(), 404),
        ("a wrong method", b"PATCH /v1/services HTTP/1.1\r\nHost: lvx\r\n\r\n".to_vec(), 405),
        ("a request of wrong shape", json("{\"id\":7}").into(), 400),
        ("a form", post("application/x-www-form-urlencoded", "id=7").into(), 415),
        ("half a request", b"DELETE /v1/serv".to_vec(), 0),
        ("half a body", b"DELETE /v1/services HTTP/1.1\r\nHost: lvx\r\nContent-Length: 9\r\n\r\n{".to_vec(), 400),
        ("a line that is too long", format!("GET /{}", "x".repeat(1 << 20)).into(), 431),
        ("a body that is too long", json(&" ".repeat(1 << 20)).into(), 413),
        ("depth", json(&"[".repeat(60_000)).into(), 400),
    ] {
        let answer = say(&director, &bytes)?;
        let expected = if status == 0 { String::new() } else { format!("HTTP/1.1 {status} ") };
        assert!(answer.starts_with(&expected) && !answer.contains(" 204 "), "{what}: {answer}");
    }
    assert_eq!(say(&director, b"")?, "");
    let mut stream = UnixStream::connect(director.lab.socket())?;
    stream.write_all(b"GET /v1/timeouts HTTP/1.1\r\nHost: lvx\r\n\r\n")?;
    stream.write_all(b"GET /v1/timeouts HTTP/1.1\r\nHost: lvx\r\nConnection: close\r\n\r\n")?;
    let mut both = String::new();
    stream.read_to_string(&mut both)?;
    assert_eq!(both.matches("HTTP/1.1 200 OK").count(), 2, "one answer a request: {both}");
    assert_eq!(director.does(&["ipvsadm -Sn"])?, before);
    Ok(())
}

#[test]
fn what_the_cli_says_curl_says_too() -> Result<()> {
    let director = Director::one_arm()?;
    let socket = director.lab.socket().display().to_string();
    let curl = |words: &str| director.does(&[&format!("curl -sS --fail-with-body --unix-socket {socket} {words}")]);
    let post = "-X POST -H 'Content-Type: application/json'";
    let service = r#"{"id":{"address":{"protocol":"tcp","vip":"172.16.100.1","port":80}},"scheduler":"rr"}"#;
    curl(&format!("{post} http://lvx/v1/services -d '{service}'"))?;
    let servers = "http://lvx/v1/services/tcp/172.16.100.1:80/servers";
    curl(&format!("{post} {servers} -d '{{\"address\":\"172.16.100.10\",\"weight\":3}}'"))?;
    let saved = director.does(&["ipvsadm -Sn"])?;
    assert_eq!(saved, "-A -t 172.16.100.1:80 -s rr\n-a -t 172.16.100.1:80 -r 172.16.100.10:80 -g -w 3\n");
    assert!(curl("http://lvx/v1/connections")?.starts_with("{\"connections\":["));
    assert_eq!(director.does(&["ipvsadm -Lnc"])?.lines().count(), 2, "a heading of two lines");
    curl("-X DELETE http://lvx/v1/services")?;
    assert_eq!(director.does(&["ipvsadm -Sn"])?, "");
    let refused =
        director.sh(&format!("curl -sS --fail-with-body --unix-socket {socket} {servers} -X POST -d '{{}}'"))?;
    assert!(refused.status != 0 && refused.stdout.contains("#media_type"), "{refused:?}");
    Ok(())
}

/// Sees an event as soon as what it is about has happened, be it by hand, a health check or the network.
#[test]
fn who_watches_is_told_of_changes_health_and_neighbours() -> Result<()> {
    let config = "[[service]]\ntcp = \"172.16.100.1:80\"\nhealth = { interval = \"100ms\", port = 81 }\n\
                  [[service.real_server]]\naddress = \"172.16.100.10\"\n";
    let director = Setup::new(Arms::One).config(config).up()?;
    director.until("the check has failed", LIMIT, |status| {
        Ok(matches!(status.services[0].servers[0].health, Health::Down { .. }))
    })?;
    let mut stream = UnixStream::connect(director.lab.socket())?;
    // Shorter than the time between two comments, so that waiting for nothing has an end.
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"GET /v1/watch HTTP/1.1\r\nHost: lvx\r\n\r\n")?;
    let mut lines = BufReader::new(stream).lines();
    let mut await_line = |wanted: &str| -> Result<()> {
        for line in lines.by_ref() {
            if line?.starts_with(wanted) {
                return Ok(());
            }
        }
        anyhow::bail!("no {wanted}")
    };
    await_line("data: {\"event\":\"watching\"}")?;
    director.nginx(["r1"], &[81])?;
    await_line("data: {\"event\":\"health\"")?;
    director.does(&["ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.11"])?;
    await_line("data: {\"event\":\"server_added\"")?;
    await_line("data: {\"event\":\"neighbour\"")?;
    Ok(())
}

#[test]
fn many_clients_at_once_are_all_served() -> Result<()> {
    let director = Director::one_arm()?;
    let socket = director.lab.socket();
    // Those who say nothing do not keep the others out, and be they more than there is room for.
    let _idle = (0..300).map(|_| UnixStream::connect(&socket)).collect::<std::io::Result<Vec<_>>>()?;
    director.does(&["ipvsadm -A -f 1 -s rr"])?;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| -> Result<Response> {
                    let mut client = Client::new(&socket);
                    client.ask(&Request::Timeouts)?;
                    Ok(client.ask(&Request::List { id: None })?)
                })
            })
            .collect();
        for client in clients {
            let answer = client.join().ok().context("a client panicked")??;
            assert!(matches!(answer, Response::Services { services, .. } if services.len() == 1));
        }
        Ok(())
    })
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced_by_one() -> Result<()> {
    let director = Setup::new(Arms::One).stopped()?;
    let file = director.lab.directory().join("precious");
    std::fs::write(&file, "precious")?;
    let ran = director.sh(&format!("lvx run --interface eth0 --socket {0} --state-dir {0}.state", file.display()))?;
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("is no socket"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&file)?, "precious");
    Ok(())
}
