//! Collects the signatures of a board's members, in any order and from anywhere, until they suffice.

use alloc::vec::Vec;

use super::board::{Board, BoardError};
use super::delegation::Permission;
use super::digest::approval_digest;
use super::signature::{MAX_NESTING, OrganisationError, OrganisationSignature};
use super::signers::{Approval, needed};
use super::verify::{Claim, Verifier};
use crate::codec::{self, CodecError};
use crate::crypto::{Signature, SignatureError};
use crate::map::Map;
use crate::types::{EntityId, Hash};

/// Places in all boards of one quorum, nested ones counted as often as they occur.
const MAX_PLACES: usize = 1024;
/// The version of a stored quorum, its first byte.
const QUORUM_VERSION: u8 = 1;

/// The signatures of one board, and of the boards of its members, over one digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quorum {
    entity: EntityId,
    digest: Hash,
    permission: Permission,
    boards: Map<EntityId, Board>,
    /// Every place for a signature: from the organisation to the member.
    places: Vec<Vec<EntityId>>,
    collected: Map<Vec<EntityId>, Signature>,
}

/// What a member is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuorumRequest {
    /// The organisations from the outermost to the one whose member is asked: for
    /// [`MemberSigner::approve`](super::MemberSigner::approve).
    pub path: Vec<EntityId>,
    /// Who is asked.
    pub member: EntityId,
    /// What it signs.
    pub digest: Hash,
}

/// Why a quorum cannot be gathered, or a signature is not taken. Nothing changes then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuorumError {
    /// The organisation's own board is not among those given.
    #[error("the organisation's board is not given")]
    NoBoard,
    /// A board is not that of the counterfactual organisation that it was given for, boards contain each other, are nested
    /// too deeply, or have too many places; or what was assembled is too long.
    #[error(transparent)]
    Organisation(#[from] OrganisationError),
    /// Not a member of any of the boards.
    #[error("{0} is a member of none of the boards")]
    Stranger(EntityId),
    /// This signature is there already.
    #[error("{0} has signed already")]
    Duplicate(EntityId),
    /// The signature is not the member's over what it was asked for.
    #[error("signature of {member} is not over what was asked: {error}")]
    Wrong {
        /// Which member.
        member: EntityId,
        /// What is wrong.
        error: SignatureError,
    },
    /// Stored bytes are no quorum.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl From<BoardError> for QuorumError {
    fn from(error: BoardError) -> Self {
        Self::Organisation(error.into())
    }
}

/// As stored: entity, digest, permission, boards, signatures.
type Stored = (EntityId, Hash, u8, Vec<(EntityId, Vec<u8>)>, Vec<(Vec<EntityId>, Signature)>);

const PERMISSIONS: [Permission; 4] =
    [Permission::States, Permission::Dispute, Permission::Withdraw, Permission::Govern];

impl Quorum {
    /// A quorum of `entity` over `digest`. `boards` are its own board and those of members whose members are to be asked
    /// one by one; a member organisation without one signs as a whole.
    ///
    /// # Errors
    /// [`QuorumError`] names what is wrong with the boards.
    pub fn new(
        entity: EntityId,
        digest: Hash,
        permission: Permission,
        boards: impl IntoIterator<Item = (EntityId, Board)>,
    ) -> Result<Self, QuorumError> {
        let boards: Map<EntityId, Board> = boards.into_iter().collect();
        if boards.iter().any(|(id, board)| id.as_bytes().starts_with(&[2]) && board.counterfactual() != *id) {
            return Err(OrganisationError::WrongBoard.into());
        }
        let mut places = Vec::new();
        let board = boards.get(&entity).ok_or(QuorumError::NoBoard)?;
        find_places(&boards, board, &mut alloc::vec![entity], &mut places)?;
        Ok(Self { entity, digest, permission, boards, places, collected: Map::new() })
    }

