//! Connection, resending, timeouts, and taking over a later state that the own signature proves.

use alloc::sync::Arc;

use super::env::Purpose;
use super::event::Rejection;
use super::{Channel, ChannelConfig, Env, Event, SignedState, StageError, Waiting};
use crate::chain::ChainView;
use crate::commitment::Commitment;
use crate::crypto::Signature;
use crate::limits::{MAX_CLOCK_DRIFT_S, RESTORE_PERIOD_S, RESTORE_STEP};
use crate::map::Map;
use crate::state::ChannelState;
use crate::types::{ChainId, Hash, Side, UnixSeconds};
use crate::wire::Part;

impl Channel {
    /// The transport has a connection: both say where they stand.
    pub(crate) fn connected(&mut self, env: &mut Env<'_>) {
        self.connected = true;
        self.send_reestablish(env, true);
    }

    /// The connection is gone; what was sent may be lost.
    pub(crate) const fn disconnected(&mut self) {
        self.connected = false;
    }

    /// From now on nothing is signed before the peer has said where it stands.
    pub(crate) fn begin_recovery(&mut self, env: &mut Env<'_>) {
        self.forget_commands(env, true);
        self.consents.clear();
        self.recover_crosses();
        env.out.inherited.extend(self.all_routed());
        self.recovering = true;
        self.connected = false;
    }

    pub(super) fn send_reestablish(&mut self, env: &mut Env<'_>, reply: bool) {
        let tip = &self.tip;
        env.out.parts.push(Part::Reestablish {
            height: tip.state.height,
            block_hash: tip.state.block_hash,
            state_hash: tip.commitment.state_hash,
            reply,
        });
    }

    pub(super) fn on_reestablish(
        &mut self,
        env: &mut Env<'_>,
        height: u64,
        block_hash: &Hash,
        state_hash: &Hash,
        reply: bool,
    ) {
        if reply {
            self.send_reestablish(env, false);
        }
        let tip = &self.tip.state;
        let level = *block_hash == tip.block_hash && *state_hash == self.tip.commitment.state_hash;
        if height > tip.height && self.own_hash() != Some(*block_hash) {
            // The claim alone changes nothing; the state that it asks for proves itself.
            env.out.parts.push(Part::StateRequest);
            return;
        }
        if level && self.recovering {
            self.recover(env.now);
        }
        // The same bytes again: the peer may lack my Ack, my block, or my settlement signatures.
        if let Some((_, ack)) = self.last_ack.clone()
            && !level
            && height < self.tip.state.height
        {
            env.out.parts.push(ack);
            // It brings the peer to where this side stands: only then can the peer say so.
            if self.recovering {
                self.send_reestablish(env, true);
            }
        }
        self.send_own(env);
        self.send_settlement_signatures(env);
    }

    /// The peer holds nothing later. What the lost log may have signed on this parent is outranked by a jump in height. How far
    /// depends on the time: whatever was restored from the same backup before has signed elsewhere.
    fn recover(&mut self, now: UnixSeconds) {
        self.recovering = false;
        let known = self.max_height.max(self.max_signed.height()).max(self.tip.state.height);
        let elapsed = now.0.saturating_sub(self.tip.state.timestamp.0).checked_rem(RESTORE_PERIOD_S).unwrap_or(0);
        self.max_height = known.saturating_add(elapsed.saturating_add(1).saturating_mul(RESTORE_STEP));
        let floor = crate::types::Nonce::of(self.max_height, Side::Left);
        self.max_signed = self.max_signed.max(floor.unwrap_or(self.max_signed));
        self.must_replace = true;
    }

    pub(super) fn on_state_request(&self, env: &mut Env<'_>) {
        if let (Some(left), Some(right)) = (&self.tip.left, &self.tip.right) {
            let (state, left, right) = (self.tip.state.clone(), left.clone(), right.clone());
            env.out.parts.push(Part::StateReply { state, left, right });
        }
    }

