//! The memory of a map, shared with the packet path (`BPF_F_MMAPABLE`): no system call to read or write an element.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd as _};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

const WORD: usize = size_of::<u64>();

/// What may live in shared memory: plain words, whose every bit pattern is a value.
///
/// # Safety
/// The type is `repr(C)`, has no padding and no invalid bit patterns, is a multiple of 8 bytes long and aligned to 8.
pub unsafe trait Plain: Copy + 'static {}

// SAFETY: a plain word.
unsafe impl Plain for u64 {}
// SAFETY: the layout is asserted in lb-common: words only.
unsafe impl Plain for lb_common::settings::Settings {}
// SAFETY: as above.
unsafe impl Plain for lb_common::service::Service {}
// SAFETY: as above.
unsafe impl Plain for lb_common::service::Traffic {}
// SAFETY: as above.
unsafe impl Plain for lb_common::handshake::Handshakes {}
// SAFETY: as above.
unsafe impl Plain for lb_common::real_server::RealServer {}
// SAFETY: as above.
unsafe impl Plain for lb_common::real_server::Counts {}
// SAFETY: as above.
unsafe impl Plain for lb_common::flow::Flow {}
// SAFETY: as above.
unsafe impl Plain for lb_common::table::Tags {}
// SAFETY: as above.
unsafe impl Plain for lb_common::schedule::locality::Cell {}
// SAFETY: as above.
unsafe impl Plain for lb_common::marks::MarkNode {}

/// An array map's elements.
pub struct Shared<T> {
    memory: MmapRaw,
    len: u32,
    element: PhantomData<T>,
}

impl<T: Plain> Shared<T> {
    /// Maps the memory of an array map with `len` elements.
    ///
    /// # Errors
    /// The kernel refused the mapping.
    pub fn map(fd: impl AsFd, len: u32) -> io::Result<Self> {
        let bytes = len as usize * size_of::<T>();
        let memory = MmapOptions::new().len(bytes).map_raw(fd.as_fd().as_raw_fd())?;
        Ok(Self { memory, len, element: PhantomData })
    }

    /// Number of elements.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The words of an element.
    ///
    /// # Panics
    /// `index` is not below [`Self::len`]: a slip of the control plane.
    fn words(&self, index: u32) -> &[AtomicU64] {
        assert!(index < self.len, "element {index} of {}", self.len);
        let words = size_of::<T>() / WORD;
        // SAFETY: the mapping holds `len` elements and lives as long as `self`; `index` is below `len`.
        let first = unsafe { self.memory.as_mut_ptr().cast::<AtomicU64>().add(index as usize * words) };
        // SAFETY: as above; the memory is only accessed by atomic words, here and by the packet path.
        unsafe { std::slice::from_raw_parts(first, words) }
    }

    /// Reads an element, word by word.
    pub fn read(&self, index: u32) -> T {
        let mut value = std::mem::MaybeUninit::<T>::uninit();
        for (position, word) in self.words(index).iter().enumerate() {
            let bits = word.load(Ordering::Relaxed);
            // SAFETY: `words` has as many words as `T`.
            let to = unsafe { value.as_mut_ptr().cast::<u64>().add(position) };
            // SAFETY: as above; `T` is aligned to 8.
            unsafe { to.write(bits) };
        }
        // SAFETY: every word was written, and `T` is `Plain`.
        unsafe { value.assume_init() }
    }

    /// Reads one word of an element.
    pub fn word(&self, index: u32, position: usize) -> u64 {
        self.words(index)[position].load(Ordering::Acquire)
    }

    /// Writes one word of an element.
    pub fn set_word(&self, index: u32, position: usize, value: u64) {
        self.words(index)[position].store(value, Ordering::Release);
    }

    /// Adds to one word of an element, wrapping.
    pub fn add_to_word(&self, index: u32, position: usize, value: u64) {
        self.words(index)[position].fetch_add(value, Ordering::AcqRel);
    }

    /// Writes one word of an element if it still is `old`; tells whether it was.
    pub fn swap_word(&self, index: u32, position: usize, old: u64, new: u64) -> bool {
        self.words(index)[position].compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Writes an element, word by word, the first word last: what reads it sees other words that are at least as new.
    pub fn write(&self, index: u32, value: &T) {
        let from = std::ptr::from_ref(value).cast::<u64>();
        for (position, word) in self.words(index).iter().enumerate().rev() {
            // SAFETY: `words` has as many words as `T`.
            let at = unsafe { from.add(position) };
            // SAFETY: as above; `T` is aligned to 8.
            word.store(unsafe { at.read() }, Ordering::Release);
        }
    }
}