    /// Whose signature is gathered.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        self.entity
    }

    /// Over what.
    #[must_use]
    pub const fn digest(&self) -> Hash {
        self.digest
    }

    /// Who has not signed, and what for.
    pub fn requests(&self) -> impl Iterator<Item = QuorumRequest> + '_ {
        self.places.iter().filter(|place| !self.collected.contains_key(*place)).filter_map(|place| {
            let (member, path) = place.split_last()?;
            Some(QuorumRequest { path: path.to_vec(), member: *member, digest: self.wrapped(path) })
        })
    }

    fn wrapped(&self, path: &[EntityId]) -> Hash {
        path.iter().fold(self.digest, |digest, entity| approval_digest(entity, &digest))
    }

    /// Takes a member's signature. One that stands in several boards signs for each.
    ///
    /// # Errors
    /// [`QuorumError::Stranger`], [`QuorumError::Duplicate`], or [`QuorumError::Wrong`] for one over anything else.
    pub fn add(&mut self, verifier: &mut Verifier, approval: Approval) -> Result<(), QuorumError> {
        let Approval { member, signature } = approval;
        let places: Vec<_> = self.places.iter().filter(|place| place.last() == Some(&member)).cloned().collect();
        if places.is_empty() {
            return Err(QuorumError::Stranger(member));
        }
        if places.iter().any(|place| self.collected.get(place) == Some(&signature)) {
            return Err(QuorumError::Duplicate(member));
        }
        let mut refusal = QuorumError::Duplicate(member);
        for place in places.into_iter().filter(|place| !self.collected.contains_key(place)).collect::<Vec<_>>() {
            match self.check(verifier, &place, &signature) {
                Ok(()) => {
                    self.collected.insert(place, signature);
                    return Ok(());
                }
                Err(error) => refusal = QuorumError::Wrong { member, error },
            }
        }
        Err(refusal)
    }

    fn check(&self, verifier: &mut Verifier, place: &[EntityId], signature: &Signature) -> Result<(), SignatureError> {
        let Some((member, path)) = place.split_last() else { return Ok(()) };
        let claim = Claim { entity: member, digest: &self.wrapped(path), signature, permission: self.permission };
        verifier.verify_within(&claim, path).map(|_| ())
    }

    /// The organisation's signature, once the weights suffice: always the same one for the same members' signatures.
    ///
    /// # Errors
    /// [`OrganisationError::Malformed`] if it is longer than a signature may be.
    pub fn signature(&self) -> Result<Option<Signature>, OrganisationError> {
        self.assemble(&mut alloc::vec![self.entity])
    }

    fn assemble(&self, path: &mut Vec<EntityId>) -> Result<Option<Signature>, OrganisationError> {
        if let Some(signature) = self.collected.get(path) {
            return Ok(Some(signature.clone()));
        }
        let Some(board) = path.last().and_then(|entity| self.boards.get(entity)) else { return Ok(None) };
        let mut signatures = Vec::with_capacity(board.members().len());
        for member in board.members() {
            path.push(member.entity);
            signatures.push(self.assemble(path)?);
            path.pop();
        }
        let available = board.members().iter().zip(&signatures);
        let available: Vec<_> =
            available.map(|(member, signature)| signature.as_ref().map(|_| member.weight)).collect();
        let Some(taken) = needed(board.threshold(), &available) else { return Ok(None) };
        let signatures = signatures.into_iter().zip(taken).map(|(signature, taken)| signature.filter(|_| taken));
        OrganisationSignature::Board { board: board.clone(), signatures: signatures.collect() }.encode().map(Some)
    }

    /// The bytes to store, so that a restart loses no member's signature.
    ///
    /// # Errors
    /// None for a quorum that [`Quorum::new`] made.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let boards = self.boards.iter().map(|(entity, board)| (*entity, board.encode())).collect();
        let collected = self.collected.iter().map(|(place, signature)| (place.clone(), signature.clone())).collect();
        let number = PERMISSIONS.iter().position(|permission| *permission == self.permission);
        let number = number.and_then(|number| u8::try_from(number).ok()).ok_or(CodecError::Unencodable)?;
        let stored: Stored = (self.entity, self.digest, number, boards, collected);
        let mut bytes = alloc::vec![QUORUM_VERSION];
        bytes.append(&mut codec::encode(&stored)?);
        Ok(bytes)
    }

    /// Reads a stored quorum. Every signature is verified again.
    ///
    /// # Errors
    /// [`QuorumError`] for anything that [`Quorum::add`] would not have taken.
    pub fn decode(verifier: &mut Verifier, bytes: &[u8]) -> Result<Self, QuorumError> {
        let (version, rest) = bytes.split_first().ok_or(CodecError::Malformed)?;
        if *version != QUORUM_VERSION {
            return Err(CodecError::UnknownVersion(*version).into());
        }
        let (entity, digest, number, boards, collected): Stored = codec::decode(rest)?;
        let permission = PERMISSIONS.get(usize::from(number)).ok_or(CodecError::Malformed)?;
        let boards = boards.iter().map(|(entity, bytes)| Ok((*entity, Board::decode(bytes)?)));
        let boards = boards.collect::<Result<Vec<_>, BoardError>>()?;
        let mut quorum = Self::new(entity, digest, *permission, boards)?;
        for (place, signature) in collected {
            let member = *place.last().ok_or(CodecError::Malformed)?;
            if !quorum.places.contains(&place) {
                return Err(QuorumError::Stranger(member));
            }
            quorum.check(verifier, &place, &signature).map_err(|error| QuorumError::Wrong { member, error })?;
            if quorum.collected.insert(place, signature).is_some() {
                return Err(QuorumError::Duplicate(member));
            }
        }
        if quorum.encode()? == bytes { Ok(quorum) } else { Err(CodecError::NotCanonical.into()) }
    }
}

fn find_places(
    boards: &Map<EntityId, Board>,
    board: &Board,
    path: &mut Vec<EntityId>,
    places: &mut Vec<Vec<EntityId>>,
) -> Result<(), OrganisationError> {
    if path.len() > MAX_NESTING || places.len() > MAX_PLACES {
        return Err(OrganisationError::TooDeep);
    }
    for member in board.members() {
        if path.contains(&member.entity) {
            return Err(OrganisationError::Cycle);
        }
        path.push(member.entity);
        places.push(path.clone());
        if let Some(board) = boards.get(&member.entity) {
            find_places(boards, board, path, places)?;
        }
        path.pop();
    }
    Ok(())
}
