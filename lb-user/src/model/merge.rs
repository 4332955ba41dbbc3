//! What was set by hand over a file that changes: the file is the base, and what differs from it by hand stays, unless
//! the file changes the very same thing.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::difference::{self, options, server_name, server_words};
use super::{Change, Model, RealServer, Service, Subject, Timeouts, sysctls};

/// What comes out of [`merge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// What is to run.
    pub model: Model,
    /// What was set by hand and gives way: `before` is by hand, `after` the file's.
    pub overruled: Vec<Change>,
}

/// The file said `old` and says `new` now; `running` is `old` with what was set by hand.
///
/// A thing is a timeout, a sysctl, the options of a service (whether it is there included), or a server of a service
/// with its options. A service that was removed by hand stays removed for as long as the file changes nothing of it.
pub fn merge(old: &Model, running: &Model, new: &Model) -> Merged {
    let mut overruled = Vec::new();
    let timeouts = timeouts([old, running, new].map(Model::timeouts), &mut overruled);
    let mut sysctls = *new.sysctls();
    for sysctl in sysctls::ALL {
        let [old, running, new] = [old, running, new].map(|model| sysctl.get(model.sysctls()));
        let value = decide(&old, &running, &new, |hand, file| {
            overruled.extend(Change::of(Subject::Sysctl, sysctl, Some(hand), Some(file), u32::to_string));
        });
        sysctl.set(&mut sysctls, *value);
    }
    let ids: BTreeSet<_> = running.services().chain(new.services()).map(|service| service.id).collect();
    let services: Vec<_> = ids
        .iter()
        .filter_map(|id| service(old.service(id), running.service(id), new.service(id), &mut overruled))
        .collect();
    Merged { model: Model::new(services, timeouts).with_sysctls(sysctls), overruled }
}

/// The rule; `lost` is told what gives way, and to what.
fn decide<'a, T: PartialEq>(old: &'a T, running: &'a T, new: &'a T, lost: impl FnOnce(&T, &T)) -> &'a T {
    if running == old || running == new {
        return new;
    }
    if new == old {
        return running;
    }
    lost(running, new);
    new
}

fn timeouts([old, running, new]: [Timeouts; 3], overruled: &mut Vec<Change>) -> Timeouts {
    let mut one = |name: &str, get: fn(&Timeouts) -> u32| {
        *decide(&get(&old), &get(&running), &get(&new), |hand, file| {
            overruled.extend(Change::of(Subject::Timeout, name, Some(hand), Some(file), |s| format!("{s} s")));
        })
    };
    let (tcp, tcpfin) = (one("tcp", |all| all.tcp), one("tcpfin", |all| all.tcpfin));
    Timeouts { tcp, tcpfin, udp: one("udp", |all| all.udp) }
}

fn service(
    old: Option<&Service>,
    running: Option<&Service>,
    new: Option<&Service>,
    overruled: &mut Vec<Change>,
) -> Option<Service> {
    // Most services are as the file had them, or as it has them.
    if running == old {
        return new.cloned();
    }
    if new == old || new == running {
        return running.cloned();
    }
    let (Some(running), Some(new)) = (running, new) else {
        // One of them is without it: it is one thing as a whole.
        let kept = decide(&old, &running, &new, |hand, file| overruled.extend(difference::whole(*hand, *file)));
        return kept.cloned();
    };
    let (before, by_hand, file) = (old.map(Service::bare), running.bare(), new.bare());
    let bare = match before {
        Some(before) => decide(&before, &by_hand, &file, |hand, file| {
            overruled.extend(Change::of(Subject::Service, new.id, Some(hand), Some(file), options));
        })
        .clone(),
        None => {
            overruled.extend(Change::of(Subject::Service, new.id, Some(&by_hand), Some(&file), options));
            file
        }
    };
    Some(Service { servers: servers(old, running, new, overruled), ..bare })
}

/// Newest first: those that were added by hand, then those of the file in its order. Where the file's list is as it was,
/// the running order stays.
fn servers(old: Option<&Service>, running: &Service, new: &Service, overruled: &mut Vec<Change>) -> Vec<RealServer> {
    let of_old = old.map(Service::by_address).unwrap_or_default();
    let (of_running, of_new) = (running.by_address(), new.by_address());
    let mut kept: HashMap<(IpAddr, u16), &RealServer> = HashMap::new();
    let only_new = new.servers.iter().filter(|server| !of_running.contains_key(&server.key()));
    for server in running.servers.iter().chain(only_new) {
        let key = server.key();
        let [old, by_hand, file] = [&of_old, &of_running, &of_new].map(|servers| servers.get(&key).copied());
        let lost = |hand: &Option<&RealServer>, file: &Option<&RealServer>| {
            overruled.extend(Change::of(Subject::Server, server_name(&new.id, server), *hand, *file, server_words));
        };
        if let Some(server) = *decide(&old, &by_hand, &file, lost) {
            kept.insert(key, server);
        }
    }
    let keys = |service: &Service| service.servers.iter().map(RealServer::key).collect::<Vec<_>>();
    let same_list = old.is_some_and(|old| keys(old) == keys(new));
    let (first, others) = if same_list { (new, running) } else { (running, new) };
    let in_others = if same_list { &of_running } else { &of_new };
    let is_first = |key: &(IpAddr, u16)| !in_others.contains_key(key);
    let order = keys(first).into_iter().filter(is_first).chain(keys(others));
    order.filter_map(|key| kept.get(&key).map(|server| (*server).clone())).collect()
}

#[cfg(test)]
mod tests;
