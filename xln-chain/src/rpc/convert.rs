//! From what a node answers to this crate's types.

use alloy::rpc::types::{Header as RpcHeader, Log as RpcLog, TransactionReceipt};
use alloy::transports::TransportError;
use xln_core::types::{Hash, UnixSeconds};

use crate::chain::{Header, Log, Receipt};
use crate::error::ChainError;

pub(super) fn header(header: &RpcHeader) -> Header {
    Header {
        number: header.number,
        hash: Hash(header.hash.0),
        parent: Hash(header.parent_hash.0),
        timestamp: UnixSeconds(header.timestamp),
    }
}

/// Logs in blocks; a pending log has no business in an answer and is an error. So is one that was removed: its block is gone, and
/// to leave it out would be to say that the block had none.
pub(super) fn logs(logs: Vec<RpcLog>) -> Result<Vec<Log>, ChainError> {
    let kept = |found: RpcLog| match found.removed {
        true => Err(ChainError::Contradiction("a log that was removed")),
        false => log(found).ok_or(ChainError::OutOfRange),
    };
    logs.into_iter().map(kept).collect()
}

fn log(log: RpcLog) -> Option<Log> {
    Some(Log {
        address: log.inner.address.into(),
        number: log.block_number?,
        block: Hash(log.block_hash?.0),
        transaction: Hash(log.transaction_hash?.0),
        index: log.log_index?,
        data: log.inner.data,
    })
}

/// `None` while the transaction is in no block.
pub(super) fn receipt(found: TransactionReceipt) -> Result<Option<Receipt>, ChainError> {
    let (Some(number), Some(block)) = (found.block_number, found.block_hash) else { return Ok(None) };
    let success = found.status();
    Ok(Some(Receipt {
        transaction: Hash(found.transaction_hash.0),
        number,
        block: Hash(block.0),
        success,
        gas_used: found.gas_used,
        revert: None,
        deployed: found.contract_address.filter(|_| success).map(Into::into),
        logs: logs(found.logs().to_vec())?,
    }))
}

/// What a failed request means.
pub(super) fn error(error: TransportError) -> ChainError {
    if let Some(payload) = error.as_error_resp() {
        if let Some(data) = payload.as_revert_data() {
            return ChainError::reverted(data);
        }
        let text = payload.message.to_ascii_lowercase();
        if text.contains("revert") {
            return ChainError::reverted(Default::default());
        }
        if ["out of gas", "outofgas", "gas required exceeds", "invalid opcode"].iter().any(|part| text.contains(part)) {
            return ChainError::Halted;
        }
        if text.contains("insufficient funds") {
            return ChainError::Unacceptable(Box::new(error));
        }
    }
    ChainError::Transport(Box::new(error))
}

/// Whether a node refuses a transaction only because it has it.
pub(super) fn is_known(error: &TransportError) -> bool {
    let known = ["already known", "already imported", "known transaction"];
    error.as_error_resp().is_some_and(|payload| {
        let text = payload.message.to_ascii_lowercase();
        known.iter().any(|part| text.contains(part))
    })
}
