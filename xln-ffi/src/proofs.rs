//! Logs, states and proofs apart from any wallet.

use xln_core::entity::{Claim, Permission, Verifier};
use xln_core::proof;
use xln_node::wallet;

use crate::error::XlnError;
use crate::types::*;

pub use wallet::{PeerRoot, Replayed, StoredLog};

/// The state root of one channel.
#[uniffi::remote(Record)]
pub struct PeerRoot {
    /// With whom.
    pub peer: EntityId,
    /// The Merkle root that both signed last, or that of the state before the first block.
    pub root: Hash,
}

/// What the channels were after one record.
#[uniffi::remote(Record)]
pub struct Replayed {
    /// Position of the record.
    pub seq: u64,
    /// The state root of every channel, by peer.
    pub roots: Vec<PeerRoot>,
}

/// An entity's log as its store holds it, to be replayed, compared or kept elsewhere.
#[uniffi::remote(Record)]
pub struct StoredLog {
    /// The last snapshot: position as eight bytes, then the machine's snapshot. None before the first.
    pub snapshot: Option<Vec<u8>>,
    /// Every record after it, encoded, in order.
    pub records: Vec<Vec<u8>>,
}

/// Replays an entity's records from the first one, or from a snapshot, and gives the state roots after each. Signatures and
/// effects are checked on the way.
///
/// # Errors
/// `Unusable` if the log does not say what it should.
#[uniffi::export(default(snapshot = None))]
pub fn replay(entity: EntityId, records: Vec<Vec<u8>>, snapshot: Option<Vec<u8>>) -> Result<Vec<Replayed>, XlnError> {
    Ok(wallet::replay(entity, snapshot.as_deref(), &records)?)
}

/// What is signed for a state.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct StateDigests {
    /// Height of the block that made it.
    pub height: u64,
    /// Nonce of that block.
    pub nonce: Nonce,
    /// Hash of its canonical encoding.
    pub state_hash: Hash,
    /// Merkle root over the state's leaf and the subchannels' leaves.
    pub root: Hash,
    /// What both sign.
    pub digest: Hash,
}

/// Decodes the canonical bytes of a channel state, checks it as a restore does, and computes what is signed for it.
///
/// # Errors
/// `Unusable` for bytes that are no possible state.
#[uniffi::export]
pub fn state_digests(state: Vec<u8>) -> Result<StateDigests, XlnError> {
    let wallet::StateDigests { state, state_hash, root, digest } = wallet::state_digests(&state)?;
    Ok(StateDigests { height: state.height, nonce: state.nonce, state_hash, root, digest })
}

/// The name of the channel between two entities, in signatures and contracts.
///
/// # Errors
/// `InvalidArgument` if they are the same.
#[uniffi::export]
pub fn channel_key(a: EntityId, b: EntityId) -> Result<Hash, XlnError> {
    Pair::new(a, b).map(|pair| pair.channel_key()).map_err(|error| XlnError::invalid("pair", &error))
}

/// The leaf of a whole state, the first one under its root.
#[uniffi::export]
pub fn state_leaf(state_hash: Hash) -> Hash {
    proof::state_leaf(&state_hash)
}

/// The hash of an encoded proof body.
#[uniffi::export]
pub fn body_hash(body: Vec<u8>) -> Hash {
    proof::body_hash(&body)
}

/// The leaf of one subchannel, as a Depository computes it.
#[uniffi::export]
pub fn subchannel_leaf(key: SubchannelKey, epoch: u32, body_hash: Hash) -> Hash {
    proof::subchannel_leaf(&key, epoch, &body_hash)
}

/// Whether a leaf stands under a root.
#[uniffi::export]
pub fn verify_path(leaf: Hash, path: Vec<Hash>, root: Hash) -> bool {
    proof::verify_path(&leaf, &path, &root)
}

/// What both parties sign for a state with this root.
#[uniffi::export]
pub fn channel_state_digest(channel_key: Hash, nonce: Nonce, root: Hash) -> Hash {
    proof::channel_state_digest(&channel_key, nonce, &root)
}

/// Checks that a signature over a channel state's digest is by an entity: an account, or an organisation by its board.
///
/// # Errors
/// `InvalidArgument` if it is not.
#[uniffi::export]
pub fn verify_signature(entity: EntityId, digest: Hash, signature: Signature) -> Result<(), XlnError> {
    let claim = Claim { entity: &entity, digest: &digest, signature: &signature, permission: Permission::States };
    let verdict = Verifier::default().verify(&claim);
    verdict.map(|_| ()).map_err(|error| XlnError::invalid("signature", &error))
}
