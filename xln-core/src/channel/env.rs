//! What a channel is handed for one step, and what it gives back.

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::ended::Ended;
use super::propose::CommandError;
use super::{CommandId, CrossSwapError};
use crate::block::BlockError;
use crate::chain::{ChainAction, ChainView};
use crate::codec::CodecError;
use crate::commitment::{CommitmentError, Evidence};
use crate::crypto::{SignError, SignOutcome, Signature, SignatureError};
use crate::entity::{Claim, Directory, OrganisationError, Permission, Place, Reliance, Standing, Verifier};
use crate::limits::GRACE_MARGIN_S;
use crate::map::{self, Map};
use crate::route::RoutingPolicy;
use crate::state::ChannelState;
use crate::subcontract::Instruments;
use crate::types::{Address, ChainId, EntityId, Hash, Nonce, Pair, Side, SubchannelKey, UnixSeconds};
use crate::wire::{Part, RejectReason};

/// What a node promises and expects in all its channels.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub struct ChannelConfig {
    /// Depositories that this node accepts.
    pub depositories: Vec<AcceptedDepository>,
    /// Blocks without an answer are sent again after this, in seconds.
    pub resend_s: u64,
    /// A peer that does not answer for this long is reported, in seconds. A deferral ends before it.
    pub peer_timeout_s: u64,
    /// Whether it counters, settles, cancels, reveals and finalizes by itself.
    pub vigilant: bool,
    /// How long before a payment's expiry its beneficiary reveals on chain, in seconds.
    pub reveal_margin_s: u64,
    /// By how much the first leg of a cross-chain swap must outlive the second, in seconds: the confirmations of both
    /// chains, the longest outage, inclusion and drift together (`docs/protocol.md` section 9).
    pub cross_gap_s: u64,
    /// The shortest dispute window that it accepts, in seconds: at least twice the time that confirmations and the longest
    /// outage which it promises to survive take together.
    pub min_window_s: u64,
    /// How many channels strangers and this node may open in all.
    pub max_channels: u32,
    /// Onions that it remembers for each peer that brought them, so that none is opened twice. Each is kept until its lock or
    /// its layer has expired; while a peer has used up its share, what it brings fails as busy. One takes about 200 bytes.
    pub max_onions: u32,
    /// What it does with payments over several hops; none leaves them to the application.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub routing: Option<RoutingPolicy>,
}

/// A Depository that a node accepts, pinned with what it was found to promise.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct AcceptedDepository {
    /// Which one.
    pub key: SubchannelKey,
    /// Its dispute window, in seconds.
    pub window_s: u64,
    /// The EntityProvider that it asks who may sign.
    pub entity_provider: Address,
    /// How long that keeps a replaced board, a revoked or expired delegation valid for channel states, in seconds.
    pub grace_s: u64,
    /// SubcontractProviders that this node trusts to judge its payments and swaps in a dispute.
    pub providers: Vec<Address>,
    /// The largest settle margin that it accepts, in seconds: a peer's long one would make every settlement a reveal on chain.
    pub max_settle_margin_s: u64,
}

impl AcceptedDepository {
    /// A Depository as it was found, and the usual bound on settle margins.
    #[must_use]
    pub const fn new(
        key: SubchannelKey,
        window_s: u64,
        providers: Vec<Address>,
        entity_provider: Address,
        grace_s: u64,
    ) -> Self {
        Self { key, window_s, entity_provider, grace_s, providers, max_settle_margin_s: 3600 }
    }
}

impl ChannelConfig {
    /// [`ChannelConfig::max_channels`] as a count.
    pub(crate) fn max_channels(&self) -> usize {
        usize::try_from(self.max_channels).unwrap_or(usize::MAX)
    }

    /// Whether a subchannel may be opened like this: a Depository that this node accepts, whose window leaves it time to
    /// answer and fits twice, with a margin, into the grace of who signs; providers that it trusts; a margin that still lets
    /// payments settle off chain.
    #[must_use]
    pub fn accepts(&self, key: &SubchannelKey, providers: &[Address], settle_margin_s: u64) -> bool {
        self.depositories.iter().any(|d| {
            d.key == *key
                && d.window_s >= self.min_window_s
                && d.grace_s >= d.window_s.saturating_mul(2).saturating_add(GRACE_MARGIN_S)
                && settle_margin_s <= d.max_settle_margin_s
                && providers.iter().all(|p| d.providers.contains(p))
        })
    }

