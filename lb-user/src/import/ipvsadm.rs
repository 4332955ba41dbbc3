//! What `ipvsadm -S` prints, and other commands of `ipvsadm` that change the table.

use std::sync::Arc;

use super::Source;
use super::draft::{Draft, Server, Service};
use super::note::{Notes, Place};
use crate::api::Request;
use crate::ipvsadm::{Names, Unread, read_saved};
use crate::model::{self, Netmask, ServiceId};

pub(super) fn read(source: &Source, names: &dyn Names, draft: &mut Draft) {
    let file: Arc<str> = source.name.as_str().into();
    let mut table = Table::default();
    for (index, line) in source.text.lines().enumerate() {
        let place = Place::new(&file, index + 1);
        if !line.trim_start().starts_with('#') {
            table.read(line, &place, names);
        }
    }
    let Table { notes, timeouts, services } = table;
    draft.notes.extend(notes);
    for (name, seconds) in timeouts {
        draft.timeouts.retain(|(known, _)| *known != name);
        draft.timeouts.push((name, seconds));
    }
    services.into_iter().for_each(|service| draft.add(service));
}

/// What the commands have made so far.
#[derive(Default)]
struct Table {
    notes: Notes,
    timeouts: Vec<(&'static str, u32)>,
    services: Vec<Service>,
}

impl Table {
    fn read(&mut self, line: &str, place: &Place, names: &dyn Names) {
        match read_saved(line, names) {
            Ok(None) => {}
            Ok(Some(saved)) => {
                let mut doubts = Notes::default();
                saved.doubts.into_iter().for_each(|doubt| doubts.warn(place, doubt));
                if let Err(why) = self.change(saved.request, place, doubts) {
                    self.notes.warn(place, format!("`{}`: {why}; left out, as ipvsadm-restore does", line.trim()));
                }
            }
            Err(Unread::NotHere(why)) => self.notes.warn(place, format!("`{}`: {why}; left out", line.trim())),
            Err(Unread::Malformed(why)) => self.notes.error(place, format!("`{}`: {why}", line.trim())),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most requests of the daemon are no commands of ipvsadm")]
    fn change(&mut self, request: Request, place: &Place, doubts: Notes) -> Result<(), &'static str> {
        match request {
            Request::AddService { service } => self.add(&service, place, doubts),
            Request::EditService { service } => {
                let known = self.service(service.id)?;
                let servers = std::mem::take(&mut known.servers);
                *known = Service { servers, ..drafted(&service, place, doubts) };
                Ok(())
            }
            Request::DeleteService { id } => {
                self.service(id)?;
                self.services.retain(|service| service.id != id);
                Ok(())
            }
            Request::AddServer { id, server } => self.add_server(id, &server, doubts),
            Request::EditServer { id, server } => {
                let edited = drafted_server(id, &server, doubts);
                let servers = &mut self.service(id)?.servers;
                let position = servers.iter().position(|known| is(known, &edited));
                let known = position.and_then(|position| servers.get_mut(position));
                *known.ok_or("there is no such server")? = edited;
                Ok(())
            }
            Request::DeleteServer { id, address, port } => {
                let servers = &mut self.service(id)?.servers;
                let port = matches!(id, ServiceId::Mark { .. }).then_some(port);
                let position = servers
                    .iter()
                    .position(|known| known.address == address && known.port.unwrap_or(0) == port.unwrap_or(0));
                servers.remove(position.ok_or("there is no such server")?);
                Ok(())
            }
            Request::Flush => {
                self.services.clear();
                Ok(())
            }
            Request::SetTimeouts { timeouts } => {
                let model::Timeouts { tcp, tcpfin, udp } = timeouts;
                let named = [("tcp", tcp), ("tcpfin", tcpfin), ("udp", udp)];
                self.timeouts.extend(named.into_iter().filter(|(_, seconds)| *seconds != 0));
                Ok(())
            }
            _other => Err("it changes nothing that a configuration has"),
        }
    }

    fn add(&mut self, service: &model::Service, place: &Place, doubts: Notes) -> Result<(), &'static str> {
        if self.service(service.id).is_ok() {
            return Err("the service is there already");
        }
        self.services.push(drafted(service, place, doubts));
        Ok(())
    }

    fn add_server(&mut self, id: ServiceId, server: &model::RealServer, doubts: Notes) -> Result<(), &'static str> {
        let server = drafted_server(id, server, doubts);
        let servers = &mut self.service(id)?.servers;
        if servers.iter().any(|known| is(known, &server)) {
            return Err("the server is there already");
        }
        servers.push(server);
        Ok(())
    }

    fn service(&mut self, id: ServiceId) -> Result<&mut Service, &'static str> {
        self.services.iter_mut().find(|service| service.id == id).ok_or("there is no such service")
    }
}

fn is(one: &Server, other: &Server) -> bool {
    (one.address, one.port.unwrap_or(0)) == (other.address, other.port.unwrap_or(0))
}

fn drafted(service: &model::Service, place: &Place, notes: Notes) -> Service {
    Service {
        notes,
        scheduler: service.scheduler,
        scheduler_flags: service.scheduler_flags,
        persistent: service.persistence.map(|persistence| persistence.timeout),
        netmask: Some(service.netmask).filter(|mask| *mask != Netmask::host(service.id.family())),
        one_packet: service.one_packet,
        ..Service::new(place.clone(), service.id)
    }
}

fn drafted_server(id: ServiceId, server: &model::RealServer, notes: Notes) -> Server {
    Server {
        notes,
        port: Some(server.port).filter(|port| *port != 0 && matches!(id, ServiceId::Mark { .. })),
        weight: server.weight,
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
        ..Server::new(server.address)
    }
}
