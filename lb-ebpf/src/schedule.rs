//! Picks a real server for a new connection: the decisions are in [`lb_common::schedule`].

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_loop};
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use lb_common::address::Address;
use lb_common::schedule::blocks::{self, BlockScan, Blocks, Summary};
use lb_common::schedule::hash::{self, Buckets, Load, PER_WORD, Probe};
use lb_common::schedule::pool::{self, Cursor, HEADER_WORDS, Header};
use lb_common::schedule::twos::{Total, Twos};
use lb_common::schedule::{self, Candidate, Kind, Members, Scan, Step};
use lb_common::service::{Service, flags};
use lb_common::settings::{Settings, flags as sysctl};

use crate::flows::MMAPABLE;
use crate::parse::Packet;
use crate::{atomic, locality, reals};

#[map]
static POOLS: Array<u64> = Array::with_max_entries(1, MMAPABLE);

/// The members of a service.
#[derive(Clone, Copy)]
pub struct Pool {
    /// Its first word.
    pub first: u32,
    /// Number of members.
    pub count: u32,
}

impl Pool {
    #[inline(always)]
    fn summary_word(&self, block: u32) -> Option<*mut u64> {
        POOLS.get_ptr_mut(self.first.wrapping_add(pool::summary_word(self.count, block)))
    }
}

impl Members for Pool {
    #[inline(always)]
    fn candidate(&self, position: u32) -> Option<Candidate> {
        let word = *POOLS.get(self.first.wrapping_add(HEADER_WORDS).wrapping_add(position))?;
        let (real, weight) = pool::split_member(word);
        let counts = reals::counts(real)?;
        let overloaded = counts.overloaded != 0;
        Some(Candidate { real, weight, active: counts.active as u32, inactive: counts.inactive as u32, overloaded })
    }
}

impl Blocks for Pool {
    #[inline(always)]
    fn summary(&self, block: u32) -> Summary {
        let Some(word) = self.summary_word(block) else { return Summary::default() };
        // SAFETY: `word` points to a live map value; volatile, so that it is read before the members are.
        Summary(unsafe { word.read_volatile() })
    }

    #[inline(always)]
    fn summarise(&self, block: u32, before: Summary, after: Summary) {
        let Some(word) = self.summary_word(block) else { return };
        // SAFETY: `word` points to a live map value.
        unsafe { atomic::compare_exchange(word, before.0, after.0) };
    }
}

/// What a scheduler looks at of a real server has changed: `summary` is the server's.
#[inline(always)]
pub fn changed(summary: u64) {
    if summary == 0 {
        return;
    }
    let Some(word) = POOLS.get_ptr_mut(summary as u32) else { return };
    // SAFETY: `word` points to a live map value.
    unsafe { atomic::add64(word, Summary::CHANGE) };
}

struct Work {
    scan: Scan,
    pool: Pool,
    picked: u32,
}

/// Nobody was picked.
const NOBODY: u32 = u32::MAX;
/// Another CPU picked at the same time.
const LATE: u32 = u32::MAX - 1;
/// The pool has blocks that help.
const MANY: u32 = u32::MAX - 2;

/// The real server for a new connection of a service; `None` if there is none.
#[inline(always)]
pub fn pick(service: &Service, packet: &Packet, settings: &Settings, now: u64) -> Option<u32> {
    let classic = settings.flags & sysctl::CLASSIC_OVERHEAD;
    let picked = match Kind::from_number(service.scheduler) {
        Kind::Sh | Kind::Dh | Kind::Mh => {
            probe(service, packet, &packet.key.client, packet.key.source_port(), Load::Heeded)
        }
        Kind::Twos => lvx_twos(service.pool, classic),
        Kind::Lblc | Kind::Lblcr if service.table != 0 => near(service, destination(packet), classic, now),
        Kind::Rr
        | Kind::Wrr
        | Kind::Lc
        | Kind::Wlc
        | Kind::Sed
        | Kind::Nq
        | Kind::Fo
        | Kind::Ovf
        | Kind::Lblc
        | Kind::Lblcr => scan(service, classic),
    };
    if picked == NOBODY { None } else { Some(picked) }
}

/// The pick of a scheduler that remembers where a destination's packets went.
#[inline(always)]
fn near(service: &Service, destination: &Address, classic: u32, now: u64) -> u32 {
    if let Some(real) = locality::recall(service, destination, now) {
        return real;
    }
    let real = scan(service, classic);
    if real != NOBODY {
        locality::remember(service, destination, real, now);
    }
    real
}

/// The pick of a scheduler that looks at one member after the other.
#[inline(always)]
fn scan(service: &Service, classic: u32) -> u32 {
    // Whoever is late looks again. Spelled out: Linux 6.1 refuses a loop whose last instruction falls through to
    // its first, which is how compilers like to lay this one out.
    let mut picked = lvx_pick(service.pool, service.scheduler, classic, 0);
    if picked == LATE {
        picked = lvx_pick(service.pool, service.scheduler, classic, 0);
    }
    if picked == LATE {
        picked = lvx_pick(service.pool, service.scheduler, classic, 1);
    }
    if picked == MANY {
        picked = lvx_pick_of_many(service.pool, service.scheduler, classic);
    }
    picked
}

