//! The guest's clock: time that the guest would only wait for is skipped, when it asks for that.
//!
//! User-mode Linux is a program. Its kernel knows the time by `clock_gettime`, has itself woken by one timer of
//! `timer_settime`, and when it has nothing to do it waits for that timer in `sigsuspend`. With these in our hands, an hour
//! of waiting is a few steps from one of the kernel's timers to the next: where the kernel would wait, the clock is put
//! forward by what is left, and the timer fires at once. The kernel is Debian's, unchanged; no timer fires early in its
//! time, none is left out, and none changes its place among the others.
//!
//! So time passes in the guest only as it waits, and while it works, `SLOWNESS` times slower than outside: what happens
//! when does not hang on how busy this machine is.
//!
//! The guest switches skipping on and off by a byte, `1` or `0`, that it writes to its second serial line, which is the
//! process's file descriptor `SWITCH`: off when it waits for its host, which takes what it takes. It is on at the start:
//! booting, too, is waiting here and there. Until it is first switched off, time is as fast as outside.

use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicUsize, Ordering::Relaxed};

use libc::{
    CLOCK_MONOTONIC, CLOCK_REALTIME, clockid_t, itimerspec, sigevent, sigset_t, size_t, ssize_t, timer_t, timespec,
};

/// The file descriptor of the guest's second serial line.
const SWITCH: c_int = 3;

const SECOND: i64 = 1_000_000_000;

/// How many times slower than outside time passes in the guest when it is not skipped.
const SLOWNESS: i64 = 64;

/// Nanoseconds that were skipped.
static SKIPPED: AtomicI64 = AtomicI64::new(0);

/// Since when the guest is slow, on the host's monotonic clock; zero if it is not yet.
static SLOW_SINCE: AtomicI64 = AtomicI64::new(0);

/// Whether idle time is skipped.
static SKIPPING: AtomicBool = AtomicBool::new(true);

/// The kernel's timer, once it has one.
static TIMER: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// A function of the C library that one of ours has replaced.
struct Original {
    name: &'static CStr,
    address: AtomicUsize,
}

impl Original {
    const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicUsize::new(0) }
    }

    /// Its address, looked up once.
    fn address(&self) -> usize {
        let known = self.address.load(Relaxed);
        if known != 0 {
            return known;
        }
        // SAFETY: the name ends in a zero byte.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) } as usize;
        if found == 0 {
            // SAFETY: the call has no arguments. Without its clock the guest must not run.
            unsafe { libc::abort() };
        }
        self.address.store(found, Relaxed);
        found
    }
}

static CLOCK_GETTIME: Original = Original::new(c"clock_gettime");
static TIMER_CREATE: Original = Original::new(c"timer_create");
static TIMER_SETTIME: Original = Original::new(c"timer_settime");
static SIGSUSPEND: Original = Original::new(c"sigsuspend");
static WRITE: Original = Original::new(c"write");

/// How many nanoseconds outside one in the guest takes now.
fn slowness() -> i64 {
    if SLOW_SINCE.load(Relaxed) == 0 { 1 } else { SLOWNESS }
}

/// A clock of the host, in nanoseconds; of one that there is not, nothing.
fn outside(clock: clockid_t) -> Option<i64> {
    // SAFETY: the C library's function of this name has this signature.
    let original: unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int =
        unsafe { transmute(CLOCK_GETTIME.address()) };
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a pointer to a local.
    let result = unsafe { original(clock, &raw mut time) };
    (result == 0).then(|| nanoseconds(time))
}

/// The guest's time.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let Some(mut now) = outside(clock) else { return -1 };
    if clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME {
        let since = SLOW_SINCE.load(Relaxed);
        if since != 0 {
            let monotonic = if clock == CLOCK_MONOTONIC { Some(now) } else { outside(CLOCK_MONOTONIC) };
            let passed = monotonic.unwrap_or(since) - since;
            now -= passed - passed / SLOWNESS;
        }
        now += SKIPPED.load(Relaxed);
    }
    // SAFETY: the caller vouches for the pointer; null is excluded.
    if let Some(time) = unsafe { time.as_mut() } {
        *time = timespec { tv_sec: now / SECOND, tv_nsec: now % SECOND };
    }
    0
}

fn nanoseconds(time: timespec) -> i64 {
    time.tv_sec.saturating_mul(SECOND).saturating_add(time.tv_nsec)
}

