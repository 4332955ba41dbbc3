//! What becomes of clients when the model changes: which buckets lead elsewhere, and which live flows lose their server.

use lb_common::schedule::Kind;
use lb_common::schedule::hash::table::{self, Member};
use lb_common::schedule::hash::{EMPTY, PER_WORD, buckets};

use crate::api::{BucketShare, FlowShare, Refusal, Report};
use crate::director::Director;
use crate::model::{Model, RealServer, Service, ServiceId};
use crate::tables::kind;

impl Director {
    /// Completes a report by what becomes of clients.
    pub(super) fn forecast(&mut self, wanted: &Model, report: Report) -> Result<Report, Refusal> {
        self.sweep().map_err(|error| Refusal::Other(format!("{error:#}")))?;
        let [connections, templates] = self.live;
        let mut report = Report {
            buckets: self.buckets(wanted),
            connections: FlowShare { of: connections, ..FlowShare::default() },
            templates: FlowShare { of: templates, ..FlowShare::default() },
            ..report
        };
        let changed = self.model.services().filter(|service| wanted.service(&service.id) != Some(service));
        for service in changed {
            for server in &service.servers {
                self.count(service.id, server, wanted, &mut report);
            }
        }
        Ok(report)
    }

    fn count(&self, id: ServiceId, server: &RealServer, wanted: &Model, report: &mut Report) {
        let after = wanted.server(&id, server.address, server.port);
        let is_out = !self.policies.is_healthy(&(id, server.address, server.port));
        let Some((_, counts, _)) = self.tables.server(&id, &server.key()).filter(|_| !is_out) else { return };
        match after {
            None => {
                report.connections.lost += counts.active + counts.inactive;
                report.templates.lost += counts.persistent;
            }
            Some(after) if after.weight == 0 && server.weight != 0 && wanted.sysctls().expire_quiescent_template => {
                report.templates.moved += counts.persistent;
            }
            Some(_) => {}
        }
    }

    /// Services that hash, before and after, of which some bucket leads elsewhere.
    fn buckets(&self, wanted: &Model) -> Vec<BucketShare> {
        let share = |after: &Service| {
            let before = self.model.service(&after.id).filter(|before| *before != after)?;
            let kind = kind(after.scheduler);
            if before.scheduler != after.scheduler || buckets(kind) == 0 {
                return None;
            }
            let moved = moved(kind, &self.members(before, None), &self.members(after, Some(before)));
            let (service, scheduler) = (after.id.to_string(), after.scheduler.to_string());
            (moved > 0).then_some(BucketShare { service, scheduler, moved, of: buckets(kind) })
        };
        wanted.services().filter_map(share).collect()
    }

    /// The members as their table looks at them. Those that a health check took out are not among them; `before` is what
    /// they were before a change.
    fn members(&self, service: &Service, before: Option<&Service>) -> Vec<Member> {
        let serves = |server: &&RealServer| self.policies.is_healthy(&(service.id, server.address, server.port));
        let member = |server: &RealServer| {
            let was_there = before.is_none_or(|before| before.servers.iter().any(|other| other.key() == server.key()));
            let known = self.tables.last_weight(&service.id, &server.key()).filter(|_| was_there && server.weight == 0);
            Member {
                address: server.address.into(),
                port: server.port.to_be(),
                weight: server.weight,
                last_weight: known.unwrap_or(server.weight),
            }
        };
        service.servers.iter().filter(serves).map(member).collect()
    }
}

/// How many buckets lead to another server.
fn moved(kind: Kind, before: &[Member], after: &[Member]) -> u32 {
    let (before, after) = (servers(kind, before), servers(kind, after));
    u32::try_from(before.iter().zip(&after).filter(|(before, after)| before != after).count()).unwrap_or(u32::MAX)
}

/// The server of each bucket.
fn servers(kind: Kind, members: &[Member]) -> Vec<Option<(lb_common::address::Address, u16)>> {
    let positions = table::words(kind, members)
        .into_iter()
        .flat_map(|word| (0..PER_WORD).map(move |place| (word >> (place * u16::BITS)) as u16));
    let server = |position: u16| {
        let member = members.get(usize::from(position)).filter(|_| position != EMPTY)?;
        Some((member.address, member.port))
    };
    positions.take(buckets(kind) as usize).map(server).collect()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn member(number: u8, weight: u32) -> Member {
        let address = IpAddr::from([172, 16, 100, number]).into();
        Member { address, port: 80u16.to_be(), weight, last_weight: weight }
    }

    #[test]
    fn maglev_moves_little_and_the_others_much_when_a_server_goes() {
        let four = [member(4, 1), member(3, 1), member(2, 1), member(1, 1)];
        for (kind, least, most) in [(Kind::Mh, 1000, 1400), (Kind::Sh, 120, 256), (Kind::Dh, 120, 256)] {
            let moved = moved(kind, &four, &four[..3]);
            assert!((least..=most).contains(&moved), "{kind:?}: {moved}");
        }
    }

    #[test]
    fn nothing_moves_where_nothing_changes_and_everything_where_nobody_is_left() {
        let two = [member(2, 3), member(1, 1)];
        for kind in [Kind::Mh, Kind::Sh, Kind::Dh] {
            assert_eq!(moved(kind, &two, &two), 0);
            assert_eq!(moved(kind, &two, &[]), buckets(kind));
        }
        assert_eq!(moved(Kind::Sh, &two, &[member(2, 3), member(1, 5)]), 96, "three of every eight buckets");
    }
}
