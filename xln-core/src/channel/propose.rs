//! Commands, the queue that they wait in, and the blocks that are made of them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::env::{Freeze, Purpose};
use super::subcontract::{added, sees_facts, was_unseen};
use super::{Abandoned, Channel, Env, Event, InFlight, Made, Queued, SignedState, StageError};
use crate::block::{Block, BlockError, next_base};
use crate::commitment::Commitment;
use crate::limits::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSITIONS, MAX_HEIGHT_GAP};
use crate::state::{ChannelState, Pending};
use crate::transition::{Applier, Transition, TransitionError};
use crate::types::{Hash, Nonce, Side, SubchannelKey, UnixSeconds};
use crate::wire::{Part, RejectReason};

/// Heights on one parent that commands are tried at. The next block is empty: once it is agreed all refusals are forgotten,
/// before a peer has given as many as it gives (`REMEMBERED_BLOCKS`, `MAX_UNFIT`) or the heights leave its range.
const MAX_TRIES: u64 = 8;

/// States of mine that may be live beside the last agreed one. Each is kept until it is outranked, and a peer that refuses
/// every block could go on without end; an honest one refuses half as many on one parent (`REMEMBERED_BLOCKS`, `MAX_UNFIT`).
const MAX_ABANDONED: usize = 64;

/// Commands that may wait in one channel.
pub(super) const MAX_QUEUED: usize = 8192;

/// Names a command for its whole life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CommandId(pub u64);

/// Why a command is refused. A refusal changes nothing and halts nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error, SchemaRead, SchemaWrite)]
pub enum CommandError {
    /// A rule of the protocol.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// The peer refused it for good.
    #[error("refused by the peer: {0}")]
    RefusedByPeer(RejectReason),
    /// The subchannel is frozen by what the chain shows.
    #[error("subchannel is frozen: {0:?}")]
    Frozen(Freeze),
    /// Too many commands wait.
    #[error("too many commands wait")]
    QueueFull,
    /// An entity has no channel with itself or a malformed id.
    #[error("no channel with that entity is possible")]
    UnknownPeer,
    /// Depository, provider or margin are not among those that this node accepts.
    #[error("depository, provider or margin is not accepted")]
    UnknownDepository,
    /// SyncChain is made by the machine from its own view only.
    #[error("this transition is made by the node itself")]
    Reserved,
    /// There is no state to show, no dispute to answer, no body to reveal, or no signatures to submit.
    #[error("nothing to show on chain")]
    NothingToShow,
    /// What is shown already is not older.
    #[error("the shown state is not older")]
    NotNewer,
    /// It was accepted before a restore from a backup: whether it took effect is for the peer's state to say.
    #[error("accepted before a restore from a backup; its fate is in the peer's state")]
    FateUnknown,
    /// The left, right and collateral diffs do not sum to zero.
    #[error("settlement is not balanced")]
    Unbalanced,
    /// A fact that decides this subcontract may have been recorded before this node watched the chain.
    #[error("a fact that decides it may have been recorded unseen")]
    FactsUnseen,
    /// A cross-chain swap.
    #[error(transparent)]
    CrossSwap(#[from] super::CrossSwapError),
}

impl Channel {
    /// Queues a command after checking it against everything before it.
    ///
    /// # Errors
    /// [`CommandError`] names the rule; nothing changes then.
    pub(crate) fn enqueue(
        &mut self,
        env: &mut Env<'_>,
        speculative: &mut Option<Box<ChannelState>>,
        id: CommandId,
        transition: Transition,
        submit: bool,
    ) -> Result<(), CommandError> {
        if matches!(transition, Transition::SyncChain { .. }) {
            return Err(CommandError::Reserved);
        }
        if self.mempool.len() >= MAX_QUEUED {
            return Err(CommandError::QueueFull);
        }
        self.check_own(env, &transition)?;
        let mut state = match speculative.take() {
            Some(state) => state,
            None => Box::new(self.queued_state(env)),
        };
        let verdict = Applier::with_instruments(&mut state, self.me, self.block_time(env.now), env.instruments)
            .apply(&transition);
        *speculative = Some(state);
        self.remember_secret(env, &transition);
        verdict?;
        self.mempool.push_back(Queued { id, transition, submit });
        Ok(())
    }

    /// The secret of a payment that is still good stays known, also if it comes too late to settle off chain: the registry
    /// on chain takes it until the expiry.
    fn remember_secret(&mut self, env: &Env<'_>, transition: &Transition) {
        let Transition::SettlePayment { key, id, secret } = transition else { return };
        let pending = self.tip.state.subchannels.get(key).and_then(|s| s.pending.get(id));
        if let Some(Pending::Payment(p)) = pending
            && p.payer != self.me
            && env.now <= p.expiry
            && secret.hash(p.kind) == p.hash
        {
            self.secrets.insert((*key, *id), *secret);
        }
    }

