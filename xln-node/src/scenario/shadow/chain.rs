//! One chain of a story as the rules have it: what an operation must do there, or that it must be refused.

use std::collections::BTreeMap;

use alloy_primitives::{I256, U256};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::proof::{self, Body, DepositoryDomain, SettlementUpdate, TokenSplit};
use xln_core::subcontract::fact_key;
use xln_core::types::{
    DisputeFact, EntityId, Hash, HashKind, Nonce, Pair, Secret, Side, SubchannelKey, TokenId, UnixSeconds,
};

use super::books::{Books, Rule};
use super::dispute::{answer, given, show};
use super::planted::{Mistake, is_planted};
use crate::scenario::file::TokenKind;

/// Below this are collateral and the absolute value of ondelta.
const LIMIT: i128 = i128::MAX;
const PPM: u64 = 1_000_000;

/// Something that is tried on a chain.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// External tokens into a reserve.
    Deposit { by: EntityId, token: TokenId, amount: u128 },
    /// A reserve to external tokens.
    Withdraw { by: EntityId, token: TokenId, amount: u128 },
    /// One reserve to another.
    Transfer { by: EntityId, to: EntityId, token: TokenId, amount: u128 },
    /// A reserve into channels: receiver, peer, amount.
    Collateral { by: EntityId, token: TokenId, fundings: Vec<(EntityId, EntityId, u128)> },
    /// Debts are paid.
    Enforce { of: EntityId, token: TokenId, most: u64 },
    /// A secret is put into the registry.
    Reveal { kind: HashKind, secret: Secret },
    /// A condition's flag is set.
    Flag { name: Hash, value: bool },
    /// A fact is put into the registry.
    Record { instrument: u16, not_before: UnixSeconds, question: Vec<u8> },
    /// What a node asks for, in the name of `by`.
    Act { by: EntityId, action: Box<ChainAction> },
}

/// A token as the rules see it.
#[derive(Clone, Debug)]
pub(crate) struct Coin {
    /// What it is.
    pub(crate) kind: TokenKind,
    /// What it keeps of each transfer.
    pub(crate) fee_ppm: u32,
    /// Who owns the NFT; `None` is the Depository.
    pub(crate) owner: Option<EntityId>,
}

impl Coin {
    /// What arrives of an amount.
    fn arrives(&self, amount: U256) -> U256 {
        let fee = if self.kind == TokenKind::Erc20Fee { u64::from(self.fee_ppm) } else { 0 };
        let kept = amount.saturating_mul(U256::from(fee)).checked_div(U256::from(PPM)).unwrap_or_default();
        amount.saturating_sub(kept)
    }
}

/// One channel on one chain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Line {
    /// How often it was closed.
    pub(crate) epoch: u32,
    /// How many settlements it had.
    pub(crate) settlement_nonce: u32,
    /// The running dispute.
    pub(crate) dispute: Option<DisputeFact>,
    /// Collateral and ondelta.
    pub(crate) buckets: BTreeMap<TokenId, (u128, i128)>,
}

/// One chain.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(super) key: SubchannelKey,
    domain: DepositoryDomain,
    pub(super) window_s: u64,
    pub(super) grace_s: u64,
    /// The tokens.
    pub(crate) coins: BTreeMap<TokenId, Coin>,
    /// Reserves and debts.
    pub(crate) books: Books,
    /// What each entity has more, or less, outside than at the start.
    pub(crate) outside: BTreeMap<(EntityId, TokenId), I256>,
    /// Channels.
    pub(crate) lines: BTreeMap<Pair, Line>,
    /// When secrets were revealed.
    pub(crate) secrets: BTreeMap<(HashKind, Hash), UnixSeconds>,
    /// Flags that are set.
    flags: BTreeMap<Hash, bool>,
    /// When facts were recorded.
    pub(crate) facts: BTreeMap<Hash, UnixSeconds>,
    /// Boards of registered organisations, and until when they count for channel states; the present one without end.
    pub(crate) boards: BTreeMap<EntityId, Vec<(Hash, Option<UnixSeconds>)>>,
    /// Delegations that were revoked, and until when they count for channel states.
    pub(crate) revoked: BTreeMap<(EntityId, Hash), UnixSeconds>,
}

