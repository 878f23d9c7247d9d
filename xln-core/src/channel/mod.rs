//! The two-party machine of one channel (`docs/protocol.md` section 5): what is agreed, what is in flight, what was signed
//! and is still live, and the commands that wait. Pure: time, keys and the chain's view are arguments.

mod allowance;
mod config;
mod cross;
mod dispute;
mod ended;
mod env;
mod event;
mod judge;
mod propose;
mod receive;
mod reestablish;
mod reject;
mod settle;
mod signers;
mod subcontract;
mod vigil;
mod watch;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use allowance::SpentBy;
pub use config::{AcceptedDepository, ChannelConfig};
pub use cross::{CROSS_TAG, CrossLeg, CrossSum, CrossSwapConsent, CrossSwapError, CrossSwapOffer, MAX_CROSS_SWAPS};
pub use dispute::Arguments;
pub use ended::{End, Ended};
pub use env::{Env, Freeze, Output, Purpose, SignatureSource, SignedNonce};
pub use event::{Event, Rejection, StageError};
pub use propose::{CommandError, CommandId};
pub use settle::balanced;
use signers::Signers;
pub use subcontract::Consented;
pub use watch::Watch;

use crate::block::{Block, next_base};
use crate::chain::SeenFact;
use crate::check::StateError;
use crate::commitment::{Commitment, CommitmentError, Evidence};
use crate::crypto::Signature;
use crate::map::{Map, Set};
use crate::proof::SettlementUpdate;
use crate::state::ChannelState;
use crate::subcontract::Instruments;
use crate::transition::Transition;
use crate::types::{Address, EntityId, Hash, Nonce, Pair, Secret, Side, SubchannelKey, UnixSeconds};
use crate::wire::{Part, Reject};

/// Hashes of committed blocks that are remembered, to tell a late duplicate from nonsense.
const REMEMBERED_BLOCKS: usize = 16;

/// A state that at least one side has signed, with what it commits to.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SignedState {
    /// The state.
    pub state: ChannelState,
    /// The block that made it; none before the first, and after a state was taken over whole.
    pub block: Option<Arc<Block>>,
    /// What is signed.
    pub commitment: Commitment,
    /// Left's signature.
    pub left: Option<Signature>,
    /// Right's signature.
    pub right: Option<Signature>,
}

impl SignedState {
    /// The signature of one side.
    #[must_use]
    pub const fn signature(&self, side: Side) -> Option<&Signature> {
        match side {
            Side::Left => self.left.as_ref(),
            Side::Right => self.right.as_ref(),
        }
    }

    fn set_signature(&mut self, side: Side, signature: Signature) {
        match side {
            Side::Left => self.left = Some(signature),
            Side::Right => self.right = Some(signature),
        }
    }

    /// What a Depository needs of it for one subchannel.
    #[must_use]
    pub fn evidence(&self, key: &SubchannelKey) -> Option<Evidence> {
        let mut evidence = self.commitment.evidence(key, self.state.nonce)?;
        evidence.left.clone_from(&self.left);
        evidence.right.clone_from(&self.right);
        Some(evidence)
    }
}

/// A command that waits for a block.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
struct Queued {
    id: CommandId,
    transition: Transition,
    /// For settlements and closes: submit them on chain once both signatures are there.
    submit: bool,
}

/// A block of mine that the peer has not answered.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
struct InFlight {
    signed: SignedState,
    /// One per transition; none for those that the machine adds itself.
    commands: Vec<Option<Made>>,
    since: UnixSeconds,
    last_sent: UnixSeconds,
}

/// A command in a block, and the id that its subcontract got there. What it asks for stands in the block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
struct Made {
    id: CommandId,
    submit: bool,
    subcontract: Option<u64>,
}

/// A state of mine that was refused or lost a collision. It stays live, since the peer may show it on chain, until a state
/// that the peer signed outranks it; only then are its refused commands reported as failed.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
struct Abandoned {
    signed: SignedState,
    failed: Vec<(CommandId, CommandError)>,
}

/// A peer's block that waits: for my clock, my view of the chain, or my remote signature.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
struct Waiting {
    block: Arc<Block>,
    signature: Signature,
    since: UnixSeconds,
    /// When it was judged last.
    judged: UnixSeconds,
    /// The state after it, once it was judged and only my own signature is missing.
    signing: Option<SignedState>,
}