    /// The EntityProvider of an accepted Depository, and its grace in seconds.
    #[must_use]
    pub fn place(&self, key: &SubchannelKey) -> Option<(Place, u64)> {
        let found = self.depositories.iter().find(|d| d.key == *key)?;
        Some((Place { chain: key.chain, provider: found.entity_provider }, found.grace_s))
    }

    /// Where a state can be enforced: the EntityProviders of its subchannels, and their graces.
    #[must_use]
    pub fn places(&self, state: &ChannelState) -> Vec<(Place, u64)> {
        let mut places = map::ascending(state.subchannels.keys().filter_map(|key| self.place(key)));
        places.dedup_by_key(|(place, _)| *place);
        places
    }

    /// The dispute window of an accepted Depository, in seconds.
    #[must_use]
    pub fn window_s(&self, key: &SubchannelKey) -> Option<u64> {
        self.depositories.iter().find(|d| d.key == *key).map(|d| d.window_s)
    }
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            depositories: Vec::new(),
            resend_s: 10,
            peer_timeout_s: 120,
            vigilant: true,
            reveal_margin_s: 600,
            cross_gap_s: 3600,
            min_window_s: 3600,
            max_channels: 100_000,
            max_onions: 65_536,
            routing: None,
        }
    }
}

/// What a signature is for; a remote signer is asked with it.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
pub enum Purpose {
    /// My block in flight.
    Proposal,
    /// The peer's block that waits for it.
    Ack,
    /// A refusal.
    Reject {
        /// Height of the refused block.
        height: u64,
        /// Hash of the refused block.
        block_hash: Hash,
        /// Why.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serde_text::message"))]
        reason: RejectReason,
        /// The smallest height of a replacement.
        min_height: u64,
    },
    /// A settlement or close.
    Settlement {
        /// In which subchannel.
        key: SubchannelKey,
        /// Its id.
        id: u64,
    },
}

/// A state that was signed in this step; the store refuses it unless its nonce is greater than all before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SignedNonce {
    /// Of which channel.
    pub channel: Hash,
    /// The nonce.
    pub nonce: Nonce,
    /// The digest; the same bytes may be signed again.
    pub digest: Hash,
}

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

/// Why a subchannel is frozen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum Freeze {
    /// A start or close stands in a block, confirmed or not.
    Sighted,
    /// This node has signed a start.
    OwnStart,
    /// A confirmed fact vanished.
    Alarm,
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

/// Source of signatures; the machine records what it gave.
pub trait SignatureSource {
    /// Signs, or says that the signature comes later.
    ///
    /// # Errors
    /// [`SignError`] if it never will.
    fn sign(&mut self, digest: &Hash) -> Result<SignOutcome, SignError>;
}

/// What a channel is handed for one step.
pub struct Env<'a> {
    /// The time.
    pub now: UnixSeconds,
    /// The node's promises.
    pub config: &'a ChannelConfig,
    /// The number that the next command gets.
    pub next_command: &'a mut u64,
    /// Confirmed views of the chains.
    pub chains: &'a Map<ChainId, ChainView>,
    /// The instruments that this node knows.
    pub instruments: &'a Instruments,
    /// Verifies signatures.
    pub verifier: &'a mut Verifier,
    /// What the chains say about who signs for organisations.
    pub directory: &'a Directory,
    /// Signatures of this node's entity.
    pub signer: &'a mut dyn SignatureSource,
    /// What the step gives back.
    pub out: &'a mut Output,
}

/// What one step of one channel gives back.
#[derive(Default, Debug)]
pub struct Output {
    /// For the peer, in order.
    pub parts: Vec<Part>,
    /// For the application.
    pub events: Vec<Event>,
    /// For the chain.
    pub actions: Vec<ChainAction>,
    /// States that were signed.
    pub signed: Vec<SignedNonce>,
    /// Signatures that come later.
    pub requests: Vec<(Purpose, Hash)>,
    /// Evidence of states that became agreed, for the history.
    pub agreed: Vec<Evidence>,
    /// Bodies, by hash, that disputes are to be ended with and that the channel does not hold.
    pub wanted: Vec<(SubchannelKey, Hash)>,
    /// Payments that ended in agreed blocks.
    pub ended: Vec<Ended>,
    /// Locks with onions that this node may have answered for in records that it has lost.
    pub inherited: Vec<(SubchannelKey, u64)>,
}

