//! Who owns what, on chain and off: a third reckoning, of nothing but the words of `docs/scenarios.md`. A payment makes one
//! side poorer by what the other gets, and nearly everything else, an end by the newest state included, moves nothing at
//! all between two people. Where that cannot be told, while a line is cut or an old state is shown, it waits.

use std::collections::BTreeMap;

use alloy_primitives::{I256, U256};
use xln_core::channel::{Channel, Freeze};
use xln_core::state::Pending;
use xln_core::types::{DisputeFact, Hash, Pair, Side, SubchannelKey, TokenId, UnixSeconds};

use super::amount::Amount;
use super::file::TokenKind;
use super::ground::Place;
use super::party::Party;
use super::promises::Promises;
use super::refusal::RunError;
use super::shadow::Ledger;
use super::shadow::planted::{Mistake, is_planted};
use super::step::{Act, Answer, Step};
use super::world::World;

/// Entity and token, by name.
pub(super) type Sums = BTreeMap<(String, String), I256>;

/// What is known before a step.
pub(super) struct Before {
    sums: Option<Sums>,
    /// What the step moves if it works; `None` if that cannot be told.
    moves: Option<Vec<Option<Sums>>>,
}

/// Locks and offers by name, as the story told them: who, with whom, amounts.
#[derive(Default)]
pub(super) struct Wealth {
    locks: BTreeMap<String, (String, String, String, I256)>,
    offers: BTreeMap<String, Offer>,
    promises: Promises,
    /// Steps that were compared.
    pub(super) compared: u64,
}

#[derive(Clone)]
struct Offer {
    by: String,
    peer: String,
    give: (String, I256),
    want: (String, I256),
}

fn wide(amount: u128) -> I256 {
    I256::from_raw(U256::from(amount))
}

fn signed(amount: i128) -> I256 {
    I256::try_from(amount).unwrap_or_default()
}

pub(super) fn add(sums: &mut Sums, who: &str, token: &str, amount: I256) {
    let sum = sums.entry((who.to_owned(), token.to_owned())).or_default();
    *sum = sum.wrapping_add(amount);
}

pub(super) fn pay(from: &str, to: &str, token: &str, amount: I256) -> Sums {
    let mut sums = Sums::new();
    add(&mut sums, from, token, amount.wrapping_neg());
    add(&mut sums, to, token, amount);
    sums
}

impl Wealth {
    /// To be asked before a step.
    pub(super) fn before(&mut self, world: &World, step: &Step) -> Before {
        self.learn(&step.act, world.now);
        let sums = world.wealth();
        // What is compared must be reckoned first: a step may end what it is about.
        let moves = if sums.is_some() { self.moves(world, &step.act) } else { None };
        Before { sums, moves }
    }

    fn learn(&mut self, act: &Act, now: UnixSeconds) {
        match act {
            Act::Lock { name, by, peer, token, amount, .. } => {
                let lock = (by.clone(), peer.clone(), token.clone(), amount.0);
                self.locks.entry(name.clone()).or_insert(lock);
            }
            Act::Offer { name, by, peer, give, want, .. } => {
                let (give, want) = ((give.0.clone(), give.1.0), (want.0.clone(), want.1.0));
                let offer = Offer { by: by.clone(), peer: peer.clone(), give, want };
                self.offers.entry(name.clone()).or_insert(offer);
            }
            Act::Clause(clause) => self.promises.learn(clause, now),
            Act::Together { steps } | Act::OneBlock { steps } => {
                for step in Step::parse_all(steps).unwrap_or_default() {
                    self.learn(&step.act, now);
                }
            }
            _ => {}
        }
    }

