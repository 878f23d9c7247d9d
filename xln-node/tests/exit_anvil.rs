//! The program `xln exit` itself on a real node's JSON-RPC: from a store on disk alone it brings everything home and ends.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::VecDeque;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use xln_chain::client::Funding;
use xln_chain::{Chain, Cursor, Deployment, DepositoryClient, RpcChain, RpcConfig, U256, WatchConfig, Watcher};
use xln_core::channel::ChannelConfig;
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command as Ask, Effect, Effects, Input, InputOutcome};
use xln_core::transition::Transition;
use xln_core::types::{Address, ChainId, EntityId, SubchannelKey, TokenId, UnixSeconds};
use xln_node::driver::{Node, NodeOptions};
use xln_storage::DefaultStore;

const CHAIN: ChainId = ChainId(31_337);
/// Short, since anvil makes its blocks in real time here.
const WINDOW_S: u64 = 10;
const ETH: TokenId = TokenId(0);
const HOME: Address = Address([0x40; 20]);
/// Keys of the accounts that anvil funds, by its published mnemonic.
const KEYS: [&str; 2] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
];

/// A process that ends with the test.
struct Anvil(Child, u16);

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where npm put anvil; `None` skips the test, unless `XLN_REQUIRE_ANVIL` is set.
fn binary() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let found = std::env::var_os("XLN_ANVIL").map(PathBuf::from).or_else(|| {
        let paths = ["xln-chain/anvil", "contracts"]
            .map(|p| root.join(p).join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"));
        paths.into_iter().find(|path| path.exists())
    });
    if found.is_none() {
        assert!(std::env::var_os("XLN_REQUIRE_ANVIL").is_none(), "XLN_REQUIRE_ANVIL is set and anvil is not installed");
        eprintln!("SKIPPED: anvil is not installed. Run `npm ci` in xln-chain/anvil, or set XLN_ANVIL to the binary.");
    }
    found
}

fn anvil() -> Option<Anvil> {
    let binary = binary()?;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (id, text) = (CHAIN.0.to_string(), port.to_string());
    let mut command = Command::new(binary);
    command.args(["--host", "127.0.0.1", "--port", &text, "--chain-id", &id, "--block-time", "1", "--silent"]);
    let anvil = Anvil(command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap(), port);
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "anvil does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(anvil)
}

struct World {
    chain: RpcChain,
    client: DepositoryClient<RpcChain>,
    keys: [LocalSigner; 2],
    nodes: [Node<DefaultStore>; 2],
    watchers: [Watcher; 2],
    wire: VecDeque<(usize, Vec<u8>)>,
}

impl World {
    async fn new(url: &str, folder: &Path) -> Self {
        let chain =
            RpcChain::connect(RpcConfig { poll_interval: Duration::from_millis(50), ..RpcConfig::new(url, CHAIN) });
        let chain = chain.await.unwrap();
        let keys = KEYS.map(|key| LocalSigner::new(&alloy_primitives::hex::decode_to_array(key).unwrap()).unwrap());
        let deployment = Deployment::deploy(&chain, &keys[0], WINDOW_S).await.unwrap();
        let client = DepositoryClient::new(chain.clone(), deployment).unwrap();
        for (i, (deposit, amount)) in [(5_000, 1_000), (1_000, 300)].into_iter().enumerate() {
            let (key, receiver, peer) = (&keys[i], keys[i].entity(), keys[1 - i].entity());
            client.deposit_eth(key, &receiver, deposit).await.unwrap();
            client.reserve_to_collateral(key, ETH, &[Funding { receiver, peer, amount }]).await.unwrap();
        }
        let now = chain.head().await.unwrap().timestamp;
        let depositories = vec![deployment.accepted()];
        let config = ChannelConfig { depositories, min_window_s: WINDOW_S, ..ChannelConfig::default() };
        let nodes = [0, 1].map(|i| {
            let store = DefaultStore::open(folder.join(i.to_string())).unwrap();
            let options = NodeOptions { config: config.clone(), snapshot_every: 5 };
            Node::open(store, Box::new(keys[i].clone()), options, now).unwrap().0
        });
        let watchers = [0, 1].map(|i| {
            Watcher::new(deployment.chain, WatchConfig::new(keys[i].entity(), &deployment, 1), &Cursor::default())
        });
        let mut world = Self { chain, client, keys, nodes, watchers, wire: VecDeque::new() };
        for i in 0..2 {
            let peer = world.id(1 - i);
            world.step(i, now, vec![Input::Connected { peer }]);
        }
        world
    }

    fn id(&self, i: usize) -> EntityId {
        self.keys[i].entity()
    }

    fn key(&self) -> SubchannelKey {
        self.client.deployment().key()
    }

