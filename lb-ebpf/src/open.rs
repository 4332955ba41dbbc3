//! A packet without a connection: opens one (`ip_vs_schedule`, `ip_vs_sched_persist`).

use lb_common::flow::FlowKey;
use lb_common::real_server::RealServer;
use lb_common::reason::Reason;
use lb_common::service::{Service, flags};
use lb_common::settings::{Settings, flags as sysctl};
use lb_common::{table, tcp};

use crate::connections::{self, Connections};
use crate::flows::{self, Slot};
use crate::parse::Packet;
use crate::{classify, drop_packet, pipeline, reals, schedule, settings, stats, templates};

const FTP: u16 = 21u16.to_be();
/// A server's end of an FTP data connection: never scheduled (`ip_vs_schedule`).
const FTP_DATA: u16 = 20u16.to_be();

type Chosen = (u32, &'static RealServer);

/// The real server for a packet without a connection; its connection is in the table from now on. `None` if the packet
/// belongs to no service.
#[inline(always)]
pub fn connection(packet: &Packet, hash: u64, now: u64) -> Result<Option<Chosen>, Reason> {
    let opened = lvx_open(packet, hash, now);
    // Not in that function, whose stack has no room for it: Linux 6.1 allows 512 bytes to a chain of calls.
    connections::end_replaced(packet, now);
    match opened {
        NO_SERVICE => Ok(None),
        number if number & REFUSED != 0 => Err(Reason::from_number(number as u32).unwrap_or(Reason::Internal)),
        number => {
            let real = number as u32;
            if number & ENTERED != 0 {
                connections::count_opened(packet, real);
            }
            Ok(Some((real, reals::get(real).ok_or(Reason::Internal)?)))
        }
    }
}

/// [`lvx_open`]: the packet belongs to no service.
const NO_SERVICE: u64 = 1 << 33;
/// [`lvx_open`]: the packet has a connection in the table from now on.
const ENTERED: u64 = 1 << 34;
/// [`lvx_open`]: the low half is the number of a [`Reason`]; else it is the index of the real server.
const REFUSED: u64 = 1 << 32;

/// A global function: the verifier looks at it once, and not once for each way that leads here.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_open(packet: *const Packet, hash: u64, now: u64) -> u64 {
    // SAFETY: the only caller passes a reference; the verifier demands the check for null all the same.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return REFUSED | Reason::Internal as u64 };
    match open(packet, hash, now) {
        Ok(Some(number)) => number,
        Ok(None) => NO_SERVICE,
        Err(reason) => REFUSED | reason as u64,
    }
}

#[inline(always)]
fn open(packet: &Packet, hash: u64, now: u64) -> Result<Option<u64>, Reason> {
    let settings = settings::get()?;
    let Some((index, service)) = classify::service(packet, settings) else { return Ok(None) };
    let opens = may_open(packet, settings);
    if opens && drop_packet::drops(settings) {
        return Err(Reason::DropPacket);
    }
    if packet.key.source_port() == FTP_DATA {
        return Ok(None);
    }
    match open_for(service, packet, hash, settings, now) {
        Ok(number) => {
            // Where the table is full, the later packets of a connection come this way too.
            if opens {
                stats::opened(index, number as u32);
            }
            Ok(Some(number))
        }
        // `ip_vs_leave`: behind what may be FTP's data port may be another program of the director.
        Err(Reason::NoRealServer) if service.port as u16 == FTP && packet.key.destination_port() != FTP => Ok(None),
        Err(reason) => Err(reason),
    }
}

