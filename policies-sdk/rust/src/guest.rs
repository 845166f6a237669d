//! What only a component needs: the bump allocator, and where the settings are kept between the two exports.
//!
//! An evaluation lives for microseconds in a fresh copy of the memory, so nothing is ever freed, and the compiler leaves
//! out what would have done it. The heap starts behind the static data in the first memory page; `configure` makes
//! room for an ordinary evaluation, which then never grows the memory: growing costs the host more than the evaluation.
//!
//! With the feature `reuse`, for policies that parse a lot while they are configured, the allocator of `std` serves `configure`.
//! What stays then lies close together instead of scattered among the remains of parsing, and an evaluation changes fewer
//! pages, each of which the host copies back.
#![expect(unsafe_code, reason = "an allocator, and a static without locks")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::{Answer, Configured, Policy, Problem, Value};

/// Where a component keeps its configured policy.
pub struct State<P: Policy>(UnsafeCell<Option<Configured<P>>>);

// SAFETY: a component has no threads.
unsafe impl<P: Policy> Sync for State<P> {}

impl<P: Policy> State<P> {
    /// Not configured.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> State<P> {
        State(UnsafeCell::new(None))
    }

    /// The export `configure`.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn configure(&'static self, settings: &str) -> Result<Vec<String>, Vec<Problem>> {
        let configured = Configured::new(settings)?;
        let pointers = configured.pointers().to_vec();
        // SAFETY: there are no threads, and the exports, which the host cannot call from within each other, are the
        // only callers; so nothing borrows the content now.
        unsafe { *self.0.get() = Some(configured) };
        HEAP.reserve(EVALUATION_BYTES);
        Ok(pointers)
    }

    /// The export `evaluate`.
    ///
    /// # Errors
    /// Why the policy could not judge.
    pub fn evaluate(&'static self, inputs: Vec<Value>) -> Result<Answer, String> {
        // SAFETY: as above.
        match unsafe { &*self.0.get() } {
            Some(configured) => configured.evaluate(inputs),
            None => Err("the policy has not been configured".into()),
        }
    }
}

/// Room that `configure` leaves for an evaluation, in bytes: several times what an ordinary one takes, and little enough
/// that a small policy keeps to one page. The host writes the memory anew after each evaluation.
const EVALUATION_BYTES: usize = 16 * 1024;
/// The same with [`REUSES`]. What an evaluation does not touch costs nothing.
const ENGINE_EVALUATION_BYTES: usize = 256 * 1024;
const PAGE_BYTES: usize = 64 * 1024;

#[global_allocator]
static HEAP: Heap = Heap { next: AtomicUsize::new(0), end: AtomicUsize::new(0) };

/// Whether `configure` frees and uses again.
const REUSES: bool = cfg!(feature = "reuse");

/// Addresses of the first free byte and of the end of the memory; both 0 before the first allocation, or with [`REUSES`]
/// until the policy is configured. Atomics only because statics are shared: there are no threads.
struct Heap {
    next: AtomicUsize,
    end: AtomicUsize,
}

unsafe extern "C" {
    /// Set by the linker: the first address behind stack and static data.
    static __heap_base: u8;
}

impl Heap {
    /// The address of `size` free bytes, which are then no longer free.
    fn take(&self, align: usize, size: usize) -> Option<usize> {
        if self.next.load(Relaxed) == 0 {
            self.next.store((&raw const __heap_base).addr(), Relaxed);
            self.end.store(std::arch::wasm32::memory_size::<0>().checked_mul(PAGE_BYTES)?, Relaxed);
        }
        let start = self.next.load(Relaxed).checked_next_multiple_of(align)?;
        self.extend_to(start.checked_add(size)?)?;
        Some(start)
    }

    /// Makes everything below `next` taken, growing the memory by half if it ends before: few calls for policies that
    /// read large documents, one page for the others.
    fn extend_to(&self, next: usize) -> Option<()> {
        let end = self.end.load(Relaxed);
        if next > end {
            let missing = next.checked_sub(end)?;
            if self.grow(missing.max(end / 2)).is_none() {
                self.grow(missing)?;
            }
        }
        self.next.store(next, Relaxed);
        Some(())
    }

    fn grow(&self, bytes: usize) -> Option<()> {
        let pages = bytes.div_ceil(PAGE_BYTES);
        let before = std::arch::wasm32::memory_grow::<0>(pages);
        if before == usize::MAX {
            return None;
        }
        self.end.store(before.checked_add(pages)?.checked_mul(PAGE_BYTES)?, Relaxed);
        Some(())
    }

    /// Whether `std` allocates.
    fn is_configuring(&self) -> bool {
        REUSES && self.next.load(Relaxed) == 0
    }

    fn reserve(&self, bytes: usize) {
        if self.is_configuring() {
            // Behind everything that `std` has. Where there is no room it goes on allocating.
            let pages = ENGINE_EVALUATION_BYTES.div_ceil(PAGE_BYTES);
            let start = std::arch::wasm32::memory_size::<0>().saturating_mul(PAGE_BYTES);
            if self.grow(pages.saturating_mul(PAGE_BYTES)).is_some() {
                self.next.store(start, Relaxed);
            }
            return;
        }
        let next = self.next.load(Relaxed);
        let free = self.end.load(Relaxed).saturating_sub(next);
        if free < bytes {
            // Without it, evaluations grow the memory themselves.
            let _ = self.grow(bytes.saturating_sub(free));
        }
    }
}

// SAFETY: `take` hands out ranges that are aligned, inside the memory and not handed out before; the newest range is
// extended only by its owner. While `std` allocates, `take` hands out nothing, and what `std` handed out is never given
// back to it afterwards.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.is_configuring() {
            // SAFETY: the caller's promise is `std`'s.
            return unsafe { System.alloc(layout) };
        }
        match self.take(layout.align(), layout.size()) {
            Some(start) => std::ptr::with_exposed_provenance_mut(start),
            None => std::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if self.is_configuring() {
            // SAFETY: everything so far came from `std`.
            unsafe { System.dealloc(at, layout) }
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.is_configuring() {
            // SAFETY: everything so far came from `std`.
            return unsafe { System.realloc(at, layout, size) };
        }
        let newest = at.addr().checked_add(layout.size()) == Some(self.next.load(Relaxed));
        if newest {
            let extended = at.addr().checked_add(size).and_then(|end| self.extend_to(end));
            return if extended.is_some() { at } else { std::ptr::null_mut() };
        }
        if size <= layout.size() {
            return at;
        }
        match self.take(layout.align(), size) {
            Some(start) => {
                let new = std::ptr::with_exposed_provenance_mut(start);
                // SAFETY: the caller says that `at` has `layout.size()` bytes; the new range is larger, and new.
                unsafe { std::ptr::copy_nonoverlapping(at, new, layout.size()) };
                new
            }
            None => std::ptr::null_mut(),
        }
    }
}