impl Ledger {
    /// An empty one.
    pub(crate) fn new(key: SubchannelKey, window_s: u64, grace_s: u64) -> Self {
        Self {
            key,
            domain: DepositoryDomain::from(&key),
            window_s,
            grace_s,
            coins: BTreeMap::new(),
            books: Books::default(),
            outside: BTreeMap::new(),
            lines: BTreeMap::new(),
            secrets: BTreeMap::new(),
            flags: BTreeMap::new(),
            facts: BTreeMap::new(),
            boards: BTreeMap::new(),
            revoked: BTreeMap::new(),
        }
    }

    /// Seconds in which a dispute can be answered.
    pub(crate) const fn window(&self) -> u64 {
        self.window_s
    }

    /// The channel of a pair.
    pub(crate) fn line(&self, pair: &Pair) -> Line {
        self.lines.get(pair).cloned().unwrap_or_default()
    }

    /// What an operation makes of this chain at a time.
    ///
    /// # Errors
    /// Why the rules refuse it.
    pub(crate) fn after(&self, operation: &Operation, now: UnixSeconds) -> Result<Self, Rule> {
        let mut next = self.clone();
        match operation {
            Operation::Deposit { by, token, amount } => next.deposit(*by, *token, U256::from(*amount))?,
            Operation::Withdraw { by, token, amount } => next.withdraw(*by, *token, U256::from(*amount))?,
            Operation::Transfer { by, to, token, amount } => {
                nonzero(*amount)?;
                next.books.debit(*by, *token, U256::from(*amount))?;
                if !is_planted(Mistake::TransferLost) {
                    next.books.credit(*to, *token, U256::from(*amount))?;
                }
            }
            Operation::Collateral { by, token, fundings } => next.fund(*by, *token, fundings)?,
            Operation::Enforce { of, token, most } => {
                let _ = next.books.pay_debts(*of, *token, *most);
            }
            Operation::Reveal { kind, secret } => {
                next.reveal(*kind, secret, now);
            }
            Operation::Flag { name, value } => {
                next.flags.insert(*name, *value);
            }
            Operation::Record { instrument, not_before, question } => {
                next.record(*instrument, *not_before, question, now)?;
            }
            Operation::Act { by, action } => next.act(*by, action, now)?,
        }
        Ok(next)
    }

    /// The first one counts.
    fn reveal(&mut self, kind: HashKind, secret: &Secret, now: UnixSeconds) {
        let at = self.secrets.entry((kind, secret.hash(kind))).or_insert(now);
        if is_planted(Mistake::LastRevealCounts) {
            *at = now;
        }
    }

    /// The first one counts; what is not so is refused.
    fn record(
        &mut self,
        instrument: u16,
        not_before: UnixSeconds,
        question: &[u8],
        now: UnixSeconds,
    ) -> Result<(), Rule> {
        let name = fact_key(instrument, not_before, question).ok_or(Rule::Shape)?;
        if self.facts.contains_key(&name) {
            return Ok(());
        }
        if now < not_before {
            return Err(Rule::Time);
        }
        let (place, asked) = question.split_at_checked(20).ok_or(Rule::Shape)?;
        let is_so = match instrument {
            // A default: the Depository, an entity, a token.
            3 => {
                let (entity, token) = asked.split_first_chunk::<32>().ok_or(Rule::Shape)?;
                let token = TokenId(u32::from_be_bytes(token.try_into().map_err(|_| Rule::Shape)?));
                let entity = EntityId::parse(*entity).map_err(|_| Rule::Shape)?;
                place == self.key.depository.0 && self.books.debts(entity, token).open().next().is_some()
            }
            // A condition of a story: a function and the name of a flag.
            5 => {
                let flag = asked.last_chunk::<32>().ok_or(Rule::Shape)?;
                self.flags.get(&Hash(*flag)).copied().unwrap_or(false)
            }
            _ => false,
        };
        if !is_so {
            return Err(Rule::NotSo);
        }
        self.facts.insert(name, now);
        Ok(())
    }

    fn coin(&self, token: TokenId) -> Result<Coin, Rule> {
        self.coins.get(&token).cloned().ok_or(Rule::Shape)
    }

    fn shift_outside(&mut self, entity: EntityId, token: TokenId, amount: U256, out: bool) {
        let amount = I256::from_raw(amount);
        let sum = self.outside.entry((entity, token)).or_default();
        *sum = if out { sum.wrapping_sub(amount) } else { sum.wrapping_add(amount) };
    }

