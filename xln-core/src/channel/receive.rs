//! Proposals and Acks of the peer.

use alloc::sync::Arc;

use super::env::Purpose;
use super::event::Rejection;
use super::judge::Verdict;
use super::propose::{ack_nonce, reject_reason};
use super::{Channel, Env, Event, REMEMBERED_BLOCKS, SignedState, StageError, Waiting};
use crate::block::{Block, BlockError, apply_hashed_block};
use crate::commitment::Commitment;
use crate::crypto::Signature;
use crate::limits::MAX_HEIGHT_GAP;
use crate::types::{Hash, Side};
use crate::wire::{Part, Reject, RejectReason};

/// Refusals that a peer gets on one parent for blocks that break a rule.
const MAX_UNFIT: u32 = 16;

impl Channel {
    /// Handles one part of a peer's message.
    pub(crate) fn receive(&mut self, env: &mut Env<'_>, part: Part) -> Result<(), StageError> {
        match part {
            Part::Proposal { block, signature } => self.on_proposal(env, block, signature),
            Part::Ack { height, block_hash, signature } => self.on_ack(env, height, &block_hash, signature),
            Part::Reject(reject) => self.on_reject(env, reject),
            Part::Reestablish { height, block_hash, state_hash, reply } => {
                self.on_reestablish(env, height, &block_hash, &state_hash, reply);
                Ok(())
            }
            Part::StateRequest => {
                self.on_state_request(env);
                Ok(())
            }
            Part::StateReply { state, left, right } => self.on_state_reply(env, state, left, right),
            Part::SettlementSignature { key, id, signature } => {
                self.on_settlement_signature(env, &key, id, signature);
                Ok(())
            }
        }
    }

    fn on_proposal(&mut self, env: &mut Env<'_>, block: Arc<Block>, signature: Signature) -> Result<(), StageError> {
        let from = self.pair().entity(self.peer());
        if block.proposer != self.peer() {
            env.reject(from, Rejection::WrongSide);
            return Ok(());
        }
        self.learn_from_block(env, &block)?;
        let hash = match block.hash() {
            Ok(hash) => hash,
            Err(error) => {
                env.reject(from, error);
                return Ok(());
            }
        };
        if self.answer_again(env, &hash) {
            return Ok(());
        }
        if self.recovering {
            env.reject(from, Rejection::Recovering);
            return Ok(());
        }
        if block.prev_block_hash != self.tip.state.block_hash {
            return self.on_stranger(env, block.height);
        }
        if block.height <= self.tip.state.height || block.height > self.max_height.saturating_add(MAX_HEIGHT_GAP) {
            env.reject(from, Rejection::HeightOutOfRange);
            return Ok(());
        }
        // A collision. Left waits for right to take left's block; whatever right sent will come again on top of it.
        if self.own.is_some() && self.me == Side::Left {
            self.send_own(env);
            return Ok(());
        }
        // An honest peer gives up long before; forgetting a refusal could let its block be acknowledged later.
        if self.waiting_for_signature() || self.refused.len() >= REMEMBERED_BLOCKS {
            env.reject(from, Rejection::Busy);
            return Ok(());
        }
        // Another copy of a deferred block does not make its patience start anew.
        let waits = self.waiting.as_ref().filter(|w| w.block == block);
        let since = waits.map_or(env.now, |w| w.since);
        self.judge_proposal(env, Waiting { block, signature, since, judged: env.now, signing: None }, &hash)
    }

    /// Whether a block was answered before; the answer goes out again, byte for byte.
    fn answer_again(&mut self, env: &mut Env<'_>, hash: &Hash) -> bool {
        if let Some((answered, ack)) = &self.last_ack
            && answered == hash
        {
            env.out.parts.push(ack.clone());
            self.send_own(env);
            return true;
        }
        if let Some((_, reject)) = self.refused.iter().find(|(refused, _)| refused == hash) {
            env.out.parts.extend(reject.clone().map(Part::Reject));
            return true;
        }
        self.recent.contains(hash)
    }

    /// A block on another parent: late, or from ahead of me.
    fn on_stranger(&mut self, env: &mut Env<'_>, height: u64) -> Result<(), StageError> {
        let from = self.pair().entity(self.peer());
        env.reject(from, Rejection::StaleBlock);
        if height > self.tip.state.height {
            self.send_reestablish(env, true);
        }
        Ok(())
    }

