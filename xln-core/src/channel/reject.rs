//! The peer's refusals, and the replacement of a refused block.

use super::env::Rejection;
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

    /// A refused SyncChain is not tried again at the same point, and what this node would end by itself not at once, or both
    /// sides would only exchange refusals: the peer may have frozen the subchannel for a reason that this side cannot see yet.
    fn pause(&mut self, env: &Env<'_>, index: Option<u32>) {
        let block = self.own.as_ref().and_then(|own| own.signed.block.as_deref());
        let transition = index.and_then(|i| block?.transitions.get(usize::try_from(i).ok()?));
        match transition {
            Some(Transition::SyncChain { key, point, .. }) => {
                self.sync_refused.insert(*key, point.number);
            }
            Some(
                Transition::SettlePayment { key, id, .. }
                | Transition::CancelPayment { key, id }
                | Transition::FailPayment { key, id, .. }
                | Transition::SettleSubcontract { key, id }
                | Transition::CancelSubcontract { key, id },
            ) => {
                self.paused.insert((*key, *id), env.now.plus(env.config.resend_s.max(1)));
            }
            _ => {}
        }
    }
}