    fn check_own(&self, env: &Env<'_>, transition: &Transition) -> Result<(), CommandError> {
        let Some(key) = transition.key() else { return Ok(()) };
        if let Transition::OpenSubchannel { providers, settle_margin_s, .. } = transition
            && !env.accepts(&self.pair(), key, providers, *settle_margin_s)
        {
            return Err(CommandError::UnknownDepository);
        }
        if let Some(contract) = added(transition)
            && !contract.quote(env.instruments).is_ok_and(|quoted| sees_facts(env, key, &quoted))
        {
            // Terms that the rules refuse are refused by their name.
            contract.quote(env.instruments)?;
            return Err(CommandError::FactsUnseen);
        }
        self.guard_cross(transition)?;
        match self.frozen(key) {
            Some(freeze) if !matches!(transition, Transition::ProposeClose { .. }) => Err(CommandError::Frozen(freeze)),
            _ => Ok(()),
        }
    }

    /// The state after what is in flight and all that is queued, as far as it still applies.
    fn queued_state(&self, env: &Env<'_>) -> ChannelState {
        let mut state = self.speculative();
        let time = self.block_time(env.now);
        for queued in &self.mempool {
            // What no longer applies is sorted out, and reported, when the block is made.
            let _ = Applier::with_instruments(&mut state, self.me, time, env.instruments).apply(&queued.transition);
        }
        state
    }

    fn block_time(&self, now: UnixSeconds) -> UnixSeconds {
        now.max(self.speculative_time())
    }

    fn speculative_time(&self) -> UnixSeconds {
        self.own.as_ref().map_or(self.tip.state.timestamp, |own| own.signed.state.timestamp)
    }

    /// Makes and signs the next block, if there is reason for one and nothing stands in its way.
    pub(crate) fn try_propose(&mut self, env: &mut Env<'_>) -> Result<(), StageError> {
        if self.own.is_some() || self.waiting_for_signature() || self.recovering || self.is_paused(env.now) {
            return Ok(());
        }
        // More refusals than an honest peer gives: a block of the peer's that outranks them, or a dispute, is the way on.
        if self.abandoned.len() >= MAX_ABANDONED {
            return Ok(());
        }
        let syncs = self.due_syncs(env);
        let due = syncs.iter().any(|(_, urgent)| *urgent);
        let mut empty = self.must_replace || self.signers.must_renew;
        if self.mempool.is_empty() && !due && !empty {
            return Ok(());
        }
        let Some((height, nonce)) = self.next_height() else { return Ok(()) };
        let draft = if height > self.tip.state.height.saturating_add(MAX_TRIES) {
            empty = true;
            self.empty_draft(env)
        } else {
            self.draft(env, syncs.into_iter().map(|(t, _)| t))
        };
        if draft.transitions.is_empty() && !empty {
            return Ok(());
        }
        self.sign_draft(env, draft, height, nonce)
    }

    /// The smallest height that outranks all that was seen and all that I signed.
    fn next_height(&self) -> Option<(u64, Nonce)> {
        let least = self.max_height.checked_add(1)?.max(self.max_signed.height());
        let last = self.max_height.checked_add(MAX_HEIGHT_GAP)?;
        let mut heights = [Some(least), least.checked_add(1)].into_iter().flatten().take_while(|h| *h <= last);
        heights.find_map(|h| Nonce::of(h, self.me).filter(|nonce| *nonce > self.max_signed).map(|nonce| (h, nonce)))
    }

    fn sign_draft(&mut self, env: &mut Env<'_>, draft: Draft, height: u64, nonce: Nonce) -> Result<(), StageError> {
        let block = Block {
            height,
            prev_block_hash: self.tip.state.block_hash,
            prev_state_hash: self.tip.commitment.state_hash,
            proposer: self.me,
            timestamp: draft.time,
            transitions: draft.transitions,
        };
        let mut state = draft.state;
        (state.height, state.nonce, state.timestamp) = (height, nonce, draft.time);
        state.block_hash = block.hash()?;
        let commitment = Commitment::of(&state)?;
        let pair = self.pair();
        let signature = env.sign_state(&pair, nonce, &mut self.max_signed, &commitment.digest, Purpose::Proposal)?;
        let mut signed = SignedState { state, block: Some(Arc::new(block)), commitment, left: None, right: None };
        if let Some(signature) = signature {
            signed.set_signature(self.me, signature);
        }
        self.max_height = height;
        self.must_replace = false;
        self.signers.renewing(env.now);
        self.own = Some(Arc::new(InFlight { signed, commands: draft.commands, since: env.now, last_sent: env.now }));
        self.send_own(env);
        Ok(())
    }