    fn deposit(&mut self, by: EntityId, token: TokenId, amount: U256) -> Result<(), Rule> {
        let coin = self.coin(token)?;
        if amount.is_zero() {
            return Err(Rule::Zero);
        }
        if coin.kind == TokenKind::Erc721 {
            if amount != U256::ONE {
                return Err(Rule::Range);
            }
            if coin.owner != Some(by) {
                return Err(Rule::NotTheOwner);
            }
            self.coins.insert(token, Coin { owner: None, ..coin.clone() });
        }
        let arrives = coin.arrives(amount);
        if arrives.is_zero() {
            return Err(Rule::Zero);
        }
        self.shift_outside(by, token, amount, true);
        self.books.credit(by, token, arrives)
    }

    fn withdraw(&mut self, by: EntityId, token: TokenId, amount: U256) -> Result<(), Rule> {
        let coin = self.coin(token)?;
        if amount.is_zero() {
            return Err(Rule::Zero);
        }
        self.books.debit(by, token, amount)?;
        if coin.kind == TokenKind::Erc721 {
            if amount != U256::ONE {
                return Err(Rule::Range);
            }
            self.coins.insert(token, Coin { owner: Some(by), ..coin.clone() });
        }
        self.shift_outside(by, token, coin.arrives(amount), false);
        Ok(())
    }

    fn bucket(&mut self, pair: &Pair, token: TokenId, (collateral, ondelta): (I256, I256)) -> Result<(), Rule> {
        let (limit, zero) = (I256::try_from(LIMIT).unwrap_or_default(), I256::ZERO);
        if collateral < zero {
            return Err(Rule::Short);
        }
        if collateral > limit || ondelta.abs() > limit {
            return Err(Rule::Range);
        }
        let collateral = u128::try_from(collateral.unsigned_abs()).map_err(|_| Rule::Range)?;
        let ondelta = i128::try_from(ondelta).map_err(|_| Rule::Range)?;
        self.lines.entry(*pair).or_default().buckets.insert(token, (collateral, ondelta));
        Ok(())
    }

    fn wide_bucket(&self, pair: &Pair, token: TokenId) -> (I256, I256) {
        let (collateral, ondelta) = self.line(pair).buckets.get(&token).copied().unwrap_or_default();
        (I256::from_raw(U256::from(collateral)), I256::try_from(ondelta).unwrap_or_default())
    }

    fn fund(&mut self, by: EntityId, token: TokenId, fundings: &[(EntityId, EntityId, u128)]) -> Result<(), Rule> {
        let mut total = U256::ZERO;
        for (receiver, peer, amount) in fundings {
            nonzero(*amount)?;
            let pair = Pair::new(*receiver, *peer).map_err(|_| Rule::Shape)?;
            let (collateral, ondelta) = self.wide_bucket(&pair, token);
            let more = I256::from_raw(U256::from(*amount));
            let ondelta = if pair.left() == *receiver { ondelta.wrapping_add(more) } else { ondelta };
            self.bucket(&pair, token, (collateral.wrapping_add(more), ondelta))?;
            total = total.saturating_add(U256::from(*amount));
        }
        if total.is_zero() {
            return Err(Rule::Zero);
        }
        self.books.debit(by, token, total)
    }

