//! What the chains of a story must say, kept beside them: an independent reckoning of `docs/protocol.md` sections 1, 3 and
//! 7, fed with what the runner executes and compared with the bytecode after every step, number by number. It also says
//! beforehand what must be refused.

mod books;
mod chain;
mod compare;
mod dispute;
pub(crate) mod planted;

use std::collections::BTreeMap;

use alloy_primitives::U256;
use xln_chain::Receipt;
use xln_core::entity::Board;
use xln_core::types::{EntityId, Hash, UnixSeconds};

pub(super) use chain::{Ledger, Operation};

use super::file::{Scenario, TokenKind};
use super::ground::{Ground, TokenPlace};
use super::party::Party;
use super::refusal::{RunError, Verdict};
use super::world::World;
use chain::Coin;

/// One chain with its past, so that a reorganisation can take something back.
struct Track {
    ledger: Ledger,
    /// The ledger after a block, by number; blocks without a transaction are left out.
    past: BTreeMap<u64, Ledger>,
    /// Block up to which everything was compared.
    compared: Option<Hash>,
}

/// All chains.
#[derive(Default)]
pub struct Shadow {
    tracks: BTreeMap<String, Track>,
    /// The first thing in which rules and bytecode differ.
    difference: Option<String>,
    /// How often a refusal was foretold and came.
    pub(super) refused: u64,
}

impl Shadow {
    /// As everything stands before the story.
    pub(super) fn new(
        scenario: &Scenario,
        ground: &Ground,
        parties: &BTreeMap<String, Party>,
        boards: &BTreeMap<EntityId, Board>,
    ) -> Self {
        let mut tracks = BTreeMap::new();
        for (name, place) in &ground.places {
            let deployment = place.client.deployment();
            let mut ledger = Ledger::new(deployment.key(), scenario.dispute_window_s, deployment.grace_s);
            let current = boards.iter().map(|(entity, board)| (*entity, vec![(board.hash(), None)]));
            ledger.boards.extend(current);
            for (token, spec) in ground.tokens.iter().filter_map(|(t, found)| Some((found, scenario.tokens.get(t)?))) {
                if token.chain != *name {
                    continue;
                }
                // The first NFT is the first entity's, and so on.
                let mut owners = parties.values().map(|party| party.id);
                for id in &token.ids {
                    let owner = if token.kind == TokenKind::Erc721 { owners.next() } else { None };
                    ledger.coins.insert(*id, Coin { kind: token.kind, fee_ppm: spec.fee_ppm, owner });
                }
            }
            let past = BTreeMap::from([(place.start, ledger.clone())]);
            tracks.insert(name.clone(), Track { ledger, past, compared: None });
        }
        Self { tracks, ..Self::default() }
    }

    /// One chain as it must be now.
    pub(super) fn ledger(&self, chain: &str) -> Option<&Ledger> {
        self.tracks.get(chain).map(|track| &track.ledger)
    }

    /// Takes note of what became of an operation; `number` is the block it came into.
    fn note(&mut self, chain: &str, operation: &Operation, now: UnixSeconds, number: Option<u64>) {
        let Some(track) = self.tracks.get_mut(chain) else { return };
        match (track.ledger.after(operation, now), number) {
            (Ok(next), Some(number)) => {
                track.past.insert(number, next.clone());
                track.ledger = next;
            }
            (Err(_), None) => self.refused = self.refused.saturating_add(1),
            (Ok(_), None) => self.differ(|| format!("the rules allow {operation:?}, the chain refuses it")),
            (Err(rule), Some(_)) => self.differ(|| format!("{rule:?} forbids {operation:?}, the chain executes it")),
        }
    }

    /// An organisation has another board; the one before counts for channel states a while longer.
    pub(super) fn board(&mut self, entity: EntityId, board: Hash, until: UnixSeconds) {
        for track in self.tracks.values_mut() {
            let boards = track.ledger.boards.entry(entity).or_default();
            boards.iter_mut().filter(|(_, end)| end.is_none()).for_each(|(_, end)| *end = Some(until));
            // One that comes back counts in full again.
            boards.retain(|(hash, _)| *hash != board);
            boards.push((board, None));
        }
    }

    /// A delegation was revoked; it counts for channel states a while longer.
    pub(super) fn revoke(&mut self, chain: &str, entity: EntityId, delegation: Hash, until: UnixSeconds) {
        if let Some(track) = self.tracks.get_mut(chain) {
            track.ledger.revoked.entry((entity, delegation)).or_insert(until);
        }
    }

    fn differ(&mut self, text: impl FnOnce() -> String) {
        self.difference.get_or_insert_with(text);
    }

    /// Blocks from `number` on are gone.
    pub(super) fn roll_back(&mut self, chain: &str, number: u64) {
        let Some(track) = self.tracks.get_mut(chain) else { return };
        track.past.retain(|n, _| *n < number);
        track.compared = None;
        if let Some(ledger) = track.past.values().next_back() {
            track.ledger = ledger.clone();
        }
    }
}

impl World {
    /// As [`World::receipt`], and the reckoning takes note of it.
    ///
    /// # Errors
    /// As [`World::receipt`].
    pub(super) fn receipt_of(
        &mut self,
        chain: &str,
        operation: &Operation,
        answer: Result<Receipt, RunError>,
    ) -> Result<Verdict, RunError> {
        let now = self.ground.place(chain)?.chain.now();
        let number = answer.as_ref().ok().map(|receipt| receipt.number);
        let verdict = self.receipt(answer)?;
        self.shadow.note(chain, operation, now, number);
        Ok(verdict)
    }
}

impl World {
    /// An entity's reserve of a named token, by the reckoning.
    pub(super) fn free(&self, who: &str, token: &str) -> U256 {
        let Some((id, place, ledger)) = self.reckoned(who, token) else { return U256::ZERO };
        let reserves = place.ids.iter().map(|token| ledger.books.reserve(id, *token));
        reserves.fold(U256::ZERO, U256::saturating_add)
    }

    /// Whether an entity has debts in a named token, by the reckoning.
    pub(super) fn owes(&self, who: &str, token: &str) -> bool {
        let Some((id, place, ledger)) = self.reckoned(who, token) else { return false };
        place.ids.iter().any(|token| ledger.books.debts(id, *token).open().next().is_some())
    }

    fn reckoned(&self, who: &str, token: &str) -> Option<(EntityId, &TokenPlace, &Ledger)> {
        let place = self.ground.find(token).ok()?;
        Some((self.id(who).ok()?, place, self.shadow.ledger(&place.chain)?))
    }
}

fn wide(amount: u128) -> U256 {
    U256::from(amount)
}
