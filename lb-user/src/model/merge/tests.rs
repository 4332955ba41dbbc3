use proptest::prelude::*;

use super::*;
use crate::api::Request;
use crate::model::arbitrary::model;
use crate::model::{
    ForwardingMethod, Netmask, Protocol, SchedulerFlags, SchedulerKind, ServiceId, Sysctls, differences,
};

const WEB: ServiceId =
    ServiceId::Address { protocol: Protocol::Tcp, vip: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), port: 80 };

fn server(number: u8, weight: u32) -> RealServer {
    let address = IpAddr::from([172, 16, 100, number]);
    RealServer { address, port: 80, weight, method: ForwardingMethod::Gate, upper_threshold: 0, lower_threshold: 0 }
}

/// The web service, its servers newest first.
fn web(scheduler: SchedulerKind, servers: &[RealServer]) -> Model {
    let service = Service {
        id: WEB,
        scheduler,
        scheduler_flags: SchedulerFlags::default(),
        persistence: None,
        netmask: Netmask::host(WEB.family()),
        one_packet: false,
        servers: servers.to_vec(),
    };
    Model::new([service], Timeouts::default())
}

fn with(model: &Model, changes: &[Request]) -> Model {
    let mut model = model.clone();
    for change in changes {
        model.check(change).expect("a change that can be made");
        model.commit(change);
    }
    model
}

fn told(merged: &Merged) -> Vec<String> {
    merged.overruled.iter().map(Change::to_string).collect()
}

#[test]
fn a_weight_set_by_hand_stays_while_the_file_changes_something_else() {
    let old = web(SchedulerKind::Rr, &[server(2, 1), server(1, 1)]);
    let running = with(&old, &[Request::EditServer { id: WEB, server: server(1, 0) }]);
    let new = web(SchedulerKind::Wlc, &[server(3, 1), server(2, 5), server(1, 1)]);
    let merged = merge(&old, &running, &new);
    assert_eq!(merged.model, web(SchedulerKind::Wlc, &[server(3, 1), server(2, 5), server(1, 0)]));
    assert_eq!(told(&merged), [""; 0]);
}

#[test]
fn the_file_wins_where_it_changes_the_very_thing_and_says_so() {
    let old = web(SchedulerKind::Rr, &[server(1, 1)]);
    let by_hand = Request::SetSysctls { values: [("drop_entry".to_owned(), 1)].into() };
    let running = with(&old, &[Request::EditServer { id: WEB, server: server(1, 0) }, by_hand]);
    let new = web(SchedulerKind::Rr, &[server(1, 7)]).with_sysctls(Sysctls { drop_entry: 2, ..Sysctls::default() });
    let merged = merge(&old, &running, &new);
    assert_eq!(merged.model, new);
    assert_eq!(
        told(&merged),
        [
            "~ sysctl net.ipv4.vs.drop_entry: 1 -> 2",
            "~ server TCP 10.0.0.1:80 -> 172.16.100.1:80: weight 0 -> weight 7"
        ]
    );
}

#[test]
fn a_service_removed_by_hand_stays_so_until_the_file_changes_it() {
    let old = web(SchedulerKind::Rr, &[server(1, 1)]);
    let running = with(&old, &[Request::DeleteService { id: WEB }]);
    let other = Sysctls { drop_entry: 2, ..Sysctls::default() };
    let merged = merge(&old, &running, &old.clone().with_sysctls(other));
    assert_eq!(merged.model, running.clone().with_sysctls(other));
    let new = web(SchedulerKind::Rr, &[server(1, 2)]);
    let merged = merge(&old, &running, &new);
    assert_eq!(merged.model, new);
    assert_eq!(told(&merged), ["+ service TCP 10.0.0.1:80: rr, 1 server"]);
}

