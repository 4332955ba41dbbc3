//! One probe: ask a real server once, and say in words what came of it.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::timeout;

use super::check::{Check, CheckKind, Via};
use super::sockets::{self, Sockets};
use super::{icmp, tls};
use crate::leg::NoSocket;

/// What came of a probe, in words that an operator understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// As it should be.
    Good(String),
    /// As it should be, and the server asks for this weight.
    Weighted(String, u8),
    /// Not as it should be.
    Bad(String),
    /// The director could not ask, which says nothing of the server.
    Unknown(String),
}

/// Why a probe did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    /// It speaks against the server.
    Bad(String),
    /// It says nothing of the server.
    Unknown(String),
}

impl From<Result<String, Failure>> for Answer {
    fn from(outcome: Result<String, Failure>) -> Self {
        match outcome {
            Ok(words) => Self::Good(words),
            Err(Failure::Bad(words)) => Self::Bad(words),
            Err(Failure::Unknown(words)) => Self::Unknown(words),
        }
    }
}

/// Whom a probe asks, from where, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'c> {
    pub(super) sockets: &'c Sockets,
    pub(super) endpoint: SocketAddr,
    pub(super) timeout: Duration,
}

/// Asks, and while the server is `up` asks again after a failure, as the check's `retry` says. That is keepalived's rule
/// (`check_tcp.c`, `tcp_epilog`): what is out already is not asked again so soon.
pub(super) async fn outcome(check: &Check, sockets: &Sockets, up: bool) -> Answer {
    let mut answer = ask(check, sockets).await;
    for _ in 0..check.retry {
        if !up || !matches!(answer, Answer::Bad(_)) {
            break;
        }
        tokio::time::sleep(check.delay_before_retry).await;
        answer = ask(check, sockets).await;
    }
    answer
}

/// Asks once; ends within the check's timeout, a script that must be killed a second later.
pub(super) async fn ask(check: &Check, sockets: &Sockets) -> Answer {
    let call = Call { sockets, endpoint: check.endpoint, timeout: check.timeout };
    // There may be a task for each of many thousand servers, and most of them ask by tcp: what the others need is
    // allocated when it is.
    match &check.kind {
        CheckKind::Tcp => within(call.timeout, tcp(call)).await.into(),
        CheckKind::Http(http) => Box::pin(within(call.timeout, http.ask(call))).await.into(),
        CheckKind::Tls(tls) => Box::pin(within(call.timeout, tls::ask(tls, call))).await.into(),
        CheckKind::Udp(udp) => Box::pin(udp.ask(call)).await.into(),
        CheckKind::Dns(dns) => Box::pin(within(call.timeout, dns.ask(call))).await.into(),
        CheckKind::Icmp => Box::pin(within(call.timeout, icmp::ask(call))).await.into(),
        CheckKind::Smtp(smtp) => Box::pin(within(call.timeout, smtp.ask(call))).await.into(),
        CheckKind::Script(script) => Box::pin(script.ask(call.timeout)).await,
        CheckKind::Expect(expect) => Box::pin(expect.ask(call)).await.into(),
        CheckKind::All(checks) => all(checks, sockets).await,
    }
}

/// Asks all at once. The first that is bad speaks for all.
fn all<'a>(checks: &'a [Check], sockets: &'a Sockets) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
    let one = async |check: &Check| match check.via {
        Via::Vip => ask(check, sockets).await,
        Via::Address => ask(check, &Sockets::host()).await,
    };
    Box::pin(async move { together(checks, join_all(checks.iter().map(one)).await) })
}

fn together(checks: &[Check], answers: Vec<Answer>) -> Answer {
    let (mut unknown, mut lowest, mut good) = (None, None, Vec::new());
    for (index, (check, answer)) in checks.iter().zip(answers).enumerate() {
        let name = format!("check {} ({})", index + 1, check.kind.name());
        match answer {
            Answer::Bad(words) => return Answer::Bad(format!("{name}: {words}")),
            Answer::Unknown(words) => unknown = unknown.or(Some(format!("{name}: {words}"))),
            Answer::Good(words) => good.push(words),
            Answer::Weighted(words, weight) => {
                good.push(words);
                lowest = Some(lowest.map_or(weight, |lowest: u8| lowest.min(weight)));
            }
        }
    }
    let good = good.join(", ");
    match (unknown, lowest) {
        (Some(unknown), _) => Answer::Unknown(unknown),
        (None, Some(weight)) => Answer::Weighted(good, weight),
        (None, None) => Answer::Good(good),
    }
}

async fn tcp(call: Call<'_>) -> Result<String, Failure> {
    let stream = call.sockets.tcp(call.endpoint).await?;
    sockets::reset(stream)?;
    Ok("connected".to_owned())
}

async fn within(limit: Duration, asked: impl Future<Output = Result<String, Failure>>) -> Result<String, Failure> {
    timeout(limit, asked).await.unwrap_or_else(|_elapsed| Err(no_answer(limit)))
}

/// Nothing came in time.
pub(super) fn no_answer(limit: Duration) -> Failure {
    Failure::Bad(format!("no answer within {}", humantime::format_duration(limit)))
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::of(&error)
    }
}

impl Failure {
    pub(super) fn bad(words: impl Into<String>) -> Self {
        Self::Bad(words.into())
    }

    /// What a failed system call says, or TLS in its place.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|error| error.downcast_ref()) {
            Some(NoSocket::Unaskable(why)) => return Self::Unknown(format!("the director cannot ask: {why}")),
            Some(NoSocket::Lost(why)) => return Self::Bad(why.clone()),
            None => {}
        }
        if let Some(words) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::Bad(format!("TLS: {words}"));
        }
        let says_nothing_of_the_server = match error.raw_os_error() {
            Some(code) => {
                [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL].contains(&code)
            }
            None => false,
        };
        if says_nothing_of_the_server {
            return Self::Unknown(format!("the director could not ask: {error}"));
        }
        let known = [
            (ErrorKind::ConnectionRefused, "connection refused"),
            (ErrorKind::ConnectionReset, "connection reset"),
            (ErrorKind::HostUnreachable, "host unreachable"),
            (ErrorKind::NetworkUnreachable, "network unreachable"),
            (ErrorKind::TimedOut, "no answer"),
            (ErrorKind::UnexpectedEof, "connection closed without an answer"),
        ];
        let words = known.into_iter().find(|(kind, _)| *kind == error.kind());
        Self::Bad(words.map_or_else(|| error.to_string(), |(_, words)| words.to_owned()))
    }
}

#[cfg(test)]
mod tests;
