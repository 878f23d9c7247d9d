//! A batch as the bytes of one row, for engines whose own batches can tear: stored and synced first, applied after, and
//! applied again at the next open.

use xln_merkle::keccak256;

use crate::batch::{WriteBatch, WriteOp};

const PUT: u8 = 1;
const DELETE: u8 = 2;

/// `(tag || u32 key length || key [|| u32 value length || value])* || keccak256 of all before`, big-endian.
pub(crate) fn encode(batch: &WriteBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    for op in batch.ops() {
        match op {
            WriteOp::Put { key, value } => {
                bytes.push(PUT);
                field(&mut bytes, key);
                field(&mut bytes, value);
            }
            WriteOp::Delete { key } => {
                bytes.push(DELETE);
                field(&mut bytes, key);
            }
        }
    }
    let checksum = keccak256(&bytes);
    bytes.extend(checksum);
    bytes
}

fn field(bytes: &mut Vec<u8>, content: &[u8]) {
    // `WriteBatch::check` has refused anything that does not fit.
    bytes.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(content);
}

/// The batch of `bytes`, or `None` if they are damaged.
pub(crate) fn decode(bytes: &[u8]) -> Option<WriteBatch> {
    let (mut rest, checksum) = bytes.split_last_chunk::<32>()?;
    if keccak256(rest) != *checksum {
        return None;
    }
    let mut batch = WriteBatch::new();
    while let Some((tag, tail)) = rest.split_first() {
        let (key, tail) = take(tail)?;
        rest = match *tag {
            PUT => {
                let (value, tail) = take(tail)?;
                batch.put(key, value);
                tail
            }
            DELETE => {
                batch.delete(key);
                tail
            }
            _ => return None,
        };
    }
    Some(batch)
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_damage() {
        let mut batch = WriteBatch::new();
        batch.put(b"key", b"").delete(b"gone").put([0; 300], [7; 1000]);
        let bytes = encode(&batch);
        assert_eq!(decode(&bytes), Some(batch));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None);
            assert_eq!(decode(&bytes[..at]), None);
        }
    }
}
