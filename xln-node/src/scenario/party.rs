//! One entity of a scenario: its key, its node on a durable store, and its own watchers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use alloy_primitives::U256;
use xln_chain::watch::WatchConfig;
use xln_chain::{Cursor, Watcher};
use xln_core::channel::ChannelConfig;
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::Effects;
use xln_core::types::{EntityId, UnixSeconds};
use xln_storage::{DefaultStore, MemoryStore, Storage};

use super::boards::{Delegated, Elsewhere};
use super::ground::Ground;
use super::records::Tape;
use super::refusal::RunError;
use crate::driver::{Node, NodeOptions, import};

/// Small enough that stories of some length go through snapshots.
const SNAPSHOT_EVERY: u64 = 48;

/// What a party's node writes to.
pub(super) type Store = Box<dyn Storage>;

/// Where a party keeps its stores; each life after a backup has a new one.
pub enum Shelf {
    /// Files in a folder, as durable as a real node's.
    Folder(PathBuf),
    /// Memory, for stories without end. Whoever crashes loses nothing that it has written, as with files.
    Memory(Vec<Arc<MemoryStore>>),
}

impl Shelf {
    fn open(&mut self, life: usize) -> Result<Store, RunError> {
        match self {
            Self::Folder(path) => Ok(Box::new(DefaultStore::open(path.join(format!("store-{life}")))?)),
            Self::Memory(stores) => {
                if stores.len() <= life {
                    stores.resize_with(life.saturating_add(1), Arc::default);
                }
                let store = stores.get(life).ok_or(RunError::Value("store"))?;
                Ok(Box::new(Arc::clone(store)))
            }
        }
    }
}

/// One entity.
pub struct Party {
    /// Its name in the file.
    pub name: String,
    /// Its key; of an entity with members, the wallet of the runner that sends in its name.
    pub signer: LocalSigner,
    /// Its id.
    pub id: EntityId,
    /// Who signs for it instead of its members.
    pub delegated: Option<Delegated>,
    options: NodeOptions,
    shelf: Shelf,
    node: Option<Node<Store>>,
    watchers: BTreeMap<String, Watcher>,
    /// Kept by `backup`.
    backups: BTreeMap<String, Vec<u8>>,
    lives: usize,
    /// What each life has written of its log; none in stories without end.
    pub(super) tapes: Vec<Tape>,
    /// What it held outside at the start, by token.
    pub baseline: BTreeMap<String, U256>,
}

impl Party {
    /// A party with an empty store.
    ///
    /// # Errors
    /// [`RunError`] if the store cannot be made.
    pub fn new(
        (name, id): (&str, EntityId),
        signer: LocalSigner,
        config: ChannelConfig,
        ground: &Ground,
        shelf: Shelf,
        now: UnixSeconds,
    ) -> Result<Self, RunError> {
        let options = NodeOptions { config, snapshot_every: SNAPSHOT_EVERY };
        let mut party = Self {
            name: name.to_owned(),
            signer,
            id,
            delegated: None,
            options,
            shelf,
            node: None,
            watchers: BTreeMap::new(),
            backups: BTreeMap::new(),
            lives: 0,
            tapes: Vec::new(),
            baseline: BTreeMap::new(),
        };
        let _ = party.start(ground, now)?;
        for (name, token) in &ground.tokens {
            party.baseline.insert(name.clone(), ground.external(token, party.signer.address())?);
        }
        Ok(party)
    }

    fn start(&mut self, ground: &Ground, now: UnixSeconds) -> Result<Effects, RunError> {
        let store = self.open_store()?;
        let (node, effects) = Node::open(store, self.node_signer(), self.options.clone(), now)?;
        for (name, place) in &ground.places {
            let cursor = node.kept(name)?.map(|bytes| Cursor::parse(&bytes));
            let cursor = cursor.transpose().map_err(|_| RunError::Value("a cursor does not decode"))?;
            self.watchers.insert(name.clone(), watcher(self.id, place, &cursor.unwrap_or_default()));
        }
        self.node = Some(node);
        Ok(effects)
    }