/// One try; the last one's pick holds even if another CPU was faster. A global function: the verifier looks at it
/// once, whoever calls it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_pick(first: u32, scheduler: u32, classic: u32, last: u32) -> u32 {
    let Some(memory) = POOLS.get_ptr_mut(first) else { return NOBODY };
    let Some(header) = header(first) else { return NOBODY };
    let kind = Kind::from_number(scheduler);
    if header.count > blocks::UNDIVIDED && blocks::help(kind) {
        return MANY;
    }
    // SAFETY: `memory` points to a live map value; volatile, because other CPUs write it.
    let seen = unsafe { memory.read_volatile() };
    let scan = Scan::new(kind, &header, Cursor::from_word(seen), classic != 0);
    let mut work = Work { scan, pool: Pool { first, count: header.count }, picked: NOBODY };
    // SAFETY: the callback has the signature that the helper demands, and `work` outlives the call.
    unsafe { bpf_loop(schedule::max_steps(header.count), look as *mut c_void, (&raw mut work).cast(), 0) };
    let cursor = work.scan.cursor().to_word();
    // SAFETY: `memory` points to a live map value.
    if cursor == seen || unsafe { atomic::compare_exchange(memory, seen, cursor) } || last != 0 {
        return work.picked;
    }
    LATE
}

struct BlockWork {
    scan: BlockScan,
    pool: Pool,
    picked: u32,
}

/// The pick of a pool with blocks. Of its own, so that the stack holds one of the two scans.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_pick_of_many(first: u32, scheduler: u32, classic: u32) -> u32 {
    let Some(header) = header(first) else { return NOBODY };
    let scan = BlockScan::new(Kind::from_number(scheduler), &header, classic != 0);
    let mut work = BlockWork { scan, pool: Pool { first, count: header.count }, picked: NOBODY };
    // SAFETY: the callback has the signature that the helper demands, and `work` outlives the call.
    unsafe { bpf_loop(blocks::max_steps(header.count), look_at_block as *mut c_void, (&raw mut work).cast(), 0) };
    work.picked
}

/// A block, or one member; 1 ends the loop.
#[inline(never)]
extern "C" fn look_at_block(_index: u32, work: *mut c_void) -> i64 {
    // SAFETY: `lvx_pick_of_many` passes a pointer to its `BlockWork`.
    let work = unsafe { &mut *work.cast::<BlockWork>() };
    match work.scan.step(&work.pool) {
        Step::Continue => return 0,
        Step::Pick(real) => work.picked = real,
        Step::Nobody => work.picked = NOBODY,
    }
    1
}

/// The header of a pool.
#[inline(always)]
pub fn header(first: u32) -> Option<Header> {
    let weights = *POOLS.get(first.wrapping_add(1))?;
    let count = *POOLS.get(first.wrapping_add(2))?;
    Some(Header::from_words(weights, count))
}

/// One member; 1 ends the loop.
#[inline(never)]
extern "C" fn look(_index: u32, work: *mut c_void) -> i64 {
    // SAFETY: `lvx_pick` passes a pointer to its `Work`.
    let work = unsafe { &mut *work.cast::<Work>() };
    match work.scan.step(&work.pool) {
        Step::Continue => return 0,
        Step::Pick(real) => work.picked = real,
        Step::Nobody => work.picked = NOBODY,
    }
    1
}

impl Buckets for Pool {
    #[inline(always)]
    fn position(&self, bucket: u32) -> Option<u32> {
        let word = self.first.wrapping_add(pool::words(self.count)).wrapping_add(bucket / PER_WORD);
        let position = (*POOLS.get(word)? >> (bucket % PER_WORD * 16)) as u16;
        // Where the table should be may be another pool: the scheduler may have changed a moment before the pool.
        if u32::from(position) < self.count { Some(u32::from(position)) } else { None }
    }
}

struct ProbeWork {
    probe: Probe,
    members: Pool,
    picked: u32,
}

/// What dh, lblc and lblcr take for the destination. Of what an ICMP error quotes they take it all the same
/// (`ip_vs_dh_schedule`, `ip_vs_lblc_schedule`), and that is the client.
#[inline(always)]
fn destination(packet: &Packet) -> &Address {
    if packet.is_about_flow() { &packet.key.client } else { &packet.key.virtual_address }
}

