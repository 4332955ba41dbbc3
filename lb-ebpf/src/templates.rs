//! Persistence templates: which real server a client comes back to.

use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use lb_common::flow::{Flow, FlowKey, TEMPLATE_NONE, Word};
use lb_common::real_server::{RealServer, flags};
use lb_common::settings::{Settings, flags as sysctl};
use lb_common::table::{self, Tags};

use crate::flows::{self, Early, MMAPABLE, Slot, Table};
use crate::{atomic, classify, reals, settings};

#[map]
static TEMPLATE_TAGS: Array<Tags> = Array::with_max_entries(1, MMAPABLE);

#[map]
static TEMPLATES: Array<Flow> = Array::with_max_entries(16, MMAPABLE);

#[unsafe(no_mangle)]
static TEMPLATE_MASK: Global<u32> = Global::new(0);

/// The table of templates.
pub enum Templates {}

impl Table for Templates {
    #[inline(always)]
    fn tags(bucket: u32) -> Option<*mut Tags> {
        TEMPLATE_TAGS.get_ptr_mut(bucket)
    }

    #[inline(always)]
    fn flow(slot: u32) -> Option<*mut Flow> {
        TEMPLATES.get_ptr_mut(slot)
    }

    #[inline(always)]
    fn mask() -> u32 {
        TEMPLATE_MASK.load()
    }

    #[inline(always)]
    fn search(key: &FlowKey, hash: u64) -> u32 {
        lvx_find_template(key, hash)
    }

    #[inline(always)]
    fn claim(hash: u64, now: u64) -> u32 {
        lvx_claim_template(hash, now)
    }

    #[inline(always)]
    fn gives_way(flow: &Flow, state: u8) -> bool {
        // Nobody who asked for it was ever confirmed, and nobody holds it. UDP's are never confirmed.
        state == TEMPLATE_NONE && flow.link == 0 && flow.key.protocol != 17
    }

    #[inline(always)]
    fn expire(slot: &Slot, word: Word, now: u64) -> bool {
        lvx_expire_template(slot.index, word.0, now) != 0
    }

