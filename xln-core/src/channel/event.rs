//! What a step tells: what happened, what was refused, and why none could be made.

use super::ended::Ended;
use super::propose::CommandError;
use super::{CommandId, CrossSwapError};
use crate::block::BlockError;
use crate::codec::CodecError;
use crate::commitment::CommitmentError;
use crate::crypto::{SignError, SignatureError};
use crate::types::{EntityId, Hash, Nonce, Side, SubchannelKey, UnixSeconds};
use crate::wire::RejectReason;

/// What became durable and the application wants to know.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
pub enum Event {
    /// A block was agreed.
    Committed {
        /// With whom.
        peer: EntityId,
        /// Its height.
        height: u64,
        /// Who proposed it.
        proposer: Side,
    },
    /// A command stands in an agreed block.
    CommandDone {
        /// Which one.
        command: CommandId,
        /// The id of the payment, swap, settlement or close that it made.
        subcontract: Option<u64>,
    },
    /// A command can never take effect any more.
    CommandFailed {
        /// Which one.
        command: CommandId,
        /// Why.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serde_text::message"))]
        error: CommandError,
    },
    /// Something from a peer was refused by name; nothing changed.
    Rejected {
        /// From whom.
        from: EntityId,
        /// Why.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serde_text::message"))]
        reason: Rejection,
    },
    /// The peer refused a block of mine for good.
    Refused {
        /// Which peer.
        peer: EntityId,
        /// Why.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serde_text::message"))]
        reason: RejectReason,
    },
    /// The peer has not answered in time: its signed states stay live, so think of a dispute.
    Unresponsive {
        /// Which peer.
        peer: EntityId,
    },
    /// The chain shows a dispute that this node must, or may, react to.
    DisputeSeen {
        /// With whom.
        peer: EntityId,
        /// In which subchannel.
        key: SubchannelKey,
        /// Nonce that is shown.
        shown: Nonce,
        /// The best nonce that this node can show.
        best: Nonce,
    },
    /// A confirmed fact vanished from the chain: the subchannel is frozen until someone looks.
    Alarm {
        /// With whom.
        peer: EntityId,
        /// In which subchannel.
        key: SubchannelKey,
    },
    /// Who signed the last agreed state, for this side or the peer, is replaced, revoked or expired. Both sides sign anew at
    /// once if they can.
    SignerLapsing {
        /// With whom.
        peer: EntityId,
        /// Last second at which the chains take the signature.
        until: UnixSeconds,
    },
    /// A third of the grace is left and the peer has not signed anew: a node that is not vigilant must start the dispute.
    DisputeDue {
        /// With whom.
        peer: EntityId,
        /// In which subchannel.
        key: SubchannelKey,
        /// Last second at which the chain takes the peer's signature.
        until: UnixSeconds,
    },
    /// Both signatures of a settlement or close are there.
    SettlementReady {
        /// With whom.
        peer: EntityId,
        /// In which subchannel.
        key: SubchannelKey,
        /// Its id.
        id: u64,
    },
    /// Both legs of a cross-chain swap have moved.
    CrossSwapDone {
        /// With whom.
        peer: EntityId,
        /// The hash that locked both.
        hash: Hash,
    },
    /// No leg of a cross-chain swap has moved, and none can any more.
    CrossSwapUnwound {
        /// With whom.
        peer: EntityId,
        /// The hash that locked both.
        hash: Hash,
        /// Why.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serde_text::message"))]
        reason: CrossSwapError,
    },
    /// One leg of a cross-chain swap has moved without the other: someone let a deadline pass. Or this node has lost the
    /// blocks that would say, after a restore from a backup.
    CrossSwapTorn {
        /// With whom.
        peer: EntityId,
        /// The hash that locked both.
        hash: Hash,
        /// Whether the initiator's leg has moved, if that is known.
        first: Option<bool>,
        /// Whether the responder's leg has moved, if that is known.
        second: Option<bool>,
    },
    /// A payment of this node's own has ended: one that it sent, or one that was sent to it.
    PaymentEnded {
        /// With whom.
        peer: EntityId,
        /// Which, and how.
        payment: Ended,
    },
}

/// Why something that a peer sent was refused. All are the peer's fault or the network's, none stops the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// The bytes are no message.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The message names another channel than the one between sender and receiver.
    #[error("message is about another channel")]
    WrongChannel,
    /// The sender and receiver cannot have a channel.
    #[error("no channel with that entity is possible")]
    UnknownPeer,
    /// A block by the wrong side.
    #[error("block was proposed by the wrong side")]
    WrongSide,
    /// A signature does not fit.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A block that builds on a state which is no longer, or not yet, the last.
    #[error("block does not build on the last agreed one")]
    StaleBlock,
    /// A height outside of what may follow.
    #[error("height is out of range")]
    HeightOutOfRange,
    /// The block breaks a rule.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The block is refused for good.
    #[error(transparent)]
    Refused(#[from] RejectReason),
    /// An Ack, Reject or signature for something that is not in flight.
    #[error("answers something that is not in flight")]
    NotInFlight,
    /// A state that was offered for take-over is not the newer, jointly signed one that it should be.
    #[error("offered state is not a newer one with both signatures")]
    UselessState,
    /// This node waits for its peer's answer after a restore.
    #[error("node is recovering")]
    Recovering,
    /// More is waiting already.
    #[error("too much is waiting")]
    Busy,
    /// A Reject that blames a transition which the block does not have: the block stays in flight.
    #[error("refuses a transition that the block does not have")]
    NoSuchTransition,
}

/// Why a step could not be made at all. The frame is undone; nothing was signed or sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StageError {
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignError),
    /// A state that this code made cannot be encoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A state that this code made cannot be committed to.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
    /// The signer answered with a signature that is not this entity's.
    #[error("signer gave a signature that does not verify: {0}")]
    BadOwnSignature(SignatureError),
    /// A nonce not greater than one signed before: corruption, or two machines with one key.
    #[error("nonce {nonce:?} was outranked by {signed:?} already")]
    StaleNonce {
        /// The nonce that was to be signed.
        nonce: Nonce,
        /// The greatest that was.
        signed: Nonce,
    },
    /// An earlier frame may or may not be in the log: restore from it.
    #[error("an earlier record is in doubt: restore from the log")]
    InDoubt,
    /// A counter is used up.
    #[error("a counter is used up")]
    Exhausted,
}
