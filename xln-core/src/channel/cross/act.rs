//! What each side does about its swaps once a step has brought all that it brings.

use alloc::vec::Vec;

use super::{CROSS_TAG, CrossSwap, CrossSwapError, Fate, SECOND_LEG, Stage};
use crate::chain::ChainView;
use crate::channel::{Channel, CommandError, CommandId, Env, Event, StageError};
use crate::state::{Payment, Pending};
use crate::transition::Transition;
use crate::types::{SubchannelKey, UnixSeconds};

impl Channel {
    /// Locks, releases, gives back, and reports what is over.
    pub(in crate::channel) fn watch_crosses(&mut self, env: &mut Env<'_>) -> Result<(), StageError> {
        self.learn_from_chains(env)?;
        if self.recovering || self.crosses.is_empty() {
            return Ok(());
        }
        let mut swaps = core::mem::take(&mut self.crosses.swaps);
        // One after the other: a decision sees those before it, and its own swap no more.
        let mut kept: Vec<CrossSwap> = Vec::with_capacity(swaps.len());
        for mut swap in swaps.drain(..) {
            let double = kept.iter().any(|other| other.has(swap.kind, &swap.hash));
            if swap.initiator == self.me {
                self.initiate(env, &mut swap)?;
            } else {
                self.respond(env, &mut swap, double)?;
            }
            if !self.report(env, &swap) {
                kept.push(swap);
            }
        }
        self.crosses.swaps = kept;
        Ok(())
    }

    /// The initiator lets its secret go only for a second leg that is agreed, as asked for, and leaves time to take it.
    fn initiate(&mut self, env: &mut Env<'_>, swap: &mut CrossSwap) -> Result<(), StageError> {
        let Fate::Pending(id) = swap.second else { return Ok(()) };
        let key = swap.want.sum.key;
        // A frozen subchannel may thaw. Until then nothing is decided: unreleased, everything comes back.
        if swap.stage == Stage::Open && self.frozen(&key).is_none() {
            match self.judge_second(env, swap, id) {
                Ok(()) => {
                    let Some(secret) = swap.secret else { return Ok(()) };
                    // Bound first: from here on the secret counts as known, whatever becomes of this attempt.
                    swap.stage = Stage::Bound;
                    self.secrets.insert((key, id), secret);
                    self.enqueue_own(env, Transition::SettlePayment { key, id, secret })?;
                }
                Err(error) => swap.stage = Stage::Undone(error),
            }
        }
        if matches!(swap.stage, Stage::Undone(_)) {
            self.give_back(env, swap, key, id)?;
        }
        Ok(())
    }

    fn judge_second(&self, env: &Env<'_>, swap: &CrossSwap, id: u64) -> Result<(), CrossSwapError> {
        let lock = self.lock_of(&swap.want.sum.key, id).ok_or(CrossSwapError::WrongTerms)?;
        let asked =
            (lock.token, lock.amount, lock.expiry) == (swap.want.sum.token, swap.want.sum.amount, swap.want.expiry);
        if !asked || !matches!(swap.first, Fate::Pending(_)) {
            return Err(CrossSwapError::WrongTerms);
        }
        if self.in_time(env, &swap.want) { Ok(()) } else { Err(CrossSwapError::TooLate) }
    }

    /// The responder locks once, after the first leg is agreed, and gives that one back only when its own lock can never
    /// be taken.
    fn respond(&mut self, env: &mut Env<'_>, swap: &mut CrossSwap, double: bool) -> Result<(), StageError> {
        if swap.stage == Stage::Open {
            swap.stage = match self.judge_first(env, swap, double) {
                Ok(consent) => match self.lock_second(env, swap)? {
                    Ok(()) => {
                        self.crosses.consents.remove(consent);
                        Stage::Bound
                    }
                    Err(CommandError::Transition(error)) => Stage::Undone(CrossSwapError::Lock(error)),
                    Err(CommandError::Frozen(_)) => Stage::Undone(CrossSwapError::Frozen),
                    Err(_) => Stage::Undone(CrossSwapError::LockFailed),
                },
                Err(error) => Stage::Undone(error),
            };
        }
        let lives = self.second_lives(swap);
        if swap.stage == Stage::Bound && swap.second == Fate::Unseen && !lives {
            swap.stage = Stage::Undone(CrossSwapError::LockFailed);
        }
        let Fate::Pending(id) = swap.first else { return Ok(()) };
        let harmless = match swap.second {
            Fate::Unseen => matches!(swap.stage, Stage::Undone(_)) && !lives,
            Fate::Cancelled(_) => true,
            Fate::Closed => self.moved(env, swap, swap.second, false) == Some(Some(false)),
            Fate::Pending(_) | Fate::Settled | Fate::Lost => false,
        };
        let key = swap.give.sum.key;
        if harmless && !self.secrets.contains_key(&(key, id)) {
            self.give_back(env, swap, key, id)?;
        }
        Ok(())
    }

