//! The operations of a batch, as its signature covers them.

use alloy_primitives::Bytes;

use super::{CodecError, Reader};

/// Operations of one batch at most; `MAX_OPERATIONS` of the Depository.
pub const MAX_OPERATIONS: usize = 256;

const SKIPPABLE: u8 = 1;

/// One operation: a call of the Depository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawOperation {
    /// A failure that others can cause does not fail the batch.
    pub skippable: bool,
    /// Wei of a deposit, else 0.
    pub value: u128,
    /// Calldata of a function of the Depository.
    pub data: Bytes,
}

impl RawOperation {
    fn check(&self) -> Result<(), CodecError> {
        match self.data.len() {
            length @ (0..4 | 0x100_0000..) => Err(CodecError::CalldataLength(length)),
            _ if self.skippable && self.value != 0 => Err(CodecError::SkippedValue),
            _ => Ok(()),
        }
    }
}

/// The bytes of a list of operations.
///
/// # Errors
/// [`CodecError::TooManyOperations`], [`CodecError::CalldataLength`], [`CodecError::SkippedValue`].
pub fn encode_operations(operations: &[RawOperation]) -> Result<Vec<u8>, CodecError> {
    if operations.len() > MAX_OPERATIONS {
        return Err(CodecError::TooManyOperations(operations.len()));
    }
    let mut out = Vec::with_capacity(operations.len().saturating_mul(320));
    for operation in operations {
        operation.check()?;
        let length = operation.data.len();
        let [high, a, b, c] = u32::try_from(length).map_err(|_| CodecError::CalldataLength(length))?.to_be_bytes();
        if high != 0 {
            return Err(CodecError::CalldataLength(length));
        }
        out.push(if operation.skippable { SKIPPABLE } else { 0 });
        out.extend_from_slice(&operation.value.to_be_bytes());
        out.extend_from_slice(&[a, b, c]);
        out.extend_from_slice(&operation.data);
    }
    Ok(out)
}

/// Reads a whole list, for those who are asked to sign or to relay one.
///
/// # Errors
/// [`CodecError`] if the bytes are not what [`encode_operations`] gives.
pub fn parse_operations(bytes: &[u8]) -> Result<Vec<RawOperation>, CodecError> {
    let mut reader = Reader(bytes);
    let mut operations = Vec::new();
    while !reader.0.is_empty() {
        let flags = reader.u8()?;
        if flags > SKIPPABLE {
            return Err(CodecError::Flags(flags.into()));
        }
        let value = u128::from_be_bytes(reader.array()?);
        let [a, b, c] = reader.array()?;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).map_err(|_| CodecError::Truncated)?;
        let data = Bytes::copy_from_slice(reader.slice(length)?);
        let operation = RawOperation { skippable: flags == SKIPPABLE, value, data };
        operation.check()?;
        operations.push(operation);
        if operations.len() > MAX_OPERATIONS {
            return Err(CodecError::TooManyOperations(operations.len()));
        }
    }
    Ok(operations)
}
