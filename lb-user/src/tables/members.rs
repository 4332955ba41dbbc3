//! Changes of a service's servers, however many at once: one pool is written, and switched to by one word.

use lb_common::schedule::pool::Change;

use super::maps::Maps;
use super::servers::{Address, Member};
use super::services::full;
use super::{RealId, Tables};
use crate::api::Refusal;
use crate::model::{RealServer, ServiceId};

/// A change of a service's servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A server joins, as the newest.
    Join(RealServer),
    /// Weight and thresholds of a member.
    Edit(RealServer),
    /// A member leaves.
    Leave {
        /// Which.
        server: Address,
        /// By what LVX found out, not by the operator's command: UDP flows leave it at once.
        failed: bool,
    },
}

/// What a list of steps comes to.
#[derive(Debug)]
struct Plan {
    members: Vec<Member>,
    changes: Vec<Change>,
    joined: Vec<(RealId, u32)>,
    edited: Vec<(u32, RealServer)>,
    left: Vec<(RealId, u32, bool)>,
}

impl<M: Maps> Tables<M> {
    /// The servers in a service's pool and their weights, newest first.
    pub fn members(&self, id: &ServiceId) -> impl Iterator<Item = (Address, u32)> {
        let members = self.services.get(id).map(|entry| entry.members()).unwrap_or_default();
        members.iter().map(|member| (member.address, member.weight))
    }

    /// The weight of a server in its service's pool; none where it is not in it.
    pub fn weight(&self, id: &ServiceId, server: &Address) -> Option<u32> {
        self.members(id).find(|(address, _)| address == server).map(|(_, weight)| weight)
    }

    /// Makes all of these changes at once, in their order; packets see the members before or after all of them.
    ///
    /// # Errors
    /// There is no such service or server, or no room; nothing is changed then.
    pub fn change_servers(&mut self, id: &ServiceId, steps: &[Step]) -> Result<(), Refusal> {
        let entry = self.services.get(id).ok_or(Refusal::ServiceNotDefined)?;
        let (kind, index) = (entry.kind(), entry.index());
        let members = entry.members().to_vec();
        let mut plan = Plan { members, changes: Vec::new(), joined: Vec::new(), edited: Vec::new(), left: Vec::new() };
        let planned = steps.iter().try_for_each(|step| self.take_step(*id, index, step, &mut plan));
        let members = std::mem::take(&mut plan.members);
        let published = planned.and_then(|()| self.publish(*id, kind, members, &plan.changes));
        if published.is_err() {
            for (real_id, real) in plan.joined {
                self.reals.leave(&mut self.maps, real_id, real, false);
            }
            return published;
        }
        for (real, server) in &plan.edited {
            self.reals.edit(&mut self.maps, *real, server);
        }
        self.flush_due |= self.sysctls.expire_nodest_conn && !plan.left.is_empty();
        for (real_id, real, failed) in plan.left {
            self.reals.leave(&mut self.maps, real_id, real, failed);
        }
        Ok(())
    }

    fn take_step(&mut self, id: ServiceId, index: u32, step: &Step, plan: &mut Plan) -> Result<(), Refusal> {
        match step {
            Step::Join(server) => {
                let real_id = (id, server.address, server.port);
                if !self.reals.has_room(&real_id) {
                    return Err(full("real_servers"));
                }
                let joined = self.reals.join(&mut self.maps, &real_id, index, server);
                let real = joined.ok_or_else(|| full("real_servers"))?;
                plan.joined.push((real_id, real));
                plan.members.insert(0, Member::new(server, real));
                plan.changes.push(Change::Added);
            }
            Step::Edit(server) => {
                let position = position(&plan.members, &(server.address, server.port))?;
                plan.members[position].set_weight(server.weight);
                plan.edited.push((plan.members[position].real, server.clone()));
                plan.changes.push(Change::Edited);
            }
            Step::Leave { server, failed } => {
                let position = position(&plan.members, server)?;
                let removed = u32::try_from(position).map_err(|_too_large| Refusal::Invalid)?;
                let member = plan.members.remove(position);
                plan.left.push(((id, server.0, server.1), member.real, *failed));
                plan.changes.push(Change::Removed(removed));
            }
        }
        Ok(())
    }
}

fn position(members: &[Member], server: &Address) -> Result<usize, Refusal> {
    members.iter().position(|member| member.address == *server).ok_or(Refusal::NoSuchServer)
}
