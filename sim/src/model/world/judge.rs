//! What must hold whatever happens: the agreed states of both sides form one line, and an honest side gets from a dispute what
//! it may expect.

use std::sync::Arc;

use xln_core::types::Side;

use super::{SIDES, State};
use crate::model::chain::Chain;
use crate::model::laws::{Fault, Law, Mark};
use crate::model::node::{Shown, Steps, of};
use crate::model::{KEY, index, signed};

impl State {
    pub(super) fn note_execution(&mut self, steps: &Steps, before: &Chain, after: &Chain) {
        if after.settlement_nonce > before.settlement_nonce {
            steps.mark(Mark::Executed);
        }
        if let (Some(old), Some(new)) = (before.dispute, after.dispute)
            && new.nonce > old.nonce
        {
            steps.mark(Mark::Countered);
        }
        let Some(dispute) = before.dispute.filter(|_| after.dispute.is_none()) else { return };
        steps.mark(Mark::Finalized);
        if after.books.owed != before.books.owed {
            steps.mark(Mark::Debt);
        }
        for side in SIDES {
            let i = index(side);
            let own = |s: &&Arc<Shown>| {
                let body = s.evidence.as_ref().map(xln_core::commitment::Evidence::body_hash);
                s.own && s.state.nonce.0 == dispute.nonce && body == Some(dispute.body_hash)
            };
            self.enforced[i] = self.ever[i].iter().find(own).cloned();
            let mine = dispute.starter == side && !before.honest;
            if self.evil != Some(side) && !mine && self.fault.is_none() {
                self.fault = self.judge_outcome(side, before, after);
            }
        }
        self.at_deadline = None;
    }

    /// Whether an honest side got what it may expect.
    fn judge_outcome(&self, side: Side, before: &Chain, after: &Chain) -> Option<Arc<Fault>> {
        let then = self.at_deadline.as_ref().map_or(&self.nodes, |nodes| nodes);
        let channel = then[index(side)].channel();
        let tip = channel.tip().evidence(&KEY).filter(|e| e.epoch == before.epoch)?;
        let running = before.dispute?;
        let value = |body: &[u8]| {
            let books = before.outcome(body, self.now, &running, (&[], &[])).ok()?;
            Some((books.wealth(side), owed_to(side, books.owed - before.books.owed)))
        };
        let (agreed, owed_then) = value(&tip.body)?;
        let nonce = channel.state().nonce;
        let live = self.ever[index(side)].iter().filter(|s| s.state.nonce > nonce);
        let floor = if self.stale[index(side)] {
            // What stood in the lost log counts as it stands there.
            let lost = live.filter_map(|s| Some(value(&s.evidence.as_ref()?.body)?.0));
            lost.fold(agreed, i128::min)
        } else {
            agreed - live.map(|s| signed(s.offered)).max().unwrap_or(0)
        };
        let got = after.wealth(side);
        if got < floor {
            return Fault::new(Law::Outcome, &format!("{side:?} gets {got}, and may expect {floor}"));
        }
        // A debt is worth what its creditor had agreed to lend.
        let granted = of(channel.state(), KEY).and_then(|s| s.tokens.values().next()).map_or(0, |t| match side {
            Side::Left => t.right_limit,
            Side::Right => t.left_limit,
        });
        let owed = owed_to(side, after.books.owed - before.books.owed);
        if !self.stale[index(side)] && owed > signed(granted).max(owed_then) {
            let text = format!("{side:?} is owed {owed}, and has lent no more than {granted}");
            return Fault::new(Law::Outcome, &text);
        }
        None
    }

    /// What concerns both sides: the agreed states of both form one line.
    pub(super) fn judge(&mut self) {
        if self.fault.is_some() {
            return;
        }
        let [left, right] = &self.nodes;
        for one in left.commits.iter() {
            for other in right.commits.iter() {
                let twice = one.nonce == other.nonce && one.block != other.block;
                let forked = one.parent.is_some() && one.parent == other.parent && one.block != other.block;
                if twice || forked {
                    let text = format!("nonces {} and {} were agreed on one parent", one.nonce.0, other.nonce.0);
                    self.fault = Fault::new(Law::Agreement, &text);
                    return;
                }
            }
        }
    }
}

/// What is owed to a side, of what left owes right.
const fn owed_to(side: Side, owed: i128) -> i128 {
    match side {
        Side::Left => -owed,
        Side::Right => owed,
    }
}