    /// Judges a block on my tip: rules first, then the signature over the state that they give, then what depends on my
    /// clock, my view of the chain and what I have signed.
    pub(super) fn judge_proposal(
        &mut self,
        env: &mut Env<'_>,
        waiting: Waiting,
        hash: &Hash,
    ) -> Result<(), StageError> {
        let from = self.pair().entity(self.peer());
        let block = &waiting.block;
        let state =
            match apply_hashed_block(&self.tip.state, &self.tip.commitment.state_hash, block, *hash, env.instruments) {
                Ok(state) => state,
                Err(error) => return self.refuse_unfit(env, block, hash, &error),
            };
        let commitment = match Commitment::of(&state) {
            Ok(commitment) => commitment,
            Err(_) => return self.refuse(env, block.height, hash, RejectReason::Malformed),
        };
        let standing = match env.verify_state(&from, &commitment.digest, &waiting.signature, &state) {
            Ok(standing) => standing,
            Err(error) => {
                env.reject(from, error);
                return Ok(());
            }
        };
        self.max_height = self.max_height.max(block.height);
        // The chains still take it, but not for as long as this side may need to show it.
        if standing.lapses.is_some() {
            return self.refuse(env, block.height, hash, RejectReason::SignerLapsed);
        }
        if let Some(index) = self.passes_limit(env, &waiting.signature, block, &state) {
            return self.refuse(env, block.height, hash, RejectReason::DelegationLimit { index });
        }
        if ack_nonce(block.height, block.proposer).is_none_or(|nonce| nonce <= self.max_signed) {
            return self.refuse(env, block.height, hash, RejectReason::HeightTooLow);
        }
        match self.judge(env, block, &state, waiting.since) {
            Verdict::Fits => {
                self.use_consents(&waiting.block);
                self.accept(env, waiting, state, commitment)
            }
            Verdict::Later => {
                self.waiting = Some(Waiting { judged: env.now, ..waiting });
                Ok(())
            }
            Verdict::Never(reason) => self.refuse(env, waiting.block.height, hash, reason),
        }
    }