    /// Compares.
    ///
    /// # Errors
    /// [`RunError::Model`] with what differs.
    pub(super) fn after(&mut self, world: &World, step: &Step, refused: bool, before: Before) -> Result<(), RunError> {
        let (Some(mut expected), Some(moves), Some(found)) = (before.sums, before.moves, world.wealth()) else {
            return Ok(());
        };
        // On one chain it may have worked, and been refused on the other.
        let partly = matches!(step.act, Act::Finalize(_) | Act::Submit { .. }) && world.ground.places.len() > 1;
        if refused && partly {
            return Ok(());
        }
        let group = matches!(step.act, Act::Together { .. } | Act::OneBlock { .. });
        for (number, part) in moves.iter().enumerate() {
            let part_refused = group && world.parts.get(number).is_some_and(Option::is_some);
            if refused && !group {
                continue;
            }
            let Some(part) = part else { return Ok(()) };
            if refused || part_refused {
                continue;
            }
            for ((who, token), amount) in part {
                add(&mut expected, who, token, *amount);
            }
        }
        self.compared = self.compared.saturating_add(1);
        for ((who, token), expected) in expected.iter().filter(|(_, amount)| !amount.is_zero()) {
            let found = found.get(&(who.clone(), token.clone())).copied().unwrap_or_default();
            if found != *expected {
                return Err(differs(who, token, *expected, found));
            }
        }
        let more = found
            .iter()
            .find(|(key, amount)| !amount.is_zero() && expected.get(*key).copied().unwrap_or_default().is_zero());
        more.map_or(Ok(()), |((who, token), found)| Err(differs(who, token, I256::ZERO, *found)))
    }

    fn moves(&self, world: &World, act: &Act) -> Option<Vec<Option<Sums>>> {
        if world.scenario.auto {
            return None;
        }
        match act {
            Act::Together { steps } | Act::OneBlock { steps } => {
                let mut parts = Vec::new();
                for step in Step::parse_all(steps).ok()? {
                    match &step.act {
                        Act::Together { .. } | Act::OneBlock { .. } => return None,
                        // Of several payments some may be refused.
                        Act::Pay { times: Some(_), .. } => parts.push(None),
                        // One may end, or be paid by, what another one is about.
                        Act::Exercise { .. } | Act::Drop { .. } => parts.push(None),
                        act => parts.push(self.one(world, act)),
                    }
                }
                Some(parts)
            }
            act => Some(vec![self.one(world, act)]),
        }
    }

    /// What one step moves if it works.
    fn one(&self, world: &World, act: &Act) -> Option<Sums> {
        let mut sums = Sums::new();
        match act {
            Act::Deposit { by, token, amount } | Act::Withdraw { by, token, amount } => {
                add(&mut sums, by, token, world.kept(token, amount.0)?.wrapping_neg());
            }
            Act::Transfer { by, to, token, amount } => return Some(pay(by, to, token, amount.0)),
            Act::Collateral { by, token, amount, receiver, to, .. } => {
                let amounts = amount.iter().chain(to.iter().map(|(_, amount)| amount));
                let total = amounts.fold(I256::ZERO, |sum, amount| sum.wrapping_add(amount.0));
                return Some(pay(by, receiver.as_ref().unwrap_or(by), token, total));
            }
            Act::Pay { by, peer, token, amount, times } => {
                let times = I256::try_from(times.map_or(1, |times| times.0)).ok()?;
                return Some(pay(by, peer, token, amount.0.wrapping_mul(times)));
            }
            Act::Settle { payment, .. } => {
                let (by, peer, token, amount) = self.locks.get(payment)?;
                return Some(pay(by, peer, token, *amount));
            }
            Act::Route { by, via, to, token, amount, fee_ppm, .. } => {
                let (mut carried, million) = (amount.0, I256::try_from(1_000_000).ok()?);
                add(&mut sums, to, token, carried);
                for hop in via.iter().rev() {
                    let up = carried.wrapping_mul(I256::try_from(*fee_ppm).ok()?);
                    let most = if is_planted(Mistake::FeeDown) { I256::ONE } else { million };
                    let up = up.wrapping_add(most).wrapping_sub(I256::ONE);
                    let fee = up.checked_div(million)?;
                    add(&mut sums, hop, token, fee);
                    carried = carried.wrapping_add(fee);
                }
                add(&mut sums, by, token, carried.wrapping_neg());
            }
            Act::Fill { swap, give: fill, .. } => return self.fill(swap, *fill),
            Act::Settlement { by, peer, forgive, submit: true, .. } => {
                let pair = world.pair(by, peer).ok()??;
                self.settlement(world, &pair, act, forgive, &mut sums)?;
            }
            Act::Finalize(answer) => world.finalized(answer, &self.promises, &mut sums)?,
            Act::Exercise { .. } | Act::Drop { .. } => return self.promises.decided(world, act),
            // What is submitted was agreed in another step; what a reorganisation takes back is many steps.
            Act::Submit { .. } | Act::Reorg { .. } => return None,
            _ => {}
        }
        Some(sums)
    }