/// The signatures of an open settlement or close.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SettlementSignatures {
    /// Its id.
    pub id: u64,
    /// The epoch that they are bound to.
    pub epoch: u32,
    /// The settlement nonce that they are bound to.
    pub settlement_nonce: u32,
    /// Its expiry.
    pub expiry: UnixSeconds,
    /// The diff, or none for a close.
    pub update: Option<SettlementUpdate>,
    /// The encoded body of a close.
    pub body: Vec<u8>,
    /// Left's signature.
    pub left: Option<Signature>,
    /// Right's signature.
    pub right: Option<Signature>,
    /// Submit once both are there.
    pub submit: bool,
}

/// One channel as one side runs it.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Channel {
    me: Side,
    tip: Arc<SignedState>,
    own: Option<Arc<InFlight>>,
    waiting: Option<Waiting>,
    mempool: VecDeque<Queued>,
    abandoned: Vec<Abandoned>,
    /// The peer's blocks that I refused for good, with the refusal unless a remote signer still owes it.
    refused: Vec<(Hash, Option<Reject>)>,
    /// The greatest height seen or signed on the present parent.
    max_height: u64,
    /// The greatest nonce that I signed.
    max_signed: Nonce,
    /// Refusals given on this parent to blocks that break a rule: a signature each, so not without end.
    unfit: u32,
    /// A refused block must be outranked even when no command is left.
    must_replace: bool,
    /// The block that the last Ack answered, and the Ack.
    last_ack: Option<(Hash, Part)>,
    recent: VecDeque<Hash>,
    settlements: Map<SubchannelKey, SettlementSignatures>,
    /// Last proofs of subchannels whose leaf is gone while their epoch has not risen.
    retained: Map<SubchannelKey, Evidence>,
    watches: Map<SubchannelKey, Watch>,
    /// Restored from a backup: signs nothing before the peer has answered.
    recovering: bool,
    connected: bool,
    /// What the application lets the peer propose, each once.
    consents: Vec<Consented>,
    /// Recorded facts that pending subcontracts wait for or were decided by: what is forgotten elsewhere is kept here until
    /// they end.
    facts: Map<(SubchannelKey, Address, Hash), SeenFact>,
    /// Secrets of pending payments that this node has tried to settle: what was known stays known until they are gone.
    secrets: Map<(SubchannelKey, u64), Secret>,
    /// Payments whose secret this node has put on chain by itself.
    revealing: Set<(SubchannelKey, u64)>,
    /// Subcontracts that had come to their end by time alone when this node looked.
    ended: Set<(SubchannelKey, u64)>,
    /// Points at which the peer refused my SyncChain: not tried again before a later block.
    sync_refused: Map<SubchannelKey, u64>,
    /// Pending things whose end the peer has refused: this node does not try it again by itself before this time, or the two
    /// would only exchange refusals.
    refused_ends: Map<(SubchannelKey, u64), UnixSeconds>,
    /// What is to be done about signers that lapse.
    signers: Signers,
    /// Cross-chain swaps that are not over, and what the application lets the peer begin.
    crosses: cross::CrossSwaps,
    /// What operators of the peer have paid by delegations with limits.
    spent: SpentBy,
}

impl Channel {
    /// A channel before its first block.
    ///
    /// # Errors
    /// None for an ordered pair.
    pub fn new(pair: Pair, me: Side) -> Result<Self, CommitmentError> {
        let state = ChannelState::genesis(pair);
        let commitment = Commitment::of(&state)?;
        Ok(Self {
            me,
            tip: Arc::new(SignedState { state, block: None, commitment, left: None, right: None }),
            own: None,
            waiting: None,
            mempool: VecDeque::new(),
            abandoned: Vec::new(),
            refused: Vec::new(),
            max_height: 0,
            max_signed: Nonce(0),
            unfit: 0,
            must_replace: false,
            last_ack: None,
            recent: VecDeque::new(),
            settlements: Map::new(),
            retained: Map::new(),
            watches: Map::new(),
            recovering: false,
            connected: false,
            consents: Vec::new(),
            facts: Map::new(),
            secrets: Map::new(),
            revealing: Set::new(),
            ended: Set::new(),
            sync_refused: Map::new(),
            refused_ends: Map::new(),
            signers: Signers::default(),
            crosses: cross::CrossSwaps::default(),
            spent: SpentBy::new(),
        })
    }

    /// The two entities.
    #[must_use]
    pub fn pair(&self) -> Pair {
        self.tip.state.pair
    }

