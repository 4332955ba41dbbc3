//! The follower against a system that is made up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

const MARKS: &str =
    "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j MARK --set-xmark 0x8/0xffffffff\nCOMMIT\n";

#[derive(Default)]
struct State {
    legacy: BTreeMap<Family, &'static str>,
    nft: NftTables,
    /// What installed programs print, or why they fail.
    programs: BTreeMap<&'static str, Result<String, &'static str>>,
    runs: Vec<String>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

impl Fake {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().expect("no test panics while it holds this"));
    }

    fn runs(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no test panics while it holds this").runs)
    }
}

impl System for Fake {
    fn legacy_tables(&self, family: Family) -> io::Result<String> {
        let state = self.0.lock().expect("no test panics while it holds this");
        Ok(state.legacy.get(&family).copied().unwrap_or_default().to_owned())
    }

    fn nft_tables(&self) -> io::Result<NftTables> {
        Ok(self.0.lock().expect("no test panics while it holds this").nft.clone())
    }

    async fn run(&self, program: &str, _: &[&str]) -> io::Result<String> {
        let mut state = self.0.lock().expect("no test panics while it holds this");
        state.runs.push(program.to_owned());
        match state.programs.get(program) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(Ok(text)) => Ok(text.clone()),
            Some(Err(why)) => Err(io::Error::other(*why)),
        }
    }
}

fn tables(generation: u32, names: &[&str]) -> NftTables {
    NftTables { generation, tables: names.iter().map(|name| (*name).to_owned()).collect() }
}

#[tokio::test]
async fn nothing_is_run_where_there_are_no_tables() {
    let fake = Fake::default();
    fake.change(|state| {
        state.legacy.insert(Family::Inet, "filter\nnat\n");
    });
    assert_eq!(Follower::new(fake.clone()).read().await, Snapshot::default());
    assert_eq!(fake.runs(), [""; 0]);
}

#[tokio::test]
async fn a_legacy_table_is_read_each_time_and_its_absence_forgets_it() {
    let fake = Fake::default();
    fake.change(|state| {
        state.legacy.insert(Family::Inet6, "mangle\n");
        state.programs.insert("ip6tables-legacy-save", Ok(MARKS.to_owned()));
    });
    let mut follower = Follower::new(fake.clone());
    let snapshot = follower.read().await;
    assert_eq!((snapshot.rulesets.len(), snapshot.rulesets[0].family), (1, Family::Inet6));
    assert_eq!(follower.read().await, snapshot);
    assert_eq!(fake.runs(), ["ip6tables-legacy-save", "ip6tables-legacy-save"]);
    fake.change(|state| state.legacy.clear());
    assert_eq!(follower.read().await, Snapshot::default());
}

#[tokio::test]
async fn a_table_that_cannot_be_read_keeps_its_rules_and_is_named() {
    let fake = Fake::default();
    fake.change(|state| {
        state.legacy.insert(Family::Inet, "mangle\n");
        state.programs.insert("iptables-legacy-save", Ok(MARKS.to_owned()));
    });
    let mut follower = Follower::new(fake.clone());
    let good = follower.read().await;
    fake.change(|state| {
        state.programs.insert("iptables-legacy-save", Err("exit status: 4"));
    });
    let snapshot = follower.read().await;
    assert_eq!(snapshot.rulesets, good.rulesets);
    assert!(snapshot.unsupported[0].why.contains("exit status: 4"), "{snapshot:?}");

    fake.change(|state| state.programs.clear());
    let missing = Follower::new(fake).read().await;
    assert!(missing.unsupported[0].why.contains("iptables-legacy-save is not installed"), "{missing:?}");
}

