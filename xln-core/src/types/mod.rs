//! Ids and units. A value of one of these types is valid by construction or checked once where it enters, and trusted
//! afterwards (`docs/protocol.md` section 1).

mod entity;
mod facts;
mod units;

pub use entity::{EntityId, EntityIdError, EntityKind, Pair, PairError, Side};
pub use facts::{ChainPoint, DisputeFact, EntityFact, RecordedFact, Reveal, SubchannelFacts, TokenFact};
pub use units::{Address, ChainId, Hash, HashKind, Nonce, Secret, SubchannelKey, TokenId, UnixSeconds};

/// Amounts and deltas are below this in absolute value (`docs/protocol.md` section 3), so that no sum of two overflows
/// and the contract packs two of them into one slot.
pub const AMOUNT_BOUND: u128 = 1 << 127;
