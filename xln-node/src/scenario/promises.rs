//! What clauses must pay, from the words of the story: a fact in time, or what has vested.

use std::collections::BTreeMap;

use alloy_primitives::{I256, U256};
use xln_core::state::Pending;
use xln_core::subcontract::{ScheduleTerms, fact_key};
use xln_core::types::{DisputeFact, Pair, SubchannelKey, UnixSeconds};

use super::shadow::Ledger;
use super::shadow::planted::{Mistake, is_planted};
use super::step::{Act, Clause, ClauseKind};
use super::wealth::{Sums, add, pay};
use super::world::{Named, World};

/// All clauses that were told, by name: as they were told, and when.
#[derive(Default)]
pub(super) struct Promises(BTreeMap<String, (Clause, UnixSeconds)>);

/// When something is decided.
struct Moment {
    /// Until when a schedule vests.
    vests: UnixSeconds,
    /// Until when a fact counts.
    facts: UnixSeconds,
}

impl Promises {
    /// Takes note of a clause.
    pub(super) fn learn(&mut self, clause: &Clause, now: UnixSeconds) {
        self.0.entry(clause.name.clone()).or_insert_with(|| (clause.clone(), now));
    }

    /// What an `exercise` or a `drop` moves if it works.
    pub(super) fn decided(&self, world: &World, act: &Act) -> Option<Sums> {
        let name = match act {
            Act::Exercise { clause, .. } | Act::Drop { clause, .. } => clause,
            _ => return None,
        };
        let (clause, _) = self.0.get(name)?;
        if let Act::Drop { by, .. } = act {
            // The beneficiary gives it up; only the payer of a schedule pays when it ends it.
            let payers = by.as_ref().is_some_and(|by| *by == clause.by);
            if !payers {
                return Some(Sums::new());
            }
        }
        let made = world.named.get(name)?;
        let ledger = world.shadow.ledger(&world.ground.name_of(&made.key))?;
        let moment = Moment { vests: world.now, facts: UnixSeconds(u64::MAX) };
        let amount = self.due(world, ledger, (name, made), &moment)?;
        Some(pay(&clause.by, &clause.peer, &clause.token, amount))
    }

    /// What a clause that is pending in the state that is finalized moves.
    pub(super) fn enforced(
        &self,
        world: &World,
        ledger: &Ledger,
        (pair, key, id): (&Pair, &SubchannelKey, u64),
        dispute: &DisputeFact,
        sums: &mut Sums,
    ) -> Option<()> {
        let is_it = |made: &Named| {
            made.id == Some(id) && made.key == *key && world.pair(&made.by, &made.peer).ok() == Some(Some(*pair))
        };
        let mut found = world.named.iter().filter(|(name, made)| self.0.contains_key(*name) && is_it(made));
        let (Some(made), None) = (found.next(), found.next()) else { return None };
        let moment = Moment { vests: dispute.started_at, facts: dispute.started_at.plus(ledger.window()) };
        let amount = self.due(world, ledger, made, &moment)?;
        let (clause, _) = self.0.get(made.0)?;
        for ((who, token), amount) in pay(&clause.by, &clause.peer, &clause.token, amount) {
            add(sums, &who, &token, amount);
        }
        Some(())
    }

    fn due(&self, world: &World, ledger: &Ledger, (name, made): (&String, &Named), moment: &Moment) -> Option<I256> {
        let (clause, told) = self.0.get(name)?;
        if clause.kind == ClauseKind::Schedule {
            let paid = I256::from_raw(U256::from(paid(world, made)?));
            let due = vested(clause, *told, moment.vests)?.wrapping_sub(paid);
            return Some(due.max(I256::ZERO));
        }
        let asked = made.asked.as_ref()?;
        let fact = fact_key(asked.instrument, asked.not_before, &asked.question)?;
        let until = told.plus(clause.expires_in_s.unwrap_or(super::plan::DAY_S)).min(moment.facts);
        let yes = ledger.facts.get(&fact).is_some_and(|at| *at <= until);
        Some(if yes { clause.amount.0 } else { clause.fallback.map_or(I256::ZERO, |amount| amount.0) })
    }
}

/// How much of a schedule was paid before, as its state says.
fn paid(world: &World, made: &Named) -> Option<u128> {
    let subchannel = world.view(&made.by, &made.peer)?.state().subchannels.get(&made.key)?;
    match subchannel.pending.get(&made.id?)? {
        Pending::Subcontract(pending) => ScheduleTerms::parse(&pending.terms).ok().map(|terms| terms.paid),
        _ => None,
    }
}

/// By time, or by whole steps; nothing before the cliff.
fn vested(clause: &Clause, told: UnixSeconds, at: UnixSeconds) -> Option<I256> {
    let start = told.plus(clause.start_in_s.unwrap_or(0));
    let duration = clause.duration_s?;
    if at < start.plus(clause.cliff_s.unwrap_or(0)) {
        return Some(I256::ZERO);
    }
    if at >= start.plus(duration) {
        return Some(clause.amount.0);
    }
    let wide = |number: u64| I256::from_raw(U256::from(number));
    let (mut part, mut whole) = (wide(at.0.saturating_sub(start.0)), wide(duration));
    if let Some(steps) = clause.steps.filter(|steps| *steps > 0) {
        let steps = wide(u64::from(steps));
        (part, whole) = (part.wrapping_mul(steps).checked_div(whole)?, steps);
    }
    let up = if is_planted(Mistake::VestedUp) { whole.wrapping_sub(I256::ONE) } else { I256::ZERO };
    clause.amount.0.wrapping_mul(part).wrapping_add(up).checked_div(whole)
}