/// A time of the guest's as it is outside.
fn slowed(time: timespec) -> timespec {
    let outside = nanoseconds(time).saturating_mul(slowness());
    timespec { tv_sec: outside / SECOND, tv_nsec: outside % SECOND }
}

/// Creates a timer, and remembers it: the kernel has only one.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timer_create(clock: clockid_t, event: *mut sigevent, timer: *mut timer_t) -> c_int {
    // SAFETY: the C library's function of this name has this signature.
    let original: unsafe extern "C" fn(clockid_t, *mut sigevent, *mut timer_t) -> c_int =
        unsafe { transmute(TIMER_CREATE.address()) };
    // SAFETY: the caller vouches for the pointers.
    let result = unsafe { original(clock, event, timer) };
    // SAFETY: as above; null is excluded.
    if let (0, Some(timer)) = (result, unsafe { timer.as_ref() }) {
        TIMER.store(*timer, Relaxed);
    }
    result
}

/// Sets a timer, by the guest's time.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timer_settime(
    timer: timer_t,
    flags: c_int,
    new: *const itimerspec,
    old: *mut itimerspec,
) -> c_int {
    // SAFETY: the caller vouches for the pointer; null is excluded.
    let slow = unsafe { new.as_ref() }
        .map(|new| itimerspec { it_interval: slowed(new.it_interval), it_value: slowed(new.it_value) });
    let pointer = slow.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: a pointer to a local or null; the caller vouches for the other.
    unsafe { set_timer(timer, flags, pointer, old) }
}

/// Sets a timer, by the time outside.
///
/// # Safety
/// As the C library's `timer_settime`.
unsafe fn set_timer(timer: timer_t, flags: c_int, new: *const itimerspec, old: *mut itimerspec) -> c_int {
    // SAFETY: the C library's function of this name has this signature.
    let original: unsafe extern "C" fn(timer_t, c_int, *const itimerspec, *mut itimerspec) -> c_int =
        unsafe { transmute(TIMER_SETTIME.address()) };
    // SAFETY: the caller vouches for the pointers.
    unsafe { original(timer, flags, new, old) }
}

/// Waits for a signal; the wait for the kernel's timer may be skipped.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigsuspend(mask: *const sigset_t) -> c_int {
    if SKIPPING.load(Relaxed) {
        skip();
    }
    // SAFETY: the C library's function of this name has this signature.
    let original: unsafe extern "C" fn(*const sigset_t) -> c_int = unsafe { transmute(SIGSUSPEND.address()) };
    // SAFETY: the caller vouches for the pointer.
    unsafe { original(mask) }
}

/// Puts the clock forward to the moment for which the timer is set, and has it fire now.
fn skip() {
    let timer: timer_t = TIMER.load(Relaxed);
    let never = timespec { tv_sec: 0, tv_nsec: 0 };
    let mut set = itimerspec { it_interval: never, it_value: never };
    // SAFETY: a timer that was not created yet is refused; the pointer is to a local.
    if unsafe { libc::timer_gettime(timer, &raw mut set) } != 0 {
        return;
    }
    let left = nanoseconds(set.it_value);
    if left <= 0 {
        return;
    }
    // Rather a nanosecond late than one early.
    SKIPPED.fetch_add(left / slowness() + 1, Relaxed);
    set.it_value = timespec { tv_sec: 0, tv_nsec: 1 };
    // SAFETY: as above; no old value is asked for.
    unsafe { set_timer(timer, 0, &raw const set, std::ptr::null_mut()) };
}

/// Writes; a byte to `SWITCH` switches skipping on or off.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(file: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    if file == SWITCH && count > 0 {
        // SAFETY: the caller vouches for at least one byte.
        let first = unsafe { *bytes.cast::<u8>() };
        SKIPPING.store(first == b'1', Relaxed);
        if SLOW_SINCE.load(Relaxed) == 0 {
            SLOW_SINCE.store(outside(CLOCK_MONOTONIC).unwrap_or(0), Relaxed);
        }
    }
    // SAFETY: the C library's function of this name has this signature.
    let original: unsafe extern "C" fn(c_int, *const c_void, size_t) -> ssize_t = unsafe { transmute(WRITE.address()) };
    // SAFETY: the caller vouches for the bytes.
    unsafe { original(file, bytes, count) }
}