    fn step(&mut self, i: usize, now: UnixSeconds, inputs: Vec<Input>) {
        let effects = self.nodes[i].step(now, inputs).unwrap();
        let refused = effects.outcomes().iter().find(|outcome| matches!(outcome, InputOutcome::Refused(_)));
        assert_eq!(refused, None);
        self.take(i, &effects);
        while let Some((to, bytes)) = self.wire.pop_front() {
            let from = self.id(1 - to);
            let effects = self.nodes[to].handle_message(now, from, bytes).unwrap();
            self.take(to, &effects);
        }
    }

    fn take(&mut self, i: usize, effects: &Effects) {
        for (_, effect) in effects.effects() {
            match effect {
                Effect::Send { bytes, .. } => self.wire.push_back((1 - i, bytes.clone())),
                other => panic!("{other:?}"),
            }
        }
    }

    fn propose(&mut self, i: usize, now: UnixSeconds, transitions: Vec<Transition>) {
        let peer = self.id(1 - i);
        let propose = |transition| Action::Propose { transition, submit: false };
        let ask = |transition| Input::Command(Ask { peer, action: propose(transition) });
        self.step(i, now, transitions.into_iter().map(ask).collect());
    }

    /// Both hear what the chain says until they agree on the collateral.
    async fn hear(&mut self) -> UnixSeconds {
        for _ in 0..300 {
            let now = self.chain.head().await.unwrap().timestamp;
            for i in 0..2 {
                let facts = self.watchers[i].poll(&self.chain).await.unwrap();
                self.step(i, now, facts.into_iter().map(Input::Chain).collect());
            }
            let channel = self.nodes[0].channel(&self.id(1));
            let tokens = channel.and_then(|c| c.state().subchannels.get(&self.key())).map(|s| s.tokens.clone());
            if tokens.is_some_and(|tokens| tokens.get(&ETH).is_some_and(|token| token.collateral == 1_300)) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!(
            "no agreement on the collateral: {:?}",
            self.nodes.each_ref().map(|node| node.machine().channels().count())
        );
    }
}

/// What `xln exit` prints, and whether it ended with 0.
fn exit(arguments: &[&str]) -> (bool, String) {
    let program = assert_cmd::cargo::cargo_bin!("xln");
    let done = Command::new(program).arg("exit").args(arguments).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.success(), said)
}

#[test]
fn the_program_brings_everything_home() {
    let Some(anvil) = anvil() else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", anvil.1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (chain, client, keys) = runtime.block_on(async {
        let mut world = World::new(&url, folder.path()).await;
        let now = world.chain.head().await.unwrap().timestamp;
        let providers = vec![world.client.deployment().subcontract_provider];
        let key = world.key();
        let open = Transition::OpenSubchannel { key, providers, settle_margin_s: 600 };
        world.propose(0, now, vec![open, Transition::AddToken { key, token: ETH }]);
        let now = world.hear().await;
        world.propose(0, now, vec![Transition::DirectPayment { key, token: ETH, amount: 250 }]);
        let paid = world.nodes[1].channel(&world.id(0)).unwrap().state();
        assert_eq!(paid, world.nodes[0].channel(&world.id(1)).unwrap().state());
        // Dropped with the world: both nodes, and what one was to the other. The stores remain.
        (world.chain, world.client, world.keys)
    });
    let file = folder.path().join("account.key");
    std::fs::write(&file, KEYS[0]).unwrap();
    let store = folder.path().join("0");
    let (store, file, home) = (store.to_str().unwrap(), file.to_str().unwrap(), HOME.to_string());

    let (well, listed) = exit(&["list", "--store", store, "--rpc", &url, "--json"]);
    assert!(well, "{listed}");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["depositories"][0]["totals"][0]["comes_home"], "4750", "{listed:#}");
    let (well, said) = exit(&["run", "--store", store, "--rpc", &url, "--dry-run", "--to", &home]);
    assert!(well && said.contains(" data 0x"), "{said}");
    assert_eq!(runtime.block_on(chain.balance(HOME)).unwrap(), U256::ZERO);

    // With another's key it does nothing.
    let other = folder.path().join("other.key");
    std::fs::write(&other, KEYS[1]).unwrap();
    let (well, said) = exit(&["run", "--store", store, "--rpc", &url, "--key", other.to_str().unwrap()]);
    assert!(!well && said.contains("not this node's"), "{said}");

    // The first round ends with something left: the window is open. Then it waits for it by itself.
    let run = ["run", "--store", store, "--rpc", &url, "--key", file, "--to", &home];
    let (well, said) = exit(&run);
    assert!(!well, "{said}");
    let (well, said) = exit(&[run.as_slice(), &["--until-done", "--poll", "1", "--confirmations", "2"]].concat());
    assert!(well, "{said}");
    assert_eq!(runtime.block_on(chain.balance(HOME)).unwrap(), U256::from(4_750_u64), "{said}");
    assert_eq!(runtime.block_on(client.reserve(&keys[0].entity(), ETH)).unwrap(), 0);
    assert_eq!(runtime.block_on(client.reserve(&keys[1].entity(), ETH)).unwrap(), 1_250);
    // Once more changes nothing.
    let (well, said) = exit(&run);
    assert!(well && said.is_empty(), "{said}");
}
