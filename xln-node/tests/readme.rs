//! The Rust lines of README.md are these, and they run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod wallet_common;

use std::error::Error;
use std::sync::{Arc, Mutex};

use wallet_common::{KEY, Mail, PROVIDER, Sink, USD, World, config, delay, id, signer};
use xln_core::channel::ChannelConfig;
use xln_core::crypto::LocalSigner;
use xln_core::types::{EntityId, SubchannelKey, TokenId};
use xln_node::wallet::*;
use xln_storage::DefaultStore;

/// An app's transport: it has heard of the wallet that it serves.
struct Transport {
    line: Sink,
    serves: Mutex<Option<Wallet>>,
}

impl Transport {
    fn deliver_to(&self, wallet: Wallet) {
        *self.serves.lock().unwrap() = Some(wallet);
    }
}

#[async_trait::async_trait]
impl MessageSink for Transport {
    async fn send(&self, to: EntityId, bytes: Vec<u8>) -> Result<(), HostError> {
        self.line.send(to, bytes).await
    }
}

#[rustfmt::skip]
async fn pasted(
    (transport, secret, channels): (Arc<Transport>, [u8; 32], ChannelConfig),
    (peer, key, token): (EntityId, SubchannelKey, TokenId),
) -> Result<(), Box<dyn Error>> {
    // The lines of README.md.
    let store = Arc::new(BlockingKv(DefaultStore::open("wallet.store")?));
    let host = WalletHost::new(store, transport.clone(), WalletSigner::Local(LocalSigner::new(&secret)?), Arc::new(SystemClock));
    let wallet = Wallet::open(WalletConfig { channels, ..Default::default() }, host).await?;
    transport.deliver_to(wallet.clone()); // yours: it calls connected, receive and disconnected
    wallet.pay(peer, key, token, 250).await?;
    // As far as here.
    Ok(())
}

#[test]
fn the_lines_of_the_readme_pay() {
    let (this, readme) = (include_str!("readme.rs"), include_str!("../../README.md"));
    let (_, block) = readme.split_once("```rust\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let (_, lines) = this.split_once("// The lines of README.md.\n").unwrap();
    let (lines, _) = lines.split_once("    // As far as here.").unwrap();
    assert_eq!(block, lines.replace("    ", ""), "README.md has other lines");

    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    let mut world = World::empty();
    let secret = xln_merkle::keccak256(&[1]);
    let host = |number, store: Arc<dyn KvStore>| {
        let sink = Sink { from: id(number), mail: world.mail.clone(), polls: 0 };
        WalletHost::new(store, Arc::new(sink), WalletSigner::Local(signer(number)), Arc::new(SystemClock))
    };
    let open = |host| futures::executor::block_on(Wallet::open(config(), host)).unwrap();
    let file = Arc::new(BlockingKv(DefaultStore::open("wallet.store").unwrap()));
    let (alice, bob) = (open(host(1, file)), open(host(2, Arc::new(MemoryKv::new()))));
    world.wallets = vec![alice, bob];
    world.channel(0, 1, 1000);
    // Another life of Alice's wallet, which is that of the lines.
    let alice = world.wallets.remove(0);
    futures::executor::block_on(alice.close()).unwrap();
    drop(alice);
    let line = Sink { from: id(1), mail: Mail(Arc::clone(&world.mail.0)), polls: 0 };
    let transport = Arc::new(Transport { line, serves: Mutex::new(None) });
    let bob = world.wallets.remove(0);
    let meet = async {
        bob.disconnected(id(1)).await.unwrap();
        let alice = loop {
            let served = transport.serves.lock().unwrap().clone();
            match served {
                Some(alice) => break alice,
                None => delay(1).await,
            }
        };
        alice.connected(id(2)).await.unwrap();
        bob.connected(id(1)).await.unwrap();
        loop {
            let next = world.mail.0.lock().unwrap().pop_front();
            match next {
                Some((from, to, bytes)) => {
                    let wallet = if to == id(1) { &alice } else { &bob };
                    wallet.receive(from, bytes).await.unwrap();
                }
                None => delay(1).await,
            }
        }
    };
    let pay = pasted((Arc::clone(&transport), secret, config().channels), (id(2), KEY, USD));
    futures::executor::block_on(async {
        futures::pin_mut!(pay, meet);
        match futures::future::select(pay, meet).await {
            futures::future::Either::Left((paid, _)) => paid.unwrap(),
            futures::future::Either::Right((never, _)) => never,
        }
    });
    let channel = futures::executor::block_on(bob.channel(id(1))).unwrap().unwrap();
    let token = channel.subchannels[0].tokens.iter().find(|token| token.token == USD).unwrap();
    assert_eq!(token.state.offdelta.unsigned_abs(), 250);
    assert_eq!(channel.subchannels[0].providers, [PROVIDER]);
}
