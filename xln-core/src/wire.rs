//! What two nodes say to each other: versioned, bounded, strictly decoded (`docs/protocol.md` section 5).

use alloc::sync::Arc;
use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use crate::block::Block;
use crate::codec::{self, CodecError};
use crate::crypto::Signature;
use crate::state::{ChannelState, hash_tagged};
use crate::transition::TransitionError;
use crate::types::{Hash, SubchannelKey};

/// The version that this code speaks, the first byte of every message.
pub const WIRE_VERSION: u8 = 1;
/// Parts of one message.
pub const MAX_PARTS: usize = 64;

/// One message: what belongs together travels together (an Ack with the next Proposal).
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Message {
    /// The channel it is about, so that it cannot be delivered under another entity's name.
    pub channel: Hash,
    /// At most `MAX_PARTS`, handled in order.
    pub parts: Vec<Part>,
}

/// A part of a message.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum Part {
    /// A block, with the proposer's signature over the state after it.
    Proposal {
        /// The block.
        block: Arc<Block>,
        /// Over the new state.
        signature: Signature,
    },
    /// Agreement to a block.
    Ack {
        /// Height of the block.
        height: u64,
        /// Hash of the block.
        block_hash: Hash,
        /// Over the new state.
        signature: Signature,
    },
    /// A block that will never be acknowledged.
    Reject(Reject),
    /// Where the sender stands; sent on connection.
    Reestablish {
        /// Height of its tip.
        height: u64,
        /// Hash of its tip's block.
        block_hash: Hash,
        /// Hash of its tip's state.
        state_hash: Hash,
        /// Whether it wants the same in return.
        reply: bool,
    },
    /// Asks for the latest state that both signed.
    StateRequest,
    /// The latest state that both signed. It proves that its receiver is behind by the receiver's own signature.
    StateReply {
        /// The state.
        state: ChannelState,
        /// Left's signature over it.
        left: Signature,
        /// Right's signature over it.
        right: Signature,
    },
    /// A signature for the Depository, sent once the block that holds for it is acknowledged.
    SettlementSignature {
        /// In which subchannel.
        key: SubchannelKey,
        /// The settlement's id.
        id: u64,
        /// Over the Depository's message.
        signature: Signature,
    },
}

/// A signed refusal.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Reject {
    /// Height of the refused block.
    pub height: u64,
    /// Hash of the refused block.
    pub block_hash: Hash,
    /// Why.
    pub reason: RejectReason,
    /// The smallest height that a replacement must have.
    pub min_height: u64,
    /// Over [`Reject::digest`]: who can forge a refusal can make two honest sides part.
    pub signature: Signature,
}

/// Why a block was refused for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite, thiserror::Error)]
pub enum RejectReason {
    /// A transition breaks a rule.
    #[error("transition {index}: {error}")]
    Transition {
        /// Its position.
        index: u32,
        /// The rule.
        error: TransitionError,
    },
    /// A transition concerns a subchannel that a start or close on chain has frozen.
    #[error("transition {index} touches a frozen subchannel")]
    Frozen {
        /// Its position.
        index: u32,
    },
    /// The chain says something else, or never had that block.
    #[error("transition {index} does not say what the chain says")]
    FactsDiffer {
        /// Its position.
        index: u32,
    },
    /// The receiver's policy refuses it.
    #[error("policy refuses transition {index}")]
    Policy {
        /// Its position.
        index: u32,
    },
    /// The receiver has signed a state that this block would not outrank.
    #[error("height is too low")]
    HeightTooLow,
    /// The block's time stayed ahead of the receiver's clock.
    #[error("block time is too far ahead")]
    TimeAhead,
    /// The block does not follow from its parent.
    #[error("block is malformed")]
    Malformed,
    /// The proposer's board was replaced, or its delegation was revoked or has expired: who signs now must sign.
    #[error("the signer has lapsed")]
    SignerLapsed,
    /// The proposer's operator would pay more than its delegation allows in all.
    #[error("transition {index} passes the limit of the operator's delegation")]
    DelegationLimit {
        /// Its position.
        index: u32,
    },
}

impl RejectReason {
    /// The transition that is to blame.
    #[must_use]
    pub const fn index(&self) -> Option<u32> {
        match self {
            Self::Transition { index, .. }
            | Self::Frozen { index }
            | Self::FactsDiffer { index }
            | Self::Policy { index }
            | Self::DelegationLimit { index } => Some(*index),
            Self::HeightTooLow | Self::TimeAhead | Self::Malformed | Self::SignerLapsed => None,
        }
    }
}

impl Reject {
    /// What its sender signs: keccak256 over the domain `"xln reject 1"` and the encoding of channel, height, block hash,
    /// reason and least height.
    ///
    /// # Errors
    /// None for values of these types.
    pub fn digest(
        channel: &Hash,
        height: u64,
        block_hash: &Hash,
        reason: &RejectReason,
        min_height: u64,
    ) -> Result<Hash, CodecError> {
        let bytes = codec::encode(&(*channel, height, *block_hash, *reason, min_height))?;
        Ok(hash_tagged(b"xln reject 1", &bytes))
    }
}

impl Message {
    /// The bytes to send: version, then the encoding.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] beyond `MAX_MESSAGE_BYTES`.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let mut bytes = alloc::vec![WIRE_VERSION];
        bytes.append(&mut codec::encode(self)?);
        if bytes.len() > codec::MAX_MESSAGE_BYTES {
            return Err(CodecError::TooLong { length: bytes.len(), max: codec::MAX_MESSAGE_BYTES });
        }
        Ok(bytes)
    }

    /// Decodes what a peer sent.
    ///
    /// # Errors
    /// [`CodecError`] for another version, too many bytes or parts, or anything that is not one canonical message.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > codec::MAX_MESSAGE_BYTES {
            return Err(CodecError::TooLong { length: bytes.len(), max: codec::MAX_MESSAGE_BYTES });
        }
        let (version, rest) = bytes.split_first().ok_or(CodecError::Malformed)?;
        if *version != WIRE_VERSION {
            return Err(CodecError::UnknownVersion(*version));
        }
        // The number of parts stands behind the 32 bytes of the channel, in one byte up to 250: looked at before anything is
        // allocated for them.
        if let Some(parts) = rest.get(32).map(|count| usize::from(*count)).filter(|count| *count > MAX_PARTS) {
            return Err(CodecError::TooLong { length: parts, max: MAX_PARTS });
        }
        codec::decode(rest)
    }
}