#[inline(always)]
fn open_for(service: &Service, packet: &Packet, hash: u64, settings: &Settings, now: u64) -> Result<u64, Reason> {
    let opens = may_open(packet, settings);
    if !opens && !flows::is_full::<Connections>(hash) {
        return Err(Reason::NoConnection);
    }
    if service.flags & flags::ONE_PACKET != 0 && !packet.is_tcp() {
        let (real, server, template) = choose(packet, service, settings, now)?;
        if let Some(template) = template {
            templates::renew(&template, now);
        }
        // A connection for as long as this packet, which may overload the server (`ip_vs_conn_new`, `ip_vs_conn_put`).
        reals::bind(real, server, false);
        reals::unbind(real, server, false);
        return Ok(u64::from(real));
    }
    let slot = if opens { flows::claim::<Connections>(hash, now) } else { None };
    let Some(slot) = slot else {
        stats::count(Reason::ConnectionTableFull);
        return without_entry(packet, hash, service, settings, now).map(u64::from);
    };
    let (real, server, template) = match choose(packet, service, settings, now) {
        Ok(chosen) => chosen,
        Err(reason) => {
            flows::release::<Connections>(&slot);
            return Err(reason);
        }
    };
    let link = match template {
        Some(template) if templates::hold(&template, now) => template.index + 1,
        Some(_) | None => 0,
    };
    connections::open(&slot, packet, real, server, link, settings, now);
    Ok(u64::from(real) | ENTERED)
}

/// Which packets open a connection (`tcp_conn_schedule`); ICMP errors that come here do.
#[inline(always)]
pub fn may_open(packet: &Packet, settings: &Settings) -> bool {
    if !packet.is_tcp() || packet.is_about_flow() {
        return true;
    }
    let sloppy = settings.flags & sysctl::SLOPPY_TCP != 0;
    packet.tcp_flags & tcp::flags::RST == 0 && (sloppy || packet.tcp_flags & tcp::flags::SYN != 0)
}

/// The real server for a new connection, and the template that ties the client to it.
#[inline(always)]
fn choose(
    packet: &Packet,
    service: &Service,
    settings: &Settings,
    now: u64,
) -> Result<(u32, &'static RealServer, Option<Slot>), Reason> {
    if service.flags & flags::PERSISTENT == 0 {
        let (real, server) = scheduled(packet, service, settings, now)?;
        return Ok((real, server, None));
    }
    let key = template_key(packet, service);
    let seed = pipeline::seed();
    if let Some((slot, real, server)) = templates::find(&key, seed, settings, now) {
        return Ok((real, server, Some(slot)));
    }
    let (real, server) = scheduled(packet, service, settings, now)?;
    let template = templates::create(&key, seed, real, server, service.template_timeout, now);
    if template.is_none() {
        stats::count(Reason::TemplateTableFull);
    }
    Ok((real, server, template))
}

#[inline(always)]
fn scheduled(packet: &Packet, service: &Service, settings: &Settings, now: u64) -> Result<Chosen, Reason> {
    let real = schedule::pick(service, packet, settings, now).ok_or(Reason::NoRealServer)?;
    let server = reals::get(real).ok_or(Reason::Internal)?;
    Ok((real, server))
}

/// The template of the client and the service (`ip_vs_sched_persist`).
#[inline(always)]
fn template_key(packet: &Packet, service: &Service) -> FlowKey {
    let client = packet.key.client.masked(&service.netmask);
    if service.mark != 0 {
        return FlowKey::mark_template(client, service.mark);
    }
    let port = service.port as u16;
    // FTP's data connections go where its control connection went.
    let port = if port == FTP || port != packet.key.destination_port() { 0 } else { port };
    FlowKey::port_template(client, packet.key.virtual_address, port, packet.key.protocol)
}

/// The table is full: the client's template decides, or a hash, of a persistent client or else of the flow.
#[inline(always)]
fn without_entry(packet: &Packet, hash: u64, service: &Service, settings: &Settings, now: u64) -> Result<u32, Reason> {
    let mut hash = hash;
    if service.flags & flags::PERSISTENT != 0 {
        let key = template_key(packet, service);
        if let Some((slot, real, _)) = templates::find(&key, pipeline::seed(), settings, now) {
            if may_open(packet, settings) {
                templates::renew(&slot, now);
            }
            return Ok(real);
        }
        hash = table::hash(&key, pipeline::seed());
    }
    schedule::by_hash(service, packet, hash).ok_or(Reason::NoRealServer)
}
