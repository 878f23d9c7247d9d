//! What a node knows from the chains about who signs for registered organisations and contract accounts: their boards now
//! and before, and which delegations were revoked (`docs/protocol.md` section 2). Confirmed facts only.

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::signature::OrganisationError;
use super::verify::Reliance;
use crate::map::Map;
use crate::types::{Address, ChainId, ChainPoint, EntityFact, EntityId, EntityKind, Hash, UnixSeconds};

/// Boards of one entity above which those are forgotten that no chain takes any more.
const REMEMBERED_BOARDS: usize = 32;
/// Boards of one entity that are remembered in any case. Whoever replaces more within one grace makes its older signatures
/// lapse here at once.
const MAX_BOARDS: usize = 1024;

/// One EntityProvider.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
pub struct Place {
    /// On which chain.
    pub chain: ChainId,
    /// The contract.
    pub provider: Address,
}

/// A board that an entity has, or had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
struct Recorded {
    board: Hash,
    /// Number of the block that brought it, 0 for one that was there before this node looked.
    number: u64,
    /// Block that brought another one, and the last second at which this one is valid for channel states.
    replaced: Option<(u64, UnixSeconds)>,
}

/// Block that revoked a delegation, and the last second at which it is valid for channel states.
type Revoked = (u64, UnixSeconds);

/// Boards and revocations by EntityProvider.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct Directory {
    boards: Map<(EntityId, Place), Vec<Recorded>>,
    revoked: Map<(EntityId, Place, Hash), Revoked>,
}

/// How long what signed is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// It was replaced or revoked, or has expired: the last second at which chains take channel states by it.
    pub lapses: Option<UnixSeconds>,
    /// It is good, and this is its last second by itself.
    pub expires: Option<UnixSeconds>,
}

impl Standing {
    /// The worse of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { lapses: earlier(self.lapses, other.lapses), expires: earlier(self.expires, other.expires) }
    }
}

pub(crate) fn earlier(a: Option<UnixSeconds>, b: Option<UnixSeconds>) -> Option<UnixSeconds> {
    a.into_iter().chain(b).min()
}

impl Directory {
    /// Takes the facts of the next confirmed block.
    pub fn advance(&mut self, point: &ChainPoint, facts: &[EntityFact]) {
        for fact in facts {
            match fact {
                EntityFact::Board { provider, entity, board, previous, previous_valid_until } => {
                    let place = Place { chain: point.chain, provider: *provider };
                    let known = self.boards.entry((*entity, place)).or_default();
                    let replaced = Some((point.number, *previous_valid_until));
                    match known.last_mut() {
                        Some(last) if last.board == *previous => last.replaced = replaced,
                        _ if *previous != Hash::ZERO => {
                            known.push(Recorded { board: *previous, number: 0, replaced });
                        }
                        _ => {}
                    }
                    known.push(Recorded { board: *board, number: point.number, replaced: None });
                    if known.len() > REMEMBERED_BOARDS {
                        known.retain(|recorded| recorded.replaced.is_none_or(|(_, until)| until >= point.timestamp));
                    }
                    let beyond = known.len().saturating_sub(MAX_BOARDS);
                    known.drain(..beyond);
                }
                EntityFact::Revoked { provider, entity, delegation, valid_until } => {
                    let place = Place { chain: point.chain, provider: *provider };
                    let until = (point.number, *valid_until);
                    self.revoked.entry((*entity, place, *delegation)).or_insert(until);
                }
            }
        }
    }

    /// Forgets what blocks from `number` on have brought: they are not part of the chain any more.
    pub fn roll_back(&mut self, chain: ChainId, number: u64) {
        for ((_, place), known) in &mut self.boards {
            if place.chain == chain {
                known.retain(|recorded| recorded.number < number);
                for recorded in known {
                    recorded.replaced = recorded.replaced.filter(|(by, _)| *by < number);
                }
            }
        }
        self.boards.retain(|_, known| !known.is_empty());
        self.revoked.retain(|(_, place, _), (by, _)| place.chain != chain || *by < number);
    }

