//! Random cases, to the real IPVS in a guest kernel and to LVX: every decision, text and table must be equal.
//!
//! The same cases each time. For others: `cargo xtask oracle live`, and `--seed` to have one again.

mod finds;

use lvx_tests::guest::Guest;
use lvx_tests::oracle::live::{self, Kind, Plan, Total};

/// Seed of the first case.
const SEED: u64 = 20_260_700;

fn boot() -> Guest {
    Guest::boot().unwrap_or_else(|error| panic!("without a guest kernel there is nothing to compare with: {error:#}"))
}

fn equal(plan: Plan, guests: usize) -> Total {
    let guests = (0..guests).map(|_| boot()).collect();
    let (total, found) =
        live::run(plan, guests, &|line| println!("{line}")).unwrap_or_else(|error| panic!("{error:#}"));
    assert!(found.is_empty(), "IPVS and LVX differ:\n{}", found[0]);
    println!("{total}");
    total
}

#[test]
fn random_cases_are_decided_alike() {
    let plan = Plan { seed: SEED, cases: 500, kind: Kind::Busy { packets: 110 }, keep_going: false };
    let total = equal(plan, 2);
    assert_eq!((total.cases, total.packets), (500, 55_000));
    assert!(total.forwarded > 30_000 && total.listings > 3000, "most of it matters: {total}");
}

#[test]
fn random_cases_with_time_are_decided_alike() {
    let total = equal(Plan { seed: SEED, cases: 40, kind: Kind::Timed, keep_going: false }, 1);
    assert!(total.listings > 600, "most of it matters: {total}");
}