impl Env<'_> {
    /// A signature over a channel state. The only place where one is made, and it refuses to go back.
    pub(super) fn sign_state(
        &mut self,
        pair: &Pair,
        nonce: Nonce,
        max_signed: &mut Nonce,
        digest: &Hash,
        purpose: Purpose,
    ) -> Result<Option<Signature>, StageError> {
        if nonce <= *max_signed {
            return Err(StageError::StaleNonce { nonce, signed: *max_signed });
        }
        let signature = self.sign(digest, purpose)?;
        *max_signed = nonce;
        self.out.signed.push(SignedNonce { channel: pair.channel_key(), nonce, digest: *digest });
        Ok(signature)
    }

    /// A signature over anything that is no channel state.
    pub(super) fn sign(&mut self, digest: &Hash, purpose: Purpose) -> Result<Option<Signature>, StageError> {
        match self.signer.sign(digest)? {
            SignOutcome::Signed(signature) => Ok(Some(signature)),
            SignOutcome::Pending => {
                self.out.requests.push((purpose, *digest));
                Ok(None)
            }
        }
    }

    /// Verifies a signature over a channel state, or over a refusal of one, where `state` can be enforced. The signer may
    /// have lapsed; whether that matters is for the caller.
    pub(super) fn verify_state(
        &mut self,
        entity: &EntityId,
        digest: &Hash,
        signature: &Signature,
        state: &ChannelState,
    ) -> Result<Standing, SignatureError> {
        let claim = Claim { entity, digest, signature, permission: Permission::States };
        let reliance = self.verifier.verify(&claim)?;
        self.standing(&reliance, state).map_err(SignatureError::from)
    }

    /// How what a signature relies on stands where `state` can be enforced.
    pub(super) fn standing(&self, reliance: &Reliance, state: &ChannelState) -> Result<Standing, OrganisationError> {
        if reliance.is_empty() {
            return Ok(Standing::default());
        }
        self.directory.standing_at(reliance, &self.config.places(state), self.now)
    }

    /// Verifies a signature over what the peer has signed already in effect, or what this side has: a signer that has lapsed
    /// is good as long as the chains take it.
    pub(super) fn verify_while_valid(
        &mut self,
        entity: &EntityId,
        digest: &Hash,
        signature: &Signature,
        state: &ChannelState,
    ) -> Result<(), SignatureError> {
        match self.verify_state(entity, digest, signature, state)?.lapses {
            Some(until) if until < self.now => Err(OrganisationError::Lapsed.into()),
            _ => Ok(()),
        }
    }

    /// Verifies a signature of a settlement or close: what is replaced, revoked or expired signs none.
    pub(super) fn verify_settlement(
        &mut self,
        entity: &EntityId,
        digest: &Hash,
        signature: &Signature,
        key: &SubchannelKey,
    ) -> Result<(), SignatureError> {
        let claim = Claim { entity, digest, signature, permission: Permission::Withdraw };
        let reliance = self.verifier.verify(&claim)?;
        let places: Vec<_> = self.config.place(key).into_iter().collect();
        if reliance.is_empty() || self.directory.standing_at(&reliance, &places, self.now)?.lapses.is_none() {
            Ok(())
        } else {
            Err(OrganisationError::Lapsed.into())
        }
    }

    /// [`ChannelConfig::accepts`], and both entities may have a subchannel there.
    pub(super) fn accepts(
        &self,
        pair: &Pair,
        key: &SubchannelKey,
        providers: &[Address],
        settle_margin_s: u64,
    ) -> bool {
        let allowed = |(place, _): (Place, u64)| {
            self.directory.allows(&pair.left(), &place) && self.directory.allows(&pair.right(), &place)
        };
        self.config.accepts(key, providers, settle_margin_s) && self.config.place(key).is_some_and(allowed)
    }

    pub(super) fn reject(&mut self, from: EntityId, reason: impl Into<Rejection>) {
        self.out.events.push(Event::Rejected { from, reason: reason.into() });
    }
}