    /// The hash of an entity's present board.
    #[must_use]
    pub fn board(&self, entity: &EntityId, place: &Place) -> Option<Hash> {
        self.boards.get(&(*entity, *place))?.last().filter(|last| last.replaced.is_none()).map(|last| last.board)
    }

    /// Where an entity has, or had, a board.
    pub fn places(&self, entity: &EntityId) -> impl Iterator<Item = Place> + '_ {
        let first = (*entity, Place { chain: ChainId(0), provider: Address::ZERO });
        let entity = *entity;
        self.boards.range(first..).map(|(key, _)| *key).take_while(move |(of, _)| *of == entity).map(|(_, place)| place)
    }

    /// Whether an entity may have a subchannel that relies on this EntityProvider: a registered organisation only on its own
    /// chain, an account that has recorded a board only where it has; anybody else anywhere.
    #[must_use]
    pub fn allows(&self, entity: &EntityId, place: &Place) -> bool {
        match entity.check() {
            Ok(EntityKind::Registered) => entity.is_registered_at(place.chain, &place.provider),
            Ok(EntityKind::Account(_)) => {
                let mut places = self.places(entity).peekable();
                places.peek().is_none() || places.any(|known| known == *place)
            }
            Ok(EntityKind::Counterfactual) => true,
            Err(_) => false,
        }
    }

    /// How long that is good which a signature relies on, as one EntityProvider with this grace will see it.
    ///
    /// # Errors
    /// [`OrganisationError::UnknownBoard`] if it has never had a board of an entity, or had it too long ago.
    pub fn standing(
        &self,
        reliance: &Reliance,
        place: &Place,
        grace_s: u64,
        now: UnixSeconds,
    ) -> Result<Standing, OrganisationError> {
        let mut standing = Standing::default();
        for (entity, board) in &reliance.boards {
            if matches!(entity.check(), Ok(EntityKind::Registered))
                && !entity.is_registered_at(place.chain, &place.provider)
            {
                return Err(OrganisationError::UnknownBoard);
            }
            let known = self.boards.get(&(*entity, *place)).map(Vec::as_slice).unwrap_or_default();
            // An entity may return to a board that it had: the latest word counts.
            let found = known.iter().rev().find(|recorded| recorded.board == *board);
            let lapses = found.ok_or(OrganisationError::UnknownBoard)?.replaced.map(|(_, until)| until);
            standing = standing.and(Standing { lapses, expires: None });
        }
        for (entity, delegation, expiry) in &reliance.delegations {
            let revoked = self.revoked.get(&(*entity, *place, *delegation)).map(|(_, until)| *until);
            let expired = (now > *expiry).then(|| expiry.plus(grace_s));
            let lapses = earlier(revoked, expired);
            let expires = lapses.is_none().then_some(*expiry);
            standing = standing.and(Standing { lapses, expires });
        }
        Ok(standing)
    }

    /// [`Directory::standing`] at all of these places; at any place that knows the boards if none is given.
    ///
    /// # Errors
    /// As [`Directory::standing`].
    pub fn standing_at(
        &self,
        reliance: &Reliance,
        places: &[(Place, u64)],
        now: UnixSeconds,
    ) -> Result<Standing, OrganisationError> {
        if let (true, Some((entity, _))) = (places.is_empty(), reliance.boards.first()) {
            let known = self.places(entity).filter_map(|place| self.standing(reliance, &place, 0, now).ok());
            // Several may know them: the best one is where it can be used.
            return known
                .max_by_key(|s| s.lapses.map_or(u64::MAX, |until| until.0))
                .ok_or(OrganisationError::UnknownBoard);
        }
        let unlimited = Place { chain: ChainId(0), provider: Address::ZERO };
        if places.is_empty() {
            return self.standing(reliance, &unlimited, 0, now);
        }
        places.iter().try_fold(Standing::default(), |worst, (place, grace_s)| {
            Ok(worst.and(self.standing(reliance, place, *grace_s, now)?))
        })
    }
}