/// The pick of a scheduler that hashes an address; `client` and `port` are the client's as far as they count.
#[inline(always)]
fn probe(service: &Service, packet: &Packet, client: &Address, port: u16, load: Load) -> u32 {
    let key = if service.scheduler == Kind::Dh as u32 {
        hash::key(destination(packet), 0)
    } else {
        hash::key(client, if service.flags & flags::SCHEDULER_2 != 0 { port } else { 0 })
    };
    let heeds_load = u32::from(load == Load::Heeded);
    lvx_probe(service.pool, service.scheduler, service.flags & flags::SCHEDULER_1, key, heeds_load)
}

/// A global function: the verifier looks at it once, whoever calls it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_probe(first: u32, scheduler: u32, fallback: u32, key: u32, heeds_load: u32) -> u32 {
    let Some(header) = header(first) else { return NOBODY };
    let kind = Kind::from_number(scheduler);
    let members = Pool { first, count: header.count };
    // dh has no fallback; its flags mean nothing.
    let fallback = fallback != 0 && scheduler != Kind::Dh as u32;
    let load = if heeds_load != 0 { Load::Heeded } else { Load::Ignored };
    let mut work = ProbeWork { probe: Probe::new(kind, key, fallback, load, &header), members, picked: NOBODY };
    // SAFETY: the callback has the signature that the helper demands, and `work` outlives the call.
    unsafe { bpf_loop(hash::max_steps(kind, header.count), look_into as *mut c_void, (&raw mut work).cast(), 0) };
    work.picked
}

/// One bucket, or one member; 1 ends the loop.
#[inline(never)]
extern "C" fn look_into(_index: u32, work: *mut c_void) -> i64 {
    // SAFETY: `lvx_probe` passes a pointer to its `ProbeWork`.
    let work = unsafe { &mut *work.cast::<ProbeWork>() };
    match work.probe.step(&work.members) {
        Step::Continue => return 0,
        Step::Pick(real) => work.picked = real,
        Step::Nobody => work.picked = NOBODY,
    }
    1
}

struct TotalWork {
    total: Total,
    pool: Pool,
}

struct TwosWork {
    twos: Twos,
    pool: Pool,
    picked: u32,
}

/// The better of two members by lot. A global function: the verifier looks at it once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_twos(first: u32, classic: u32) -> u32 {
    let Some(header) = header(first) else { return NOBODY };
    let pool = Pool { first, count: header.count };
    let mut sum = TotalWork { total: Total::new(&header), pool };
    // SAFETY: the callback has the signature that the helper demands, and `sum` outlives the call.
    unsafe { bpf_loop(header.count, add_up as *mut c_void, (&raw mut sum).cast(), 0) };
    // SAFETY: the helper has no conditions.
    let random = [unsafe { bpf_get_prandom_u32() }, unsafe { bpf_get_prandom_u32() }];
    let twos = Twos::new(&header, sum.total.weight, random, classic != 0);
    let mut work = TwosWork { twos, pool, picked: NOBODY };
    // SAFETY: the callback has the signature that the helper demands, and `work` outlives the call.
    unsafe { bpf_loop(header.count, draw as *mut c_void, (&raw mut work).cast(), 0) };
    work.picked
}

/// One member; 1 ends the loop.
#[inline(never)]
extern "C" fn add_up(_index: u32, work: *mut c_void) -> i64 {
    // SAFETY: `lvx_twos` passes a pointer to its `TotalWork`.
    let work = unsafe { &mut *work.cast::<TotalWork>() };
    i64::from(!work.total.step(&work.pool))
}

/// One member; 1 ends the loop.
#[inline(never)]
extern "C" fn draw(_index: u32, work: *mut c_void) -> i64 {
    // SAFETY: `lvx_twos` passes a pointer to its `TwosWork`.
    let work = unsafe { &mut *work.cast::<TwosWork>() };
    match work.twos.step(&work.pool) {
        Step::Continue => return 0,
        Step::Pick(real) => work.picked = real,
        Step::Nobody => {}
    }
    1
}

/// The real server for a flow that finds no room in the table: the same for each of its packets, and for all that a
/// persistent client sends. Where the scheduler itself goes by a hash of the packet, it is asked.
#[inline(always)]
pub fn by_hash(service: &Service, packet: &Packet, hash: u64) -> Option<u32> {
    if hash::buckets(Kind::from_number(service.scheduler)) != 0 {
        let persistent = service.flags & flags::PERSISTENT != 0;
        let client = if persistent { packet.key.client.masked(&service.netmask) } else { packet.key.client };
        let port = if persistent { 0 } else { packet.key.source_port() };
        let picked = probe(service, packet, &client, port, Load::Ignored);
        return if picked == NOBODY { None } else { Some(picked) };
    }
    let count = header(service.pool)?.count;
    let pool = Pool { first: service.pool, count };
    let start = (hash >> 32) as u32;
    for offset in 0..8u32 {
        // BPF defines a remainder by zero; the candidate is then none.
        let position = start.wrapping_add(offset).checked_rem(count)?;
        let candidate = pool.candidate(position)?;
        if candidate.weight != 0 {
            return Some(candidate.real);
        }
    }
    None
}
