//! The bytecode's numbers against the reckoning's.

use alloy_primitives::U256;
use std::fmt::Debug;
use xln_core::types::{Pair, SubchannelFacts, TokenId};

use super::chain::Line;
use super::{Ledger, wide};
use crate::scenario::file::TokenKind;
use crate::scenario::ground::{Place, now};
use crate::scenario::refusal::RunError;
use crate::scenario::world::World;

/// Entries of one debtor's queue that are looked at.
const ENTRIES: u64 = 4096;

fn same<T: PartialEq + Debug>(what: impl FnOnce() -> String, expected: &T, found: &T) -> Result<(), RunError> {
    if expected == found {
        return Ok(());
    }
    Err(RunError::Model(format!("{}: the rules say {expected:?}, the chain says {found:?}", what())))
}

impl World {
    /// Compares every number of every chain that has changed, and what both sides of every channel know of it.
    ///
    /// # Errors
    /// [`RunError::Model`] with the first difference.
    pub(in crate::scenario) fn check_shadow(&mut self) -> Result<(), RunError> {
        if let Some(text) = &self.shadow.difference {
            return Err(RunError::Model(text.clone()));
        }
        let names: Vec<String> = self.ground.places.keys().cloned().collect();
        for name in names {
            let place = self.ground.place(&name)?;
            let head = place.chain.newest().hash;
            let Some(track) = self.shadow.tracks.get(&name) else { continue };
            if track.compared == Some(head) {
                continue;
            }
            self.compare_place(&name, place, &track.ledger)?;
            self.check_conserved(&name)?;
            if let Some(track) = self.shadow.tracks.get_mut(&name) {
                track.compared = Some(head);
            }
        }
        self.compare_views()
    }

    fn compare_place(&self, chain: &str, place: &Place, ledger: &Ledger) -> Result<(), RunError> {
        let client = &place.client;
        let tokens: Vec<TokenId> = ledger.coins.keys().copied().collect();
        for (name, party) in &self.parties {
            for token in &tokens {
                let what = |field: &str| format!("{field} of {name} in token {} of chain {chain}", token.0);
                let reserve = wide(now(client.reserve(&party.id, *token))?);
                let expected = ledger.books.reserve(party.id, *token).min(wide(u128::MAX));
                same(|| what("reserve"), &expected, &reserve)?;
                let queue = ledger.books.debts(party.id, *token);
                let open: Vec<_> = queue.open().copied().collect();
                let total = open.iter().fold(U256::ZERO, |sum, (.., amount)| sum.saturating_add(*amount));
                same(|| what("sum of debts"), &total, &now(client.debt_total(&party.id, *token))?)?;
                if !open.is_empty() {
                    let page = now(client.debts(&party.id, *token, 0, ENTRIES))?;
                    let found: Vec<_> =
                        page.entries.iter().map(|entry| (entry.index, entry.creditor, wide(entry.amount))).collect();
                    same(|| what("debts"), &open, &found)?;
                }
            }
        }
        for pair in self.all_pairs() {
            self.compare_line(chain, place, &pair, &ledger.line(&pair), &tokens)?;
        }
        for ((kind, hash), at) in &ledger.secrets {
            let found = now(client.revealed_at(*kind, hash))?;
            same(|| format!("the time of the secret of {hash}"), &Some(*at), &found)?;
        }
        self.compare_outside(chain, ledger)
    }

    fn compare_line(
        &self,
        chain: &str,
        place: &Place,
        pair: &Pair,
        line: &Line,
        tokens: &[TokenId],
    ) -> Result<(), RunError> {
        let what =
            |field: &str| format!("{field} of {}-{} on {chain}", self.name(&pair.left()), self.name(&pair.right()));
        let header = now(place.client.channel(pair))?;
        let expected = (line.epoch, line.settlement_nonce, line.dispute.is_some());
        let found = (header.epoch, header.settlement_nonce, header.dispute.is_some());
        same(|| what("epoch, settlement nonce and dispute"), &expected, &found)?;
        for fact in now(place.client.collaterals(pair, tokens))? {
            let expected = line.buckets.get(&fact.token).copied().unwrap_or_default();
            same(|| what("collateral and ondelta"), &expected, &(fact.collateral, fact.ondelta))?;
        }
        Ok(())
    }

