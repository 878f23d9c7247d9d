//! Wallets on stores that take their time and may fail, with mail that is carried by hand.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures::executor::block_on;
use futures::future::poll_fn;
use xln_core::channel::{AcceptedDepository, ChannelConfig};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::types::{Address, ChainId, EntityId, SubchannelKey, TokenId};
use xln_node::wallet::*;
use xln_storage::{FaultStore, MemoryStore, Storage, rows};

pub(crate) const NOW_S: u64 = 1_800_000_000;
pub(crate) const USD: TokenId = TokenId(1);
pub(crate) const EUR: TokenId = TokenId(2);
pub(crate) const PROVIDER: Address = Address([0xab; 20]);
pub(crate) const KEY: SubchannelKey = SubchannelKey { chain: ChainId(31_337), depository: Address([0xd0; 20]) };

pub(crate) fn signer(number: u8) -> LocalSigner {
    LocalSigner::new(&xln_merkle::keccak256(&[number])).unwrap()
}

pub(crate) fn id(number: u8) -> EntityId {
    signer(number).entity()
}

pub(crate) fn config() -> WalletConfig {
    let depositories = vec![AcceptedDepository::new(KEY, 3600, vec![PROVIDER], Address([0xee; 20]), 10_800)];
    let channels = ChannelConfig { depositories, vigilant: false, ..ChannelConfig::default() };
    WalletConfig { channels, snapshot_every: 4, event_queue: 100_000 }
}

#[derive(Debug, Default)]
pub(crate) struct TestClock(pub(crate) AtomicU64);

impl Clock for TestClock {
    fn now_s(&self) -> u64 {
        NOW_S + self.0.load(Ordering::SeqCst)
    }
}

/// Is not ready so many times.
pub(crate) async fn delay(mut polls: u32) {
    poll_fn(move |cx| {
        if polls == 0 {
            return Poll::Ready(());
        }
        polls -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub(crate) type Disk = Arc<MemoryStore>;

/// A store that takes some time before and after it writes, and fails when it is told to.
pub(crate) struct SlowKv {
    pub(crate) store: FaultStore<Disk>,
    pub(crate) before: u32,
    pub(crate) after: u32,
}

impl SlowKv {
    pub(crate) fn on(disk: &Disk) -> Self {
        Self { store: FaultStore::new(Arc::clone(disk)), before: 0, after: 0 }
    }
}

#[async_trait::async_trait]
impl KvStore for SlowKv {
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, HostError> {
        self.store.get(&key).map_err(HostError::new)
    }

    async fn scan(&self, prefix: Vec<u8>) -> Result<Vec<Row>, HostError> {
        rows(&self.store, &prefix, None, 7).collect::<Result<_, _>>().map_err(HostError::new)
    }

    async fn commit(&self, batch: Vec<KvWrite>) -> Result<(), HostError> {
        delay(self.before).await;
        self.store.write(batch.into_iter().collect()).map_err(HostError::new)?;
        delay(self.after).await;
        Ok(())
    }
}

pub(crate) fn all_rows(disk: &Disk) -> Vec<Row> {
    rows(disk, &[], None, 100).collect::<Result<_, _>>().unwrap()
}

/// What is on its way: from, to, bytes.
#[derive(Clone, Default)]
pub(crate) struct Mail(pub(crate) Arc<Mutex<VecDeque<Letter>>>);

pub(crate) type Letter = (EntityId, EntityId, Vec<u8>);

pub(crate) struct Sink {
    pub(crate) from: EntityId,
    pub(crate) mail: Mail,
    pub(crate) polls: u32,
}

#[async_trait::async_trait]
impl MessageSink for Sink {
    async fn send(&self, to: EntityId, bytes: Vec<u8>) -> Result<(), HostError> {
        delay(self.polls).await;
        self.mail.0.lock().unwrap().push_back((self.from, to, bytes));
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) mail: Mail,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) disks: Vec<Disk>,
    pub(crate) wallets: Vec<Wallet>,
}

impl World {
    /// Wallets of the keys 1, 2, …
    pub(crate) fn new(count: u8) -> Self {
        let mut world = Self::empty();
        for number in 1..=count {
            let disk = Disk::default();
            let wallet = block_on(world.open(number, SlowKv::on(&disk))).unwrap();
            world.disks.push(disk);
            world.wallets.push(wallet);
        }
        world
    }

    pub(crate) fn empty() -> Self {
        Self { mail: Mail::default(), clock: Arc::default(), disks: Vec::new(), wallets: Vec::new() }
    }

    pub(crate) fn host(&self, entity: EntityId, signer: WalletSigner, store: SlowKv) -> WalletHost {
        let sink = Sink { from: entity, mail: self.mail.clone(), polls: 0 };
        WalletHost::new(Arc::new(store), Arc::new(sink), signer, self.clock.clone())
    }

    pub(crate) async fn open(&self, number: u8, store: SlowKv) -> Result<Wallet, WalletError> {
        let host = self.host(id(number), WalletSigner::Local(signer(number)), store);
        Wallet::open(config(), host).await
    }

    fn wallet(&self, entity: &EntityId) -> Option<Wallet> {
        self.wallets.iter().find(|wallet| wallet.entity() == *entity).cloned()
    }

    /// Awaits something while the mail is carried and every wallet is driven; panics if nothing moves any more.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        block_on(async {
            let mut future = pin!(future);
            for _ in 0..10_000 {
                if let Poll::Ready(done) = futures::poll!(future.as_mut()) {
                    return done;
                }
                self.deliver().await;
                for wallet in &self.wallets {
                    let _ = futures::FutureExt::now_or_never(wallet.run());
                }
            }
            panic!("nothing moves any more");
        })
    }

    /// Carries all mail.
    pub(crate) async fn deliver(&self) {
        while self.deliver_one().await {}
    }

    pub(crate) async fn deliver_one(&self) -> bool {
        let next = self.mail.0.lock().unwrap().pop_front();
        let Some((from, to, bytes)) = next else { return false };
        if let Some(wallet) = self.wallet(&to) {
            let _ = wallet.receive(from, bytes).await;
        }
        true
    }

    /// Connects two wallets, and opens a channel in which both grant each other credit in two tokens.
    pub(crate) fn channel(&self, a: usize, b: usize, credit: u128) {
        let (left, right) = (&self.wallets[a], &self.wallets[b]);
        self.run(async {
            self.connect(a, b).await;
            left.open_channel(right.entity(), KEY, vec![PROVIDER], 0).await.unwrap();
            for token in [USD, EUR] {
                left.add_token(right.entity(), KEY, token).await.unwrap();
                left.grant_credit(right.entity(), KEY, token, credit).await.unwrap();
                right.grant_credit(left.entity(), KEY, token, credit).await.unwrap();
            }
        });
    }

    pub(crate) async fn connect(&self, a: usize, b: usize) {
        self.wallets[a].connected(self.wallets[b].entity()).await.unwrap();
        self.wallets[b].connected(self.wallets[a].entity()).await.unwrap();
    }

    /// What `a` has paid `b` in all, in USD.
    pub(crate) fn paid(&self, a: usize, b: usize) -> i128 {
        let info = block_on(self.wallets[a].channel(self.wallets[b].entity())).unwrap().unwrap();
        let token = info.subchannels[0].tokens.iter().find(|token| token.token == USD).unwrap();
        if info.side.is_left() { -token.state.offdelta } else { token.state.offdelta }
    }

    pub(crate) fn root(&self, a: usize, b: usize) -> xln_core::types::Hash {
        block_on(self.wallets[a].channel(self.wallets[b].entity())).unwrap().unwrap().state_root
    }
}