    /// Nothing but a greater height.
    fn empty_draft(&self, env: &Env<'_>) -> Draft {
        let (state, time) = (next_base(&self.tip.state), env.now.max(self.tip.state.timestamp));
        Draft { state, time, transitions: Vec::new(), commands: Vec::new() }
    }

    /// Applies what is due and what is queued, in order, to a copy of the tip.
    fn draft(&mut self, env: &mut Env<'_>, syncs: impl Iterator<Item = Transition>) -> Draft {
        let mut draft = self.empty_draft(env);
        let (mut state, time) = (draft.state.clone(), draft.time);
        let mut applier = Applier::with_instruments(&mut state, self.me, time, env.instruments);
        for sync in syncs {
            if applier.apply(&sync).is_ok() {
                draft.transitions.push(sync);
                draft.commands.push(None);
            }
        }
        let mut left_over = Vec::new();
        let mut bytes: usize = draft.transitions.iter().map(Transition::size_bound).sum();
        while let Some(queued) = self.mempool.pop_front() {
            bytes = bytes.saturating_add(queued.transition.size_bound());
            if draft.transitions.len() >= MAX_BLOCK_TRANSITIONS || bytes > MAX_BLOCK_BYTES {
                self.mempool.push_front(queued);
                break;
            }
            let held_back = queued.transition.key().is_some_and(|key| self.holds_back(key, &queued, &left_over));
            if was_unseen(env, &queued.transition) {
                self.fail_queued(env, &queued, CommandError::FactsUnseen);
                continue;
            }
            let before = applier.next_id();
            match if held_back { Err(TransitionError::NotAlone) } else { applier.apply(&queued.transition) } {
                Ok(()) => {
                    let subcontract = (applier.next_id() != before).then_some(before);
                    draft.commands.push(Some(Made { id: queued.id, submit: queued.submit, subcontract }));
                    draft.transitions.push(queued.transition);
                }
                // Goes into the next block, and with it all that follows it in the same subchannel.
                Err(TransitionError::NotAlone) => left_over.push(queued),
                Err(error) => self.fail_queued(env, &queued, error.into()),
            }
        }
        left_over.into_iter().rev().for_each(|queued| self.mempool.push_front(queued));
        draft.state = state;
        draft
    }

    fn holds_back(&self, key: &SubchannelKey, queued: &Queued, left_over: &[Queued]) -> bool {
        let close = matches!(queued.transition, Transition::ProposeClose { .. });
        (self.frozen(key).is_some() && !close) || left_over.iter().any(|q| q.transition.key() == Some(key))
    }

    /// Sends, or sends again, the same bytes of the block in flight.
    pub(super) fn send_own(&mut self, env: &mut Env<'_>) {
        let me = self.me;
        let Some(own) = self.own.as_mut() else { return };
        let Some(signature) = own.signed.signature(me).cloned() else { return };
        let Some(block) = own.signed.block.clone() else { return };
        if own.last_sent != env.now {
            Arc::make_mut(own).last_sent = env.now;
        }
        env.out.parts.push(Part::Proposal { block, signature });
    }

    /// Takes the block in flight out of the way. Its commands go back to the front of the queue, in order, except the one
    /// that is to blame, whose failure is reported once the signed state is outranked.
    pub(super) fn abandon_own(&mut self, blamed: Option<(u32, CommandError)>) {
        let Some(own) = self.own.take() else { return };
        let own = Arc::unwrap_or_clone(own);
        let mut failed = Vec::new();
        let transitions = own.signed.block.iter().flat_map(|block| &block.transitions);
        let made: Vec<_> = own.commands.iter().zip(transitions).enumerate().collect();
        for (index, (made, transition)) in made.into_iter().rev() {
            let Some(Made { id, submit, .. }) = *made else { continue };
            match blamed {
                Some((at, error)) if u32::try_from(index) == Ok(at) => failed.push((id, error)),
                _ => self.mempool.push_front(Queued { id, transition: transition.clone(), submit }),
            }
        }
        self.abandoned.push(Abandoned { signed: own.signed, failed });
    }

    /// A command that can take effect no more. If a state of mine with it is still live, it fails only once that is outranked.
    fn fail_queued(&mut self, env: &mut Env<'_>, queued: &Queued, error: CommandError) {
        let live =
            |signed: &SignedState| signed.block.as_ref().is_some_and(|b| b.transitions.contains(&queued.transition));
        match self.abandoned.iter_mut().rev().find(|abandoned| live(&abandoned.signed)) {
            Some(abandoned) => abandoned.failed.push((queued.id, error)),
            None => env.out.events.push(Event::CommandFailed { command: queued.id, error }),
        }
    }

