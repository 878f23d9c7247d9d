//! Bytes to read from and to write to, made for size: `wincode`'s own hand parts of themselves to other types that leave checks
//! out, so that each decoder is there twice, and those for streams bring the operating system's errors along.
#![allow(unsafe_code)] // the trait is unsafe to implement; what it must get right is left to its own defaults

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use wincode::io::{ReadResult, Reader, WriteResult, Writer, read_size_limit};

/// Bytes that are read from the front.
#[derive(Debug)]
pub struct Source<'a>(pub &'a [u8]);

impl Source<'_> {
    fn take(&mut self, length: usize) -> ReadResult<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(read_size_limit(length))?;
        self.0 = rest;
        Ok(taken)
    }
}

// SAFETY: it lends nothing and hands on to no other type; every byte asked for is copied or an error is given.
unsafe impl Reader<'_> for Source<'_> {
    fn copy_into_slice(&mut self, out: &mut [u8]) -> ReadResult<()> {
        out.copy_from_slice(self.take(out.len())?);
        Ok(())
    }

    #[inline(never)]
    fn copy_into_uninit_slice(&mut self, out: &mut [MaybeUninit<u8>]) -> ReadResult<()> {
        out.write_copy_of_slice(self.take(out.len())?);
        Ok(())
    }
}

/// Bytes that are written to the end.
#[derive(Debug, Default)]
pub struct Sink(pub Vec<u8>);

impl Writer for Sink {
    fn write(&mut self, bytes: &[u8]) -> WriteResult<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
