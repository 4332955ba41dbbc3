//! The API's socket: who may use it, and what it bears.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lb_user::api::client::Client;
use lb_user::api::{Request, Response};
use xtask::lab::Arms;

use crate::network::director::Director;
use crate::network::setup::Setup;

/// More than the daemon takes at a time.
const CLIENTS: usize = 200;

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
    let long = vec![b'x'; 1 << 20];
    let endless: Vec<_> = std::iter::repeat_n(b'[', 60_000).chain([b'\n']).collect();
    for (what, bytes) in [
        ("text", b"hello\n".as_slice()),
        ("bytes", b"\xff\x00\xfe\n"),
        ("an unknown request", b"{\"op\":\"explode\"}\n"),
        ("a request of wrong shape", b"{\"op\":\"add_service\",\"service\":7}\n"),
        ("half a request", b"{\"op\":\"fl"),
        ("a line that is too long", &long),
        ("depth", &endless),
    ] {
        let answer = say(&director, bytes)?;
        assert!(
            answer.starts_with("{\"answer\":\"refused\"") || answer.is_empty() && what.contains("long"),
            "{what}: {answer}"
        );
    }
    assert_eq!(say(&director, b"")?, "");
    let both = say(&director, b"rubbish\n{\"op\":\"timeouts\"}\n")?;
    assert_eq!(both.lines().count(), 2, "one answer a line: {both}");
    assert!(both.contains("{\"answer\":\"timeouts\""), "{both}");
    assert_eq!(director.does(&["ipvsadm -Sn"])?, before);
    Ok(())
}

#[test]
fn many_clients_at_once_are_all_served() -> Result<()> {
    let director = Director::one_arm()?;
    let socket = director.lab.socket();
    // Those who say nothing do not keep the others out.
    let _idle = (0..60).map(|_| UnixStream::connect(&socket)).collect::<std::io::Result<Vec<_>>>()?;
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
