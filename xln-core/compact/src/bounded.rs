//! A length prefix whose bound is set at run time, for the thread: with a bound in the type, as `wincode` has it, each bound
//! is a copy of every decoder.
#![allow(unsafe_code)] // the trait is unsafe to implement; what it must get right is handed on to wincode's own

use core::cell::Cell;

use wincode::config::ConfigCore;
use wincode::error::{PreallocationError, preallocation_size_limit};
use wincode::io::{Reader, Writer};
use wincode::len::{BincodeLen, PreallocationLimitOverride, SeqLen};
use wincode::{ReadResult, WriteResult};

std::thread_local! {
    static BOUND: Cell<usize> = const { Cell::new(0) };
}

/// Sets the bound back, also when a panic unwinds.
struct Back(usize);

impl Drop for Back {
    fn drop(&mut self) {
        BOUND.set(self.0);
    }
}

/// What `work` returns; while it runs, no length in this thread may ask for more than `bytes` of memory. Without it none
/// may ask for any.
pub fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let _back = Back(BOUND.replace(bytes));
    work()
}

/// Bincode's length of a sequence, refused if its elements would take more memory than [`within`] allows.
#[derive(Debug)]
pub struct BoundedLen;

// SAFETY: lengths are read and written, and their sizes told, by bincode's own.
unsafe impl<C: ConfigCore> SeqLen<C> for BoundedLen
where
    BincodeLen: SeqLen<C>,
{
    const PREALLOCATION_SIZE_LIMIT_OVERRIDE: PreallocationLimitOverride = PreallocationLimitOverride::NoLimit;

    fn prealloc_check<T>(len: usize) -> Result<(), PreallocationError> {
        check(len, size_of::<T>())
    }

    fn read<'de>(reader: impl Reader<'de>) -> ReadResult<usize> {
        <BincodeLen as SeqLen<C>>::read(reader)
    }

    fn write(writer: impl Writer, len: usize) -> WriteResult<()> {
        <BincodeLen as SeqLen<C>>::write(writer, len)
    }

    fn write_bytes_needed(len: usize) -> WriteResult<usize> {
        <BincodeLen as SeqLen<C>>::write_bytes_needed(len)
    }
}

/// As wincode's own: elements without a size count as one byte, since each is a turn of a loop.
fn check(len: usize, size: usize) -> Result<(), PreallocationError> {
    let bound = BOUND.get();
    match len.checked_mul(size.max(1)) {
        Some(needed) if needed <= bound => Ok(()),
        needed => Err(preallocation_size_limit(needed.unwrap_or(usize::MAX), bound)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_compared_with_the_bound_of_the_innermost() {
        assert!(check(1, 1).is_err(), "nothing without a bound");
        within(64, || {
            assert!(check(2, 32).is_ok());
            assert!(check(3, 32).is_err());
            assert!(check(64, 0).is_ok());
            assert!(check(65, 0).is_err());
            assert!(check(usize::MAX, 2).is_err(), "no overflow");
            within(8, || assert!(check(2, 32).is_err()));
            assert!(check(2, 32).is_ok(), "as before");
        });
        assert!(check(1, 1).is_err());
    }

    #[test]
    fn a_panic_leaves_no_bound_behind() {
        let _ = std::panic::catch_unwind(|| within(64, || panic!("on purpose")));
        assert!(check(1, 1).is_err());
    }
}
