//! The connection table.

use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use lb_common::flow::{Flow, FlowKey, Word};
use lb_common::handshake::Step;
use lb_common::real_server::{RealServer, flags};
use lb_common::reason::Reason;
use lb_common::settings::{Settings, flags as sysctl};
use lb_common::sweep::{self, Idle};
use lb_common::table::{self, Tags};
use lb_common::tcp::{self, Event, State};

use crate::flows::{self, Early, MMAPABLE, Slot, Table};
use crate::parse::Packet;
use crate::{clock, pipeline, reals, settings, stats, templates};

/// Seconds that a connection lives of which no packet was seen (`ip_vs_conn_new`).
const UNTOUCHED: u32 = 3;

#[map]
static CONN_TAGS: Array<Tags> = Array::with_max_entries(1, MMAPABLE);

#[map]
static CONNS: Array<Flow> = Array::with_max_entries(16, MMAPABLE);

#[unsafe(no_mangle)]
static CONN_MASK: Global<u32> = Global::new(0);

/// The table of connections.
pub enum Connections {}

impl Table for Connections {
    #[inline(always)]
    fn tags(bucket: u32) -> Option<*mut Tags> {
        CONN_TAGS.get_ptr_mut(bucket)
    }

    #[inline(always)]
    fn flow(slot: u32) -> Option<*mut Flow> {
        CONNS.get_ptr_mut(slot)
    }

    #[inline(always)]
    fn mask() -> u32 {
        CONN_MASK.load()
    }

    #[inline(always)]
    fn search(key: &FlowKey, hash: u64) -> u32 {
        lvx_find_conn(key, hash)
    }

    #[inline(always)]
    fn claim(hash: u64, now: u64) -> u32 {
        lvx_claim_conn(hash, now)
    }

    #[inline(always)]
    fn gives_way(flow: &Flow, state: u8) -> bool {
        flow.key.protocol == 6 && tcp::gives_way(state)
    }

    #[inline(always)]
    fn expire(slot: &Slot, word: Word, _now: u64) -> bool {
        lvx_expire_conn(slot.index, word.0) != 0
    }

