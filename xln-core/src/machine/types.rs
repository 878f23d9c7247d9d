//! What goes into a machine, what comes out, and the record that stands between the two.

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use crate::chain::{ChainAction, ChainFact};
use crate::channel::{
    Arguments, ChannelConfig, CommandError, CommandId, CrossSwapConsent, CrossSwapOffer, Event, Purpose, SignedNonce,
};
use crate::codec::{self, CodecError};
use crate::commitment::Evidence;
use crate::crypto::Signature;
use crate::proof::SettlementUpdate;
use crate::route::ExpectedPayment;
use crate::transition::Transition;
use crate::types::{Address, EntityId, Hash, HashKind, Secret, SubchannelKey, TokenId, UnixSeconds};

/// Everything that happens to a node. It is recorded as it is and replayed on restore.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[non_exhaustive]
pub enum Input {
    /// The node's promises, the first input of a new machine and whenever they change.
    Configure(ChannelConfig),
    /// The application wants something.
    Command(Command),
    /// Bytes from a peer, whose name the transport vouches for.
    Message {
        /// Who sent them.
        from: EntityId,
        /// What was sent.
        bytes: Vec<u8>,
    },
    /// A fact of a chain.
    Chain(ChainFact),
    /// The transport has a connection to a peer.
    Connected {
        /// Which one.
        peer: EntityId,
    },
    /// The transport lost it.
    Disconnected {
        /// Which one.
        peer: EntityId,
    },
    /// A remote signer's answer to [`Effect::Sign`].
    Signed {
        /// The effect that asked.
        request: EffectId,
        /// The signature.
        signature: Signature,
    },
    /// An effect of the outbox came to an end.
    Completed {
        /// Which one.
        effect: EffectId,
        /// Whether it worked.
        success: bool,
    },
    /// Someone has looked at an alarm: the facts as they are now hold.
    ClearAlarm {
        /// In whose channel.
        peer: EntityId,
        /// In which subchannel.
        key: SubchannelKey,
    },
    /// The process was restarted from its log: no connection is up any more.
    Restarted,
    /// The machine was restored from a backup, not from its log: nothing new is signed before each peer has answered.
    RestoredFromBackup,
    /// Time has passed.
    Tick,
    /// A payment will come that this node settles by itself when it does.
    Expect(ExpectedPayment),
    /// The answer to [`Effects::wanted`]: a body that the store still has. It is taken only if it is the one that the dispute
    /// shows; when that is ended the machine decides as ever.
    Supplied {
        /// In whose channel.
        peer: EntityId,
        /// In which subchannel.
        key: SubchannelKey,
        /// The encoded body.
        body: Vec<u8>,
    },
}

/// Something that the application wants from one channel.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Command {
    /// The other entity.
    pub peer: EntityId,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[non_exhaustive]
pub enum Action {
    /// Propose a transition in the next block.
    Propose {
        /// Which one.
        transition: Transition,
        /// For a settlement or close: submit it once both signatures are there.
        submit: bool,
    },
    /// Lets the peer propose this settlement, once, although it takes something from this side: a reserve, a balance, or a
    /// claim that it forgives. What takes nothing needs no consent.
    Consent {
        /// In which subchannel.
        key: SubchannelKey,
        /// Exactly this diff.
        update: SettlementUpdate,
    },
    /// Submit the open settlement or close.
    SubmitSettlement {
        /// Of which subchannel.
        key: SubchannelKey,
    },
    /// Start a dispute with the latest, or the given, state.
    StartDispute {
        /// Of which subchannel.
        key: SubchannelKey,
        /// State and fills.
        arguments: Arguments,
    },
    /// Start a dispute with the empty state.
    StartEmptyDispute {
        /// Of which subchannel.
        key: SubchannelKey,
        /// The tokens to settle.
        tokens: Vec<TokenId>,
    },
    /// Show a newer state.
    CounterDispute {
        /// Of which subchannel.
        key: SubchannelKey,
        /// State and fills.
        arguments: Arguments,
    },
    /// Take the shown state.
    AcceptDispute {
        /// Of which subchannel.
        key: SubchannelKey,
        /// Fills.
        arguments: Arguments,
    },
    /// End a dispute.
    FinalizeDispute {
        /// Of which subchannel.
        key: SubchannelKey,
        /// Fills, and the body if this node does not hold it.
        arguments: Arguments,
    },
    /// Put a secret into the registry on chain.
    Reveal {
        /// By which subchannel's Depository.
        key: SubchannelKey,
        /// Which registry.
        provider: Address,
        /// Which hash function.
        kind: HashKind,
        /// The secret.
        secret: Secret,
    },
    /// Lets the peer add this subcontract, once, although it may take something from this side. What can take nothing needs
    /// no consent.
    ConsentSubcontract {
        /// In which subchannel.
        key: SubchannelKey,
        /// The SubcontractProvider.
        provider: Address,
        /// The instrument's number there.
        instrument: u16,
        /// The tokens, in the instrument's order.
        tokens: Vec<TokenId>,
        /// Exactly these terms.
        terms: Vec<u8>,
    },
    /// Put a fact into the registry on chain, if it is so.
    Record {
        /// By which subchannel's Depository.
        key: SubchannelKey,
        /// Which registry.
        provider: Address,
        /// The instrument that asks.
        instrument: u16,
        /// Chain time from which the fact counts.
        not_before: UnixSeconds,
        /// What is asked.
        question: Vec<u8>,
    },
    /// Begin a cross-chain swap: one call, ended by `CrossSwapDone`, `CrossSwapUnwound` or `CrossSwapTorn`.
    CrossSwap(CrossSwapOffer),
    /// Let the peer begin one cross-chain swap on exactly these terms.
    AcceptCrossSwap(CrossSwapConsent),
}

