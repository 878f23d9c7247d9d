//! Big-endian packed numbers, read without a panic and written without padding.

use crate::types::UnixSeconds;

/// The rest of some bytes. Every method takes from the front; `None` means that too little is left.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    pub(crate) fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_be_bytes)
    }

    pub(crate) fn i128(&mut self) -> Option<i128> {
        self.array().map(i128::from_be_bytes)
    }

    /// A time in 40 bits.
    pub(crate) fn time(&mut self) -> Option<UnixSeconds> {
        let [a, b, c, d, e] = self.array()?;
        Some(UnixSeconds(u64::from_be_bytes([0, 0, 0, a, b, c, d, e])))
    }
}

/// A time as 40 bits, `None` if it needs more.
pub(crate) const fn time_bytes(time: UnixSeconds) -> Option<[u8; 5]> {
    match time.0.to_be_bytes() {
        [0, 0, 0, a, b, c, d, e] => Some([a, b, c, d, e]),
        _ => None,
    }
}
