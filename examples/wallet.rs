//! Two wallets in one process that pay each other, one of them on disk: what an app has to bring is a store, a way to its
//! peers, a signer and a clock. `cargo run -p xln-examples --example wallet`

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use xln_core::channel::{AcceptedDepository, ChannelConfig};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::types::{Address, ChainId, EntityId, SubchannelKey, TokenId};
use xln_node::wallet::{
    BlockingKv, HostError, KvStore, MemoryKv, MessageSink, SystemClock, Wallet, WalletConfig, WalletHost, WalletSigner,
};
use xln_storage::DefaultStore;

const CHANNEL: SubchannelKey = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
const PROVIDER: Address = Address([0x50; 20]);
const USD: TokenId = TokenId(1);

/// The way to all peers: here a list that `carry` empties; in an app a socket.
type Mail = Arc<Mutex<Vec<(EntityId, EntityId, Vec<u8>)>>>;

struct Sink {
    from: EntityId,
    mail: Mail,
}

#[async_trait::async_trait]
impl MessageSink for Sink {
    async fn send(&self, to: EntityId, bytes: Vec<u8>) -> Result<(), HostError> {
        self.mail.lock().map_err(HostError::new)?.push((self.from, to, bytes));
        Ok(())
    }
}

async fn open(key: u8, store: Arc<dyn KvStore>, mail: &Mail) -> Result<Wallet, Box<dyn Error>> {
    let key = LocalSigner::new(&[key; 32])?;
    let sink = Sink { from: key.entity(), mail: Arc::clone(mail) };
    let depositories = vec![AcceptedDepository::new(CHANNEL, 86_400, vec![PROVIDER], Address([0xe0; 20]), 200_000)];
    let channels = ChannelConfig { depositories, ..ChannelConfig::default() };
    let config = WalletConfig { channels, ..WalletConfig::default() };
    let host = WalletHost::new(store, Arc::new(sink), WalletSigner::Local(key), Arc::new(SystemClock));
    Ok(Wallet::open(config, host).await?)
}

/// Carries messages until the future is done; an app's runtime and sockets do this.
async fn carry<T>(wallets: &[&Wallet], mail: &Mail, done: impl Future<Output = T>) -> Result<T, Box<dyn Error>> {
    let mut done = pin!(done);
    loop {
        if let Poll::Ready(value) = done.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Ok(value);
        }
        let arrived = std::mem::take(&mut *mail.lock().map_err(|_| "a sender panicked")?);
        for (from, to, bytes) in arrived {
            for wallet in wallets.iter().filter(|wallet| wallet.entity() == to) {
                wallet.receive(from, bytes.clone()).await?;
            }
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (folder, mail) = (tempfile::tempdir()?, Mail::default());
    let on_disk = Arc::new(BlockingKv(DefaultStore::open(folder.path())?));
    let alice = open(1, on_disk, &mail).await?;
    let bob = open(2, Arc::new(MemoryKv::new()), &mail).await?;
    let (a, b) = (alice.entity(), bob.entity());
    let story = async {
        alice.connected(b).await?;
        bob.connected(a).await?;
        alice.open_channel(b, CHANNEL, vec![PROVIDER], 0).await?;
        alice.add_token(b, CHANNEL, USD).await?;
        bob.grant_credit(a, CHANNEL, USD, 1000).await?;
        alice.pay(b, CHANNEL, USD, 250).await?;
        let refused = alice.pay(b, CHANNEL, USD, 800).await;
        println!("too much: {}", refused.err().map_or("taken", |error| error.code()));
        alice.channel(b).await
    };
    let info = carry(&[&alice, &bob], &mail, story).await??.ok_or("no channel")?;
    for token in info.subchannels.iter().flat_map(|subchannel| &subchannel.tokens) {
        let capacities = &token.capacities;
        println!("Alice can pay {} and receive {}", capacities.out_capacity, capacities.in_capacity);
        println!("{}", token.bar(40)?);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    // Nothing here waits for anything but this thread's own work.
    let mut run = pin!(run());
    match run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(end) => end,
        Poll::Pending => Err("the store or the mail made us wait".into()),
    }
}
