//! The reckoning of disputes: who may start, answer and finalize, with what, and what comes out.

use xln_core::commitment::Evidence;
use xln_core::crypto::Signature;
use xln_core::entity::{Claim, Permission, Verifier};
use xln_core::proof::{self, Body, Dispute, FillsGiven, ResolveError, TokenSplit, World, fills_hash, resolve_with};
use xln_core::subcontract::{Answer, Instruments};
use xln_core::types::{
    Address, DisputeFact, EntityId, Hash, HashKind, Nonce, Pair, Side, TokenFact, TokenId, UnixSeconds,
};

use super::books::Rule;
use super::chain::Ledger;
use super::planted::{Mistake, is_planted};

/// Bytes of the longest fills.
const FILLS_BYTES: usize = 32 * 24;

impl Ledger {
    /// Whether an entity may start a dispute itself; the epoch.
    pub(super) fn startable(&self, by: EntityId, pair: &Pair, starter: Side) -> Result<u32, Rule> {
        let line = self.line(pair);
        if line.dispute.is_some() {
            return Err(Rule::Dispute);
        }
        if pair.entity(starter) == by { Ok(line.epoch) } else { Err(Rule::Authority) }
    }

    pub(super) fn start(
        &mut self,
        pair: &Pair,
        starter: Side,
        nonce: Nonce,
        body_hash: Hash,
        fills: Hash,
        now: UnixSeconds,
    ) {
        self.lines.entry(*pair).or_default().dispute = Some(DisputeFact {
            nonce: nonce.0,
            started_at: now,
            starter,
            answered: false,
            answered_at: UnixSeconds(0),
            body_hash,
            starter_fills_hash: fills,
            answerer_fills_hash: Hash::ZERO,
        });
    }

    pub(super) fn running(&self, pair: &Pair, shown: &DisputeFact) -> Result<DisputeFact, Rule> {
        self.line(pair).dispute.filter(|running| running == shown).ok_or(Rule::Dispute)
    }

    pub(super) fn answerable(&self, pair: &Pair, shown: &DisputeFact, now: UnixSeconds) -> Result<DisputeFact, Rule> {
        let running = self.running(pair, shown)?;
        let deadline = running.started_at.plus(self.window_s);
        let late = now > deadline || (now == deadline && is_planted(Mistake::DeadlineEarly));
        if late { Err(Rule::Time) } else { Ok(running) }
    }

    pub(super) fn finalize(
        &self,
        by: EntityId,
        pair: &Pair,
        shown: &DisputeFact,
        (body, starter_fills, answerer_fills): (&[u8], &[u8], &[u8]),
        now: UnixSeconds,
    ) -> Result<Vec<TokenSplit>, Rule> {
        let running = self.running(pair, shown)?;
        if proof::body_hash(body) != running.body_hash || given(starter_fills)? != running.starter_fills_hash {
            return Err(Rule::Shape);
        }
        let answerer_hash = given(answerer_fills)?;
        let mut answered_at = running.answered_at;
        if now <= running.started_at.plus(self.window_s) && !running.answered {
            if by != pair.entity(running.starter.other()) {
                return Err(Rule::Time);
            }
            answered_at = now;
        } else if answerer_hash != running.answerer_fills_hash {
            return Err(Rule::Shape);
        }
        let body = Body::parse(body).map_err(|_| Rule::Shape)?;
        let fills = ((starter_fills, running.started_at), (answerer_fills, answered_at));
        self.outcome(pair, &body, now, Some((&running, fills)))
    }

    /// What becomes of the tokens of a body.
    #[expect(clippy::type_complexity, reason = "two fills and when they were given")]
    pub(super) fn outcome(
        &self,
        pair: &Pair,
        body: &Body,
        now: UnixSeconds,
        dispute: Option<(&DisputeFact, ((&[u8], UnixSeconds), (&[u8], UnixSeconds)))>,
    ) -> Result<Vec<TokenSplit>, Rule> {
        let line = self.line(pair);
        let fact = |token: &TokenId| {
            let (collateral, ondelta) = line.buckets.get(token).copied().unwrap_or_default();
            TokenFact { token: *token, collateral, ondelta }
        };
        let facts: Vec<_> = body.tokens.iter().map(|(token, _)| fact(token)).collect();
        let mut fills = [FillsGiven::default(); 2];
        let mut started_at = now;
        if let Some((running, (starter, answerer))) = dispute {
            started_at = running.started_at;
            let of = |(bytes, at)| FillsGiven { bytes, at };
            fills = if running.starter.is_left() { [of(starter), of(answerer)] } else { [of(answerer), of(starter)] };
        }
        let [left_fills, right_fills] = fills;
        let window_s = self.window_s;
        let moment = Dispute { body, facts: &facts, now, started_at, window_s, left_fills, right_fills };
        let registry = |_: &Address, kind: HashKind, hash: &Hash| self.secrets.get(&(kind, *hash)).copied();
        let counts = |at: UnixSeconds| if is_planted(Mistake::LateFactCounts) { at.min(started_at) } else { at };
        let recorded = |_: &Address, name: &Hash| self.facts.get(name).map(|at| Answer { at: counts(*at), value: 1 });
        let instruments = Instruments::built_in();
        let world = World { key: self.key, instruments: &instruments, reveals: &registry, facts: &recorded };
        resolve_with(&moment, &world).map_err(|error| match error {
            ResolveError::PendingUntil(_) => Rule::Pending,
            _ => Rule::Shape,
        })
    }
}