    /// Takes a command out of the queue, unless a state with it may be shown. Whether it was there.
    pub(crate) fn withdraw(&mut self, command: CommandId) -> bool {
        let Some(at) = self.mempool.iter().position(|queued| queued.id == command) else { return false };
        let Some(queued) = self.mempool.get(at) else { return false };
        let live = |block: &Arc<Block>| block.transitions.contains(&queued.transition);
        if self.abandoned.iter().filter_map(|a| a.signed.block.as_ref()).any(live) {
            return false;
        }
        self.mempool.remove(at).is_some()
    }

    /// Gives up every command that was accepted so far: repeating what may have been done would pay twice.
    pub(super) fn forget_commands(&mut self, env: &mut Env<'_>, queued: bool) {
        let error = CommandError::FateUnknown;
        if let Some(own) = self.own.take().map(Arc::unwrap_or_clone) {
            for made in own.commands.iter().flatten() {
                env.out.events.push(Event::CommandFailed { command: made.id, error });
            }
            self.abandoned.push(Abandoned { signed: own.signed, failed: Vec::new() });
        }
        // What a peer has refused by name, and may show all the same, can have taken effect: neither failed nor said again.
        for (_, reported) in self.abandoned.iter_mut().flat_map(|abandoned| &mut abandoned.failed) {
            *reported = error;
        }
        let blocks = self.abandoned.iter().filter_map(|abandoned| abandoned.signed.block.as_ref());
        let signed: Vec<Transition> = blocks.flat_map(|block| block.transitions.iter().cloned()).collect();
        let waiting = core::mem::take(&mut self.mempool).into_iter();
        let (gone, kept): (VecDeque<_>, VecDeque<_>) =
            waiting.partition(|waits| queued || signed.contains(&waits.transition));
        self.mempool = kept;
        for queued in gone {
            env.out.events.push(Event::CommandFailed { command: queued.id, error });
        }
    }

    /// Reports what an agreed state has outranked, and forgets it. On chain that may come too late: a dispute that runs, or has
    /// just ended, may show the outranked state, so that its commands are neither failed nor said again.
    pub(super) fn drop_outranked(&mut self, env: &mut Env<'_>) {
        let tip = self.tip.state.nonce;
        let all = core::mem::take(&mut self.abandoned).into_iter();
        let (live, outranked): (Vec<_>, Vec<_>) = all.partition(|abandoned| abandoned.signed.state.nonce > tip);
        self.abandoned = live;
        for Abandoned { signed, failed } in outranked {
            let disputed = self.is_disputed(&signed);
            for (command, error) in failed {
                let error = if disputed { CommandError::FateUnknown } else { error };
                env.out.events.push(Event::CommandFailed { command, error });
            }
            if disputed {
                self.give_up_queued(env, &signed);
            }
        }
    }

    /// Whether a dispute, seen or started by this node, may come out at this state's share of what its block touches.
    fn is_disputed(&self, signed: &SignedState) -> bool {
        let keys = signed.block.iter().flat_map(|block| &block.transitions).filter_map(Transition::key);
        keys.into_iter().any(|key| matches!(self.frozen(key), Some(Freeze::Sighted | Freeze::OwnStart)))
    }

    /// What of a state's block went back into the queue may have taken effect on chain.
    fn give_up_queued(&mut self, env: &mut Env<'_>, signed: &SignedState) {
        let stands =
            |queued: &Queued| signed.block.as_ref().is_some_and(|b| b.transitions.contains(&queued.transition));
        let (gone, kept) = core::mem::take(&mut self.mempool).into_iter().partition(|queued| stands(queued));
        self.mempool = kept;
        let gone: VecDeque<Queued> = gone;
        for queued in gone {
            let error = CommandError::FateUnknown;
            env.out.events.push(Event::CommandFailed { command: queued.id, error });
        }
    }

    /// The hash of the block in flight.
    pub(super) fn own_hash(&self) -> Option<Hash> {
        self.own.as_ref().map(|own| own.signed.state.block_hash)
    }

    pub(super) fn waiting_for_signature(&self) -> bool {
        self.waiting.as_ref().is_some_and(|w| w.signing.is_some())
    }
}

struct Draft {
    state: ChannelState,
    time: UnixSeconds,
    transitions: Vec<Transition>,
    commands: Vec<Option<Made>>,
}

impl Applier<'_> {
    /// The id that the next subcontract would get.
    fn next_id(&self) -> u64 {
        self.state().next_id
    }
}

/// What a block of `side` says is wrong, as a reason that travels.
pub(super) const fn reject_reason(error: &BlockError) -> RejectReason {
    match error {
        BlockError::Transition { index, error } => RejectReason::Transition { index: *index, error: *error },
        _ => RejectReason::Malformed,
    }
}

/// The nonce that an Ack of a block of `height` by `side` signs.
pub(super) fn ack_nonce(height: u64, side: Side) -> Option<Nonce> {
    Nonce::of(height, side)
}
