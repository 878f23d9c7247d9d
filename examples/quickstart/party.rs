//! One entity: its node on a durable store, its watcher, and a signer that counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xln_chain::{Cursor, Deployment, WatchConfig, Watcher};
use xln_core::channel::ChannelConfig;
use xln_core::crypto::{LocalSigner, SignError, SignOutcome, Signer};
use xln_core::machine::Effects;
use xln_core::types::{EntityId, Hash, UnixSeconds};
use xln_node::driver::{Node, NodeOptions};
use xln_storage::DefaultStore;

/// Anything that stops the program.
pub type Failure = Box<dyn std::error::Error>;

/// Counts what it signs.
#[derive(Clone)]
pub struct Counting {
    inner: LocalSigner,
    pub count: Arc<AtomicU64>,
}

impl Signer for Counting {
    fn entity(&self) -> EntityId {
        self.inner.entity()
    }

    fn sign(&self, digest: &Hash) -> Result<SignOutcome, SignError> {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.inner.sign(digest)
    }
}

/// One entity.
pub struct Party {
    pub name: &'static str,
    pub key: LocalSigner,
    pub signer: Counting,
    /// None only while it is being restarted.
    pub node: Option<Node<DefaultStore>>,
    pub watcher: Watcher,
    path: PathBuf,
    options: NodeOptions,
}

impl Party {
    /// Opens its node on a store in `dir`.
    pub fn new(
        name: &'static str,
        secret: u8,
        vigilant: bool,
        dir: &Path,
        deployment: &Deployment,
        now: UnixSeconds,
    ) -> Result<(Self, Effects), Failure> {
        let key = LocalSigner::new(&[secret; 32])?;
        let signer = Counting { inner: key.clone(), count: Arc::default() };
        let depositories = vec![deployment.accepted()];
        let config = ChannelConfig { depositories, vigilant, ..ChannelConfig::default() };
        let options = NodeOptions { config, ..NodeOptions::default() };
        let path = dir.join(format!("{name}.store"));
        let watch = WatchConfig::new(key.entity(), deployment, 0);
        let watcher = Watcher::new(deployment.chain, watch, &Cursor::default());
        let (node, effects) = Node::open(DefaultStore::open(&path)?, Box::new(signer.clone()), options.clone(), now)?;
        Ok((Self { name, key, signer, node: Some(node), watcher, path, options }, effects))
    }

    /// Drops everything in memory and opens the node again from disk.
    pub fn restart(&mut self, now: UnixSeconds) -> Result<Effects, Failure> {
        drop(self.node.take());
        let store = DefaultStore::open(&self.path)?;
        let (node, effects) = Node::open(store, Box::new(self.signer.clone()), self.options.clone(), now)?;
        self.node = Some(node);
        Ok(effects)
    }

    pub fn node(&mut self) -> Result<&mut Node<DefaultStore>, Failure> {
        self.node.as_mut().ok_or_else(|| "node is down".into())
    }

    pub fn entity(&self) -> EntityId {
        self.key.entity()
    }
}
