//! What a store or a backup holds that is worth something on a chain. Nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use xln_chain::Deployment;
use xln_core::channel::ChannelConfig;
use xln_core::machine::{Machine, RestoreError};
use xln_core::subcontract::Instruments;
use xln_core::types::{EntityId, Hash, SubchannelKey};
use xln_storage::{MemoryStore, Storage};

use crate::driver::{NodeError, StoredNode, agreed_evidence, import, owner};

/// Why a store or backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EstateError {
    /// The store holds no node.
    #[error("the store is empty")]
    Empty,
    /// The store or backup is damaged, or of another version.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Its records do not replay.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// One entity's channels as its own records say, with every body that was ever agreed.
#[derive(Debug)]
pub struct Estate {
    machine: Machine,
    from_backup: bool,
    bodies: BTreeMap<(SubchannelKey, Hash), Vec<u8>>,
}

impl Estate {
    /// Reads a store; it is not changed.
    ///
    /// # Errors
    /// [`EstateError`].
    pub fn read<S: Storage>(storage: &S) -> Result<Self, EstateError> {
        let stored = StoredNode::read(storage)?.ok_or(EstateError::Empty)?;
        let machine = stored.machine(Arc::new(Instruments::built_in()))?;
        let evidence = agreed_evidence(storage)?;
        let bodies = evidence.into_iter().map(|e| ((e.key, e.body_hash()), e.body)).collect();
        Ok(Self { machine, from_backup: stored.from_backup, bodies })
    }

    /// Reads a backup. It may be older than what the node has signed since: what is shown on chain then can be countered by a
    /// peer that is not gone.
    ///
    /// # Errors
    /// [`EstateError`].
    pub fn from_backup(backup: &[u8]) -> Result<Self, EstateError> {
        let entity = owner(backup).map_err(NodeError::from)?;
        // A store of its own, which is pinned to nothing but the entity.
        Self::read(&import(MemoryStore::new(), entity, &ChannelConfig::default(), backup)?)
    }

    /// Whose it is.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        self.machine.entity()
    }

    /// The machine, to be read.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Whether it comes from a backup that no node was opened on: there may be later states.
    #[must_use]
    pub const fn is_from_backup(&self) -> bool {
        self.from_backup
    }

    /// The Depositories that the node had accepted, with their contracts.
    pub fn deployments(&self) -> impl Iterator<Item = Deployment> {
        self.machine.config().depositories.iter().map(|found| Deployment {
            chain: found.key.chain,
            depository: found.key.depository,
            subcontract_provider: found.providers.first().copied().unwrap_or_default(),
            entity_provider: found.entity_provider,
            window_s: found.window_s,
            grace_s: found.grace_s,
            // Nothing here depends on it.
            board_delay_s: 0,
        })
    }

    /// A body that was once agreed, or that the node still holds.
    pub(super) fn body(&self, peer: &EntityId, key: &SubchannelKey, hash: &Hash) -> Option<Vec<u8>> {
        let held = self.machine.channel(peer).and_then(|channel| channel.body(key, hash));
        held.or_else(|| self.bodies.get(&(*key, *hash)).cloned())
    }
}
