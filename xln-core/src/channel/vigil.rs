//! What a node does by itself, if it is told to watch: counter a stale start, finalize, reveal, settle and take back
//! (`docs/protocol.md` sections 4 and 7).

use alloc::vec::Vec;

use super::{Arguments, Channel, ChannelConfig, CommandId, Env, StageError};
use crate::chain::{ChainCall, ChainView};
use crate::map::Map;
use crate::state::{Payment, Pending};
use crate::transition::Transition;
use crate::types::{ChainId, DisputeFact, SubchannelKey, UnixSeconds};

impl Channel {
    /// Reacts to what time and chain have brought.
    pub(crate) fn vigil(&mut self, env: &mut Env<'_>) -> Result<(), StageError> {
        if !env.config.vigilant || self.recovering && self.watches.is_empty() && self.secrets.is_empty() {
            return Ok(());
        }
        self.watch_crosses(env)?;
        let keys: Vec<SubchannelKey> = self.watches.keys().chain(self.tip.state.subchannels.keys()).copied().collect();
        for key in keys {
            self.watch_dispute(env, &key);
            self.watch_payments(env, &key)?;
            self.watch_subcontracts(env, &key)?;
        }
        Ok(())
    }

    /// Counters a start that is older than what this node holds, and finalizes after the deadline. A recovering node does
    /// so too: that it may have lost something newer is no reason to accept something older.
    fn watch_dispute(&mut self, env: &mut Env<'_>, key: &SubchannelKey) {
        let Some((epoch, dispute)) = self.watches.get(key).and_then(|w| w.dispute().copied()) else { return };
        let Some(window) = env.config.window_s(key) else { return };
        let time = env.chains.get(&key.chain).and_then(ChainView::head).map_or(env.now, |h| h.timestamp);
        let reacted = self.watches.get(key).and_then(|w| w.reacted);
        let best = self.best_evidence(key);
        let stale = best.is_some_and(|e| e.nonce.0 > dispute.nonce && e.body_hash() != dispute.body_hash);
        let over = time > dispute.started_at.plus(window);
        let both = dispute.starter == self.me;
        let possible = !both || self.best_evidence(key).is_some_and(|e| e.left.is_some() && e.right.is_some());
        if stale && !over && possible && reacted != Some((epoch, dispute, false)) {
            if self.counter(env, key, Arguments::default()).is_ok() {
                self.set_reacted(key, (epoch, dispute, false));
            }
        } else if over && reacted != Some((epoch, dispute, true)) {
            if self.finalize(env, key, Arguments::default()).is_ok() {
                self.set_reacted(key, (epoch, dispute, true));
            } else if self.body(key, &dispute.body_hash).is_none() {
                env.out.wanted.push((*key, dispute.body_hash));
            }
        }
    }

    fn set_reacted(&mut self, key: &SubchannelKey, reacted: (u32, DisputeFact, bool)) {
        if let Some(watch) = self.watches.get_mut(key) {
            watch.reacted = Some(reacted);
        }
    }

    fn watch_payments(&mut self, env: &mut Env<'_>, key: &SubchannelKey) -> Result<(), StageError> {
        let Some(subchannel) = self.tip.state.subchannels.get(key) else { return Ok(()) };
        let (provider, point) = (subchannel.providers.first().copied(), subchannel.point);
        let payments: Vec<(u64, Payment)> = subchannel
            .pending
            .iter()
            .filter_map(|(id, p)| if let Pending::Payment(p) = p { Some((*id, p.clone())) } else { None })
            .collect();
        for (id, payment) in payments {
            let queued = self.is_queued(key, id);
            if payment.payer == self.me {
                let over = point.is_some_and(|p| p.timestamp > payment.expiry) && payment.revealed_at.is_none();
                if over && !queued {
                    self.enqueue_own(env, Transition::CancelPayment { key: *key, id })?;
                }
                continue;
            }
            let view = env.chains.get(&key.chain);
            let public = provider.and_then(|p| view?.secret(&p, payment.kind, &payment.hash)).map(|r| r.secret);
            let known = self.secrets.get(&(*key, id)).copied();
            match (known, public) {
                // Not acknowledged and the margin has begun: the registry keeps what is mine for the price of one entry.
                (Some(secret), None) if env.now.plus(env.config.reveal_margin_s) >= payment.expiry => {
                    if let Some(provider) = provider.filter(|_| self.revealing.insert((*key, id))) {
                        self.act(env, key, ChainCall::Reveal { provider, kind: payment.kind, secret });
                    }
                }
                (_, Some(secret)) if !queued => {
                    self.enqueue_own(env, Transition::SettlePayment { key: *key, id, secret })?
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a command that ends this payment waits, is in flight, or stands in a state that may still be shown; or the peer
    /// has just refused one.
    pub(crate) fn is_queued(&self, key: &SubchannelKey, id: u64) -> bool {
        if self.refused_ends.contains_key(&(*key, id)) {
            return true;
        }
        let live = self.own.iter().map(|o| &o.signed).chain(self.abandoned.iter().map(|a| &a.signed));
        let live = live.filter_map(|signed| signed.block.as_ref()).flat_map(|block| &block.transitions);
        self.mempool.iter().map(|q| &q.transition).chain(live).any(|transition| transition.ends() == Some((*key, id)))
    }

    /// When a payment of mine that waits for its settlement must be revealed on chain, or something of mine has vested.
    /// What the registry shows already waits for no clock: only for the peer, or for the chain to take it back.
    pub(super) fn vigil_deadline(
        &self,
        config: &ChannelConfig,
        chains: &Map<ChainId, ChainView>,
    ) -> Option<UnixSeconds> {
        if !config.vigilant {
            return None;
        }
        let pending =
            self.tip.state.subchannels.iter().flat_map(|(key, s)| s.pending.iter().map(move |(id, p)| (key, id, p)));
        let expiries = pending.filter_map(|(key, id, pending)| match pending {
            Pending::Payment(_) if self.revealing.contains(&(*key, *id)) => None,
            Pending::Payment(p) if p.payer != self.me && self.secrets.contains_key(&(*key, *id)) => {
                let provider = self.tip.state.subchannels.get(key)?.providers.first()?;
                let public = chains.get(&key.chain).and_then(|view| view.secret(provider, p.kind, &p.hash));
                public.is_none().then_some(p.expiry)
            }
            _ => None,
        });
        expiries.map(|expiry| expiry.minus(config.reveal_margin_s)).chain(self.vesting_ends()).min()
    }

    pub(super) fn enqueue_own(&mut self, env: &mut Env<'_>, transition: Transition) -> Result<(), StageError> {
        let id = CommandId(*env.next_command);
        *env.next_command = id.0.checked_add(1).ok_or(StageError::Exhausted)?;
        // A refusal here only means that the time for it has not come, or has passed.
        let _ = self.enqueue(env, &mut None, id, transition, false);
        Ok(())
    }
}