    /// A later state with both signatures, one of them mine: I lost it, and take it over whole.
    pub(super) fn on_state_reply(
        &mut self,
        env: &mut Env<'_>,
        state: ChannelState,
        left: Signature,
        right: Signature,
    ) -> Result<(), StageError> {
        let pair = self.pair();
        let from = pair.entity(self.peer());
        if state.pair != pair || state.nonce <= self.tip.state.nonce || state.check_with(env.instruments).is_err() {
            env.reject(from, Rejection::UselessState);
            return Ok(());
        }
        let Ok(commitment) = Commitment::of(&state) else {
            env.reject(from, Rejection::UselessState);
            return Ok(());
        };
        for (side, signature) in [(Side::Left, &left), (Side::Right, &right)] {
            // It was agreed once: whoever signed it may have lapsed since.
            if let Err(error) = env.verify_state(&pair.entity(side), &commitment.digest, signature, &state) {
                env.reject(from, error);
                return Ok(());
            }
        }
        self.forget_commands(env, false);
        let nonce = state.nonce;
        let signed = SignedState { state, block: None, commitment, left: Some(left), right: Some(right) };
        self.max_signed = self.max_signed.max(nonce);
        env.out.events.push(Event::Committed {
            peer: from,
            height: signed.state.height,
            proposer: if nonce.0 % 2 == 1 { Side::Left } else { Side::Right },
        });
        env.out.agreed.extend(signed.commitment.subchannels.iter().filter_map(|s| signed.evidence(&s.key)));
        self.max_height = signed.state.height;
        self.retain_dropped(&signed);
        // What the blocks between have used up is not known.
        self.consents.clear();
        self.track_crosses(&signed);
        self.tip = Arc::new(signed);
        env.out.inherited.extend(self.all_routed());
        (self.waiting, self.last_ack, self.unfit) = (None, None, 0);
        self.signers.agreed(None);
        self.refused.clear();
        self.drop_outranked(env);
        self.after_sync();
        self.keep_facts(env);
        if self.recovering {
            self.recover(env.now);
        }
        // The peer may be waiting to hear that both are level.
        self.send_reestablish(env, false);
        self.sign_settlements(env, &[])
    }

    /// What time brings: resending, giving up on a deferral, reporting silence.
    pub(crate) fn tick(&mut self, env: &mut Env<'_>) -> Result<(), StageError> {
        self.refused_ends.retain(|_, until| *until > env.now);
        self.judge_waiting(env)?;
        let Some(own) = self.own.as_ref().filter(|o| o.signed.signature(self.me).is_some()) else { return Ok(()) };
        let (since, last) = (own.since, own.last_sent);
        if env.now >= last.plus(env.config.resend_s) && self.connected {
            let silent = env.now >= since.plus(env.config.peer_timeout_s);
            let was = last >= since.plus(env.config.peer_timeout_s);
            if silent && !was {
                let peer = self.pair().entity(self.peer());
                env.out.events.push(Event::Unresponsive { peer });
            }
            self.send_own(env);
        }
        Ok(())
    }

    /// Judges a deferred block again.
    pub(crate) fn judge_waiting(&mut self, env: &mut Env<'_>) -> Result<(), StageError> {
        if self.waiting_for_signature() {
            return Ok(());
        }
        let Some(waiting) = self.waiting.take() else { return Ok(()) };
        match waiting.block.hash() {
            Ok(hash) => self.judge_proposal(env, waiting, &hash),
            Err(_) => Ok(()),
        }
    }

    /// When time alone will change something.
    pub(crate) fn deadline(&self, config: &ChannelConfig, chains: &Map<ChainId, ChainView>) -> Option<UnixSeconds> {
        let sent = self.own.as_ref().filter(|o| o.signed.signature(self.me).is_some());
        let own = sent.filter(|_| self.connected).map(|o| o.last_sent.plus(config.resend_s));
        let waiting = self.waiting.as_ref().filter(|w| w.signing.is_none()).map(|w| {
            let patience = w.since.plus(config.peer_timeout_s.wrapping_div(2).saturating_add(1));
            let clock = w.block.timestamp.minus(MAX_CLOCK_DRIFT_S);
            // What waits for the chain is judged again when the chain moves, not by the clock.
            if clock > w.judged { clock.min(patience) } else { patience }
        });
        let refused = self.refused_ends.values().min().copied();
        let others = self.vigil_deadline(config, chains).into_iter().chain(self.signers.deadline()).chain(refused);
        own.into_iter().chain(waiting).chain(others).min()
    }

    /// A remote signer's answer.
    pub(crate) fn signed(
        &mut self,
        env: &mut Env<'_>,
        purpose: Purpose,
        digest: &Hash,
        signature: Signature,
    ) -> Result<(), StageError> {
        match purpose {
            Purpose::Proposal => {
                let me = self.me;
                // A late answer must not land on another state.
                if let Some(own) = self.own.as_mut().filter(|own| own.signed.commitment.digest == *digest) {
                    Arc::make_mut(own).signed.set_signature(me, signature);
                }
                self.send_own(env);
                Ok(())
            }
            Purpose::Ack => {
                match self.waiting.take_if(|w| w.signing.as_ref().is_some_and(|s| s.commitment.digest == *digest)) {
                    Some(Waiting { signing: Some(state), .. }) => self.commit_peers(env, state, signature),
                    _ => Ok(()),
                }
            }
            Purpose::Reject { height, block_hash, reason, min_height } => {
                let reject = crate::wire::Reject { height, block_hash, reason, min_height, signature };
                if let Some((_, known)) = self.refused.iter_mut().find(|(hash, _)| *hash == block_hash) {
                    *known = Some(reject.clone());
                }
                self.send_reject(env, Some(reject));
                Ok(())
            }
            Purpose::Settlement { key, id } => {
                self.add_settlement_signature(env, &key, id, self.me, signature);
                self.send_settlement_signatures(env);
                Ok(())
            }
        }
    }
}
