//! Organisations: boards, delegations, the signatures that they give, what the chain says about them, and how their members
//! sign together (`docs/protocol.md` section 2, `docs/encodings.md`). As strict as the contracts.

mod board;
mod delegation;
mod digest;
mod directory;
mod quorum;
mod signature;
mod signers;
mod verify;

pub use board::{Board, BoardError, MAX_MEMBERS, Member};
pub use delegation::{Delegation, DelegationError, Limit, Permission, Permissions};
pub use digest::approval_digest;
pub(crate) use directory::earlier;
pub use directory::{Directory, Place, Standing};
pub use quorum::{Quorum, QuorumError, QuorumRequest};
pub use signature::{MAX_NESTING, OrganisationError, OrganisationSignature};
pub use signers::{Approval, MemberSigner, OperatorSigner, OperatorSignerError};
pub use verify::{Claim, Reliance, Verifier};
