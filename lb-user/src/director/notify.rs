//! Telling programs and web services of transitions. The director only puts a notice into a queue; tasks of their own
//! deliver it, a few at a time, each within a time limit. Where the queue is full a notice is dropped and counted.

mod webhook;

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::api::NoticeCounts;
use crate::director::drain::unix_time;
use crate::model::ServiceId;
use crate::model::policy::{Notify, Subject};

/// Notices that wait at most.
const QUEUE: usize = 4096;

/// Notices that are being delivered at a time.
const AT_ONCE: usize = 8;

/// How long a command or a web service may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A transition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Counts the notices since the start of the daemon: several are delivered at a time, in no certain order.
    pub sequence: u64,
    /// Of what.
    pub event: Subject,
    /// The service, as the status writes it.
    #[serde(serialize_with = "as_text")]
    pub service: ServiceId,
    /// The server, where it is about one.
    pub server: Option<SocketAddr>,
    /// `up` or `down`.
    pub state: &'static str,
    /// Why.
    pub reason: String,
    /// Seconds since 1970.
    pub time: u64,
}

fn as_text<S: serde::Serializer>(id: &ServiceId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

impl Notice {
    /// Something is up or down from now on.
    pub(super) fn new(event: Subject, id: &ServiceId, server: Option<SocketAddr>, up: bool, reason: String) -> Self {
        let state = if up { "up" } else { "down" };
        Self { sequence: 0, event, service: *id, server, state, reason, time: unix_time() }
    }

    /// Writes it to the log; what checks say is logged where they are heard.
    pub(super) fn log(&self) {
        let Self { event, service, state, reason, .. } = self;
        match event {
            Subject::Server => {}
            Subject::Service | Subject::Quorum => tracing::info!(%service, state, reason, "{}", event.name()),
        }
    }

    fn environment(&self) -> [(&'static str, String); 7] {
        [
            ("LVX_EVENT", self.event.name().to_owned()),
            ("LVX_SERVICE", self.service.to_string()),
            ("LVX_SERVER", self.server.map(|server| server.to_string()).unwrap_or_default()),
            ("LVX_STATE", self.state.to_owned()),
            ("LVX_REASON", self.reason.clone()),
            ("LVX_SEQUENCE", self.sequence.to_string()),
            ("LVX_TIME", self.time.to_string()),
        ]
    }
}

/// A notice on its way to somebody.
#[derive(Debug)]
struct Job {
    notice: Arc<Notice>,
    to: Recipient,
}

#[derive(Debug)]
enum Recipient {
    Command(Vec<String>),
    Webhook(String),
}

#[derive(Debug, Default)]
struct Counts {
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// The near end of the queue. The default tells nobody.
#[derive(Debug, Default)]
pub struct Notifier {
    /// Who is told of services that say nothing else.
    pub(super) all: Notify,
    queue: Option<mpsc::Sender<Job>>,
    counts: Arc<Counts>,
    sequence: u64,
}

impl Notifier {
    /// Starts the delivery, within a tokio runtime.
    pub fn spawn(all: Notify) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        tokio::spawn(deliver_all(waiting, Arc::clone(&counts)));
        Self { all, queue: Some(queue), counts, sequence: 0 }
    }

    /// Puts a notice into the queue for whoever is to be told: as `own` says, or as for all services. Never waits.
    pub(super) fn send(&mut self, mut notice: Notice, own: Option<&Notify>) {
        let (notify, Some(queue)) = (own.unwrap_or(&self.all), &self.queue) else { return };
        if !notify.wants(notice.event) {
            return;
        }
        self.sequence += 1;
        notice.sequence = self.sequence;
        let notice = Arc::new(notice);
        let command = (!notify.command.is_empty()).then(|| Recipient::Command(notify.command.clone()));
        let webhook = notify.webhook.clone().map(Recipient::Webhook);
        for to in command.into_iter().chain(webhook) {
            if queue.try_send(Job { notice: Arc::clone(&notice), to }).is_err() {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What became of the notices so far.
    pub(super) fn counts(&self) -> NoticeCounts {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let waiting = self.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity());
        NoticeCounts {
            delivered: count(&self.counts.delivered),
            failed: count(&self.counts.failed),
            dropped: count(&self.counts.dropped),
            waiting: waiting as u64,
        }
    }
}

async fn deliver_all(mut waiting: mpsc::Receiver<Job>, counts: Arc<Counts>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    // A place first: what waits for one stays in the queue, which is bounded and counted.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Some(job) = waiting.recv().await else { return };
        let counts = Arc::clone(&counts);
        tokio::spawn(async move {
            let delivered = match timeout(PATIENCE, deliver(&job)).await {
                Ok(delivered) => delivered,
                Err(_elapsed) => Err(anyhow::anyhow!("no end within {} s", PATIENCE.as_secs())),
            };
            match delivered {
                Ok(()) => counts.delivered.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    tracing::warn!(service = %job.notice.service, "cannot tell {}: {error:#}", job.to);
                    counts.failed.fetch_add(1, Ordering::Relaxed)
                }
            };
            drop(place);
        });
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Command(words) => write!(out, "the command {}", words.first().map_or("", String::as_str)),
            Self::Webhook(url) => write!(out, "{url}"),
        }
    }
}

async fn deliver(job: &Job) -> Result<()> {
    let json = serde_json::to_vec(&*job.notice)?;
    match &job.to {
        Recipient::Command(words) => run(words, &job.notice, &json).await,
        Recipient::Webhook(url) => webhook::post(url, json).await,
    }
}

/// Runs a program. Where it takes too long this is dropped, and the program ended with it.
async fn run(words: &[String], notice: &Notice, json: &[u8]) -> Result<()> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments).envs(notice.environment()).kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read it closes it early, which is no failure.
        drop(stdin.write_all(json).await);
    }
    let status = child.wait().await?;
    if !status.success() {
        bail!("{status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
