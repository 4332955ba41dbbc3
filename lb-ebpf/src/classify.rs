//! Which service a packet without a connection belongs to, in IPVS' order: firewall mark, (protocol, VIP, port),
//! FTP's data ports, port 0 (`ip_vs_service_find`).

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use lb_common::marks::{self, MarkNode, MarkPacket};
use lb_common::service::{Service, ServiceKey, flags};
use lb_common::settings::{Settings, flags as served};

use crate::flows::MMAPABLE;
use crate::parse::Packet;

#[map]
static SERVICE_KEYS: HashMap<ServiceKey, u32> = HashMap::with_max_entries(4096, 0);

#[map]
static SERVICES: Array<Service> = Array::with_max_entries(4096, MMAPABLE);

#[map]
static MARKS: Array<MarkNode> = Array::with_max_entries(8192, MMAPABLE);

/// FTP's control port, and its data port in active mode.
const FTP: u16 = 21u16.to_be();
const FTP_DATA: u16 = 20u16.to_be();

/// A service, by its index.
type Found = (u32, &'static Service);

/// The service of a packet.
#[inline(always)]
pub fn service(packet: &Packet, settings: &Settings) -> Option<Found> {
    if settings.mark_nodes != 0 {
        let mark = if packet.is_about_flow() { packet.mark } else { mark(packet, settings) };
        if mark != 0
            && let Some(found) = lookup(&ServiceKey::mark(&packet.key.client, mark))
        {
            return Some(found);
        }
    }
    by_address(packet, settings)
}

#[inline(always)]
fn by_address(packet: &Packet, settings: &Settings) -> Option<Found> {
    let port = packet.key.destination_port();
    let mut key = ServiceKey::address(packet.key.virtual_address, port, packet.key.protocol as u16);
    if let Some(found) = lookup(&key) {
        return Some(found);
    }
    if settings.flags & served::SERVES_FTP != 0 && packet.is_tcp() && (port == FTP_DATA || u16::from_be(port) >= 1024) {
        key.port = FTP;
        // `ip_vs_service_find` takes the service, and `ip_vs_schedule` then leaves the packet to the stack.
        if let Some(found) = lookup(&key) {
            return persistent(Some(found));
        }
    }
    if settings.flags & served::SERVES_EVERY_PORT == 0 {
        return None;
    }
    key.port = 0;
    persistent(lookup(&key))
}

#[inline(always)]
fn persistent(found: Option<Found>) -> Option<Found> {
    found.filter(|(_, service)| service.flags & flags::PERSISTENT != 0)
}

#[inline(always)]
fn lookup(key: &ServiceKey) -> Option<Found> {
    let index = SERVICE_KEYS.get_ptr(key)?;
    // SAFETY: the pointer is to a live map value: one aligned word, replaced as a whole.
    let index = unsafe { *index };
    Some((index, SERVICES.get(index)?))
}

/// Whether a service schedules each packet by itself.
#[inline(always)]
pub fn is_one_packet(service: u32) -> bool {
    SERVICES.get(service).is_some_and(|service| service.flags & flags::ONE_PACKET != 0)
}

/// A walk through the mark nodes.
struct Walk {
    packet: MarkPacket,
    mark: u32,
    at: u32,
    first: u32,
}

/// The packet's firewall mark. Not inlined, so that the walk is off the stack again when a real server is picked.
#[inline(never)]
pub fn mark(packet: &Packet, settings: &Settings) -> u32 {
    let mut walk = Walk {
        packet: MarkPacket {
            source: packet.key.client,
            destination: packet.key.virtual_address,
            protocol: packet.key.protocol as u8,
            source_port: u16::from_be(packet.key.source_port()),
            destination_port: u16::from_be(packet.key.destination_port()),
            ifindex: packet.ifindex,
        },
        mark: 0,
        at: 0,
        first: settings.first_mark_node,
    };
    // SAFETY: the callback has the signature that the helper demands, and `walk` outlives the call.
    unsafe { bpf_loop(settings.mark_nodes, visit as *mut c_void, (&raw mut walk).cast(), 0) };
    walk.mark
}

/// One node; 1 ends the loop.
#[inline(never)]
extern "C" fn visit(_index: u32, walk: *mut c_void) -> i64 {
    // SAFETY: `mark` passes a pointer to its `Walk`.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    let Some(node) = MARKS.get(walk.first.wrapping_add(walk.at)) else { return 1 };
    let outcome = marks::step(node, &walk.packet, walk.mark);
    (walk.mark, walk.at) = outcome;
    i64::from(walk.at == marks::END)
}