#[test]
fn a_service_that_the_file_removes_takes_what_was_set_by_hand_with_it_but_not_in_silence() {
    let old = web(SchedulerKind::Rr, &[server(1, 1)]);
    let running = with(&old, &[Request::AddServer { id: WEB, server: server(9, 1) }]);
    let merged = merge(&old, &running, &Model::default());
    assert_eq!(merged.model, Model::default());
    assert_eq!(told(&merged), ["- service TCP 10.0.0.1:80: rr, 2 servers"]);
    let merged = merge(&old, &old, &Model::default());
    assert_eq!((merged.model, merged.overruled), (Model::default(), Vec::new()));
}

#[test]
fn servers_added_by_hand_are_newest_and_a_list_that_the_file_leaves_keeps_its_running_order() {
    let old = web(SchedulerKind::Rr, &[server(2, 1), server(1, 1)]);
    let delete = Request::DeleteServer { id: WEB, address: server(1, 1).address, port: 80 };
    let changes = [
        Request::AddServer { id: WEB, server: server(9, 1) },
        delete,
        Request::AddServer { id: WEB, server: server(1, 1) },
    ];
    let running = with(&old, &changes);
    let other = web(SchedulerKind::Wlc, &[server(2, 1), server(1, 1)]);
    assert_eq!(
        merge(&old, &running, &other).model,
        web(SchedulerKind::Wlc, &[server(1, 1), server(9, 1), server(2, 1)])
    );
    let longer = web(SchedulerKind::Rr, &[server(2, 1), server(3, 1), server(1, 1)]);
    let expected = web(SchedulerKind::Rr, &[server(9, 1), server(2, 1), server(3, 1), server(1, 1)]);
    assert_eq!(merge(&old, &running, &longer).model, expected);
}

#[test]
fn a_service_made_by_hand_that_the_file_then_has_too_becomes_the_files() {
    let running = web(SchedulerKind::Rr, &[server(2, 1), server(1, 4)]);
    let new = web(SchedulerKind::Wrr, &[server(1, 1)]);
    let merged = merge(&Model::default(), &running, &new);
    assert_eq!(merged.model, web(SchedulerKind::Wrr, &[server(2, 1), server(1, 1)]));
    assert_eq!(
        told(&merged),
        ["~ service TCP 10.0.0.1:80: rr -> wrr", "~ server TCP 10.0.0.1:80 -> 172.16.100.1:80: weight 4 -> weight 1"]
    );
}

proptest! {
    #[test]
    fn without_changes_by_hand_the_file_is_what_runs(old in model(), new in model()) {
        let merged = merge(&old, &old, &new);
        prop_assert_eq!(merged, Merged { model: new, overruled: Vec::new() });
    }

    #[test]
    fn a_file_that_stays_leaves_everything_as_it_was_set_by_hand(old in model(), running in model()) {
        let merged = merge(&old, &running, &old);
        prop_assert_eq!(merged, Merged { model: running, overruled: Vec::new() });
    }

    /// Whatever was set by hand is there afterwards, or its loss is told.
    #[test]
    fn nothing_is_lost_in_silence(old in model(), running in model(), new in model()) {
        let Merged { model, overruled } = merge(&old, &running, &new);
        for by_hand in differences(&old, &running).iter().filter(|change| change.subject != Subject::Order) {
            let stays = differences(&running, &model).iter().all(|lost| (lost.subject, &lost.name) != (by_hand.subject, &by_hand.name));
            // A lost service is told as a whole, its servers with it.
            let is_told = overruled.iter().any(|lost| by_hand.name.starts_with(&lost.name));
            let as_the_file_says = !differences(&model, &new).iter().any(|change| (change.subject, &change.name) == (by_hand.subject, &by_hand.name));
            prop_assert!(stays || is_told || as_the_file_says && same(&running, &new, by_hand), "{by_hand} is lost");
        }
    }
}

/// Whether the file came to say what was set by hand.
fn same(running: &Model, new: &Model, change: &Change) -> bool {
    !differences(running, new).iter().any(|other| (other.subject, &other.name) == (change.subject, &change.name))
}
