//! What a block's receiver checks beyond the rules: its own clock, its own view of the chain, its own policy. A block that
//! cannot be judged yet waits, but not as long as the peer would.

use super::watch::Synced;
use super::{Channel, Env};
use crate::block::Block;
use crate::chain::PointVerdict;
use crate::limits::MAX_CLOCK_DRIFT_S;
use crate::proof::{SettlementUpdate, TokenDiff};
use crate::state::{ChannelState, Pending};
use crate::transition::{Transition, TransitionError};
use crate::types::{ChainPoint, Side, SubchannelKey, UnixSeconds};
use crate::wire::RejectReason;

/// Whether a settlement takes nothing from `side`: in no token its reserve falls, nor reserve and channel together, and
/// none of its claims is forgiven.
fn is_fair(side: Side, update: &SettlementUpdate) -> bool {
    let gains = |diff: &TokenDiff| {
        let (reserve, channel) = match side {
            Side::Left => (diff.left, Some(diff.ondelta)),
            Side::Right => (diff.right, diff.collateral().and_then(|c| c.checked_sub(diff.ondelta))),
        };
        reserve >= 0 && channel.and_then(|c| c.checked_add(reserve)).is_some_and(|sum| sum >= 0)
    };
    update.diffs.iter().all(gains) && update.forgiven.iter().all(|f| f.debtor == side)
}

/// What becomes of a block.
pub(super) enum Verdict {
    /// It is acknowledged.
    Fits,
    /// It waits for the clock or the chain.
    Later,
    /// It is refused for good.
    Never(RejectReason),
}

impl Channel {
    /// Judges a block that follows from the tip and carries the peer's signature.
    pub(super) fn judge(&self, env: &Env<'_>, block: &Block, after: &ChannelState, since: UnixSeconds) -> Verdict {
        // Half of the peer's patience, so that it has the answer before it thinks of a dispute.
        let out_of_patience = env.now > since.plus(env.config.peer_timeout_s.wrapping_div(2));
        let mut later = None;
        if block.timestamp > env.now.plus(MAX_CLOCK_DRIFT_S) {
            later = Some(RejectReason::TimeAhead);
        }
        for (index, transition) in (0u32..).zip(&block.transitions) {
            match self.judge_transition(env, index, block, transition, after) {
                Verdict::Fits => {}
                Verdict::Later => later = Some(RejectReason::FactsDiffer { index }),
                never @ Verdict::Never(_) => return never,
            }
        }
        if let Some(index) = self.backdated(env, block, since) {
            return Verdict::Never(RejectReason::Transition { index, error: TransitionError::Expired });
        }
        match later {
            Some(reason) if out_of_patience => Verdict::Never(reason),
            Some(_) => Verdict::Later,
            None => Verdict::Fits,
        }
    }

    fn judge_transition(
        &self,
        env: &Env<'_>,
        index: u32,
        block: &Block,
        transition: &Transition,
        after: &ChannelState,
    ) -> Verdict {
        if let Transition::SyncChain { key, point, facts, reveals, recorded } = transition {
            let found = Synced { facts: facts.clone(), reveals: reveals.clone(), recorded: recorded.clone() };
            return self.judge_sync(env, index, (key, point), &found);
        }
        let close = matches!(transition, Transition::ProposeClose { .. });
        if transition.key().is_some_and(|key| self.frozen(key).is_some()) && !close {
            return Verdict::Never(RejectReason::Frozen { index });
        }
        let consented = || self.is_consented(block, usize::try_from(index).unwrap_or(usize::MAX));
        match transition {
            Transition::OpenSubchannel { key, providers, settle_margin_s }
                if !env.accepts(&self.pair(), key, providers, *settle_margin_s) =>
            {
                Verdict::Never(RejectReason::Policy { index })
            }
            Transition::ProposeSettlement { update, .. } if !is_fair(self.me, update) && !consented() => {
                Verdict::Never(RejectReason::Policy { index })
            }
            Transition::AddSubcontract { .. } if !self.accepts_subcontract(env, transition, consented()) => {
                Verdict::Never(RejectReason::Policy { index })
            }
            _ if self.too_late(env.now, transition, after) => {
                Verdict::Never(RejectReason::Transition { index, error: TransitionError::Expired })
            }
            _ => Verdict::Fits,
        }
    }

    /// Deadlines by my own clock: the proposer could have dated its block back.
    fn too_late(&self, now: UnixSeconds, transition: &Transition, after: &ChannelState) -> bool {
        let margin = |key: &SubchannelKey| after.subchannels.get(key).map_or(0, |s| s.settle_margin_s);
        match transition {
            Transition::AddPayment { key, expiry, .. } => now.plus(margin(key)) > *expiry,
            Transition::OfferSwap { expiry, .. }
            | Transition::ProposeSettlement { expiry, .. }
            | Transition::ProposeClose { expiry, .. } => now > *expiry,
            Transition::SettlePayment { key, id, .. } => match self.pending(key, *id) {
                Some(Pending::Payment(p)) => p.revealed_at.is_none() && now.plus(margin(key)) > p.expiry,
                _ => false,
            },
            Transition::FillSwap { key, id, .. } => match self.pending(key, *id) {
                Some(Pending::Swap(s)) => now > s.expiry,
                _ => false,
            },
            _ => false,
        }
    }

    pub(super) fn pending(&self, key: &SubchannelKey, id: u64) -> Option<&Pending> {
        self.tip.state.subchannels.get(key)?.pending.get(&id)
    }

    fn judge_sync(
        &self,
        env: &Env<'_>,
        index: u32,
        (key, point): (&SubchannelKey, &ChainPoint),
        found: &Synced,
    ) -> Verdict {
        let Some(view) = env.chains.get(&key.chain) else { return Verdict::Later };
        match view.judge(point) {
            PointVerdict::Ahead => return Verdict::Later,
            PointVerdict::Unknown => return Verdict::Never(RejectReason::FactsDiffer { index }),
            PointVerdict::Known => {}
        }
        match self.sync_at(env, key, point) {
            Some(mine) if mine == *found => Verdict::Fits,
            _ => Verdict::Never(RejectReason::FactsDiffer { index }),
        }
    }
}
