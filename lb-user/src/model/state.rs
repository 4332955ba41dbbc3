//! The whole of what the operator asked for, and which changes it takes (`ip_vs_ctl.c`).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::sysctls::Refused;
use super::{RealServer, Service, ServiceId, Sysctls, Timeouts};
use crate::api::{Refusal, Request};

/// Services with their servers, timeouts, and sysctls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    services: BTreeMap<ServiceId, Service>,
    timeouts: Timeouts,
    sysctls: Sysctls,
}

impl Model {
    /// A model of these services, with the default sysctls.
    pub fn new(services: impl IntoIterator<Item = Service>, timeouts: Timeouts) -> Self {
        let services = services.into_iter().map(|service| (service.id, service)).collect();
        Self { services, timeouts, sysctls: Sysctls::default() }
    }

    /// The same with other sysctls.
    pub fn with_sysctls(self, sysctls: Sysctls) -> Self {
        Self { sysctls, ..self }
    }

    /// The services.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// A service.
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.get(id)
    }

    /// The timeouts.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// The sysctls, as they were set.
    pub fn sysctls(&self) -> &Sysctls {
        &self.sysctls
    }

    /// A server of a service.
    pub fn server(&self, id: &ServiceId, address: IpAddr, port: u16) -> Option<&RealServer> {
        let service = self.services.get(id)?;
        service.servers.iter().find(|server| (server.address, server.port) == (address, port))
    }

    /// The part of the model that a change concerns: one service, or all.
    pub fn part(&self, request: &Request) -> Self {
        let services = match request {
            Request::AddService { service } | Request::EditService { service } => {
                self.services.get_key_value(&service.id)
            }
            Request::DeleteService { id }
            | Request::AddServer { id, .. }
            | Request::EditServer { id, .. }
            | Request::DeleteServer { id, .. }
            | Request::OrderServers { id, .. } => self.services.get_key_value(id),
            Request::Flush => return self.clone(),
            Request::SetTimeouts { .. }
            | Request::SetSysctls { .. }
            | Request::Zero { .. }
            | Request::List { .. }
            | Request::Connections
            | Request::ConnectionPart { .. }
            | Request::Timeouts
            | Request::Sysctls
            | Request::Status
            | Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Export
            | Request::Generations
            | Request::Drain { .. }
            | Request::Undrain { .. }
            | Request::Drains
            | Request::Rollback { .. } => None,
        };
        let services = services.into_iter().map(|(id, service)| (*id, service.clone())).collect();
        Self { services, timeouts: self.timeouts, sysctls: self.sysctls }
    }

    /// Whether a change can be made. Questions always can.
    ///
    /// # Errors
    /// Why not, as IPVS would say.
    pub fn check(&self, request: &Request) -> Result<(), Refusal> {
        match request {
            Request::AddService { service } => {
                if self.services.contains_key(&service.id) {
                    return Err(Refusal::ServiceExists);
                }
                check_service(service)
            }
            Request::EditService { service } => {
                self.must_exist(&service.id)?;
                check_service(service)
            }
            Request::DeleteService { id } | Request::Zero { id: Some(id) } | Request::List { id: Some(id) } => {
                self.must_exist(id)
            }
            Request::AddServer { id, server } => {
                self.defined(id)?;
                check_thresholds(server)?;
                if self.server(id, server.address, server.port).is_some() {
                    return Err(Refusal::ServerExists);
                }
                check_address(id, server.address)
            }
            Request::EditServer { id, server } => {
                self.defined(id)?;
                check_thresholds(server)?;
                self.server(id, server.address, server.port).map(|_| ()).ok_or(Refusal::NoSuchServer)
            }
            Request::DeleteServer { id, address, port } => {
                self.defined(id)?;
                self.server(id, *address, *port).map(|_| ()).ok_or(Refusal::NoSuchServer)
            }
            Request::OrderServers { id, servers } => {
                self.defined(id)?;
                self.names_all_servers(id, servers)
            }
            Request::SetSysctls { values } => match self.sysctls_with(values) {
                Ok(_) => Ok(()),
                Err(refused) => Err(Refusal::Other(refused.to_string())),
            },
            Request::Flush
            | Request::SetTimeouts { .. }
            | Request::Zero { id: None }
            | Request::List { id: None }
            | Request::Connections
            | Request::ConnectionPart { .. }
            | Request::Timeouts
            | Request::Sysctls
            | Request::Status
            | Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Export
            | Request::Generations
            | Request::Drain { .. }
            | Request::Undrain { .. }
            | Request::Drains
            | Request::Rollback { .. } => Ok(()),
        }
    }

    /// Makes a change that [`Self::check`] found good. Questions change nothing.
    pub fn commit(&mut self, request: &Request) {
        match request {
            Request::AddService { service } => {
                self.services.insert(service.id, Service { servers: Vec::new(), ..service.clone() });
            }
            Request::EditService { service } => {
                if let Some(old) = self.services.get_mut(&service.id) {
                    let servers = std::mem::take(&mut old.servers);
                    *old = Service { servers, ..service.clone() };
                }
            }
            Request::DeleteService { id } => {
                self.services.remove(id);
            }
            Request::Flush => self.services.clear(),
            Request::AddServer { id, server } => {
                if let Some(service) = self.services.get_mut(id) {
                    service.servers.insert(0, server.clone());
                }
            }
            Request::EditServer { id, server } => {
                let servers = self.services.get_mut(id).into_iter().flat_map(|service| &mut service.servers);
                for old in servers.filter(|old| (old.address, old.port) == (server.address, server.port)) {
                    *old = server.clone();
                }
            }
            Request::DeleteServer { id, address, port } => {
                if let Some(service) = self.services.get_mut(id) {
                    service.servers.retain(|server| (server.address, server.port) != (*address, *port));
                }
            }
            Request::OrderServers { id, servers } => {
                if let Some(service) = self.services.get_mut(id) {
                    let places: HashMap<_, _> = servers.iter().zip(0..).map(|(key, place)| (*key, place)).collect();
                    service
                        .servers
                        .sort_by_key(|server| places.get(&(server.address, server.port)).copied().unwrap_or(0));
                }
            }
            Request::SetTimeouts { timeouts } => self.timeouts = merge(self.timeouts, *timeouts),
            Request::SetSysctls { values } => {
                if let Ok(sysctls) = self.sysctls_with(values) {
                    self.sysctls = sysctls;
                }
            }
            Request::Zero { .. }
            | Request::List { .. }
            | Request::Connections
            | Request::ConnectionPart { .. }
            | Request::Timeouts
            | Request::Sysctls
            | Request::Status
            | Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Export
            | Request::Generations
            | Request::Drain { .. }
            | Request::Undrain { .. }
            | Request::Drains
            | Request::Rollback { .. } => {}
        }
    }

    /// Whether the weight of a server that is typed in is one that `ipvsadm` takes (`weight_limit`). Not part of
    /// [`Self::check`]: what has a higher weight already keeps it, across restarts too.
    ///
    /// # Errors
    /// It is not.
    pub fn check_weight(&self, request: &Request) -> Result<(), Refusal> {
        if let Request::AddServer { server, .. } | Request::EditServer { server, .. } = request
            && server.weight > self.sysctls.weight_limit
        {
            return Err(Refusal::Weight);
        }
        Ok(())
    }

    fn sysctls_with(&self, values: &BTreeMap<String, u32>) -> Result<Sysctls, Refused> {
        self.sysctls.with(values.iter().map(|(name, value)| (name.as_str(), *value)))
    }

    fn must_exist(&self, id: &ServiceId) -> Result<(), Refusal> {
        if self.services.contains_key(id) { Ok(()) } else { Err(Refusal::NoSuchService) }
    }

    fn names_all_servers(&self, id: &ServiceId, named: &[(IpAddr, u16)]) -> Result<(), Refusal> {
        let mut named = named.to_vec();
        let servers = self.services.get(id).into_iter().flat_map(|service| &service.servers);
        let mut there: Vec<_> = servers.map(|server| (server.address, server.port)).collect();
        named.sort_unstable();
        there.sort_unstable();
        if named == there {
            return Ok(());
        }
        Err(Refusal::Other("the order must name each server of the service once".to_owned()))
    }

    fn defined(&self, id: &ServiceId) -> Result<(), Refusal> {
        if self.services.contains_key(id) { Ok(()) } else { Err(Refusal::ServiceNotDefined) }
    }
}