    fn open_store(&mut self) -> Result<Store, RunError> {
        let store = self.shelf.open(self.lives)?;
        if matches!(self.shelf, Shelf::Memory(_)) {
            return Ok(store);
        }
        if self.tapes.len() <= self.lives {
            self.tapes.resize_with(self.lives.saturating_add(1), Tape::default);
        }
        Ok(self.tapes.last().ok_or(RunError::Value("tape"))?.on(store))
    }

    /// A node signs by its key, or asks the members.
    fn node_signer(&self) -> Box<dyn Signer> {
        if self.is_account() { Box::new(self.signer.clone()) } else { Box::new(Elsewhere(self.id)) }
    }

    /// Whether it is its own key.
    #[must_use]
    pub fn is_account(&self) -> bool {
        self.signer.entity() == self.id
    }

    /// What its node starts with.
    #[must_use]
    pub const fn config(&self) -> &ChannelConfig {
        &self.options.config
    }

    /// Its node.
    ///
    /// # Errors
    /// None while the scenario runs.
    pub fn node(&self) -> Result<&Node<Store>, RunError> {
        self.node.as_ref().ok_or(RunError::Value("a node is not running"))
    }

    /// Its node, to be driven.
    ///
    /// # Errors
    /// None while the scenario runs.
    pub fn node_mut(&mut self) -> Result<&mut Node<Store>, RunError> {
        self.node.as_mut().ok_or(RunError::Value("a node is not running"))
    }

    /// What its watchers have not told its node yet.
    ///
    /// # Errors
    /// [`RunError::Chain`].
    pub fn news(&mut self, ground: &Ground) -> Result<Vec<xln_core::chain::ChainFact>, RunError> {
        let mut news = Vec::new();
        for (name, watcher) in &mut self.watchers {
            let place = ground.place(name)?;
            loop {
                let facts = super::ground::now(watcher.poll(&place.chain))?;
                if facts.is_empty() {
                    break;
                }
                news.extend(facts);
            }
            let cursor = watcher.cursor().encode().map_err(|_| RunError::Value("a cursor has no encoding"))?;
            if let (Some(node), false) = (self.node.as_mut(), news.is_empty()) {
                node.keep(name, &cursor);
            }
        }
        Ok(news)
    }

    /// Keeps the whole store under a name.
    ///
    /// # Errors
    /// [`RunError::Node`].
    pub fn keep_backup(&mut self, name: &str) -> Result<(), RunError> {
        let backup = self.node()?.backup()?;
        self.backups.insert(name.to_owned(), backup);
        Ok(())
    }

    /// Drops everything in memory and starts from the store, or from a backup in an empty one.
    ///
    /// # Errors
    /// [`RunError`] if the store does not replay or there is no such backup.
    pub fn crash(&mut self, ground: &Ground, now: UnixSeconds, backup: Option<&str>) -> Result<Effects, RunError> {
        self.node = None;
        self.watchers.clear();
        if let Some(name) = backup {
            let unknown = || RunError::Unknown { kind: "backup", name: name.to_owned() };
            let bytes = self.backups.get(name).cloned().ok_or_else(unknown)?;
            self.lives = self.lives.saturating_add(1);
            let store = self.open_store()?;
            drop(import(store, self.id, &self.options.config, &bytes)?);
        }
        self.start(ground, now)
    }
}

/// Follows one chain from the story's first block, or from where a cursor stands.
pub(super) fn watcher(entity: EntityId, place: &super::ground::Place, cursor: &Cursor) -> Watcher {
    let deployment = place.client.deployment();
    let config = WatchConfig { start: place.start, ..WatchConfig::new(entity, deployment, 0) };
    Watcher::new(deployment.chain, config, cursor)
}
