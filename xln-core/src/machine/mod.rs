//! Many channels of one entity as one machine. Everything that happens is an [`Input`], everything that must be done
//! outside an [`Effect`], and nothing gets out before the record that explains it is durable (`docs/protocol.md`
//! section 5). The types hold the order: a staged frame borrows the machine, and only its commit gives effects.

mod forward;
mod frame;
mod overlay;
mod stage;
mod types;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

pub use stage::{Context, Durable, Log, Staged, WrongReceipt};
pub use types::{Action, Command, Effect, EffectId, Effects, Input, InputOutcome, RECORD_VERSION, Record, WantedBody};

use crate::chain::ChainView;
use crate::channel::{Channel, ChannelConfig, StageError};
use crate::check::StateError;
use crate::codec::CodecError;
use crate::commitment::{Commitment, CommitmentError, Evidence};
use crate::crypto::SignatureError;
use crate::entity::{Claim, Directory, Permission, Verifier};
use crate::map::Map;
use crate::subcontract::Instruments;
use crate::types::{ChainId, EntityId, Hash, Side, UnixSeconds};
use forward::Routing;
use types::{unversioned, versioned};

/// All that a machine is; what a snapshot holds.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(crate) struct MachineState {
    entity: EntityId,
    seq: u64,
    config: ChannelConfig,
    channels: Map<EntityId, Box<Channel>>,
    chains: Map<ChainId, ChainView>,
    directory: Directory,
    outbox: Map<EffectId, Effect>,
    routing: Routing,
    next_command: u64,
    next_effect: u64,
}

/// A machine as bytes: version, then the encoding of its whole state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The last record that it contains.
    pub seq: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Many channels of one entity. A copy is another future of the same past, for whoever explores what may happen: only one of
/// the two may ever sign.
#[derive(Clone, Debug)]
pub struct Machine {
    state: MachineState,
    instruments: Arc<Instruments>,
    verifier: Verifier,
    in_doubt: bool,
}

