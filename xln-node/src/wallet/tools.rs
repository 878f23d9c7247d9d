//! The low-level pieces that other languages get as functions.

use std::sync::Arc;

use xln_chain::Deployment;
use xln_chain::client::{Authority, action_transaction};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::channel::ChannelConfig;
use xln_core::codec::{self, CodecError};
use xln_core::commitment::Commitment;
use xln_core::crypto::{Signature, SignatureError};
use xln_core::machine::{Machine, Record, RestoreError, Snapshot};
use xln_core::state::ChannelState;
use xln_core::subcontract::Instruments;
use xln_core::types::{Address, EntityId, Hash};

use super::error::WalletError;
use super::event::CallRequest;

/// What the channels were after one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// Position of the record.
    pub seq: u64,
    /// The state root of every channel, by peer.
    pub roots: Vec<PeerRoot>,
}

/// The state root of one channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerRoot {
    /// With whom.
    pub peer: EntityId,
    /// The Merkle root that both signed last, or that of the state before the first block.
    pub root: Hash,
}

/// An entity's log as its store holds it, to be replayed, compared or kept elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredLog {
    /// The last snapshot: position as eight bytes, then the machine's snapshot. None before the first.
    pub snapshot: Option<Vec<u8>>,
    /// Every record after it, encoded, in order.
    pub records: Vec<Vec<u8>>,
}

/// Replays an entity's records from the first one, or from a snapshot, with the built-in instruments, and gives the state
/// roots after each. Signatures and effects are checked on the way.
///
/// `snapshot` is the row of a store: position as eight bytes, then the machine's snapshot.
///
/// # Errors
/// [`WalletError::Restore`] if the log does not say what it should; [`WalletError::Codec`].
pub fn replay(entity: EntityId, snapshot: Option<&[u8]>, records: &[Vec<u8>]) -> Result<Vec<Replayed>, WalletError> {
    let snapshot = snapshot.map(|bytes| {
        let (seq, rest) = bytes.split_first_chunk::<8>().ok_or(CodecError::Malformed)?;
        Ok::<_, CodecError>(Snapshot { seq: u64::from_be_bytes(*seq), bytes: rest.to_vec() })
    });
    let snapshot = snapshot.transpose()?;
    let records = records.iter().map(|bytes| Record::decode(bytes)).collect::<Result<Vec<_>, _>>()?;
    let mut all = Vec::with_capacity(records.len());
    let instruments = Arc::new(Instruments::built_in());
    Machine::restore_stepwise(entity, instruments, snapshot.as_ref(), records, |machine, _| {
        let roots = machine.channels().map(|(peer, channel)| PeerRoot { peer: *peer, root: channel.state_root() });
        all.push(Replayed { seq: machine.seq(), roots: roots.collect() });
    })?;
    Ok(all)
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
    /// What both sides sign.
    pub digest: Hash,
}

/// Decodes the canonical bytes of a channel state, checks it as a restore does, and computes what is signed for it.
///
/// # Errors
/// [`WalletError::Codec`] or [`WalletError::Restore`] for bytes that are no possible state.
pub fn state_digests(bytes: &[u8]) -> Result<StateDigests, WalletError> {
    let state: ChannelState = codec::decode(bytes)?;
    state.check().map_err(RestoreError::from)?;
    let Commitment { state_hash, root, digest, .. } = Commitment::of(&state).map_err(RestoreError::from)?;
    Ok(StateDigests { state, state_hash, root, digest })
}

/// An action on chain as calldata; none if its Depository is not accepted by `config` or its evidence lacks a signature.
#[must_use]
pub fn call_of(config: &ChannelConfig, action: &ChainAction) -> Option<CallRequest> {
    let accepted = config.depositories.iter().find(|accepted| accepted.key == action.key)?;
    let deployment = Deployment {
        chain: action.key.chain,
        depository: action.key.depository,
        subcontract_provider: accepted.providers.first().copied().unwrap_or(Address::ZERO),
        entity_provider: accepted.entity_provider,
        window_s: accepted.window_s,
        grace_s: accepted.grace_s,
        board_delay_s: 0,
    };
    let transaction = action_transaction(&deployment, action, &Authority::Sender).ok()?;
    let by_entity = match &action.call {
        ChainCall::StartDispute { .. }
        | ChainCall::StartEmptyDispute { .. }
        | ChainCall::AcceptDispute { .. }
        | ChainCall::CounterDispute { both: false, .. } => true,
        // Before the deadline it is the non-starter's answer.
        ChainCall::FinalizeDispute { dispute, .. } => !dispute.answered,
        _ => false,
    };
    Some(CallRequest {
        chain: action.key.chain,
        to: transaction.to?,
        value: u128::try_from(transaction.value).ok()?,
        data: transaction.data.to_vec(),
        by_entity,
    })
}

/// A signature as signers give it: 64 bytes, 65 with `v` (0, 1, 27 or 28) at the end, or an organisation's own encoding.
///
/// # Errors
/// [`WalletError::Signature`].
pub fn parse_signature(entity: &EntityId, bytes: &[u8]) -> Result<Signature, WalletError> {
    if let (Some(_), Some((compact, [v]))) = (entity.address(), bytes.split_first_chunk::<64>()) {
        let odd = match v {
            0 | 27 => 0,
            1 | 28 => 0x80,
            _ => return Err(SignatureError::Unrecoverable.into()),
        };
        let mut compact = *compact;
        if let Some(top) = compact.get_mut(32) {
            if *top & 0x80 != 0 {
                return Err(SignatureError::HighS.into());
            }
            *top |= odd;
        }
        return Ok(Signature::compact(compact));
    }
    Ok(Signature::new(bytes.to_vec())?)
}