    fn fill(&self, swap: &str, fill: Amount) -> Option<Sums> {
        let Offer { by, peer, give, want } = self.offers.get(swap)?;
        let product = fill.0.wrapping_mul(want.1);
        let up = give.1.wrapping_sub(I256::ONE);
        let price = product.wrapping_add(up).checked_div(give.1)?;
        let mut sums = pay(by, peer, &give.0, fill.0);
        for ((who, token), amount) in pay(peer, by, &want.0, price) {
            add(&mut sums, &who, &token, amount);
        }
        Some(sums)
    }

    fn settlement(&self, world: &World, pair: &Pair, act: &Act, forgive: &[String], sums: &mut Sums) -> Option<()> {
        let Act::Settlement { diffs, .. } = act else { return None };
        let (left, right) = (world.name(&pair.left()), world.name(&pair.right()));
        for diff in diffs {
            let rest = diff.left.0.wrapping_add(diff.right.0).wrapping_neg();
            let collateral = diff.collateral.map_or(rest, |amount| amount.0);
            add(sums, &left, &diff.token, diff.left.0.wrapping_add(diff.ondelta.0));
            add(sums, &right, &diff.token, diff.right.0.wrapping_add(collateral).wrapping_sub(diff.ondelta.0));
        }
        for token in forgive {
            let place = world.ground.find(token).ok()?;
            let ledger = world.shadow.ledger(&place.chain)?;
            for (debtor, creditor) in [(pair.left(), pair.right()), (pair.right(), pair.left())] {
                for id in &place.ids {
                    let queue = ledger.books.debts(debtor, *id);
                    for (.., amount) in queue.open().filter(|(_, to, _)| *to == creditor) {
                        add(sums, &world.name(&debtor), token, I256::from_raw(*amount));
                        add(sums, &world.name(&creditor), token, I256::from_raw(*amount).wrapping_neg());
                    }
                }
            }
        }
        Some(())
    }
}

fn differs(who: &str, token: &str, expected: I256, found: I256) -> RunError {
    RunError::Model(format!("the wealth of {who} in {token} must be {expected}, and is {found}"))
}

impl World {
    /// What a fee token keeps of an amount.
    fn kept(&self, token: &str, amount: I256) -> Option<I256> {
        let spec = self.scenario.tokens.get(token)?;
        if spec.kind != TokenKind::Erc20Fee {
            return Some(I256::ZERO);
        }
        amount.wrapping_mul(I256::try_from(spec.fee_ppm).ok()?).checked_div(I256::try_from(1_000_000).ok()?)
    }

    /// What everyone has: outside, in reserve, as claims less debts, and in channels as both sides have agreed. `None` while
    /// two sides do not agree, or one waits for something.
    fn wealth(&self) -> Option<Sums> {
        if !self.is_quiet() {
            return None;
        }
        let mut sums = Sums::new();
        for (token, place) in &self.ground.tokens {
            let (ledger, chain) = (self.shadow.ledger(&place.chain)?, self.ground.place(&place.chain).ok()?);
            for id in &place.ids {
                for (name, party) in &self.parties {
                    self.own(ledger, (name, party), (token, *id), &mut sums);
                }
                for pair in self.all_pairs() {
                    self.share(ledger, chain, &pair, (token, *id), &mut sums)?;
                }
            }
        }
        Some(sums)
    }

    fn own(&self, ledger: &Ledger, (name, party): (&str, &Party), (token, id): (&str, TokenId), sums: &mut Sums) {
        add(sums, name, token, ledger.outside.get(&(party.id, id)).copied().unwrap_or_default());
        add(sums, name, token, I256::from_raw(ledger.books.reserve(party.id, id)));
        for (_, creditor, amount) in ledger.books.debts(party.id, id).open() {
            add(sums, name, token, I256::from_raw(*amount).wrapping_neg());
            add(sums, &self.name(creditor), token, I256::from_raw(*amount));
        }
    }