    fn refuse_unfit(
        &mut self,
        env: &mut Env<'_>,
        block: &Block,
        hash: &Hash,
        error: &BlockError,
    ) -> Result<(), StageError> {
        let from = self.pair().entity(self.peer());
        env.reject(from, *error);
        match error {
            // Without a state nothing is authenticated: such a block can never fit, so it is refused and not remembered.
            BlockError::Transition { .. } | BlockError::TooManyTransitions | BlockError::TimeWentBack => {
                self.unfit = self.unfit.saturating_add(1);
                if self.unfit > MAX_UNFIT {
                    return Ok(());
                }
                let reject = self.sign_reject(env, block.height, hash, reject_reason(error))?;
                self.send_reject(env, reject);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Signs a block that fits. Right first puts its own commands back into the queue, in the same record.
    fn accept(
        &mut self,
        env: &mut Env<'_>,
        mut waiting: Waiting,
        state: crate::state::ChannelState,
        commitment: Commitment,
    ) -> Result<(), StageError> {
        if self.own.is_some() {
            self.abandon_own(None);
        }
        let pair = self.pair();
        let digest = commitment.digest;
        let mine = env.sign_state(&pair, state.nonce, &mut self.max_signed, &digest, Purpose::Ack)?;
        let mut signed = SignedState { state, block: Some(waiting.block.clone()), commitment, left: None, right: None };
        signed.set_signature(self.peer(), waiting.signature.clone());
        if let Some(mine) = mine {
            self.commit_peers(env, signed, mine)
        } else {
            waiting.signing = Some(signed);
            self.waiting = Some(waiting);
            Ok(())
        }
    }

    /// The peer's block is agreed: my signature over it is there.
    pub(super) fn commit_peers(
        &mut self,
        env: &mut Env<'_>,
        mut signed: SignedState,
        mine: Signature,
    ) -> Result<(), StageError> {
        let (height, block_hash) = (signed.state.height, signed.state.block_hash);
        signed.set_signature(self.me, mine.clone());
        let ack = Part::Ack { height, block_hash, signature: mine };
        env.out.parts.push(ack.clone());
        self.last_ack = Some((block_hash, ack));
        self.commit(env, signed, self.peer())
    }

    fn on_ack(
        &mut self,
        env: &mut Env<'_>,
        height: u64,
        block_hash: &Hash,
        signature: Signature,
    ) -> Result<(), StageError> {
        let (from, peer) = (self.pair().entity(self.peer()), self.peer());
        if self.own_hash() != Some(*block_hash) {
            if *block_hash != self.tip.state.block_hash && !self.recent.contains(block_hash) {
                env.reject(from, Rejection::NotInFlight);
            }
            return Ok(());
        }
        let Some(own) = self.own.as_ref() else { return Ok(()) };
        if own.signed.signature(self.me).is_none() || own.signed.state.height != height {
            env.reject(from, Rejection::NotInFlight);
            return Ok(());
        }
        // This side has signed that state: an answer by a signer that has lapsed is better than none while it is valid.
        let signed = &own.signed;
        if let Err(error) = env.verify_while_valid(&from, &signed.commitment.digest, &signature, &signed.state) {
            env.reject(from, error);
            return Ok(());
        }
        let Some(own) = self.own.take().map(Arc::unwrap_or_clone) else { return Ok(()) };
        for made in own.commands.iter().flatten() {
            env.out.events.push(Event::CommandDone { command: made.id, subcontract: made.subcontract });
        }
        let submits = own.commands.into_iter().flatten().filter(|m| m.submit);
        let submits: alloc::vec::Vec<u64> = submits.filter_map(|m| m.subcontract).collect();
        let mut signed = own.signed;
        signed.set_signature(peer, signature);
        self.commit_with(env, signed, self.me, &submits)
    }

    fn commit(&mut self, env: &mut Env<'_>, signed: SignedState, proposer: Side) -> Result<(), StageError> {
        self.commit_with(env, signed, proposer, &[])
    }

    /// A state that both signed becomes the tip.
    fn commit_with(
        &mut self,
        env: &mut Env<'_>,
        signed: SignedState,
        proposer: Side,
        submits: &[u64],
    ) -> Result<(), StageError> {
        let peer = self.pair().entity(self.peer());
        env.out.events.push(Event::Committed { peer, height: signed.state.height, proposer });
        env.out.agreed.extend(signed.commitment.subchannels.iter().filter_map(|s| signed.evidence(&s.key)));
        self.report_ended(env, &signed);
        self.retain_dropped(&signed);
        self.track_crosses(&signed);
        self.count_outflow(&signed, env.now);
        if self.recent.len() >= REMEMBERED_BLOCKS {
            self.recent.pop_front();
        }
        self.recent.push_back(self.tip.state.block_hash);
        self.max_height = signed.state.height;
        self.tip = Arc::new(signed);
        self.refused.clear();
        (self.waiting, self.unfit) = (None, 0);
        self.must_replace = false;
        let in_vain = proposer == self.me && self.was_in_vain();
        self.signers.agreed(in_vain.then(|| env.now.plus(env.config.resend_s.max(1))));
        self.drop_outranked(env);
        self.after_sync();
        self.keep_facts(env);
        self.sign_settlements(env, submits)
    }

    /// Whether the new tip is an empty block of mine in place of one that said something, and was refused without a word of
    /// what is to blame: everything is as it was.
    fn was_in_vain(&self) -> bool {
        let empty = |signed: &SignedState| signed.block.iter().all(|block| block.transitions.is_empty());
        empty(&self.tip) && self.abandoned.iter().any(|a| a.failed.is_empty() && !empty(&a.signed))
    }

    /// Keeps the last proof of every subchannel whose leaf the new state no longer has, until its epoch has risen.
    pub(super) fn retain_dropped(&mut self, next: &SignedState) {
        for (key, subchannel) in &self.tip.state.subchannels {
            if !next.state.subchannels.contains_key(key) {
                if let Some(evidence) = self.tip.evidence(key) {
                    self.retained.insert(*key, evidence);
                }
            } else if next.state.subchannels.get(key).is_some_and(|s| s.epoch > subchannel.epoch) {
                self.retained.remove(key);
            }
        }
    }

    /// Refuses a block for good: durable before it is sent, and never acknowledged afterwards.
    pub(super) fn refuse(
        &mut self,
        env: &mut Env<'_>,
        height: u64,
        block_hash: &Hash,
        reason: RejectReason,
    ) -> Result<(), StageError> {
        let from = self.pair().entity(self.peer());
        env.reject(from, reason);
        self.waiting = None;
        let reject = self.sign_reject(env, height, block_hash, reason)?;
        self.refused.push((*block_hash, reject.clone()));
        self.send_reject(env, reject);
        Ok(())
    }

    /// A signed refusal; none if a remote signer gives the signature later.
    fn sign_reject(
        &self,
        env: &mut Env<'_>,
        height: u64,
        block_hash: &Hash,
        reason: RejectReason,
    ) -> Result<Option<Reject>, StageError> {
        let (block_hash, min_height) = (*block_hash, self.min_height());
        let digest = Reject::digest(&self.pair().channel_key(), height, &block_hash, &reason, min_height)?;
        let purpose = Purpose::Reject { height, block_hash, reason, min_height };
        let signature = env.sign(&digest, purpose)?;
        Ok(signature.map(|signature| Reject { height, block_hash, reason, min_height, signature }))
    }

    pub(super) fn send_reject(&mut self, env: &mut Env<'_>, reject: Option<Reject>) {
        env.out.parts.extend(reject.map(Part::Reject));
        // Left ignored my block while its own was in flight; now that is out of the way.
        self.send_own(env);
    }

    /// The smallest height of the peer's block that outranks all that I signed.
    fn min_height(&self) -> u64 {
        let least = self.tip.state.height.saturating_add(1).max(self.max_signed.height());
        let above = least.saturating_add(1);
        if ack_nonce(least, self.peer()).is_some_and(|nonce| nonce > self.max_signed) { least } else { above }
    }
}
