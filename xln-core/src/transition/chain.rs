//! SyncChain: the chain's facts become part of the channel's state, and only move forward.

use super::{Applier, TransitionError};
use crate::state::{Pending, Subchannel};
use crate::subcontract::Answer;
use crate::types::{AMOUNT_BOUND, ChainPoint, RecordedFact, Reveal, SubchannelFacts, SubchannelKey};

impl Applier<'_> {
    pub(super) fn sync_chain(
        &mut self,
        key: &SubchannelKey,
        point: &ChainPoint,
        facts: &SubchannelFacts,
        reveals: &[Reveal],
        recorded: &[RecordedFact],
    ) -> Result<(), TransitionError> {
        let mut after = self.subchannel(key)?.clone();
        check_forward(&after, key, point, facts)?;
        check_tokens(&after, facts)?;
        if facts.epoch > after.epoch {
            after.raise_epoch();
        } else if facts.settlement_nonce > after.settlement_nonce
            || after.settlement.as_ref().is_some_and(|s| point.timestamp > s.expiry)
        {
            // Done on chain, or never to be: the signatures are bound to the settlement nonce and to the expiry.
            after.drop_settlement()?;
        }
        after.epoch = facts.epoch;
        after.settlement_nonce = facts.settlement_nonce;
        after.dispute = facts.dispute;
        after.point = Some(*point);
        for (state, fact) in after.tokens.values_mut().zip(&facts.tokens) {
            state.collateral = fact.collateral;
            state.ondelta = fact.ondelta;
        }
        record_reveals(&mut after, reveals)?;
        record_facts(&mut after, point, recorded)?;
        *self.subchannel(key)? = after;
        Ok(())
    }
}

fn check_forward(
    before: &Subchannel,
    key: &SubchannelKey,
    point: &ChainPoint,
    facts: &SubchannelFacts,
) -> Result<(), TransitionError> {
    if point.chain != key.chain {
        return Err(TransitionError::WrongChain);
    }
    let back = before.point.is_some_and(|last| point.number <= last.number || point.timestamp < last.timestamp);
    if back || facts.epoch < before.epoch || facts.settlement_nonce < before.settlement_nonce {
        return Err(TransitionError::ChainWentBack);
    }
    Ok(())
}

fn check_tokens(before: &Subchannel, facts: &SubchannelFacts) -> Result<(), TransitionError> {
    if !before.tokens.keys().eq(facts.tokens.iter().map(|t| &t.token)) {
        return Err(TransitionError::FactsIncomplete);
    }
    if facts.tokens.iter().any(|t| t.collateral >= AMOUNT_BOUND || t.ondelta == i128::MIN) {
        return Err(TransitionError::AmountOutOfRange);
    }
    Ok(())
}

fn record_reveals(after: &mut Subchannel, reveals: &[Reveal]) -> Result<(), TransitionError> {
    let provider = after.providers.first().copied();
    for reveal in reveals {
        let hash = reveal.secret.hash(reveal.kind);
        let mut wanted = false;
        for pending in after.pending.values_mut() {
            let Pending::Payment(payment) = pending else { continue };
            let matches = payment.kind == reveal.kind && payment.hash == hash && reveal.at <= payment.expiry;
            if matches && payment.revealed_at.is_none() {
                payment.revealed_at = Some(reveal.at);
                wanted = true;
            }
        }
        if !wanted || provider != Some(reveal.provider) {
            return Err(TransitionError::IrrelevantReveal);
        }
    }
    Ok(())
}

/// A fact that decides something must be of that subcontract's provider, in time, and new.
fn record_facts(after: &mut Subchannel, point: &ChainPoint, recorded: &[RecordedFact]) -> Result<(), TransitionError> {
    for fact in recorded {
        let mut wanted = false;
        for pending in after.pending.values_mut() {
            let Pending::Subcontract(subcontract) = pending else { continue };
            if subcontract.provider != fact.provider {
                continue;
            }
            for ask in subcontract.asks.iter_mut().filter(|ask| ask.key == fact.key && fact.at <= ask.until) {
                if ask.answer.is_none() {
                    ask.answer = Some(Answer { at: fact.at, value: fact.value });
                    wanted = true;
                }
            }
        }
        if !wanted || fact.at > point.timestamp {
            return Err(TransitionError::IrrelevantFact);
        }
    }
    Ok(())
}

impl Subchannel {
    /// The chain closed this epoch: what was promised off chain is settled or a debt there now. Both credit limits end
    /// with it, or a close would refill the credit that was just turned into debt.
    fn raise_epoch(&mut self) {
        self.pending.clear();
        self.settlement = None;
        for state in self.tokens.values_mut() {
            state.offdelta = 0;
            state.left_limit = 0;
            state.right_limit = 0;
            state.left_hold = 0;
            state.right_hold = 0;
        }
    }
}