    fn share(
        &self,
        ledger: &Ledger,
        place: &Place,
        pair: &Pair,
        (token, id): (&str, TokenId),
        sums: &mut Sums,
    ) -> Option<()> {
        let (left, right) = (self.name(&pair.left()), self.name(&pair.right()));
        let key = place.client.deployment().key();
        let line = ledger.line(pair);
        let (collateral, ondelta) = line.buckets.get(&id).copied().unwrap_or_default();
        let mut offdelta = 0;
        if let Some(channel) = self.view(&left, &right) {
            if channel.frozen(&key) == Some(Freeze::Alarm) {
                return None;
            }
            let subchannel = channel.state().subchannels.get(&key).filter(|s| s.epoch == line.epoch);
            offdelta = subchannel.and_then(|s| s.tokens.get(&id)).map_or(0, |state| state.offdelta);
        }
        let share = signed(ondelta).wrapping_add(signed(offdelta));
        add(sums, &left, token, share);
        add(sums, &right, token, wide(collateral).wrapping_sub(share));
        Some(())
    }

    /// What an end by dispute moves: if the newest state is shown and nobody fills, only what was revealed in time.
    fn finalized(&self, answer: &Answer, promises: &Promises, sums: &mut Sums) -> Option<()> {
        let (a, b) = match (&answer.peer, &answer.channel) {
            (Some(peer), _) => (answer.by.as_str(), peer.as_str()),
            (None, Some(channel)) => self.split(channel, "-").ok()?,
            (None, None) => return None,
        };
        let pair = self.pair(a, b).ok()??;
        for (name, place) in &self.ground.places {
            if answer.chain.as_ref().is_some_and(|chain| chain != name) {
                continue;
            }
            let ledger = self.shadow.ledger(name)?;
            let Some(dispute) = ledger.line(&pair).dispute else { continue };
            if dispute.starter_fills_hash != Hash::ZERO
                || dispute.answerer_fills_hash != Hash::ZERO
                || !answer.arguments.fills.is_empty()
            {
                return None;
            }
            let key = place.client.deployment().key();
            let channel = self.view(&self.name(&pair.left()), &self.name(&pair.right()))?;
            let newest = channel.tip().commitment.subchannels.iter().find(|s| s.key == key)?;
            if newest.body_hash != dispute.body_hash || newest.epoch != ledger.line(&pair).epoch {
                return None;
            }
            self.revealed(ledger, channel, &key, sums)?;
            self.promised(ledger, channel, (&key, &dispute), promises, sums)?;
        }
        Some(())
    }

    fn promised(
        &self,
        ledger: &Ledger,
        channel: &Channel,
        (key, dispute): (&SubchannelKey, &DisputeFact),
        promises: &Promises,
        sums: &mut Sums,
    ) -> Option<()> {
        for (id, pending) in &channel.state().subchannels.get(key)?.pending {
            if matches!(pending, Pending::Subcontract(_)) {
                promises.enforced(self, ledger, (&channel.pair(), key, *id), dispute, sums)?;
            }
        }
        Some(())
    }

    fn revealed(&self, ledger: &Ledger, channel: &Channel, key: &SubchannelKey, sums: &mut Sums) -> Option<()> {
        let pair = channel.pair();
        let name = |side: Side| self.name(&pair.entity(side));
        for pending in channel.state().subchannels.get(key)?.pending.values() {
            let lock = match pending {
                Pending::Payment(lock) => lock,
                Pending::Subcontract(_) | Pending::Swap(_) => continue,
            };
            let timely = ledger.secrets.get(&(lock.kind, lock.hash)).is_some_and(|at| *at <= lock.expiry);
            if timely {
                let (token, _) = self
                    .ground
                    .tokens
                    .iter()
                    .find(|(_, t)| t.ids.contains(&lock.token) && self.ground.key_of(t) == Some(*key))?;
                add(sums, &name(lock.payer), token, wide(lock.amount).wrapping_neg());
                add(sums, &name(lock.payer.other()), token, wide(lock.amount));
            }
        }
        Some(())
    }
}
