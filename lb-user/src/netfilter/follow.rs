//! Reads the mangle tables again and again, and tells of changes.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::{MissedTickBehavior, interval};

use super::nfnetlink::NftTables;
use super::{Origin, Reading, Snapshot, Unsupported, foreign, save};
use crate::model::Family;

/// How often the tables are looked at; netfilter announces no changes of legacy tables.
const PERIOD: Duration = Duration::from_secs(1);

/// What following needs of the system.
pub trait System {
    /// The names of the family's legacy tables, one a line; none on a kernel without them. Reading a table that is not
    /// there would make the kernel create it.
    fn legacy_tables(&self, family: Family) -> io::Result<String>;
    /// What nf_tables holds; nothing on a kernel without it.
    fn nft_tables(&self) -> io::Result<NftTables>;
    /// What the program writes to its standard output; [`io::ErrorKind::NotFound`] if it is not installed.
    fn run(&self, program: &str, arguments: &[&str]) -> impl Future<Output = io::Result<String>> + Send;
}

/// Sends the mark rules of the current network namespace, at once and then after each change, until the receiver is
/// gone.
pub async fn follow(system: impl System + Send + Sync, snapshots: Sender<Snapshot>) {
    let mut follower = Follower::new(system);
    let (mut poll, mut sent) = (interval(PERIOD), None);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = snapshots.closed() => return,
            _ = poll.tick() => {}
        }
        let snapshot = follower.read().await;
        if sent.as_ref() != Some(&snapshot) {
            if snapshots.send(snapshot.clone()).await.is_err() {
                return;
            }
            sent = Some(snapshot);
        }
    }
}

/// What was last read from one origin.
#[derive(Default)]
struct Source {
    reading: Reading,
    /// That the last attempt to read it failed; `reading` is then of the last that did not.
    failure: Option<Unsupported>,
}

struct Follower<S> {
    system: S,
    sources: BTreeMap<Origin, Source>,
    /// Of nf_tables, when all of it was last read.
    generation: Option<u32>,
}

impl<S: System + Sync> Follower<S> {
    fn new(system: S) -> Self {
        Self { system, sources: BTreeMap::new(), generation: None }
    }

    async fn read(&mut self) -> Snapshot {
        for family in [Family::Inet, Family::Inet6] {
            let read = self.legacy(family).await;
            self.take(Origin::Legacy(family), read);
        }
        self.read_nft().await;

        let mut snapshot = Snapshot::default();
        for source in self.sources.values() {
            snapshot.rulesets.extend(source.reading.ruleset.clone());
            snapshot.unsupported.extend(source.reading.unsupported.iter().chain(&source.failure).cloned());
        }
        let gives = |origin| self.sources.get(&origin).is_some_and(|source| source.reading.ruleset.is_some());
        let both = |family: &Family| gives(Origin::Legacy(*family)) && gives(Origin::Nft(*family));
        snapshot.unsupported.extend([Family::Inet, Family::Inet6].into_iter().filter(both).map(both_variants));
        snapshot
    }

    fn take(&mut self, origin: Origin, read: Result<Reading, String>) {
        let source = self.sources.entry(origin).or_default();
        match read {
            Ok(reading) => *source = Source { reading, failure: None },
            Err(why) => source.failure = Some(Unsupported { origin, what: "table mangle".to_owned(), why }),
        }
    }

    async fn legacy(&self, family: Family) -> Result<Reading, String> {
        let names = self.system.legacy_tables(family).map_err(|error| format!("cannot be looked for: {error}"))?;
        if !names.lines().any(|name| name == "mangle") {
            return Ok(Reading::default());
        }
        let program = match family {
            Family::Inet => "iptables-legacy-save",
            Family::Inet6 => "ip6tables-legacy-save",
        };
        let text = self.system.run(program, &["-t", "mangle"]).await.map_err(|error| unread(program, &error))?;
        Ok(save::parse(Origin::Legacy(family), family, &text))
    }

    async fn read_nft(&mut self) {
        let NftTables { generation, tables } = match self.system.nft_tables() {
            Ok(found) if self.generation == Some(found.generation) => return,
            Ok(found) => found,
            Err(error) => {
                self.generation = None;
                return self.take(Origin::Nftables, Err(format!("cannot be looked for: {error}")));
            }
        };
        let (mut complete, mut others) = (true, Vec::from_iter(tables.iter().map(String::as_str)));
        for (family, table, program) in MANGLE {
            let origin = Origin::Nft(family);
            let there = others.contains(&table);
            let text = if there { self.system.run(program, &["-t", "mangle"]).await } else { Ok(String::new()) };
            if text.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                // nft can at least tell whether it gives marks.
                self.take(origin, Ok(Reading::default()));
                continue;
            }
            others.retain(|other| *other != table);
            complete &= text.is_ok();
            let read = text.map(|text| save::parse(origin, family, &text)).map_err(|error| unread(program, &error));
            self.take(origin, read);
        }
        let read = self.others(&others).await;
        complete &= read.is_ok();
        self.take(Origin::Nftables, read);
        self.generation = complete.then_some(generation);
    }

    /// Tables that iptables' save programs did not print.
    async fn others(&self, tables: &[&str]) -> Result<Reading, String> {
        if tables.is_empty() {
            return Ok(Reading::default());
        }
        let unsupported = match self.system.run("nft", &["-j", "list", "ruleset"]).await {
            Ok(listing) => foreign::marks(&listing, tables).map_err(|error| format!("nft's listing: {error}"))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => foreign::unseen(tables),
            Err(error) => return Err(unread("nft", &error)),
        };
        Ok(Reading { ruleset: None, unsupported })
    }
}

/// iptables' tables in nf_tables, and what prints them.
const MANGLE: [(Family, &str, &str); 2] =
    [(Family::Inet, "ip mangle", "iptables-nft-save"), (Family::Inet6, "ip6 mangle", "ip6tables-nft-save")];

fn unread(program: &str, error: &io::Error) -> String {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let failed = if missing { "is not installed".to_owned() } else { format!("failed: {error}") };
    format!("{program} {failed}; the rules that were read before, if any, stay in force")
}

fn both_variants(family: Family) -> Unsupported {
    Unsupported {
        origin: Origin::Nft(family),
        what: "table mangle".to_owned(),
        why: "the legacy table gives marks too; LVX evaluates the legacy rules first, \
              while the kernel begins with the table that was made last"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests;
