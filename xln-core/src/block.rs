//! The unit of agreement: an ordered list of transitions by one proposer (`docs/protocol.md` section 5).

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use crate::codec::{self, CodecError};
use crate::limits::MAX_BLOCK_TRANSITIONS;
use crate::state::{ChannelState, hash_tagged};
use crate::subcontract::Instruments;
use crate::transition::{Applier, Transition, TransitionError};
use crate::types::{Hash, Nonce, Side, UnixSeconds};

/// A proposed or agreed block.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Block {
    /// Greater than the parent's; by one unless it replaces a refused block.
    pub height: u64,
    /// Hash of the parent, zero for the first block.
    pub prev_block_hash: Hash,
    /// Hash of the state that it builds on.
    pub prev_state_hash: Hash,
    /// Author of all its transitions.
    pub proposer: Side,
    /// Never before the parent's.
    pub timestamp: UnixSeconds,
    /// At most `MAX_BLOCK_TRANSITIONS`.
    pub transitions: Vec<Transition>,
}

/// Why a block does not follow from a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlockError {
    /// It builds on another block.
    #[error("block builds on another parent")]
    WrongParent,
    /// It builds on another state.
    #[error("block builds on another state")]
    WrongParentState,
    /// Its height is not above the parent's, or too far above, or has no nonce.
    #[error("height {found} does not follow {parent}")]
    WrongHeight {
        /// Height of the block.
        found: u64,
        /// Height of the parent.
        parent: u64,
    },
    /// Its time is before the parent's.
    #[error("time goes back")]
    TimeWentBack,
    /// More than `MAX_BLOCK_TRANSITIONS`.
    #[error("too many transitions")]
    TooManyTransitions,
    /// One transition is refused.
    #[error("transition {index} is refused: {error}")]
    Transition {
        /// Its position.
        index: u32,
        /// The rule.
        error: TransitionError,
    },
    /// The result has no encoding.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Block {
    /// keccak256 over the domain `"xln block 1"` and the canonical encoding.
    ///
    /// # Errors
    /// None for a block within the limits.
    pub fn hash(&self) -> Result<Hash, CodecError> {
        Ok(hash_tagged(b"xln block 1", &codec::encode(self)?))
    }

    /// Its nonce.
    ///
    /// # Errors
    /// [`BlockError::WrongHeight`] if the height has none.
    pub fn nonce(&self) -> Result<Nonce, BlockError> {
        Nonce::of(self.height, self.proposer).ok_or(BlockError::WrongHeight { found: self.height, parent: 0 })
    }
}

/// The state after `block`, with the built-in instruments. Pure: proposer, receiver and anyone who replays history run this.
///
/// # Errors
/// [`BlockError`] names what does not fit.
pub fn apply_block(parent: &ChannelState, parent_hash: &Hash, block: &Block) -> Result<ChannelState, BlockError> {
    apply_block_with(parent, parent_hash, block, Instruments::default_ref())
}

/// [`apply_block`] with these instruments.
///
/// # Errors
/// As [`apply_block`].
pub fn apply_block_with(
    parent: &ChannelState,
    parent_hash: &Hash,
    block: &Block,
    instruments: &Instruments,
) -> Result<ChannelState, BlockError> {
    apply_hashed_block(parent, parent_hash, block, block.hash()?, instruments)
}

/// [`apply_block`] for a caller that has the block's hash.
pub(crate) fn apply_hashed_block(
    parent: &ChannelState,
    parent_hash: &Hash,
    block: &Block,
    hash: Hash,
    instruments: &Instruments,
) -> Result<ChannelState, BlockError> {
    if block.prev_block_hash != parent.block_hash {
        return Err(BlockError::WrongParent);
    }
    if block.prev_state_hash != *parent_hash {
        return Err(BlockError::WrongParentState);
    }
    if block.height <= parent.height {
        return Err(BlockError::WrongHeight { found: block.height, parent: parent.height });
    }
    if block.timestamp < parent.timestamp {
        return Err(BlockError::TimeWentBack);
    }
    if block.transitions.len() > MAX_BLOCK_TRANSITIONS {
        return Err(BlockError::TooManyTransitions);
    }
    let mut state = next_base(parent);
    let mut applier = Applier::with_instruments(&mut state, block.proposer, block.timestamp, instruments);
    for (index, transition) in block.transitions.iter().enumerate() {
        applier
            .apply(transition)
            .map_err(|error| BlockError::Transition { index: u32::try_from(index).unwrap_or(u32::MAX), error })?;
    }
    state.height = block.height;
    state.nonce = block.nonce()?;
    state.timestamp = block.timestamp;
    state.block_hash = hash;
    Ok(state)
}

/// The parent's state without the leaves of subchannels that it closed.
#[must_use]
pub fn next_base(parent: &ChannelState) -> ChannelState {
    let mut state = parent.clone();
    state.subchannels.retain(|_, s| !s.closed);
    state
}