    fn compare_outside(&self, chain: &str, ledger: &Ledger) -> Result<(), RunError> {
        for (name, token) in self.ground.tokens.iter().filter(|(_, token)| token.chain == *chain) {
            for (party, found) in &self.parties {
                let mut expected = alloy_primitives::I256::ZERO;
                for id in &token.ids {
                    let change = ledger.outside.get(&(found.id, *id)).copied().unwrap_or_default();
                    expected = expected.wrapping_add(change);
                }
                same(|| format!("{name} of {party} outside"), &expected, &self.external(party, name)?)?;
            }
            if token.kind == TokenKind::Erc721 {
                for (id, owner) in token.ids.iter().filter_map(|id| Some((id, ledger.coins.get(id)?.owner))) {
                    let client = &self.ground.place(chain)?.client;
                    let account = owner.map_or(Some(client.deployment().depository), |owner| owner.address());
                    let Some(account) = account else { continue };
                    same(|| format!("owner of {name} {}", id.0), &true, &self.ground.owns_nft(token, *id, account)?)?;
                }
            }
        }
        Ok(())
    }

    /// What nodes have noted of a block is what the rules say of that block.
    fn compare_views(&self) -> Result<(), RunError> {
        for (name, party) in &self.parties {
            for (peer, channel) in party.node()?.machine().channels() {
                for (chain, place) in &self.ground.places {
                    let key = place.client.deployment().key();
                    let Some(track) = self.shadow.tracks.get(chain) else { continue };
                    let at = |number: u64| {
                        let line =
                            track.past.range(..=number).next_back().map(|(_, ledger)| ledger.line(&channel.pair()));
                        line.unwrap_or_default()
                    };
                    if channel.frozen(&key) == Some(xln_core::channel::Freeze::Alarm) {
                        continue;
                    }
                    let what = || format!("{name}'s view of {} on {chain}", self.name(peer));
                    let view = party.node()?.machine().chain(key.chain);
                    if let (Some(facts), Some(head)) =
                        (channel.watch(&key).and_then(|watch| watch.facts()), view.and_then(|view| view.head()))
                    {
                        compare_facts(what, &at(head.number), facts)?;
                    }
                    let Some(subchannel) = channel.state().subchannels.get(&key) else { continue };
                    let Some(point) = subchannel.point else { continue };
                    // A point of a block that is gone says nothing.
                    if now(xln_chain::Chain::header(&place.chain, point.number))?.map(|h| h.hash) != Some(point.hash) {
                        continue;
                    }
                    let line = at(point.number);
                    let expected = (line.epoch, line.settlement_nonce, line.dispute);
                    let found = (subchannel.epoch, subchannel.settlement_nonce, subchannel.dispute);
                    same(|| format!("{name}'s state with {} on {chain}", self.name(peer)), &expected, &found)?;
                    for (token, state) in &subchannel.tokens {
                        // A token that was added after that point has nothing until the next one, which comes with the next
                        // block that anybody makes.
                        if (state.collateral, state.ondelta) == (0, 0) {
                            continue;
                        }
                        let expected = line.buckets.get(token).copied().unwrap_or_default();
                        same(
                            || format!("{name}'s state with {} in token {} of {chain}", self.name(peer), token.0),
                            &expected,
                            &(state.collateral, state.ondelta),
                        )?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn compare_facts(what: impl Fn() -> String, line: &Line, facts: &SubchannelFacts) -> Result<(), RunError> {
    let found = (facts.epoch, facts.settlement_nonce, facts.dispute);
    same(&what, &(line.epoch, line.settlement_nonce, line.dispute), &found)?;
    for fact in &facts.tokens {
        let expected = line.buckets.get(&fact.token).copied().unwrap_or_default();
        same(&what, &expected, &(fact.collateral, fact.ondelta))?;
    }
    let missing = line
        .buckets
        .iter()
        .find(|(token, bucket)| **bucket != (0, 0) && facts.tokens.iter().all(|fact| fact.token != **token));
    same(&what, &None, &missing)
}
