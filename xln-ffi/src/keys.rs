//! Keys, ids, signatures and boards apart from any wallet.

use std::sync::{Arc, Mutex, PoisonError};

use xln_core::crypto::{LocalSigner, recover_address};
use xln_core::entity::{self, Approval, Verifier};

use crate::error::XlnError;
use crate::types::{Address, EntityId, Hash, HashKind, Secret, Signature};

pub use entity::Permission;

/// The version of this library, the same as that of the package around it.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The entity of an account: its address with zeros in front.
///
/// # Errors
/// `InvalidArgument` for the zero address.
#[uniffi::export]
pub fn account(address: Address) -> Result<EntityId, XlnError> {
    EntityId::account(address).map_err(|error| XlnError::invalid("address", &error))
}

/// The hash that a secret opens.
#[uniffi::export]
pub fn secret_hash(secret: Secret, kind: HashKind) -> Hash {
    secret.hash(kind)
}

/// The account that gave a signature of 64 bytes (EIP-2098) over a digest, as the chain's `ecrecover` would find it.
///
/// # Errors
/// `InvalidArgument` if it is no signature.
#[uniffi::export]
pub fn recover_signer(digest: Hash, signature: Signature) -> Result<Address, XlnError> {
    recover_address(&digest, &signature).map_err(|error| XlnError::invalid("signature", &error))
}

/// A secret key in memory. It is wiped when nobody holds it any more.
#[derive(Debug, uniffi::Object)]
pub struct LocalKey(pub(crate) LocalSigner);

#[uniffi::export]
impl LocalKey {
    /// Takes 32 bytes, big-endian. Wipe your own copy.
    ///
    /// # Errors
    /// `InvalidArgument` for another length, zero, or a value not below the order of the group.
    #[uniffi::constructor]
    pub fn new(secret: Vec<u8>) -> Result<Arc<Self>, XlnError> {
        let secret =
            <&[u8; 32]>::try_from(secret.as_slice()).map_err(|_| XlnError::invalid("secret key", &"not 32 bytes"))?;
        LocalSigner::new(secret).map(|key| Arc::new(Self(key))).map_err(|error| XlnError::invalid("secret key", &error))
    }

    /// The account of this key.
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// The entity of that account.
    pub fn entity(&self) -> EntityId {
        xln_core::crypto::Signer::entity(&self.0)
    }

    /// Signs a digest: 64 bytes.
    ///
    /// # Errors
    /// `InvalidArgument`, practically never: the signature has no compact form.
    pub fn sign(&self, digest: Hash) -> Result<Signature, XlnError> {
        self.0.sign_digest(&digest).map_err(|error| XlnError::invalid("digest", &error))
    }
}

/// A member of a board.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct Member {
    /// Who: an account, or an organisation with a board of its own.
    pub entity: EntityId,
    /// How much its signature weighs, at least 1.
    pub weight: u32,
}

/// Who decides for an organisation.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct Board {
    /// How much weight suffices.
    pub threshold: u32,
    /// The members, in any order.
    pub members: Vec<Member>,
}

impl TryFrom<&Board> for entity::Board {
    type Error = XlnError;

    fn try_from(board: &Board) -> Result<Self, XlnError> {
        let members: Vec<_> = board.members.iter().map(|member| (member.entity, member.weight)).collect();
        Self::new(board.threshold, &members).map_err(|error| XlnError::invalid("board", &error))
    }
}

/// The organisation that a board is, without any registration.
///
/// # Errors
/// `InvalidArgument` if it is no board.
#[uniffi::export]
pub fn organisation(board: Board) -> Result<EntityId, XlnError> {
    Ok(entity::Board::try_from(&board)?.counterfactual())
}

/// What a signature is asked for.
#[uniffi::remote(Enum)]
pub enum Permission {
    /// Channel states, and refusals of blocks: what the other side relies on.
    States,
    /// Starts and answers of disputes.
    Dispute,
    /// Settlements, closes and batches.
    Withdraw,
    /// What an organisation decides about itself.
    Govern,
}

/// What a member of a board is asked for.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct MemberRequest {
    /// Who is asked.
    pub member: EntityId,
    /// What it signs.
    pub digest: Hash,
}

/// Collects the signatures of a board's members until they suffice.
#[derive(uniffi::Object)]
pub struct Quorum(Mutex<(entity::Quorum, Verifier)>);

#[uniffi::export]
impl Quorum {
    /// For the organisation that a board is, over a digest. The board's members sign themselves: nested boards as a whole.
    ///
    /// # Errors
    /// `InvalidArgument` if it is no board.
    #[uniffi::constructor]
    pub fn new(board: Board, digest: Hash, permission: Permission) -> Result<Arc<Self>, XlnError> {
        let board = entity::Board::try_from(&board)?;
        let id = board.counterfactual();
        let quorum = entity::Quorum::new(id, digest, permission, [(id, board)]);
        let quorum = quorum.map_err(|error| XlnError::invalid("board", &error))?;
        Ok(Arc::new(Self(Mutex::new((quorum, Verifier::default())))))
    }

    /// Who has not signed, and what for.
    pub fn requests(&self) -> Vec<MemberRequest> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0.requests().map(|request| MemberRequest { member: request.member, digest: request.digest }).collect()
    }

    /// Takes a member's signature.
    ///
    /// # Errors
    /// `InvalidArgument` for a stranger's, one that is there already, or one over anything else.
    pub fn add(&self, member: EntityId, signature: Signature) -> Result<(), XlnError> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (quorum, verifier) = &mut *inner;
        quorum.add(verifier, Approval { member, signature }).map_err(|error| XlnError::invalid("signature", &error))
    }

    /// The organisation's signature, once the weights suffice.
    ///
    /// # Errors
    /// `InvalidArgument` if it is longer than a signature may be.
    pub fn signature(&self) -> Result<Option<Signature>, XlnError> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0.signature().map_err(|error| XlnError::invalid("quorum", &error))
    }
}