    /// Which side this node runs.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.me
    }

    /// The last state that both signed (unsigned before the first block).
    #[must_use]
    pub fn state(&self) -> &ChannelState {
        &self.tip.state
    }

    /// The last signed state with its signatures.
    #[must_use]
    pub fn tip(&self) -> &SignedState {
        &self.tip
    }

    /// Merkle root that both signed last.
    #[must_use]
    pub fn state_root(&self) -> Hash {
        self.tip.commitment.root
    }

    /// Whether a block of mine waits for the peer's answer.
    #[must_use]
    pub const fn is_in_flight(&self) -> bool {
        self.own.is_some()
    }

    /// Commands that wait for a block.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.mempool.len()
    }

    /// Commands that were accepted and have not come to their end: queued, in flight, or refused with a state that is still
    /// live.
    pub fn commands(&self) -> impl Iterator<Item = CommandId> {
        let queued = self.mempool.iter().map(|queued| queued.id);
        let flying = self.own.iter().flat_map(|own| own.commands.iter().flatten().map(|made| made.id));
        let refused = self.abandoned.iter().flat_map(|state| state.failed.iter().map(|(id, _)| *id));
        queued.chain(flying).chain(refused)
    }

    /// The greatest nonce that this side has signed.
    #[must_use]
    pub const fn max_signed(&self) -> Nonce {
        self.max_signed
    }

    /// Whether it waits for the peer after a backup was restored.
    #[must_use]
    pub const fn is_recovering(&self) -> bool {
        self.recovering
    }

    /// The chain's view of one subchannel, confirmed.
    #[must_use]
    pub fn watch(&self, key: &SubchannelKey) -> Option<&Watch> {
        self.watches.get(key)
    }

    /// The signatures of the open settlement or close of one subchannel.
    #[must_use]
    pub fn settlement(&self, key: &SubchannelKey) -> Option<&SettlementSignatures> {
        self.settlements.get(key)
    }

    /// The commands that wait for a block, in order.
    pub fn queue(&self) -> impl Iterator<Item = (CommandId, &Transition)> {
        self.mempool.iter().map(|queued| (queued.id, &queued.transition))
    }

    /// Every state that this side has signed, or is having signed, and that no agreed one outranks: the last agreed one, then
    /// what is in flight or was refused (`docs/protocol.md` section 5, live signatures). The peer may show any of them.
    pub fn live(&self) -> impl Iterator<Item = &SignedState> {
        let own = self.own.iter().map(|own| &own.signed);
        let waiting = self.waiting.iter().filter_map(|w| w.signing.as_ref());
        core::iter::once(&*self.tip).chain(own).chain(waiting).chain(self.abandoned.iter().map(|a| &a.signed))
    }

    /// The subchannels of which the chain has said something, whether they are in the last agreed state or not.
    pub fn watched(&self) -> impl Iterator<Item = &SubchannelKey> {
        self.watches.keys()
    }

    /// The secret of a pending payment to this side, if this node knows it. Whoever shows it can take the payment.
    #[must_use]
    pub fn secret(&self, key: &SubchannelKey, id: u64) -> Option<&Secret> {
        self.secrets.get(&(*key, id))
    }

    /// The state that the next own command is checked against: what is in flight, then what is queued.
    #[must_use]
    pub fn speculative(&self) -> ChannelState {
        let base = self.own.as_ref().map_or(&self.tip.state, |own| &own.signed.state);
        next_base(base)
    }

    /// Whether both are the same channel, connected or not.
    pub(crate) fn same_but_connected(&self, other: &Self) -> bool {
        Self { connected: other.connected, ..self.clone() } == *other
    }

    /// Whether a peer's block or a SyncChain of mine waits for a later block of a chain.
    pub(crate) fn waits(&self) -> bool {
        self.waiting.is_some() || !self.sync_refused.is_empty()
    }

    /// What a restored channel must satisfy beyond its tip's own rules.
    pub(crate) fn check_loaded(
        &self,
        entity: &EntityId,
        peer: &EntityId,
        instruments: &Instruments,
    ) -> Result<(), StateError> {
        let pair = self.pair();
        if pair.entity(self.me) != *entity || pair.entity(self.peer()) != *peer {
            return Err(StateError::WrongSide);
        }
        let (tip, genesis) = (&self.tip, self.tip.state.nonce == Nonce(0));
        if !genesis && (tip.left.is_none() || tip.right.is_none()) || self.max_signed < tip.state.nonce {
            return Err(StateError::Unsigned);
        }
        self.crosses.check()?;
        let own = self.own.iter().map(|own| &own.signed);
        let waiting = self.waiting.iter().filter_map(|w| w.signing.as_ref());
        for signed in own.chain(waiting).chain(self.abandoned.iter().map(|a| &a.signed)) {
            signed.state.check_with(instruments)?;
            if signed.state.pair != pair || signed.state.nonce > self.max_signed {
                return Err(StateError::Unsigned);
            }
        }
        Ok(())
    }

    fn peer(&self) -> Side {
        self.me.other()
    }
}
