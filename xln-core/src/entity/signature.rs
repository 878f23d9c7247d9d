//! The forms of an organisation's signature, without any judgement of what they say.

use alloc::vec::Vec;

use super::board::{Board, BoardError};
use super::delegation::{Delegation, DelegationError};
use crate::crypto::{COMPACT_SIGNATURE_BYTES, MAX_SIGNATURE_BYTES, Signature};
use crate::proof::bytes::Reader;

/// Boards within boards at most.
pub const MAX_NESTING: usize = 4;

/// A signature of an organisation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrganisationSignature {
    /// Members of the board signed.
    Board {
        /// The board.
        board: Board,
        /// One per member, in the board's order; none for one that did not sign.
        signatures: Vec<Option<Signature>>,
    },
    /// An operator signed, to whom the board has delegated.
    Operator {
        /// What was delegated.
        delegation: Delegation,
        /// The board's signature over the delegation, of the form above.
        approval: Signature,
        /// The operator's own.
        operator: [u8; COMPACT_SIGNATURE_BYTES],
    },
}

/// Why an organisation's signature is no good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrganisationError {
    /// No known form, cut short, or bytes left over.
    #[error("bytes are no organisation's signature")]
    Malformed,
    /// By vote: on chain only.
    #[error("a vote signs nothing off chain")]
    Vote,
    /// The board is none.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The delegation is none.
    #[error(transparent)]
    Delegation(#[from] DelegationError),
    /// The board is not the organisation's.
    #[error("board is not the organisation's")]
    WrongBoard,
    /// More than [`MAX_NESTING`] boards within each other.
    #[error("boards are nested too deeply")]
    TooDeep,
    /// An organisation would sign for itself.
    #[error("an organisation stands inside its own board")]
    Cycle,
    /// The weights of those who signed do not reach the threshold.
    #[error("weights {weights} do not reach threshold {threshold}")]
    BelowThreshold {
        /// What they weigh.
        weights: u64,
        /// What is needed.
        threshold: u32,
    },
    /// The threshold is reached before the last one that signs.
    #[error("more members signed than are needed")]
    Unused,
    /// A delegation is not signed by a board itself.
    #[error("a delegation is signed by the board itself")]
    NotByBoard,
    /// The delegation is for other purposes.
    #[error("delegation does not permit this")]
    NotPermitted,
    /// The chain knows no such board of the entity, as far as this node has seen.
    #[error("no such board is known")]
    UnknownBoard,
    /// The board was replaced, or the delegation was revoked or has expired.
    #[error("the signer has lapsed")]
    Lapsed,
}

impl OrganisationSignature {
    /// Reads exactly one.
    ///
    /// # Errors
    /// [`OrganisationError`] names what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, OrganisationError> {
        let mut reader = Reader(bytes);
        let parsed = match reader.u8() {
            Some(1) => Self::read_board(&mut reader)?,
            Some(2) => Self::read_operator(&mut reader)?,
            Some(3) => return Err(OrganisationError::Vote),
            _ => return Err(OrganisationError::Malformed),
        };
        if reader.is_empty() && bytes.len() <= MAX_SIGNATURE_BYTES {
            Ok(parsed)
        } else {
            Err(OrganisationError::Malformed)
        }
    }

    fn read_board(reader: &mut Reader<'_>) -> Result<Self, OrganisationError> {
        let board = Board::read(reader)?;
        let signatures = board.members().iter().map(|_| read_bytes(reader)).collect::<Option<Vec<_>>>();
        let signatures = signatures.ok_or(OrganisationError::Malformed)?;
        Ok(Self::Board { board, signatures })
    }

    fn read_operator(reader: &mut Reader<'_>) -> Result<Self, OrganisationError> {
        let delegation = Delegation::read(reader)?;
        let approval = read_bytes(reader).flatten().ok_or(OrganisationError::Malformed)?;
        let operator = reader.array().ok_or(OrganisationError::Malformed)?;
        Ok(Self::Operator { delegation, approval, operator })
    }

    /// As it travels.
    ///
    /// # Errors
    /// [`OrganisationError::Malformed`] if it is longer than any signature may be, or has not one place per member.
    pub fn encode(&self) -> Result<Signature, OrganisationError> {
        let mut bytes = Vec::new();
        match self {
            Self::Board { board, signatures } => {
                if signatures.len() != board.members().len() {
                    return Err(OrganisationError::Malformed);
                }
                bytes.push(1);
                bytes.append(&mut board.encode());
                signatures.iter().for_each(|signature| write_bytes(&mut bytes, signature.as_ref()));
            }
            Self::Operator { delegation, approval, operator } => {
                bytes.push(2);
                bytes.append(&mut delegation.encode());
                write_bytes(&mut bytes, Some(approval));
                bytes.extend_from_slice(operator);
            }
        }
        Signature::new(bytes).map_err(|_| OrganisationError::Malformed)
    }
}

fn read_bytes(reader: &mut Reader<'_>) -> Option<Option<Signature>> {
    let length = usize::from(reader.u16()?);
    let bytes = reader.slice(length)?;
    if length == 0 { Some(None) } else { Signature::new(bytes.to_vec()).ok().map(Some) }
}

fn write_bytes(bytes: &mut Vec<u8>, signature: Option<&Signature>) {
    let signature = signature.map_or(&[][..], Signature::as_bytes);
    bytes.extend_from_slice(&u16::try_from(signature.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(signature);
}