#[tokio::test]
async fn nft_is_read_again_only_after_a_change() {
    let fake = Fake::default();
    fake.change(|state| {
        state.nft = tables(5, &["ip mangle"]);
        state.programs.insert("iptables-nft-save", Ok(MARKS.to_owned()));
    });
    let mut follower = Follower::new(fake.clone());
    let first = follower.read().await;
    assert_eq!((first.rulesets.len(), first.unsupported.len()), (1, 0));
    assert_eq!(follower.read().await, first);
    assert_eq!(fake.runs(), ["iptables-nft-save"]);

    fake.change(|state| {
        state.nft = tables(6, &["ip mangle"]);
        state.programs.insert("iptables-nft-save", Err("busy"));
    });
    let busy = follower.read().await;
    assert_eq!((busy.rulesets, busy.unsupported.len()), (first.rulesets, 1));
    fake.change(|state| {
        state.programs.insert("iptables-nft-save", Ok(MARKS.replace("0x8", "0x9")));
    });
    let changed = follower.read().await;
    assert_eq!(changed.unsupported, []);
    assert_eq!(changed.rulesets[0].lines(), ["iptables -A PREROUTING -p tcp -j MARK --set-mark 9"]);
    assert_eq!(fake.runs(), ["iptables-nft-save", "iptables-nft-save"]);

    fake.change(|state| state.nft = tables(7, &[]));
    assert_eq!(follower.read().await, Snapshot::default());
}

#[tokio::test]
async fn other_tables_are_looked_at_with_nft() {
    let listing = r#"{"nftables":[{"chain":{"family":"ip","table":"mangle","name":"PREROUTING","hook":"prerouting"}},
        {"rule":{"family":"ip","table":"mangle","chain":"PREROUTING",
                 "expr":[{"mangle":{"key":{"meta":{"key":"mark"}},"value":8}}]}}]}"#;
    let fake = Fake::default();
    fake.change(|state| {
        state.nft = tables(1, &["ip mangle", "inet lb"]);
        state.programs.insert("nft", Ok(listing.to_owned()));
    });
    let mut follower = Follower::new(fake.clone());
    let snapshot = follower.read().await;
    assert_eq!(snapshot.unsupported.len(), 1, "iptables-nft-save is missing, so nft's word counts: {snapshot:?}");

    fake.change(|state| {
        state.nft.generation = 2;
        state.programs.clear();
    });
    let unseen: Vec<_> = follower.read().await.unsupported.into_iter().map(|unsupported| unsupported.what).collect();
    assert_eq!(unseen, ["table ip mangle", "table inet lb"]);
}

#[tokio::test]
async fn both_variants_in_one_family_are_worth_a_warning() {
    let fake = Fake::default();
    fake.change(|state| {
        state.legacy.insert(Family::Inet, "mangle\n");
        state.nft = tables(1, &["ip mangle"]);
        state.programs.insert("iptables-legacy-save", Ok(MARKS.to_owned()));
        state.programs.insert("iptables-nft-save", Ok(MARKS.replace("0x8", "0x9")));
    });
    let snapshot = Follower::new(fake).read().await;
    let lines: Vec<_> = snapshot.rulesets.iter().flat_map(|set| set.lines()).collect();
    assert_eq!(
        lines,
        ["iptables -A PREROUTING -p tcp -j MARK --set-mark 8", "iptables -A PREROUTING -p tcp -j MARK --set-mark 9"]
    );
    assert_eq!(snapshot.unsupported, [both_variants(Family::Inet)]);
}

#[tokio::test]
async fn the_first_snapshot_always_comes_and_then_only_changes() {
    let fake = Fake::default();
    let (sender, mut snapshots) = mpsc::channel(4);
    let following = tokio::spawn(follow(fake.clone(), sender));
    let soon = Duration::from_secs(2);
    assert_eq!(timeout(soon, snapshots.recv()).await, Ok(Some(Snapshot::default())));
    fake.change(|state| {
        state.nft = tables(1, &["ip mangle"]);
        state.programs.insert("iptables-nft-save", Ok(MARKS.to_owned()));
    });
    let changed = timeout(soon, snapshots.recv()).await.expect("within two seconds").expect("a snapshot");
    assert_eq!(changed.rulesets.len(), 1);
    fake.change(|state| state.nft.generation = 2);
    assert!(timeout(soon, snapshots.recv()).await.is_err(), "the same rules are no news");
    drop(snapshots);
    timeout(soon, following).await.expect("it ends with its receiver").expect("it does not panic");
}
