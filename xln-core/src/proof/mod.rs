//! Everything that Solidity also computes: leaves, roots, digests, proof bodies, settlements, fills, and what a dispute
//! comes out at. The byte formats are those of `docs/encodings.md`; golden vectors in `tests/vectors` pin them.

mod body;
mod body_codec;
pub(crate) mod bytes;
mod commitment;
mod eip712;
mod fills;
mod resolve;
mod settlement;

pub use body::{Allowance, Batch, Body, BodyError, Clause, PaymentItem, SwapItem, swap_price};
pub use commitment::{path, root, state_leaf, subchannel_leaf, verify_path};
pub use eip712::{DepositoryDomain, channel_state_digest};
pub use fills::{Fills, FillsError, fills_hash};
pub use resolve::{Dispute, FillsGiven, ResolveError, TokenSplit, World, resolve, resolve_with};
pub use settlement::{Forgiven, SettlementError, SettlementUpdate, TokenDiff};

use crate::types::Hash;

/// keccak256 of an encoded body: what a subchannel's leaf and a dispute name it by.
#[must_use]
pub fn body_hash(body: &[u8]) -> Hash {
    Hash(xln_merkle::keccak256(body))
}
