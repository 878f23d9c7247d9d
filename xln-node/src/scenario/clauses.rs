//! Steps on subcontracts of instruments: promises that depend on a debt, on time, or on a contract's answer.

use alloy_sol_types::SolCall;
use xln_chain::client::Question;
use xln_chain::contracts::test_answers::TestAnswers;
use xln_chain::{Chain, Transaction};
use xln_core::subcontract::{ConditionTerms, CreditDefaultSwapTerms, ScheduleTerms};
use xln_core::transition::Transition;
use xln_core::types::Hash;
use xln_merkle::keccak256;

use super::ground::now;
use super::plan::{DAY_S, Plan, Planned, out_of_range};
use super::refusal::{Refusal, RunError, Verdict};
use super::shadow::Operation as Reckoned;
use super::step::{Act, Clause, ClauseKind};
use super::world::{Asked, Named, World};

const CREDIT_DEFAULT_SWAP: u16 = 3;
const SCHEDULE: u16 = 4;
const CONDITION: u16 = 5;

/// The name of a flag on chain.
fn flag(name: &str) -> Hash {
    Hash(keccak256(&[b"xln scenario flag".as_slice(), name.as_bytes()].concat()))
}

fn malformed(kind: &'static str) -> impl Fn() -> RunError {
    move || RunError::Malformed(format!("a clause of this kind needs `{kind}`"))
}

impl World {
    /// What a step on a clause tells a node; `None` for any other.
    ///
    /// # Errors
    /// [`RunError`] for names that do not exist.
    pub(super) fn plan_on_clause(&self, act: &Act) -> Result<Option<Planned>, RunError> {
        Ok(Some(match act {
            Act::Clause(clause) => self.plan_clause(clause)?,
            Act::Exercise { clause, by } => {
                let made = self.named("clause", clause)?;
                let by = by.clone().unwrap_or_else(|| made.peer.clone());
                self.on_named(&made, &by, |key, id| Transition::SettleSubcontract { key, id })?
            }
            Act::Drop { clause, by } => {
                let made = self.named("clause", clause)?;
                let by = by.clone().unwrap_or_else(|| made.peer.clone());
                self.on_named(&made, &by, |key, id| Transition::CancelSubcontract { key, id })?
            }
            _ => return Ok(None),
        }))
    }

    fn plan_clause(&self, clause: &Clause) -> Result<Planned, RunError> {
        let Clause { by, peer, .. } = clause;
        let (key, token) = (self.ground.key(&clause.token)?, self.channel_token(&clause.token, by, peer)?);
        let place = self.ground.place_of(&key).ok_or(RunError::Value("depository"))?;
        let provider = place.client.deployment().subcontract_provider;
        let Some(pair) = self.pair(by, peer)? else {
            return Ok(Err(Refusal::named("UnknownPeer", "no channel with that entity is possible")));
        };
        let payer = pair.side(&self.id(by)?).ok_or(RunError::Value("side"))?;
        let Some(amount) = clause.amount.unsigned() else { return Ok(Err(out_of_range(clause.amount))) };
        let (expiry, not_before) = (self.in_s(clause.expires_in_s.unwrap_or(DAY_S)), self.now);
        let (instrument, terms, question) = match clause.kind {
            ClauseKind::Cds => {
                let reference = self.id(clause.reference.as_deref().ok_or_else(malformed("reference"))?)?;
                let reference = *reference.as_bytes();
                let terms = CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference, debt_token: token };
                let question = [key.depository.0.as_slice(), &reference, &token.0.to_be_bytes()].concat();
                (CREDIT_DEFAULT_SWAP, terms.encode(), Some(question))
            }
            ClauseKind::Schedule => {
                let terms = ScheduleTerms {
                    payer,
                    cancellable: clause.cancellable,
                    amount,
                    paid: 0,
                    start: self.in_s(clause.start_in_s.unwrap_or(0)),
                    duration_s: clause.duration_s.ok_or_else(malformed("duration_s"))?,
                    cliff_s: clause.cliff_s.unwrap_or(0),
                    steps: clause.steps.unwrap_or(0),
                };
                (SCHEDULE, terms.encode(), None)
            }
            ClauseKind::Condition => {
                let name = flag(clause.answer.as_deref().ok_or_else(malformed("answer"))?);
                let calldata = TestAnswers::answerCall { name: name.0.into() }.abi_encode();
                let target = place.answers;
                let fallback = clause.fallback.unwrap_or_default();
                let Some(fallback) = fallback.unsigned() else { return Ok(Err(out_of_range(fallback))) };
                let question = [target.0.as_slice(), &calldata].concat();
                let terms = ConditionTerms { payer, amount, fallback, expiry, not_before, target, calldata };
                (CONDITION, terms.encode(), Some(question))
            }
        };
        let terms = match terms {
            Ok(terms) => terms,
            Err(error) => return Ok(Err(Refusal::of(&error))),
        };
        let asked = question.map(|question| Asked { instrument, not_before, question });
        let named = Named { by: by.clone(), peer: peer.clone(), key, secret: None, asked, id: None };
        let transition = Transition::AddSubcontract { key, provider, instrument, tokens: vec![token], terms };
        let planned = self.propose(by, peer, transition)?;
        Ok(planned.map(|plan| Plan { named: Some((clause.name.clone(), named)), ..plan }))
    }

    /// Sets a condition's flag on chain; on every chain, if none is named.
    ///
    /// # Errors
    /// [`RunError`] of the chain.
    pub(super) fn set_flag(&mut self, name: &str, value: bool, chain: Option<&str>) -> Result<Verdict, RunError> {
        let places = self.ground.places.iter().filter(|(place, _)| chain.is_none_or(|chain| chain == *place));
        let call = TestAnswers::setCall { name: flag(name).0.into(), yes: value }.abi_encode();
        let mut receipts = Vec::new();
        for (name, place) in places {
            let call = Transaction::call(place.answers, call.clone());
            receipts.push((name.clone(), now(place.client.chain().execute(&self.ground.runner, call))));
        }
        if receipts.is_empty() {
            return Err(RunError::Unknown { kind: "chain", name: chain.unwrap_or_default().to_owned() });
        }
        for (chain, receipt) in receipts {
            let verdict = self.receipt_of(&chain, &Reckoned::Flag { name: flag(name), value }, receipt)?;
            if verdict.is_err() {
                return Ok(verdict);
            }
        }
        Ok(Ok(()))
    }

    /// Puts a clause's fact into the registry, if it is so.
    ///
    /// # Errors
    /// [`RunError`] for a clause that was never made, or a chain that failed.
    pub(super) fn record(&mut self, clause: &str, by: Option<&str>) -> Result<Verdict, RunError> {
        let made = self.named("clause", clause)?;
        let Some(asked) = made.asked.clone() else {
            return Ok(Err(Refusal::named("NotSo", "this clause waits for no fact")));
        };
        let key = self.party(by.unwrap_or(&made.peer))?.signer.clone();
        let place = self.ground.place_of(&made.key).ok_or(RunError::Value("depository"))?;
        let Asked { instrument, not_before, question } = asked;
        let operation = Reckoned::Record { instrument, not_before, question: question.clone() };
        let sent = now(place.client.record(&key, &[Question { instrument, not_before, question }]));
        let chain = self.ground.name_of(&made.key);
        self.receipt_of(&chain, &operation, sent)
    }
}
