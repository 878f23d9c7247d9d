//! What must hold: the chain's word for money on chain, and both sides' word for their channel.

use alloy_primitives::{I256, U256};
use xln_core::channel::{Channel, Freeze};
use xln_core::state::TokenState;
use xln_core::types::{Pair, Side, SubchannelKey, TokenFact, TokenId};

use super::amount::Amount;
use super::ground::now;
use super::refusal::RunError;
use super::step::{Expect, Table};
use super::world::World;

/// What is asked of one side about one token.
type Question = fn(&SideToken) -> I256;

/// One token of one subchannel as one side sees it: collateral and ondelta as its chain says, the rest as agreed, and
/// nothing agreed of an epoch that is over.
pub(super) struct SideToken {
    side: Side,
    fact: TokenFact,
    state: TokenState,
}

impl SideToken {
    fn of(channel: &Channel, key: &SubchannelKey, token: TokenId) -> Self {
        let facts = channel.watch(key).and_then(|watch| watch.facts());
        let subchannel = channel.state().subchannels.get(key);
        let agreed = subchannel.and_then(|s| s.tokens.get(&token)).cloned();
        let none = TokenFact { token, collateral: 0, ondelta: 0 };
        let fact = match facts {
            Some(facts) => facts.tokens.iter().find(|t| t.token == token).copied().unwrap_or(none),
            None => agreed.as_ref().map_or(none, |a| TokenFact { token, collateral: a.collateral, ondelta: a.ondelta }),
        };
        let over = facts.map_or(0, |f| f.epoch) > subchannel.map_or(0, |s| s.epoch);
        let state = agreed.filter(|_| !over).unwrap_or_else(|| TokenState::new(channel.side(), &fact));
        Self { side: channel.side(), fact, state }
    }

    fn out_capacity(&self) -> I256 {
        self.state.derive(self.side).map_or(I256::ZERO, |d| I256::from_raw(d.out_capacity))
    }

    fn in_capacity(&self) -> I256 {
        self.state.derive(self.side).map_or(I256::ZERO, |d| I256::from_raw(d.in_capacity))
    }
}

fn wide(amount: u128) -> I256 {
    I256::from_raw(U256::from(amount))
}

fn signed(amount: i128) -> I256 {
    I256::try_from(amount).unwrap_or(I256::ZERO)
}

fn differs(what: String, expected: &impl ToString, found: &impl ToString) -> Result<(), RunError> {
    let (expected, found) = (expected.to_string(), found.to_string());
    if expected == found { Ok(()) } else { Err(RunError::Differs { what, expected, found }) }
}

impl World {
    /// Checks everything that a step expects.
    ///
    /// # Errors
    /// [`RunError::Differs`] with the first thing that does not hold.
    pub fn check(&self, expect: &Expect) -> Result<(), RunError> {
        self.check_entities(expect)?;
        let both: [(&str, &Table, Question); 6] = [
            ("collateral", &expect.collateral, |t| wide(t.fact.collateral)),
            ("ondelta", &expect.ondelta, |t| signed(t.fact.ondelta)),
            ("offdelta", &expect.offdelta, |t| signed(t.state.offdelta)),
            ("delta", &expect.delta, |t| t.state.delta()),
            ("left_hold", &expect.left_hold, |t| wide(t.state.left_hold)),
            ("right_hold", &expect.right_hold, |t| wide(t.state.right_hold)),
        ];
        for (field, table, question) in both {
            for (pair, amounts) in table {
                let (a, b) = self.split(pair, "-")?;
                for (token, amount) in amounts {
                    self.check_sides(field, (a, b), token, *amount, question)?;
                }
            }
        }
        let capacities: [(&str, &Table, Question); 2] = [
            ("out_capacity", &expect.out_capacity, SideToken::out_capacity),
            ("in_capacity", &expect.in_capacity, SideToken::in_capacity),
        ];
        for (field, table, question) in capacities {
            for (direction, amounts) in table {
                let (a, b) = self.split(direction, "->")?;
                for (token, amount) in amounts {
                    let found = self.ask(a, b, token, question)?;
                    differs(format!("{field} {direction} {token}"), amount, &found)?;
                }
            }
        }
        self.check_pairs(expect)
    }

    fn check_entities(&self, expect: &Expect) -> Result<(), RunError> {
        for (name, amounts) in &expect.reserve {
            for (token, amount) in amounts {
                differs(format!("reserve {name} {token}"), amount, &self.reserve(name, token)?)?;
            }
        }
        for (name, amounts) in &expect.debt {
            for (token, amount) in amounts {
                differs(format!("debt {name} {token}"), amount, &self.debt(name, token)?)?;
            }
        }
        for (name, amounts) in &expect.external {
            for (token, amount) in amounts {
                differs(format!("external {name} {token}"), amount, &self.external(name, token)?)?;
            }
        }
        Ok(())
    }