/// 0 keeps a value (`ip_vs_set_timeout`).
fn merge(old: Timeouts, new: Timeouts) -> Timeouts {
    let keep = |old, new| if new == 0 { old } else { new };
    Timeouts { tcp: keep(old.tcp, new.tcp), tcpfin: keep(old.tcpfin, new.tcpfin), udp: keep(old.udp, new.udp) }
}

/// IPVS takes any address for a virtual one.
fn check_service(service: &Service) -> Result<(), Refusal> {
    match service.id {
        ServiceId::Mark { mark: 0, .. } => Err(Refusal::Invalid),
        ServiceId::Address { vip, .. } if is_mapped(vip) => Err(mapped()),
        ServiceId::Mark { .. } | ServiceId::Address { .. } => Ok(()),
    }
}

/// `ip_vs_add_dest` and `ip_vs_edit_dest` look at them before they look for the server.
fn check_thresholds(server: &RealServer) -> Result<(), Refusal> {
    if server.lower_threshold > server.upper_threshold { Err(Refusal::OutOfRange) } else { Ok(()) }
}

/// `ip_vs_new_dest`, as far as it does not ask the routing table for the machine's own addresses.
fn check_address(id: &ServiceId, address: IpAddr) -> Result<(), Refusal> {
    let unicast = match address {
        IpAddr::V4(v4) => v4.octets()[0] != 0 && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast() && !v6.is_unicast_link_local(),
    };
    if !unicast || id.family() != address.into() {
        return Err(Refusal::Invalid);
    }
    if is_mapped(address) { Err(mapped()) } else { Ok(()) }
}

/// Whether it would be taken for an IPv4 address: the tables keep those as IPv4-mapped ones.
fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

fn mapped() -> Refusal {
    Refusal::Other("LVX has no IPv4-mapped IPv6 addresses; nothing was changed".to_owned())
}