/// Why a machine cannot be restored. All are fatal: a log that does not say what it should is not guessed at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreError {
    /// Snapshot or record does not decode.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The log belongs to another entity.
    #[error("log belongs to {found}, not to {expected}")]
    WrongEntity {
        /// The entity that is being restored.
        expected: EntityId,
        /// The entity of the snapshot.
        found: EntityId,
    },
    /// A record is missing or repeated, or a snapshot goes by another number than its own.
    #[error("record {found} follows record {last}")]
    Gap {
        /// The last record that was applied.
        last: u64,
        /// The next one found.
        found: u64,
    },
    /// A step cannot be made again.
    #[error("record {seq} cannot be replayed: {error}")]
    Stage {
        /// Which record.
        seq: u64,
        /// Why.
        error: StageError,
    },
    /// A step gives other effects than it gave: another version of the rules, or a damaged log.
    #[error("record {seq} gives other effects than it gave")]
    Diverged {
        /// Which record.
        seq: u64,
    },
    /// A snapshot holds a state that the rules could not have made.
    #[error("snapshot holds an impossible state: {0}")]
    State(#[from] StateError),
    /// A snapshot's commitment is not that of its state.
    #[error("snapshot holds a commitment that is not its state's")]
    WrongCommitment,
    /// A state in a snapshot cannot be committed to.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
    /// A signature in a snapshot does not verify.
    #[error("snapshot holds a signature that does not verify: {0}")]
    Signature(#[from] SignatureError),
}

impl Machine {
    /// A machine without channels, with the built-in instruments. Its first input should be [`Input::Configure`].
    #[must_use]
    pub fn new(entity: EntityId) -> Self {
        Self::new_with(entity, Arc::new(Instruments::built_in()))
    }

    /// [`Machine::new`] with these instruments. The same ones are needed whenever it is restored.
    #[must_use]
    pub fn new_with(entity: EntityId, instruments: Arc<Instruments>) -> Self {
        let state = MachineState {
            entity,
            seq: 0,
            config: ChannelConfig::default(),
            channels: Map::new(),
            chains: Map::new(),
            directory: Directory::default(),
            outbox: Map::new(),
            routing: Routing::default(),
            next_command: 1,
            next_effect: 1,
        };
        Self { state, verifier: Verifier::default(), instruments, in_doubt: false }
    }

    /// Rebuilds a machine from its log: the last snapshot, if there is one, and every record after it. Nothing is signed
    /// and nothing comes out; what is still to be done stands in [`Machine::pending_effects`]. The next input should be
    /// [`Input::Restarted`].
    ///
    /// # Errors
    /// [`RestoreError`]; the log is not changed.
    pub fn restore(
        entity: EntityId,
        snapshot: Option<&Snapshot>,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, RestoreError> {
        Self::restore_with(entity, snapshot, records, |_| ())
    }

    /// [`Machine::restore`], and shows what each record agreed, for a history whose last rows may be missing.
    ///
    /// # Errors
    /// As [`Machine::restore`].
    pub fn restore_with(
        entity: EntityId,
        snapshot: Option<&Snapshot>,
        records: impl IntoIterator<Item = Record>,
        seen: impl FnMut(&[(EntityId, Evidence)]),
    ) -> Result<Self, RestoreError> {
        Self::restore_with_instruments(entity, Arc::new(Instruments::built_in()), snapshot, records, seen)
    }

    /// [`Machine::restore_with`] these instruments.
    ///
    /// # Errors
    /// As [`Machine::restore`]; [`RestoreError::State`] names an instrument that is missing.
    pub fn restore_with_instruments(
        entity: EntityId,
        instruments: Arc<Instruments>,
        snapshot: Option<&Snapshot>,
        records: impl IntoIterator<Item = Record>,
        mut seen: impl FnMut(&[(EntityId, Evidence)]),
    ) -> Result<Self, RestoreError> {
        Self::restore_stepwise(entity, instruments, snapshot, records, |_, agreed| seen(agreed))
    }

    /// [`Machine::restore_with_instruments`], and shows the machine after each record with what that agreed.
    ///
    /// # Errors
    /// As [`Machine::restore_with_instruments`].
    pub fn restore_stepwise(
        entity: EntityId,
        instruments: Arc<Instruments>,
        snapshot: Option<&Snapshot>,
        records: impl IntoIterator<Item = Record>,
        mut seen: impl FnMut(&Self, &[(EntityId, Evidence)]),
    ) -> Result<Self, RestoreError> {
        let mut machine = Self::new_with(entity, instruments);
        if let Some(snapshot) = snapshot {
            machine.load(snapshot)?;
        }
        for record in records {
            if Some(record.seq) != machine.state.seq.checked_add(1) {
                return Err(RestoreError::Gap { last: machine.state.seq, found: record.seq });
            }
            let effects = machine.replay(record)?;
            seen(&machine, effects.agreed());
        }
        Ok(machine)
    }

    /// Takes what a snapshot holds. Not generic, so that its decoder is compiled here and not in each crate that restores.
    fn load(&mut self, snapshot: &Snapshot) -> Result<(), RestoreError> {
        let entity = self.state.entity;
        self.state = unversioned(&snapshot.bytes)?;
        self.check_loaded(entity)?;
        // Which records it replaces is read off its name: under a wrong one they would be missed, or kept, unseen.
        if self.state.seq != snapshot.seq {
            return Err(RestoreError::Gap { last: self.state.seq, found: snapshot.seq });
        }
        Ok(())
    }

    fn check_loaded(&mut self, entity: EntityId) -> Result<(), RestoreError> {
        if self.state.entity != entity {
            return Err(RestoreError::WrongEntity { expected: entity, found: self.state.entity });
        }
        for (peer, channel) in &self.state.channels {
            let tip = channel.tip();
            channel.check_loaded(&entity, peer, &self.instruments)?;
            tip.state.check_with(&self.instruments)?;
            // Also of what is in flight: it becomes agreed by the peer's signature, without another look at the state or at one's own.
            for signed in channel.live() {
                if Commitment::of(&signed.state)? != signed.commitment {
                    return Err(RestoreError::WrongCommitment);
                }
                for side in [Side::Left, Side::Right] {
                    if let Some(signature) = signed.signature(side) {
                        let (entity, digest) = (&signed.state.pair.entity(side), &signed.commitment.digest);
                        self.verifier.verify(&Claim { entity, digest, signature, permission: Permission::States })?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The machine as it is after the last released frame.
    ///
    /// # Errors
    /// None for a machine within the limits.
    pub fn snapshot(&self) -> Result<Snapshot, CodecError> {
        Ok(Snapshot { seq: self.state.seq, bytes: versioned(&self.state)? })
    }

    /// Whose machine it is.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        self.state.entity
    }

    /// Position of the last record.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.state.seq
    }

    /// The node's promises.
    #[must_use]
    pub const fn config(&self) -> &ChannelConfig {
        &self.state.config
    }

    /// The instruments that it knows.
    #[must_use]
    pub const fn instruments(&self) -> &Arc<Instruments> {
        &self.instruments
    }

    /// The channel with one peer.
    #[must_use]
    pub fn channel(&self, peer: &EntityId) -> Option<&Channel> {
        self.state.channels.get(peer).map(|c| &**c)
    }

    /// All channels, by peer.
    pub fn channels(&self) -> impl Iterator<Item = (&EntityId, &Channel)> {
        self.state.channels.iter().map(|(peer, channel)| (peer, &**channel))
    }

    /// The confirmed view of one chain.
    #[must_use]
    pub fn chain(&self, chain: ChainId) -> Option<&ChainView> {
        self.state.chains.get(&chain)
    }

    /// What the chains say about who signs for organisations.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.state.directory
    }

    /// Effects that have not been completed; run them again after a restart, under the same names.
    pub fn pending_effects(&self) -> impl Iterator<Item = (EffectId, &Effect)> {
        self.state.outbox.iter().map(|(id, effect)| (*id, effect))
    }

    /// Locks of others that this machine has answered for and that are not gone yet.
    #[must_use]
    pub fn routes(&self) -> usize {
        self.state.routing.len()
    }

    /// When to call with [`Input::Tick`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixSeconds> {
        self.state.channels.values().filter_map(|c| c.deadline(&self.state.config, &self.state.chains)).min()
    }

    /// keccak256 over the whole state: two machines with the same log have the same.
    ///
    /// # Errors
    /// None for a machine within the limits.
    pub fn root(&self) -> Result<Hash, CodecError> {
        Ok(crate::state::hash_tagged(b"xln machine 1", &versioned(&self.state)?))
    }
}
