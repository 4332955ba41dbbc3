//! One probe: ask a real server once, and say in words what came of it.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::time::timeout;

use super::check::{Check, CheckKind};
use super::http;
use super::sockets::{self, Sockets};
use crate::leg::NoSocket;

/// What came of a probe, in words that an operator understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// As it should be.
    Good(String),
    /// Not as it should be.
    Bad(String),
    /// The director could not ask, which says nothing of the server.
    Unknown(String),
}

/// Asks once; ends within the check's timeout.
pub(super) async fn ask(check: &Check, sockets: &Sockets) -> Answer {
    let asked = async {
        let stream = match sockets.tcp(check.endpoint).await {
            Ok(stream) => stream,
            Err(error) => return failure(&error),
        };
        match &check.kind {
            CheckKind::Tcp => match sockets::reset(stream) {
                Ok(()) => Answer::Good("connected".to_owned()),
                Err(error) => failure(&error),
            },
            CheckKind::Http(request) => http::ask(stream, check.endpoint, request).await,
        }
    };
    within(check.timeout, asked).await
}

async fn within(limit: Duration, asked: impl Future<Output = Answer>) -> Answer {
    timeout(limit, asked)
        .await
        .unwrap_or_else(|_elapsed| Answer::Bad(format!("no answer within {}", humantime::format_duration(limit))))
}

/// What a failed system call says.
pub(super) fn failure(error: &io::Error) -> Answer {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(NoSocket::Unaskable(why)) => return Answer::Unknown(format!("the director cannot ask: {why}")),
        Some(NoSocket::Lost(why)) => return Answer::Bad(why.clone()),
        None => {}
    }
    let says_nothing_of_the_server = match error.raw_os_error() {
        Some(code) => [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL].contains(&code),
        None => false,
    };
    if says_nothing_of_the_server {
        return Answer::Unknown(format!("the director could not ask: {error}"));
    }
    let known = [
        (ErrorKind::ConnectionRefused, "connection refused"),
        (ErrorKind::ConnectionReset, "connection reset"),
        (ErrorKind::HostUnreachable, "host unreachable"),
        (ErrorKind::NetworkUnreachable, "network unreachable"),
        (ErrorKind::TimedOut, "no answer"),
    ];
    let words = known.into_iter().find(|(kind, _)| *kind == error.kind());
    Answer::Bad(words.map_or_else(|| error.to_string(), |(_, words)| words.to_owned()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::health::Via;

    fn tcp(endpoint: std::net::SocketAddr) -> Check {
        let second = Duration::from_secs(1);
        Check { kind: CheckKind::Tcp, endpoint, via: Via::Address, interval: second, timeout: second, rise: 1, fall: 1 }
    }

    #[tokio::test]
    async fn an_accepted_connection_is_good_and_a_closed_port_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let check = tcp(listener.local_addr().expect("an address"));
        assert_eq!(ask(&check, &Sockets::host()).await, Answer::Good("connected".to_owned()));
        drop(listener);
        assert_eq!(ask(&check, &Sockets::host()).await, Answer::Bad("connection refused".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_bad_after_the_timeout() {
        let answer = within(Duration::from_millis(1500), std::future::pending()).await;
        assert_eq!(answer, Answer::Bad("no answer within 1s 500ms".to_owned()));
    }

    #[test]
    fn what_the_director_lacks_is_not_held_against_the_server() {
        let descriptors = io::Error::from_raw_os_error(libc::EMFILE);
        assert!(matches!(failure(&descriptors), Answer::Unknown(_)));
        let route = io::Error::from_raw_os_error(libc::EHOSTUNREACH);
        assert_eq!(failure(&route), Answer::Bad("host unreachable".to_owned()));
    }
}
