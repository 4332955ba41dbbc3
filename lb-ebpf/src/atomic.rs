//! Atomic operations on words that CPUs and the control plane share.
//!
//! BPF has them as instructions (`BPF_ATOMIC`, since 5.12), but not `core::sync::atomic`, so there they come from
//! the compiler's intrinsics; on the host they are the ordinary ones. Additions never use their result: LLVM
//! would miscompile a relaxed one that does.

#[cfg(target_arch = "bpf")]
mod imp {
    use core::intrinsics::{AtomicOrdering, atomic_and, atomic_cxchg, atomic_or, atomic_xadd};

    #[inline(always)]
    pub(super) unsafe fn compare_exchange(word: *mut u64, old: u64, new: u64) -> bool {
        // SAFETY: the caller vouches for the pointer.
        let (_, swapped) =
            unsafe { atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(word, old, new) };
        swapped
    }

    #[inline(always)]
    pub(super) unsafe fn add64(word: *mut u64, value: u64) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(word, value) };
    }

    #[inline(always)]
    pub(super) unsafe fn add32(word: *mut u32, value: u32) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { atomic_xadd::<u32, u32, { AtomicOrdering::Relaxed }>(word, value) };
    }

    #[inline(always)]
    pub(super) unsafe fn and(word: *mut u64, value: u64) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { atomic_and::<u64, u64, { AtomicOrdering::Relaxed }>(word, value) };
    }

    #[inline(always)]
    pub(super) unsafe fn or(word: *mut u64, value: u64) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { atomic_or::<u64, u64, { AtomicOrdering::Relaxed }>(word, value) };
    }
}

#[cfg(not(target_arch = "bpf"))]
mod imp {
    use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    pub(super) unsafe fn compare_exchange(word: *mut u64, old: u64, new: u64) -> bool {
        // SAFETY: the caller vouches for the pointer.
        let word = unsafe { AtomicU64::from_ptr(word) };
        word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    pub(super) unsafe fn add64(word: *mut u64, value: u64) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { AtomicU64::from_ptr(word) }.fetch_add(value, Ordering::Relaxed);
    }

    pub(super) unsafe fn add32(word: *mut u32, value: u32) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { AtomicU32::from_ptr(word) }.fetch_add(value, Ordering::Relaxed);
    }

    pub(super) unsafe fn and(word: *mut u64, value: u64) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { AtomicU64::from_ptr(word) }.fetch_and(value, Ordering::Relaxed);
    }

    pub(super) unsafe fn or(word: *mut u64, value: u64) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { AtomicU64::from_ptr(word) }.fetch_or(value, Ordering::Relaxed);
    }
}

/// Stores `new` if the word still is `old`; tells whether it did.
///
/// # Safety
/// `word` points to an aligned word of a live map value (or is otherwise valid for atomic access).
#[inline(always)]
pub unsafe fn compare_exchange(word: *mut u64, old: u64, new: u64) -> bool {
    // SAFETY: the caller's promise is the same.
    unsafe { imp::compare_exchange(word, old, new) }
}

/// Adds, wrapping.
///
/// # Safety
/// As [`compare_exchange`].
#[inline(always)]
pub unsafe fn add64(word: *mut u64, value: u64) {
    // SAFETY: the caller's promise is the same.
    unsafe { imp::add64(word, value) }
}

/// Adds, wrapping.
///
/// # Safety
/// As [`compare_exchange`].
#[inline(always)]
pub unsafe fn add32(word: *mut u32, value: u32) {
    // SAFETY: the caller's promise is the same.
    unsafe { imp::add32(word, value) }
}

/// Clears the bits that `value` lacks.
///
/// # Safety
/// As [`compare_exchange`].
#[inline(always)]
pub unsafe fn and(word: *mut u64, value: u64) {
    // SAFETY: the caller's promise is the same.
    unsafe { imp::and(word, value) }
}

/// Sets the bits that `value` has.
///
/// # Safety
/// As [`compare_exchange`].
#[inline(always)]
pub unsafe fn or(word: *mut u64, value: u64) {
    // SAFETY: the caller's promise is the same.
    unsafe { imp::or(word, value) }
}