    fn act(&mut self, by: EntityId, action: &ChainAction, now: UnixSeconds) -> Result<(), Rule> {
        let pair = &action.pair;
        if action.key != self.key {
            return Err(Rule::Shape);
        }
        match &action.call {
            ChainCall::Reveal { kind, secret, .. } => {
                self.reveal(*kind, secret, now);
                Ok(())
            }
            ChainCall::Record { instrument, not_before, question, .. } => {
                self.record(*instrument, *not_before, question, now)
            }
            ChainCall::CooperativeUpdate { expiry, update, left, right } => {
                let bytes = update.encode().map_err(|_| Rule::Shape)?;
                let Line { epoch, settlement_nonce: nonce, dispute, .. } = self.line(pair);
                let digest = self.domain.cooperative_update(&pair.channel_key(), epoch, nonce, *expiry, &bytes);
                if dispute.is_some() {
                    return Err(Rule::Dispute);
                }
                self.consented(pair, &digest, (left, right), *expiry, now)?;
                self.update(pair, update)
            }
            ChainCall::CooperativeClose { expiry, body: bytes, left, right } => {
                let Line { epoch, settlement_nonce: nonce, .. } = self.line(pair);
                let digest = self.domain.cooperative_close(&pair.channel_key(), epoch, nonce, *expiry, bytes);
                self.consented(pair, &digest, (left, right), *expiry, now)?;
                let body = Body::parse(bytes).map_err(|_| Rule::Shape)?;
                if !body.clauses.is_empty() {
                    return Err(Rule::Shape);
                }
                let splits = self.outcome(pair, &body, now, None)?;
                self.end_epoch(pair, &splits);
                Ok(())
            }
            ChainCall::StartDispute { starter, evidence, fills } => {
                let epoch = self.startable(by, pair, *starter)?;
                self.signed(pair, starter.other(), evidence, epoch, now)?;
                if evidence.nonce == Nonce(0) {
                    return Err(Rule::Stale);
                }
                let body_hash = evidence.body_hash();
                self.start(pair, *starter, evidence.nonce, body_hash, given(fills)?, now);
                Ok(())
            }
            ChainCall::StartEmptyDispute { starter, tokens } => {
                self.startable(by, pair, *starter)?;
                let body = Body { tokens: tokens.iter().map(|token| (*token, 0)).collect(), clauses: Vec::new() };
                let body = body.encode().map_err(|_| Rule::Shape)?;
                self.start(pair, *starter, Nonce(0), proof::body_hash(&body), Hash::ZERO, now);
                Ok(())
            }
            ChainCall::AcceptDispute { dispute, fills } => {
                let mut next = self.answerable(pair, dispute, now)?;
                if next.answered {
                    return Err(Rule::Dispute);
                }
                answer(by, pair, &mut next, fills, now)?;
                self.lines.entry(*pair).or_default().dispute = Some(next);
                Ok(())
            }
            ChainCall::CounterDispute { dispute, evidence, fills, both } => {
                let mut next = self.answerable(pair, dispute, now)?;
                let epoch = self.line(pair).epoch;
                show(&mut next, evidence)?;
                self.signed(pair, next.starter, evidence, epoch, now)?;
                if *both {
                    self.signed(pair, next.starter.other(), evidence, epoch, now)?;
                    next.answered = false;
                } else {
                    answer(by, pair, &mut next, fills, now)?;
                }
                self.lines.entry(*pair).or_default().dispute = Some(next);
                Ok(())
            }
            ChainCall::FinalizeDispute { dispute, body, starter_fills, answerer_fills } => {
                let splits = self.finalize(by, pair, dispute, (body, starter_fills, answerer_fills), now)?;
                self.end_epoch(pair, &splits);
                Ok(())
            }
        }
    }

    fn update(&mut self, pair: &Pair, update: &SettlementUpdate) -> Result<(), Rule> {
        for f in &update.forgiven {
            let (debtor, creditor) = (pair.entity(f.debtor), pair.entity(f.debtor.other()));
            self.books.forgive(debtor, creditor, f.token, f.index)?;
        }
        for diff in &update.diffs {
            for (side, change) in [(Side::Left, diff.left), (Side::Right, diff.right)] {
                let (entity, amount) = (pair.entity(side), U256::from(change.unsigned_abs()));
                match change.signum() {
                    -1 => self.books.debit(entity, diff.token, amount)?,
                    1 => self.books.credit(entity, diff.token, amount)?,
                    _ => {}
                }
            }
            let wide = |number: i128| I256::try_from(number).unwrap_or_default();
            let (collateral, ondelta) = self.wide_bucket(pair, diff.token);
            let collateral = collateral.wrapping_sub(wide(diff.left)).wrapping_sub(wide(diff.right));
            self.bucket(pair, diff.token, (collateral, ondelta.wrapping_add(wide(diff.ondelta))))?;
        }
        let line = self.lines.entry(*pair).or_default();
        line.settlement_nonce = line.settlement_nonce.saturating_add(1);
        Ok(())
    }

    fn end_epoch(&mut self, pair: &Pair, splits: &[TokenSplit]) {
        self.books.settle(pair, splits);
        let line = self.lines.entry(*pair).or_default();
        line.epoch = line.epoch.saturating_add(1);
        line.dispute = None;
        for split in splits {
            line.buckets.remove(&split.token);
        }
    }
}

const fn nonzero(amount: u128) -> Result<(), Rule> {
    if amount == 0 { Err(Rule::Zero) } else { Ok(()) }
}