    #[inline(always)]
    fn end_early(slot: &Slot, word: Word, early: Early) -> bool {
        lvx_end_template_early(slot.index, word.0, early.homeless, early.lot) != 0
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_find_template(key: *const FlowKey, hash: u64) -> u32 {
    // SAFETY: the only caller passes a reference.
    unsafe { flows::search::<Templates>(key, hash) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_claim_template(hash: u64, now: u64) -> u32 {
    flows::claim_slot::<Templates>(hash, now)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_expire_template(index: u32, word: u64, now: u64) -> u32 {
    let Some(flow) = Templates::flow(index) else { return 0 };
    u32::from(expire(&Slot { index, flow }, Word(word), now))
}

/// A template that controls connections stays, and so does one that was confirmed, unless its server was removed.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_end_template_early(index: u32, word: u64, homeless: u32, lot: u32) -> u32 {
    let Some(flow) = Templates::flow(index) else { return 0 };
    let (slot, word) = (Slot { index, flow }, Word(word));
    let server = reals::of(slot.flow());
    let homeless = homeless != 0 && !server.is_some_and(reals::is_available);
    // Nothing ever confirms the templates of one-packet scheduling (`ip_vs_conn_ops_mode`).
    let one_packet = server.is_some_and(|server| classify::is_one_packet(server.service));
    let dropped = lot != 0 && word.state() == TEMPLATE_NONE && !one_packet;
    u32::from((homeless || dropped) && controlled(&slot) == 0 && end(&slot, word))
}

/// A template that still controls connections lives on for another minute (`template_rearm`), and from then on for a
/// minute after each new connection (`ip_vs_conn_expire`).
#[inline(always)]
fn expire(slot: &Slot, word: Word, now: u64) -> bool {
    if controlled(slot) != 0 {
        rearm(slot, word, now);
        return false;
    }
    end(slot, word)
}

#[inline(always)]
fn end(slot: &Slot, word: Word) -> bool {
    if !slot.swap(word, Word(0)) {
        return false;
    }
    let flow = slot.flow();
    if reals::of(flow).is_some() {
        reals::add_persistent(flow.real, 1u64.wrapping_neg());
    }
    flows::release::<Templates>(slot);
    true
}

/// Number of connections that a template controls.
#[inline(always)]
fn controlled(slot: &Slot) -> u32 {
    // SAFETY: `flow` points to a live map value.
    let link = unsafe { &raw mut (*slot.flow).link };
    // SAFETY: as above; volatile, because other CPUs write it.
    unsafe { link.read_volatile() }
}

#[inline(always)]
fn rearm(slot: &Slot, word: Word, now: u64) {
    let Ok(settings) = settings::get() else { return };
    let rearm = settings.template_rearm;
    // The kernel's timer starts anew when it fires, which is when the template expired; a sweep may come later.
    let mut expires = word.expires().wrapping_add(u64::from(rearm));
    if expires <= now {
        expires = now.wrapping_add(u64::from(rearm));
    }
    if slot.swap(word, word.with_expires(expires)) {
        // SAFETY: `flow` points to a live map value; whoever re-arms it writes the same.
        unsafe { (*slot.flow).timeout = rearm };
    }
}

/// The real server that a client's template names, if it may be used (`ip_vs_check_template`).
/// A template that may not is taken out of the way.
#[inline(always)]
pub fn find(key: &FlowKey, seed: u64, settings: &Settings, now: u64) -> Option<(Slot, u32, &'static RealServer)> {
    let slot = flows::find::<Templates>(key, table::hash(key, seed))?;
    let word = slot.word();
    if word.is_expired(now) && Templates::expire(&slot, word, now) {
        return None;
    }
    let flow = slot.flow();
    if let Some(server) = reals::of(flow) {
        let released = settings.flags & sysctl::EXPIRE_QUIESCENT_TEMPLATE | server.flags & flags::RELEASED;
        let quiescent = released != 0 && server.weight == 0;
        if reals::is_available(server) && !quiescent {
            return Some((slot, flow.real, server));
        }
    }
    let word = slot.word();
    slot.swap(word, word.invalidated());
    None
}

/// Makes a template; `None` where the table has no room.
#[inline(always)]
pub fn create(key: &FlowKey, seed: u64, real: u32, server: &RealServer, timeout: u32, now: u64) -> Option<Slot> {
    let slot = flows::claim::<Templates>(table::hash(key, seed), now)?;
    let word = Word::new(TEMPLATE_NONE, now.wrapping_add(u64::from(timeout))).0;
    slot.publish(&Flow { word, key: *key, real, generation: server.generation, link: 0, timeout });
    reals::add_persistent(real, 1);
    Some(slot)
}

/// Lets a template control one connection more, and restarts its timer (`ip_vs_control_add`, `ip_vs_conn_put`).
/// Tells whether it could: it may be gone in this moment.
#[inline(always)]
pub fn hold(slot: &Slot, now: u64) -> bool {
    add_controlled(slot.flow, 1);
    if renew(slot, now) {
        return true;
    }
    add_controlled(slot.flow, 1u32.wrapping_neg());
    false
}

/// Restarts a template's timer with its own timeout; `false` if it is gone. Another CPU that is faster restarts it too:
/// a few tries are enough, and after them its expiry is as good as this one's.
#[inline(always)]
pub fn renew(slot: &Slot, now: u64) -> bool {
    try_renew(slot, now) || try_renew(slot, now) || slot.word().is_live()
}

#[inline(always)]
fn try_renew(slot: &Slot, now: u64) -> bool {
    let word = slot.word();
    // SAFETY: `flow` points to a live map value.
    let timeout = unsafe { &raw mut (*slot.flow).timeout };
    // SAFETY: as above; volatile, because re-arming writes it.
    let timeout = unsafe { timeout.read_volatile() };
    word.is_live() && slot.swap(word, word.with_expires(now.wrapping_add(u64::from(timeout))))
}

/// A connection that a template controlled is gone (`ip_vs_control_del`).
#[inline(always)]
pub fn let_go(index: u32) {
    if let Some(flow) = Templates::flow(index) {
        add_controlled(flow, 1u32.wrapping_neg());
    }
}

/// The last connection that a template controlled was dropped early: if none was ever confirmed, so is the template
/// (`ip_vs_conn_expire`: "Drop CTL or non-assured TPL if not used anymore").
#[inline(always)]
pub fn end_unconfirmed(index: u32) {
    let Some(flow) = Templates::flow(index) else { return };
    let slot = Slot { index, flow };
    let word = slot.word();
    if word.is_live() && word.state() == TEMPLATE_NONE && controlled(&slot) == 0 {
        end(&slot, word);
    }
}

#[inline(always)]
fn add_controlled(flow: *mut Flow, change: u32) {
    // SAFETY: `flow` points to a live map value.
    let link = unsafe { &raw mut (*flow).link };
    // SAFETY: as above.
    unsafe { atomic::add32(link, change) };
}

/// A connection that a template controls was established (`ip_vs_tcp_... cp->control->state`).
#[inline(always)]
pub fn assure(index: u32) {
    if let Some(flow) = Templates::flow(index) {
        // SAFETY: `flow` points to a live map value.
        let word = unsafe { &raw mut (*flow).word };
        // SAFETY: as above; the template is live, for it controls the connection that asks.
        unsafe { atomic::or(word, Word::ASSURED_BIT) };
    }
}