/// The hash of fills that are not too long.
pub(super) fn given(fills: &[u8]) -> Result<Hash, Rule> {
    if fills.len() > FILLS_BYTES { Err(Rule::Shape) } else { Ok(fills_hash(fills)) }
}

impl Ledger {
    /// An entity signed: by its key, its members, or its operator; what was replaced, revoked or has expired counts for channel
    /// states until the grace ends.
    fn by(
        &self,
        entity: EntityId,
        digest: &Hash,
        signature: &Signature,
        permission: Permission,
        now: UnixSeconds,
    ) -> Result<(), Rule> {
        let claim = Claim { entity: &entity, digest, signature, permission };
        let reliance = Verifier::default().verify(&claim).map_err(|_| Rule::Authority)?;
        let states = permission == Permission::States;
        let counts = |until: &UnixSeconds| states && now <= *until && !is_planted(Mistake::NoGrace);
        for (owner, board) in &reliance.boards {
            let known = self.boards.get(owner).and_then(|boards| boards.iter().find(|(hash, _)| hash == board));
            let (_, until) = known.ok_or(Rule::Authority)?;
            if until.as_ref().is_some_and(|until| !counts(until)) {
                return Err(Rule::Authority);
            }
        }
        for (owner, delegation, expiry) in &reliance.delegations {
            let grace = if states { self.grace_s } else { 0 };
            if now > expiry.plus(grace) {
                return Err(Rule::Authority);
            }
            if self.revoked.get(&(*owner, *delegation)).is_some_and(|until| !counts(until)) {
                return Err(Rule::Authority);
            }
        }
        Ok(())
    }

    /// Both signed, and it has not expired.
    pub(super) fn consented(
        &self,
        pair: &Pair,
        digest: &Hash,
        (left, right): (&Signature, &Signature),
        expiry: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<(), Rule> {
        self.by(pair.left(), digest, left, Permission::Withdraw, now)?;
        self.by(pair.right(), digest, right, Permission::Withdraw, now)?;
        if now > expiry { Err(Rule::Time) } else { Ok(()) }
    }

    /// One side signed the state, whose leaf is of this epoch.
    pub(super) fn signed(
        &self,
        pair: &Pair,
        side: Side,
        evidence: &Evidence,
        epoch: u32,
        now: UnixSeconds,
    ) -> Result<(), Rule> {
        let leaf = proof::subchannel_leaf(&evidence.key, epoch, &evidence.body_hash());
        let root = evidence.path.iter().fold(leaf.0, |node, sibling| xln_merkle::pair_hash(&node, &sibling.0));
        let digest = proof::channel_state_digest(&pair.channel_key(), evidence.nonce, &Hash(root));
        let signature = evidence.signature(side).ok_or(Rule::Authority)?;
        self.by(pair.entity(side), &digest, signature, Permission::States, now)
    }
}

/// A newer state takes the place of the shown one; fills are bound to a body.
pub(super) fn show(next: &mut DisputeFact, evidence: &Evidence) -> Result<(), Rule> {
    if evidence.nonce.0 <= next.nonce {
        return Err(Rule::Stale);
    }
    next.nonce = evidence.nonce.0;
    let body_hash = evidence.body_hash();
    if next.body_hash != body_hash {
        next.body_hash = body_hash;
        (next.starter_fills_hash, next.answerer_fills_hash) = (Hash::ZERO, Hash::ZERO);
        next.answered_at = UnixSeconds(0);
    }
    Ok(())
}

pub(super) fn answer(
    by: EntityId,
    pair: &Pair,
    next: &mut DisputeFact,
    fills: &[u8],
    now: UnixSeconds,
) -> Result<(), Rule> {
    if by != pair.entity(next.starter.other()) {
        return Err(Rule::Authority);
    }
    (next.answered, next.answered_at, next.answerer_fills_hash) = (true, now, given(fills)?);
    Ok(())
}
