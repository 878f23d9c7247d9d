//! An allocator that counts what the present thread holds, so that a decoder's memory can be bounded by its input's length.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what the present thread has allocated and not freed, and the most that it ever was.
pub struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that is being torn down has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that `run` held at once, in bytes.
pub fn peak(run: impl FnOnce()) -> isize {
    let before = LIVE.get();
    PEAK.set(before);
    run();
    PEAK.get() - before
}

/// Runs a decoder of a peer's bytes, which may hold a fixed amount of memory and a multiple of what it was given.
pub fn bounded(bytes: &[u8], run: impl FnOnce(&[u8])) {
    let held = peak(|| run(bytes));
    let bound = FIXED + PER_BYTE * bytes.len() as isize;
    assert!(held <= bound, "{held} bytes of memory for {} bytes", bytes.len());
}

/// What a lying length may take, whatever is decoded: one allocation per nesting level.
const FIXED: isize = 2 << 20;
/// The smallest transition takes 2 bytes of a message, and 32 on a Depository's list; in memory each is one of the largest.
const PER_BYTE: isize = 256;
