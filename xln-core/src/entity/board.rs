//! A board: who decides for an organisation, with which weights, and how much of it suffices.

use alloc::vec::Vec;

use crate::proof::bytes::Reader;
use crate::types::{Address, ChainId, EntityId, EntityIdError, Hash};

/// Members of one board.
pub const MAX_MEMBERS: usize = 32;

/// One member of a board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Who: an account, or an organisation with a board of its own.
    pub entity: EntityId,
    /// How much its signature weighs, at least 1.
    pub weight: u32,
}

/// A threshold and the members whose weights reach it. Valid by construction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Board {
    threshold: u32,
    members: Vec<Member>,
}

/// Why something is no board.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BoardError {
    /// Cut short, or bytes left over.
    #[error("bytes are no board")]
    Malformed,
    /// Not between 1 and [`MAX_MEMBERS`] members.
    #[error("a board has 1 to 32 members, not {0}")]
    MemberCount(usize),
    /// Members are not strictly ascending.
    #[error("members are not strictly ascending")]
    NotAscending,
    /// A member's weight is 0.
    #[error("a member has no weight")]
    NoWeight,
    /// The threshold is 0 or more than all weights together.
    #[error("threshold {threshold} cannot be met by {weights}, or is 0")]
    Threshold {
        /// The threshold.
        threshold: u32,
        /// The sum of all weights.
        weights: u64,
    },
    /// A member's id is no entity.
    #[error(transparent)]
    Member(#[from] EntityIdError),
}

impl Board {
    /// A board of these members, in any order.
    ///
    /// # Errors
    /// [`BoardError`] names what is wrong; a member twice is [`BoardError::NotAscending`].
    pub fn new(threshold: u32, members: &[(EntityId, u32)]) -> Result<Self, BoardError> {
        let mut members: Vec<Member> =
            members.iter().map(|(entity, weight)| Member { entity: *entity, weight: *weight }).collect();
        members.sort_unstable_by_key(|member| member.entity);
        members.iter().try_for_each(|member| member.entity.check().map(|_| ()))?;
        Self::checked(threshold, members)
    }

    fn checked(threshold: u32, members: Vec<Member>) -> Result<Self, BoardError> {
        if members.is_empty() || members.len() > MAX_MEMBERS {
            return Err(BoardError::MemberCount(members.len()));
        }
        if !members.iter().zip(members.iter().skip(1)).all(|(a, b)| a.entity < b.entity) {
            return Err(BoardError::NotAscending);
        }
        if members.iter().any(|member| member.weight == 0) {
            return Err(BoardError::NoWeight);
        }
        let board = Self { threshold, members };
        if threshold == 0 || u64::from(threshold) > board.weights() {
            return Err(BoardError::Threshold { threshold, weights: board.weights() });
        }
        Ok(board)
    }

    /// Reads exactly one board.
    ///
    /// # Errors
    /// [`BoardError`] names what is wrong. Ids of members are not looked at: one that is no entity cannot sign.
    pub fn decode(bytes: &[u8]) -> Result<Self, BoardError> {
        let mut reader = Reader(bytes);
        let board = Self::read(&mut reader)?;
        if reader.is_empty() { Ok(board) } else { Err(BoardError::Malformed) }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, BoardError> {
        let threshold = reader.u32().ok_or(BoardError::Malformed)?;
        let count = usize::from(reader.u8().ok_or(BoardError::Malformed)?);
        if count == 0 || count > MAX_MEMBERS {
            return Err(BoardError::MemberCount(count));
        }
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            let entity = EntityId::unchecked(reader.array().ok_or(BoardError::Malformed)?);
            members.push(Member { entity, weight: reader.u32().ok_or(BoardError::Malformed)? });
        }
        Self::checked(threshold, members)
    }

    /// `u32 threshold || u8 n || n * (member || u32 weight)`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.threshold.to_be_bytes().to_vec();
        bytes.push(u8::try_from(self.members.len()).unwrap_or(u8::MAX));
        for member in &self.members {
            bytes.extend_from_slice(member.entity.as_bytes());
            bytes.extend_from_slice(&member.weight.to_be_bytes());
        }
        bytes
    }

    /// keccak256 of its encoding, as an EntityProvider records it.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash(xln_merkle::keccak256(&self.encode()))
    }

    /// The organisation that this board is, without any registration.
    #[must_use]
    pub fn counterfactual(&self) -> EntityId {
        EntityId::counterfactual(&self.hash())
    }

    /// How much weight suffices, `1 ..= sum of weights`.
    #[must_use]
    pub const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// The members, ascending by id.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The sum of all weights.
    #[must_use]
    pub fn weights(&self) -> u64 {
        self.members.iter().map(|member| u64::from(member.weight)).fold(0, u64::saturating_add)
    }
}

impl EntityId {
    /// The organisation whose board has this hash: `0x02` and the last 31 bytes of it.
    #[must_use]
    pub fn counterfactual(board: &Hash) -> Self {
        let mut id = board.0;
        if let Some(tag) = id.first_mut() {
            *tag = 2;
        }
        Self::unchecked(id)
    }

    /// The organisation that `provider` on `chain` has registered under `number`.
    ///
    /// # Errors
    /// [`EntityIdError::ZeroNumber`]: numbers start at 1.
    pub fn registered(chain: ChainId, provider: &Address, number: u64) -> Result<Self, EntityIdError> {
        let mut id = [1; 32];
        let (head, tail) = id.split_at_mut(9);
        let fields = chain.0.to_be_bytes();
        head.iter_mut().skip(1).zip(fields).for_each(|(to, from)| *to = from);
        let prefix = provider_prefix(provider);
        tail.iter_mut().zip(prefix.into_iter().chain(number.to_be_bytes())).for_each(|(to, from)| *to = from);
        Self::parse(id)
    }

    /// The only chain on which a registered organisation has subchannels; `None` for other entities.
    #[must_use]
    pub const fn home_chain(&self) -> Option<ChainId> {
        match self.as_bytes() {
            [1, a, b, c, d, e, f, g, h, ..] => Some(ChainId(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))),
            _ => None,
        }
    }

    /// Whether this organisation is registered in `provider` on `chain`.
    #[must_use]
    pub fn is_registered_at(&self, chain: ChainId, provider: &Address) -> bool {
        let prefix = provider_prefix(provider);
        self.home_chain() == Some(chain) && self.as_bytes().iter().skip(9).zip(&prefix).all(|(a, b)| a == b)
    }

    /// Whether a subchannel of this entity may be on `chain`.
    #[must_use]
    pub fn may_use(&self, chain: ChainId) -> bool {
        self.home_chain().is_none_or(|home| home == chain)
    }
}

/// First 15 bytes of the address's hash.
fn provider_prefix(provider: &Address) -> [u8; 15] {
    let hash = xln_merkle::keccak256(&provider.0);
    hash.first_chunk().copied().unwrap_or_default()
}