    #[inline(always)]
    fn end_early(slot: &Slot, word: Word, early: Early) -> bool {
        lvx_end_conn_early(slot.index, word.0, early.now, early.homeless, early.lot) != 0
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_find_conn(key: *const FlowKey, hash: u64) -> u32 {
    // SAFETY: the only caller passes a reference.
    unsafe { flows::search::<Connections>(key, hash) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_claim_conn(hash: u64, now: u64) -> u32 {
    flows::claim_slot::<Connections>(hash, now)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_expire_conn(index: u32, word: u64) -> u32 {
    let Some(flow) = Connections::flow(index) else { return 0 };
    u32::from(expire(&Slot { index, flow }, Word(word)))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_end_conn_early(index: u32, word: u64, now: u64, homeless: u32, lot: u32) -> u32 {
    let Some(flow) = Connections::flow(index) else { return 0 };
    let (slot, word) = (Slot { index, flow }, Word(word));
    let flow = slot.flow();
    let homeless = homeless != 0 && !reals::of(flow).is_some_and(reals::is_available);
    if !homeless && (lot == 0 || !is_dropped(flow, word, now, index, lot)) {
        return 0;
    }
    let link = flow.link;
    if !Connections::expire(&slot, word, now) {
        return 0;
    }
    if link != 0 {
        templates::end_unconfirmed(link - 1);
    }
    1
}

/// Whether `drop_entry` drops a connection that it came upon (`ip_vs_random_dropentry`).
#[inline(always)]
fn is_dropped(flow: &Flow, word: Word, now: u64, slot: u32, lot: u32) -> bool {
    let Ok(settings) = settings::get() else { return false };
    let state = word.state();
    let is_tcp = flow.key.protocol == 6;
    if is_tcp && tcp::is_half_open(state) {
        return true;
    }
    if is_tcp && state != State::Established as u8 {
        return false;
    }
    let index = if is_tcp { State::Established as usize } else { tcp::UDP };
    let timeout = settings.timeouts.get(index).copied().unwrap_or_default();
    let idle = Idle { expires: word.expires(), timeout, renewals: word.renewals() };
    sweep::drops_idle(idle, now, clock::seconds(60), slot, lot)
}

#[inline(always)]
fn expire(slot: &Slot, word: Word) -> bool {
    if !slot.swap(word, Word(0)) {
        return false;
    }
    let flow = slot.flow();
    if let Some(server) = reals::of(flow) {
        reals::unbind(flow.real, server, is_active(flow.key.protocol, word.state()));
    }
    if flow.link != 0 {
        templates::let_go(flow.link - 1);
    }
    flows::release::<Connections>(slot);
    true
}

/// Whether a connection counts as active; UDP never does.
#[inline(always)]
fn is_active(protocol: u32, state: u8) -> bool {
    protocol == 6 && tcp::is_active(state)
}

/// The real server of the connection that a packet belongs to, after the packet's effect on it.
#[inline(always)]
pub fn follow(
    packet: &mut Packet,
    hash: u64,
    settings: &Settings,
    now: u64,
) -> Result<Option<(u32, &'static RealServer)>, Reason> {
    let Some(slot) = flows::find::<Connections>(&packet.key, hash) else { return Ok(None) };
    let word = slot.word();
    let Some(server) = reals::of(slot.flow()) else {
        Connections::expire(&slot, word, now);
        return Ok(None);
    };
    if word.is_expired(now) {
        Connections::expire(&slot, word, now);
        return Ok(None);
    }
    if is_reused(packet, slot.flow(), word, server, settings) {
        if slot.swap(word, word.with_expires(0)) {
            packet.replaces = u64::from(slot.index) + 1;
        }
        return Ok(None);
    }
    if !reals::is_available(server) {
        let leaves_failed = server.flags & flags::FAILED != 0 && !packet.is_tcp();
        if settings.flags & sysctl::EXPIRE_NODEST_CONN == 0 && !leaves_failed {
            return Err(Reason::RealServerRemoved);
        }
        Connections::expire(&slot, word, now);
        return Ok(None);
    }
    advance(packet, &slot, word, server, settings, now);
    Ok(Some((slot.flow().real, server)))
}

/// The real server of the connection that an ICMP error is about, which stays as it is.
#[inline(always)]
pub fn of_error(packet: &Packet, now: u64) -> Option<u32> {
    let slot = flows::find::<Connections>(&packet.key, table::hash(&packet.key, pipeline::seed()))?;
    let word = slot.word();
    if word.is_expired(now) || reals::of(slot.flow()).is_none() {
        Connections::expire(&slot, word, now);
        return None;
    }
    Some(slot.flow().real)
}

/// Removes the connection that a packet replaces: it expired when the packet was looked at. Its server had it while a
/// server was chosen for the new one: the kernel only sets its timer to fire (`ip_vs_conn_expire_now`).
#[inline(always)]
pub fn end_replaced(packet: &Packet, now: u64) {
    let Some(index) = packet.replaces.checked_sub(1).map(|index| index as u32) else { return };
    let Some(flow) = Connections::flow(index) else { return };
    let word = Slot { index, flow }.word();
    if word.is_live() && word.is_expired(now) {
        lvx_expire_conn(index, word.0);
    }
}

/// Whether a SYN starts another connection on the tuple of an old one (`is_new_conn_expected`, `ip_vs_in_hook`).
#[inline(always)]
fn is_reused(packet: &Packet, flow: &Flow, word: Word, server: &RealServer, settings: &Settings) -> bool {
    if packet.tcp_flags & tcp::flags::SYN == 0 {
        return false;
    }
    if settings.flags & sysctl::EXPIRE_NODEST_CONN != 0 && server.weight == 0 {
        return true;
    }
    if settings.conn_reuse_mode == 0 || flow.link != 0 {
        return false;
    }
    let state = word.state();
    state == State::TimeWait as u8
        || state == State::Close as u8
        || settings.conn_reuse_mode & 2 != 0 && state == State::FinWait as u8
}

/// The state after a packet.
#[inline(always)]
fn next_state(packet: &Packet, state: u8, settings: &Settings) -> u8 {
    let secure = settings.flags & sysctl::SECURE_TCP != 0;
    if packet.is_tcp() { tcp::next(state, Event::of(packet.tcp_flags), secure) } else { 0 }
}

/// The timeout of a state, in jiffies.
#[inline(always)]
fn timeout(packet: &Packet, state: u8, settings: &Settings) -> u64 {
    let index = if packet.is_tcp() { usize::from(state) } else { tcp::UDP };
    settings.timeouts.get(index).map_or(0, |jiffies| u64::from(*jiffies))
}

/// State and expiry of a connection after a packet (`ip_vs_set_state`, `ip_vs_conn_put`).
#[inline(always)]
fn advance(packet: &Packet, slot: &Slot, word: Word, server: &RealServer, settings: &Settings, now: u64) {
    let state = next_state(packet, word.state(), settings);
    let expires = now.wrapping_add(timeout(packet, state, settings));
    let step = clock::refresh_step();
    // Within a step around the old expiry nothing is written: the table's cache line stays as it is.
    let near = expires.wrapping_sub(word.expires()).wrapping_add(step) <= step * 2;
    if state == word.state() && near {
        return;
    }
    if !slot.swap(word, word.renewed(state, expires)) {
        return;
    }
    if state != word.state() {
        changed_state(slot, server, word.state(), state);
    }
    count_handshake(packet, slot.flow().real, word.state(), state);
}

/// Counts the handshake that a packet begins, if it opened the connection that it has from now on. Who calls has stack to
/// spare; [`open`] is where Linux 6.1 has none left.
#[inline(always)]
pub fn count_opened(packet: &Packet, real: u32) {
    if !packet.is_about_flow() {
        count_handshake(
            packet,
            real,
            State::None as u8,
            tcp::next(State::None as u8, Event::of(packet.tcp_flags), false),
        );
    }
}

/// How far the connection got with this packet, which a lost answer of its server would show.
#[inline(always)]
fn count_handshake(packet: &Packet, real: u32, old: u8, new: u8) {
    if packet.is_tcp()
        && let Some(step) = Step::of(old, new, packet.tcp_flags)
    {
        stats::handshake(real, step);
    }
}

#[inline(always)]
fn changed_state(slot: &Slot, server: &RealServer, old: u8, new: u8) {
    let flow = slot.flow();
    if tcp::is_active(old) != tcp::is_active(new) {
        reals::move_to(flow.real, server, tcp::is_active(new));
    }
    if new == State::Established as u8 && flow.link != 0 {
        templates::assure(flow.link - 1);
    }
}

/// Fills a claimed slot with the connection that a packet opens.
#[inline(always)]
pub fn open(slot: &Slot, packet: &Packet, real: u32, server: &RealServer, link: u32, settings: &Settings, now: u64) {
    // An ICMP error is no packet of the connection, which waits for its first one (`ip_vs_conn_new`).
    let (state, lives) = if packet.is_about_flow() {
        (State::None as u8, u64::from(clock::seconds(UNTOUCHED)))
    } else {
        let state = next_state(packet, State::None as u8, settings);
        (state, timeout(packet, state, settings))
    };
    let expires = now.wrapping_add(lives);
    reals::bind(real, server, is_active(packet.key.protocol, state));
    let word = Word(0).renewed(state, expires).0;
    // SAFETY: the slot is claimed, so nobody else writes it, and nobody reads it while its word is 0.
    unsafe { (*slot.flow).link = link };
    slot.publish(&Flow { word, key: packet.key, real, generation: server.generation, link, timeout: 0 });
    if state == State::Established as u8 && link != 0 {
        templates::assure(link - 1);
    }
}