    /// Whether the first leg is worth a second. The place of the consent that allows it.
    fn judge_first(&self, env: &Env<'_>, swap: &CrossSwap, double: bool) -> Result<usize, CrossSwapError> {
        let (give, want) = (&swap.give, &swap.want);
        let mut consents = self.crosses.consents.iter();
        let consents = consents.position(|c| c.receive == give.sum && c.pay == want.sum && env.now <= c.until);
        let consent = consents.ok_or(CrossSwapError::NoConsent)?;
        if self.crosses.consents.get(consent).is_none_or(|c| want.expiry > c.pay_expiry) {
            return Err(CrossSwapError::LockTooLong);
        }
        if give.expiry < want.expiry.plus(env.config.cross_gap()) {
            return Err(CrossSwapError::GapTooSmall);
        }
        if self.frozen(&give.sum.key).is_some() || self.frozen(&want.sum.key).is_some() {
            return Err(CrossSwapError::Frozen);
        }
        if double || self.locks(swap.kind, &swap.hash).count() != 1 || self.second_lives(swap) {
            return Err(CrossSwapError::HashInUse);
        }
        Ok(consent)
    }

    fn lock_second(&mut self, env: &mut Env<'_>, swap: &CrossSwap) -> Result<Result<(), CommandError>, StageError> {
        let id = CommandId(*env.next_command);
        *env.next_command = id.0.checked_add(1).ok_or(StageError::Exhausted)?;
        let lock = swap.lock(&swap.want, alloc::vec![CROSS_TAG, SECOND_LEG]);
        Ok(self.enqueue(env, &mut None, id, lock, false))
    }

    /// Gives the incoming leg back, once; after its expiry the payer takes it back by itself.
    fn give_back(
        &mut self,
        env: &mut Env<'_>,
        swap: &mut CrossSwap,
        key: SubchannelKey,
        id: u64,
    ) -> Result<(), StageError> {
        if swap.returned || self.frozen(&key).is_some() || self.is_queued(&key, id) {
            return Ok(());
        }
        swap.returned = true;
        self.enqueue_own(env, Transition::CancelPayment { key, id })
    }

    fn lock_of(&self, key: &SubchannelKey, id: u64) -> Option<&Payment> {
        match self.tip.state.subchannels.get(key)?.pending.get(&id)? {
            Pending::Payment(payment) => Some(payment),
            Pending::Swap(_) | Pending::Subcontract(_) => None,
        }
    }

    /// Whether a leg that is over has moved: `None` if it is not over, `Some(None)` if that was lost.
    #[expect(clippy::option_option, reason = "an open question and a lost answer are two things")]
    fn moved(&self, env: &Env<'_>, swap: &CrossSwap, fate: Fate, first: bool) -> Option<Option<bool>> {
        let leg = if first { &swap.give } else { &swap.want };
        match fate {
            Fate::Unseen | Fate::Pending(_) => None,
            Fate::Settled => Some(Some(true)),
            Fate::Cancelled(_) => Some(Some(false)),
            Fate::Lost => Some(None),
            Fate::Closed => {
                let view = env.chains.get(&leg.sum.key.chain)?;
                let provider = self.tip.state.subchannels.get(&leg.sum.key).and_then(|s| s.providers.first());
                let Some(provider) = provider else { return Some(None) };
                let reveal = view.secret(provider, swap.kind, &swap.hash);
                let time = ChainView::head(view).map_or(UnixSeconds(0), |head| head.timestamp);
                match reveal {
                    Some(reveal) => Some(Some(reveal.at <= leg.expiry)),
                    None => (time > leg.expiry).then_some(Some(false)),
                }
            }
        }
    }

    /// Reports a swap that is over, and says whether it is.
    fn report(&self, env: &mut Env<'_>, swap: &CrossSwap) -> bool {
        let unmade = |lives: bool| !lives && self.own.is_none() && !self.must_replace;
        let first = match swap.first {
            Fate::Unseen if unmade(self.first_lives(swap)) => Some(Some(false)),
            fate => self.moved(env, swap, fate, true),
        };
        let Some(first) = first else { return false };
        let second = match swap.second {
            Fate::Unseen if unmade(self.second_lives(swap)) => Some(Some(false)),
            fate => self.moved(env, swap, fate, false),
        };
        let Some(second) = second else { return false };
        let (peer, hash) = (self.pair().entity(self.peer()), swap.hash);
        env.out.events.push(match (first, second) {
            (Some(true), Some(true)) => Event::CrossSwapDone { peer, hash },
            (Some(false), Some(false)) => Event::CrossSwapUnwound { peer, hash, reason: self.reason(swap) },
            _ => Event::CrossSwapTorn { peer, hash, first, second },
        });
        true
    }

    fn reason(&self, swap: &CrossSwap) -> CrossSwapError {
        let payer = swap.initiator;
        match (swap.stage, swap.first, swap.second) {
            (Stage::Undone(error), ..) => error,
            (_, Fate::Unseen, _) => CrossSwapError::LockFailed,
            (_, _, Fate::Cancelled(by)) if by == payer => CrossSwapError::Declined,
            (_, Fate::Cancelled(by), Fate::Unseen) if by != payer => CrossSwapError::Declined,
            _ => CrossSwapError::Expired,
        }
    }
}
