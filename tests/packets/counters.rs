//! Every counter that there is, by name; but for handshakes, which have tests of their own.

use std::collections::BTreeMap;

use lb_user::api::{Request, Response};
use lb_user::tables::maps::Maps as _;
use lvx_tests::director::TestDirector;

/// Counters, or how far they moved: `reason NAME`, `SERVICE connections`, `SERVICE > SERVER active`, and so on.
pub type Moves = BTreeMap<String, i64>;

/// Every counter that there is.
pub fn counters(director: &mut TestDirector) -> Moves {
    let director = director.director();
    let mut counters = Moves::new();
    for (reason, count) in director.plane().reasons().expect("the counters can be read") {
        counters.insert(format!("reason {}", reason.name()), count as i64);
    }
    let Response::Services { services, .. } = director.handle(&Request::List { id: None }) else {
        panic!("the services cannot be listed");
    };
    let mut add = |who: &str, numbers: [(&str, u64); 3]| {
        for (what, number) in numbers {
            counters.insert(format!("{who} {what}"), number as i64);
        }
    };
    for entry in services {
        let counted = entry.counters;
        let numbers = [("connections", counted.connections), ("packets", counted.packets), ("bytes", counted.bytes)];
        add(&entry.service.id.to_string(), numbers);
    }
    for (slot, (service, address, _)) in director.tables().slots() {
        let (counts, traffic) = {
            let maps = director.tables().maps();
            (maps.counts(slot), maps.real_traffic(slot))
        };
        let name = format!("{service} > {address}");
        add(&name, [("connections", traffic.connections), ("packets", traffic.packets), ("bytes", traffic.bytes)]);
        add(&name, [("active", counts.active), ("inactive", counts.inactive), ("persistent", counts.persistent)]);
    }
    counters
}

/// What moved, and how far.
pub fn since(before: &Moves, mut after: Moves) -> Moves {
    for (name, value) in before {
        *after.entry(name.clone()).or_default() -= value;
    }
    after.retain(|_, by| *by != 0);
    after
}
