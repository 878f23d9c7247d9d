//! The built-in transport: wallets of one process, for tests, samples and apps that keep several wallets.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};

use async_trait::async_trait;

use crate::config::WalletConfig;
use crate::error::{HostError, XlnError};
use crate::hosts::{KvStore, Transport, WalletSigner};
use crate::types::EntityId;
use crate::wallet::Wallet;

/// Connects wallets of one process. It keeps the order of messages and loses those to wallets that have not joined or have
/// left. `run` delivers; without it `deliver` does, at the caller's pace. It does not keep wallets alive.
#[derive(Default, uniffi::Object)]
pub struct LocalNetwork(Mutex<Links>);

#[derive(Default)]
struct Links {
    wallets: BTreeMap<EntityId, Weak<Wallet>>,
    on_their_way: VecDeque<Letter>,
    waiting: Vec<Waker>,
}

struct Letter {
    from: EntityId,
    to: EntityId,
    bytes: Vec<u8>,
}

impl LocalNetwork {
    fn links(&self) -> MutexGuard<'_, Links> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message for a wallet that is there, and the wallet.
    fn next(&self) -> Option<(Arc<Wallet>, Letter)> {
        let mut links = self.links();
        loop {
            let letter = links.on_their_way.pop_front()?;
            if let Some(wallet) = links.wallets.get(&letter.to).and_then(Weak::upgrade) {
                return Some((wallet, letter));
            }
        }
    }

    fn others(&self, than: EntityId) -> Vec<(EntityId, Arc<Wallet>)> {
        let links = self.links();
        let others = links.wallets.iter().filter(|(entity, _)| **entity != than);
        others.filter_map(|(entity, wallet)| Some((*entity, wallet.upgrade()?))).collect()
    }
}

#[uniffi::export]
impl LocalNetwork {
    /// One without wallets.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The way out of one entity's wallet, for `Wallet.open`.
    pub fn transport(self: Arc<Self>, entity: EntityId) -> Arc<dyn Transport> {
        Arc::new(Line { network: self, from: entity })
    }

    /// Opens a wallet whose way out is this network, and lets it join.
    ///
    /// # Errors
    /// As `Wallet.open` and `join`.
    pub async fn open(
        self: Arc<Self>,
        config: WalletConfig,
        store: Arc<dyn KvStore>,
        signer: WalletSigner,
    ) -> Result<Arc<Wallet>, XlnError> {
        let transport = Arc::clone(&self).transport(signer.entity());
        let wallet = Wallet::open(config, store, transport, signer, None, None).await?;
        self.join(Arc::clone(&wallet)).await?;
        Ok(wallet)
    }

    /// Lets a wallet receive, and tells it and the others of the connection.
    ///
    /// # Errors
    /// What the wallets say to `connected`.
    pub async fn join(&self, wallet: Arc<Wallet>) -> Result<(), XlnError> {
        let entity = wallet.entity();
        self.links().wallets.insert(entity, Arc::downgrade(&wallet));
        for (other, there) in self.others(entity) {
            wallet.connected(other).await?;
            there.connected(entity).await?;
        }
        Ok(())
    }

    /// Takes a wallet off the network: what is on its way to it is lost, and the others are told.
    ///
    /// # Errors
    /// What the others say to `disconnected`.
    pub async fn leave(&self, entity: EntityId) -> Result<(), XlnError> {
        {
            let mut links = self.links();
            links.wallets.remove(&entity);
            links.on_their_way.retain(|letter| letter.to != entity && letter.from != entity);
        }
        for (_, there) in self.others(entity) {
            there.disconnected(entity).await?;
        }
        Ok(())
    }

    /// Delivers until nothing is on its way, and says how many messages it were.
    ///
    /// # Errors
    /// What a wallet says to `receive`.
    pub async fn deliver(&self) -> Result<u64, XlnError> {
        let mut delivered = 0_u64;
        while let Some((wallet, letter)) = self.next() {
            wallet.receive(letter.from, letter.bytes).await?;
            delivered = delivered.saturating_add(1);
        }
        Ok(delivered)
    }

    /// Delivers what comes until it is cancelled. A wallet that does not work any more misses its messages.
    ///
    /// # Errors
    /// None of its own; a cancelled call throws what the language throws.
    pub async fn run(&self) -> Result<(), XlnError> {
        loop {
            let (wallet, letter) = poll_fn(|context| match self.next() {
                Some(next) => Poll::Ready(next),
                None => {
                    self.links().waiting.push(context.waker().clone());
                    // One may have come in between.
                    self.next().map_or(Poll::Pending, Poll::Ready)
                }
            })
            .await;
            // It tells its app by itself.
            let _ = wallet.receive(letter.from, letter.bytes).await;
        }
    }
}

/// One wallet's way out.
struct Line {
    network: Arc<LocalNetwork>,
    from: EntityId,
}

#[async_trait]
impl Transport for Line {
    async fn send(&self, to: EntityId, bytes: Vec<u8>) -> Result<(), HostError> {
        let waiting = {
            let mut links = self.network.links();
            links.on_their_way.push_back(Letter { from: self.from, to, bytes });
            std::mem::take(&mut links.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
        Ok(())
    }
}