/// Names an effect for its whole life, also over restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EffectId(pub u64);

/// Something to be done outside. Effects run at least once; what receives them is idempotent.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "few exist at a time, and a box would be in every caller's way")]
pub enum Effect {
    /// Send bytes to a peer. If they are lost, the protocol sends the same bytes again on reconnection.
    Send {
        /// To whom.
        to: EntityId,
        /// What.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        bytes: Vec<u8>,
    },
    /// Do something on chain. Stays in the outbox until completed.
    Submit(ChainAction),
    /// Ask a remote signer. Stays in the outbox until signed.
    Sign {
        /// In whose channel.
        peer: EntityId,
        /// What for.
        purpose: Purpose,
        /// What to sign.
        digest: Hash,
    },
}

/// What became of one input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputOutcome {
    /// It was taken; no command.
    Taken,
    /// The command was accepted under this name. Its end is reported as an event.
    Accepted(CommandId),
    /// The command was refused; nothing changed.
    Refused(CommandError),
}

/// One durable step: what went in, the signatures that were made, and a hash of what came out, so that a replay by other
/// code cannot drift apart unseen.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Record {
    /// Position in the log, from 1.
    pub seq: u64,
    /// The time of the step.
    pub now: UnixSeconds,
    /// What went in, in order.
    pub inputs: Vec<Input>,
    /// What the signer answered, in order; none where it answers later.
    pub signatures: Vec<Option<Signature>>,
    /// The channel states that were signed. The store refuses a record that would go back.
    pub signed: Vec<SignedNonce>,
    /// keccak256 over the effects.
    pub effects_hash: Hash,
}

/// The version of records and snapshots, their first byte.
pub const RECORD_VERSION: u8 = 1;

impl Record {
    /// The bytes to store: version, then the encoding.
    ///
    /// # Errors
    /// None for a record that a machine made.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        versioned(self)
    }

    /// Reads a stored record.
    ///
    /// # Errors
    /// [`CodecError`] for another version or anything that is not one canonical record.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        unversioned(bytes)
    }
}

pub(super) fn versioned<T: codec::Encode>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = alloc::vec![RECORD_VERSION];
    bytes.append(&mut codec::encode(value)?);
    Ok(bytes)
}

pub(super) fn unversioned<T: codec::Encode + codec::Decode>(bytes: &[u8]) -> Result<T, CodecError> {
    let (version, rest) = bytes.split_first().ok_or(CodecError::Malformed)?;
    if *version != RECORD_VERSION {
        return Err(CodecError::UnknownVersion(*version));
    }
    codec::decode_trusted_length(rest)
}

/// A body that a dispute is to be ended with (`docs/protocol.md` section 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WantedBody {
    /// In whose channel.
    pub peer: EntityId,
    /// In which subchannel.
    pub key: SubchannelKey,
    /// Its hash.
    pub body_hash: Hash,
}

/// What a step wants done, released only once its record is durable. Only `commit` and `release` make one.
#[must_use]
#[derive(Debug)]
pub struct Effects {
    pub(super) seq: u64,
    pub(super) effects: Vec<(EffectId, Effect)>,
    pub(super) events: Vec<Event>,
    pub(super) outcomes: Vec<InputOutcome>,
    pub(super) agreed: Vec<(EntityId, Evidence)>,
    pub(super) wanted: Vec<WantedBody>,
}

impl Effects {
    /// Position of the record that explains them.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// What became of each input, in order.
    #[must_use]
    pub fn outcomes(&self) -> &[InputOutcome] {
        &self.outcomes
    }

    /// For the application.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Evidence of states that became agreed in this step, by peer: keep it, the older ones too, to finalize what a peer
    /// may show.
    #[must_use]
    pub fn agreed(&self) -> &[(EntityId, Evidence)] {
        &self.agreed
    }

    /// Bodies that this node needs to end disputes, and does not hold: to be looked up among the [`Effects::agreed`] of all
    /// time, and handed over by [`Input::Supplied`]. They are asked for with every block of the chain until they are there or
    /// the dispute is over, so that none is forgotten over a restart: what was not found need not be looked up again.
    #[must_use]
    pub fn wanted(&self) -> &[WantedBody] {
        &self.wanted
    }

    /// What is to be done.
    #[must_use]
    pub fn effects(&self) -> &[(EffectId, Effect)] {
        &self.effects
    }
}
