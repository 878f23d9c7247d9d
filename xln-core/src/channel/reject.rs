//! The peer's refusals, and the replacement of a refused block.

use super::event::Rejection;
use super::{Channel, CommandError, Env, Event, StageError};
use crate::limits::MAX_HEIGHT_GAP;
use crate::transition::Transition;
use crate::wire::{Reject, RejectReason};

impl Channel {
    pub(super) fn on_reject(&mut self, env: &mut Env<'_>, reject: Reject) -> Result<(), StageError> {
        let from = self.pair().entity(self.peer());
        if self.own_hash() != Some(reject.block_hash) {
            // A second copy of a refusal is no error.
            if !self.abandoned.iter().any(|a| a.signed.state.block_hash == reject.block_hash) {
                env.reject(from, Rejection::NotInFlight);
            }
            return Ok(());
        }
        let Reject { height, block_hash, reason, min_height, signature } = &reject;
        let digest = Reject::digest(&self.pair().channel_key(), *height, block_hash, reason, *min_height)?;
        if let Err(error) = env.verify_while_valid(&from, &digest, signature, &self.tip.state) {
            env.reject(from, error);
            return Ok(());
        }
        if *min_height > self.max_height.saturating_add(MAX_HEIGHT_GAP) {
            env.reject(from, Rejection::HeightOutOfRange);
            return Ok(());
        }
        if reason.index().is_some_and(|index| self.own_transition(index).is_none()) {
            env.reject(from, Rejection::NoSuchTransition);
            return Ok(());
        }
        env.out.events.push(Event::Refused { peer: from, reason: *reason });
        self.pause(env, reason.index());
        if *reason == RejectReason::SignerLapsed {
            self.signers.refused(env.now, env.config.peer_timeout_s);
        }
        self.abandon_own(reason.index().map(|index| (index, CommandError::RefusedByPeer(*reason))));
        self.max_height = self.max_height.max(min_height.saturating_sub(1));
        // What was signed stays live until a state that the peer signs outranks it, if need be an empty one.
        self.must_replace = true;
        Ok(())
    }

    /// A transition of the block in flight.
    fn own_transition(&self, index: u32) -> Option<&Transition> {
        self.own.as_ref()?.signed.block.as_ref()?.transitions.get(usize::try_from(index).ok()?)
    }

    /// A refused SyncChain is not tried again at the same point, nor the end of something pending before a while, or both
    /// sides would only exchange refusals.
    fn pause(&mut self, env: &Env<'_>, index: Option<u32>) {
        match index.and_then(|index| self.own_transition(index)) {
            Some(Transition::SyncChain { key, point, .. }) => drop(self.sync_refused.insert(*key, point.number)),
            Some(transition) => {
                if let Some(end) = transition.ends() {
                    self.refused_ends.insert(end, env.now.plus(env.config.resend_s.max(1)));
                }
            }
            None => {}
        }
    }
}