    /// An entity's reserve of a named token.
    ///
    /// # Errors
    /// [`RunError`] for unknown names, or a chain that failed.
    pub fn reserve(&self, name: &str, token: &str) -> Result<U256, RunError> {
        let (id, token) = (self.id(name)?, self.ground.find(token)?);
        let client = &self.ground.place(&token.chain)?.client;
        token
            .ids
            .iter()
            .try_fold(U256::ZERO, |sum, t| Ok(sum.saturating_add(U256::from(now(client.reserve(&id, *t))?))))
    }

    /// An entity's debts of a named token.
    ///
    /// # Errors
    /// [`RunError`] for unknown names, or a chain that failed.
    pub fn debt(&self, name: &str, token: &str) -> Result<U256, RunError> {
        let (id, token) = (self.id(name)?, self.ground.find(token)?);
        let client = &self.ground.place(&token.chain)?.client;
        token.ids.iter().try_fold(U256::ZERO, |sum, t| Ok(sum.saturating_add(now(client.debt_total(&id, *t))?)))
    }

    /// What an entity has more, or less, of a named token outside than at the start.
    ///
    /// # Errors
    /// [`RunError`] for unknown names, or a chain that failed.
    pub fn external(&self, name: &str, token: &str) -> Result<I256, RunError> {
        let party = self.party(name)?;
        let found = self.ground.external(self.ground.find(token)?, party.signer.address())?;
        let before = party.baseline.get(token).copied().unwrap_or_default();
        Ok(I256::from_raw(found).wrapping_sub(I256::from_raw(before)))
    }

    /// One side's answer, over all numbers of a named token.
    fn ask(&self, by: &str, peer: &str, token: &str, question: Question) -> Result<I256, RunError> {
        let (key, place) = (self.ground.key(token)?, self.ground.find(token)?);
        self.id(peer)?;
        let Some(channel) = self.view(by, peer) else { return Ok(I256::ZERO) };
        let mut sum = I256::ZERO;
        for id in &place.ids {
            let mut seen = SideToken::of(channel, &key, *id);
            if channel.frozen(&key) == Some(Freeze::Alarm) {
                // A confirmed fact vanished: what the side noted is void, and it sees what the chain says now.
                let client = &self.ground.place(&place.chain)?.client;
                seen.fact = now(client.collaterals(&channel.pair(), &[*id]))?.first().copied().unwrap_or(seen.fact);
            }
            sum = sum.wrapping_add(question(&seen));
        }
        Ok(sum)
    }

    fn check_sides(
        &self,
        field: &str,
        (a, b): (&str, &str),
        token: &str,
        expected: Amount,
        question: Question,
    ) -> Result<(), RunError> {
        for (by, peer) in [(a, b), (b, a)] {
            let found = self.ask(by, peer, token, question)?;
            differs(format!("{field} {a}-{b} {token}, as {by} sees it"), &expected, &found)?;
        }
        Ok(())
    }

    fn check_pairs(&self, expect: &Expect) -> Result<(), RunError> {
        for (pair, expected) in &expect.epoch {
            differs(format!("epoch {pair}"), expected, &self.epoch(&self.named_pair(pair)?)?)?;
        }
        for (pair, expected) in &expect.in_dispute {
            differs(format!("in_dispute {pair}"), expected, &self.in_dispute(&self.named_pair(pair)?)?)?;
        }
        for (pair, expected) in &expect.pending {
            let (a, b) = self.split(pair, "-")?;
            for (by, peer) in [(a, b), (b, a)] {
                let found = self.view(by, peer).map_or(0, pending);
                differs(format!("pending {pair}, as {by} sees it"), expected, &found)?;
            }
        }
        for (pair, expected) in &expect.agree {
            let (a, b) = self.split(pair, "-")?;
            let hash = |by, peer| self.view(by, peer).map(|c: &Channel| c.tip().commitment.state_hash);
            differs(format!("agree {pair}"), expected, &(hash(a, b) == hash(b, a)))?;
        }
        Ok(())
    }

    fn named_pair(&self, text: &str) -> Result<Pair, RunError> {
        let (a, b) = self.split(text, "-")?;
        self.pair(a, b)?.ok_or_else(|| RunError::Malformed(format!("`{text}` is no pair")))
    }

    /// How often a channel was closed on chain; over several chains, the most.
    ///
    /// # Errors
    /// [`RunError`] if a chain fails.
    pub fn epoch(&self, pair: &Pair) -> Result<u32, RunError> {
        self.ground.places.values().try_fold(0, |most, place| Ok(now(place.client.channel(pair))?.epoch.max(most)))
    }

    /// Whether a dispute runs on any chain.
    ///
    /// # Errors
    /// [`RunError`] if a chain fails.
    pub fn in_dispute(&self, pair: &Pair) -> Result<bool, RunError> {
        self.ground
            .places
            .values()
            .try_fold(false, |any, place| Ok(any || now(place.client.channel(pair))?.dispute.is_some()))
    }
}

/// Subcontracts that are pending, none of an epoch that is over.
fn pending(channel: &Channel) -> usize {
    let live = channel.state().subchannels.iter().filter(|(key, s)| {
        channel.watch(key).and_then(|watch| watch.facts()).is_none_or(|facts| facts.epoch <= s.epoch)
    });
    live.map(|(_, s)| s.pending.len()).sum()
}
