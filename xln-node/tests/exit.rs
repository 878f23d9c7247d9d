//! An exit from a node's store and from a backup alone, with the real contracts: everything arrives, to the unit, however often
//! it is begun again and wherever it is killed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use xln_chain::client::Funding;
use xln_chain::embedded::ready;
use xln_chain::{
    Bytes, Chain, ChainError, Cursor, Deployment, DepositoryClient, EmbeddedChain, Header, Log, LogFilter, Receipt,
    Transaction, U256, WatchConfig, Watcher,
};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::channel::{ChannelConfig, Event};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command, Effect, EffectId, Effects, Input};
use xln_core::transition::Transition;
use xln_core::types::{
    Address, ChainId, EntityId, Hash, HashKind, Pair, Secret, Side, SubchannelKey, TokenId, UnixSeconds,
};
use xln_node::driver::{Node, NodeOptions};
use xln_node::exit::{Estate, Progress, Report, RunError, StepKind, Way, advance, survey};
use xln_storage::MemoryStore;

const GENESIS: UnixSeconds = UnixSeconds(1_800_000_000);
const WINDOW_S: u64 = 3_600;
const ETH: TokenId = TokenId(0);
const CONFIRMATIONS: u64 = 2;
const HOME: Address = Address([0x40; 20]);
const SECRET: Secret = Secret([0x5e; 32]);

/// The embedded chain as a process sees it that is killed at one of its requests: what was sent is sent.
#[derive(Clone, Debug)]
struct Killed {
    inner: EmbeddedChain,
    left: Arc<AtomicU64>,
    /// What the accounts under test have sent.
    sent: Arc<Mutex<Vec<Hash>>>,
}

impl Killed {
    fn ask(&self) -> Result<(), ChainError> {
        match self.left.load(Ordering::Relaxed) {
            0 => Err(ChainError::Transport("killed".into())),
            left => {
                self.left.store(left - 1, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

impl Chain for Killed {
    fn chain_id(&self) -> ChainId {
        self.inner.chain_id()
    }
    async fn head(&self) -> Result<Header, ChainError> {
        self.ask()?;
        self.inner.head().await
    }
    async fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        self.ask()?;
        self.inner.header(number).await
    }
    async fn logs(&self, block: Hash, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        self.ask()?;
        self.inner.logs(block, filter).await
    }
    async fn logs_between(&self, first: u64, last: u64, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        self.ask()?;
        self.inner.logs_between(first, last, filter).await
    }
    async fn call(&self, from: Address, call: &Transaction) -> Result<Bytes, ChainError> {
        self.ask()?;
        self.inner.call(from, call).await
    }
    async fn send(&self, key: &LocalSigner, transaction: Transaction) -> Result<Hash, ChainError> {
        let hash = self.inner.send(key, transaction).await?;
        self.sent.lock().unwrap().push(hash);
        self.ask()?;
        Ok(hash)
    }
    async fn receipt(&self, transaction: &Hash) -> Result<Option<Receipt>, ChainError> {
        self.ask()?;
        self.inner.receipt(transaction).await
    }
    async fn confirm(&self, transaction: &Hash) -> Result<Receipt, ChainError> {
        self.ask()?;
        self.inner.confirm(transaction).await
    }
    async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.ask()?;
        self.inner.balance(account).await
    }
}

struct Party {
    key: LocalSigner,
    node: Node<Arc<MemoryStore>>,
    store: Arc<MemoryStore>,
    watcher: Watcher,
    events: Vec<Event>,
    waiting: Vec<(EffectId, ChainAction)>,
}

struct World {
    chain: Killed,
    client: DepositoryClient<Killed>,
    parties: [Party; 2],
    wire: VecDeque<(usize, Vec<u8>)>,
    /// Messages to right are lost: from here on it is gone.
    gone: bool,
}

fn now<T, E: std::fmt::Debug>(future: impl Future<Output = Result<T, E>>) -> T {
    ready(future).unwrap().unwrap()
}

impl World {
    /// Left has 4000 in reserve and 1000 in the channel, right 700 and 300.
    fn new() -> Self {
        let mut keys = [LocalSigner::new(&[1; 32]).unwrap(), LocalSigner::new(&[2; 32]).unwrap()];
        keys.sort_by_key(Signer::entity);
        let deployer = LocalSigner::new(&[99; 32]).unwrap();
        let inner = EmbeddedChain::new(ChainId(31_337), GENESIS);
        for key in keys.iter().chain([&deployer]) {
            inner.fund(key.address(), U256::from(10).pow(U256::from(20)));
        }
        let deployment = now(Deployment::deploy(&inner, &deployer, WINDOW_S));
        let chain = Killed { inner, left: Arc::new(AtomicU64::new(u64::MAX)), sent: Arc::default() };
        let client = DepositoryClient::new(chain.clone(), deployment).unwrap();
        let config = ChannelConfig { depositories: vec![deployment.accepted()], ..ChannelConfig::default() };
        let parties = keys.map(|key| {
            let store = Arc::new(MemoryStore::new());
            let options = NodeOptions { config: config.clone(), snapshot_every: 5 };
            let (node, _) = Node::open(store.clone(), Box::new(key.clone()), options, GENESIS).unwrap();
            let watch = WatchConfig::new(key.entity(), &deployment, CONFIRMATIONS);
            let watcher = Watcher::new(deployment.chain, watch, &Cursor::default());
            Party { key, node, store, watcher, events: Vec::new(), waiting: Vec::new() }
        });
        let mut world = Self { chain, client, parties, wire: VecDeque::new(), gone: false };
        for (i, (deposit, locked)) in [(5_000, 1_000), (1_000, 300)].into_iter().enumerate() {
            let (receiver, peer) = (world.id(i), world.id(1 - i));
            let key = world.parties[i].key.clone();
            now(world.client.deposit_eth(&key, &receiver, deposit));
            now(world.client.reserve_to_collateral(&key, ETH, &[Funding { receiver, peer, amount: locked }]));
        }
        for i in 0..2 {
            let peer = world.id(1 - i);
            world.step(i, vec![Input::Connected { peer }]);
        }
        world
    }

    /// And they have agreed on the channel, and know of its collateral.
    fn opened() -> Self {
        let mut world = Self::new();
        world.open();
        world.blocks(60);
        world.blocks(60);
        world
    }

    fn open(&mut self) {
        let providers = vec![self.client.deployment().subcontract_provider];
        let open = Transition::OpenSubchannel { key: self.key(), providers, settle_margin_s: 600 };
        self.propose(0, vec![open, Transition::AddToken { key: self.key(), token: ETH }]);
    }

    fn id(&self, i: usize) -> EntityId {
        self.parties[i].key.entity()
    }

    fn key(&self) -> SubchannelKey {
        self.client.deployment().key()
    }

    fn pair(&self) -> Pair {
        Pair::new(self.id(0), self.id(1)).unwrap()
    }

    fn time(&self) -> UnixSeconds {
        self.chain.inner.now()
    }

    fn step(&mut self, i: usize, inputs: Vec<Input>) {
        let time = self.time();
        let effects = self.parties[i].node.step(time, inputs).unwrap();
        self.take(i, &effects);
        while let Some((to, bytes)) = self.wire.pop_front() {
            let from = self.id(1 - to);
            if !(self.gone && to == 1) {
                let effects = self.parties[to].node.handle_message(time, from, bytes).unwrap();
                self.take(to, &effects);
            }
        }
    }

    fn take(&mut self, i: usize, effects: &Effects) {
        self.parties[i].events.extend_from_slice(effects.events());
        for (id, effect) in effects.effects() {
            match effect {
                Effect::Send { bytes, .. } => self.wire.push_back((1 - i, bytes.clone())),
                Effect::Submit(action) => self.parties[i].waiting.push((*id, action.clone())),
                other => panic!("{other:?}"),
            }
        }
    }

    fn propose(&mut self, i: usize, transitions: Vec<Transition>) {
        let peer = self.id(1 - i);
        let propose = |transition| Action::Propose { transition, submit: false };
        let commands = transitions.into_iter().map(|t| Input::Command(Command { peer, action: propose(t) }));
        self.step(i, commands.collect());
    }

    fn pay(&mut self, i: usize, amount: u128) {
        self.propose(i, vec![Transition::DirectPayment { key: self.key(), token: ETH, amount }]);
    }

    fn lock(&mut self, i: usize, amount: u128, secret: Secret, for_s: u64) {
        let (key, kind, expiry) = (self.key(), HashKind::Keccak256, self.time().plus(for_s));
        let hash = secret.hash(kind);
        let onion = Vec::new();
        self.propose(i, vec![Transition::AddPayment { key, token: ETH, amount, kind, hash, expiry, onion }]);
    }

    fn blocks(&mut self, seconds: u64) {
        self.chain.inner.advance(seconds);
        self.chain.inner.mine_blocks(CONFIRMATIONS);
        for i in 0..2 {
            let mut facts = Vec::new();
            loop {
                let news = now(self.parties[i].watcher.poll(&self.chain.inner));
                if news.is_empty() {
                    break;
                }
                facts.extend(news.into_iter().map(Input::Chain));
            }
            self.step(i, facts);
        }
    }

    fn estate(&self, i: usize) -> Estate {
        Estate::read(&self.parties[i].store.image().unwrap()).unwrap()
    }

    fn look(&self, estate: &Estate) -> Report {
        now(survey(estate, &self.client, HOME))
    }

    fn advance(&self, estate: &Estate) -> Result<Progress, RunError> {
        ready(advance(estate, &self.client, &self.parties[0].key, HOME, |_| ())).unwrap()
    }

    /// Runs to the end, with the chain's time going to where the next step wants it.
    fn finish(&self, estate: &Estate) -> Vec<StepKind> {
        let mut kinds = Vec::new();
        for _ in 0..20 {
            let progress = self.advance(estate).unwrap();
            assert!(progress.executed.iter().all(|done| done.refused.is_none()), "{:?}", progress.executed);
            kinds.extend(progress.executed.iter().map(|done| done.step.kind));
            if progress.is_done() {
                return kinds;
            }
            let next = progress.next().unwrap_or_else(|| panic!("{:?}", progress.report));
            self.chain.inner.set_time(next);
        }
        panic!("no end: {kinds:?}");
    }

    fn home(&self) -> u128 {
        u128::try_from(now(self.chain.inner.balance(HOME))).unwrap()
    }

    /// Left has paid 250; right has locked 100 for left, who knows the secret and cannot settle, and left 40 for right.
    fn with_locks() -> Self {
        let mut world = Self::opened();
        world.pay(0, 250);
        world.lock(1, 100, SECRET, 7_200);
        world.lock(0, 40, Secret([0x77; 32]), 86_400);
        world.gone = true;
        let id = *world.state().subchannels[&world.key()].pending.keys().next().unwrap();
        world.propose(0, vec![Transition::SettlePayment { key: world.key(), id, secret: SECRET }]);
        world
    }

    fn state(&self) -> &xln_core::state::ChannelState {
        self.parties[0].node.channel(&self.id(1)).unwrap().state()
    }

    /// Of 1300 left has 1000 - 250 = 750. It gets the 100 by its secret; its own lock of 40 comes back when it has expired.
    fn check_locks(&self, estate: &Estate) {
        let report = self.look(estate);
        let found = &report.subchannels[0];
        assert_eq!(found.tokens.len(), 1);
        let token = found.tokens[0];
        assert_eq!((token.collateral, token.expected, token.worst), (1_300, 850, 710));
        assert_eq!((token.claim, token.owes), (0, 0));
        assert_eq!(report.total(ETH), (4_850, 4_710));
        let locks: Vec<_> = found.locks.iter().map(|l| (l.incoming, l.amount, l.secret_known)).collect();
        assert_eq!(locks, [(true, 100, true), (false, 40, false)]);
        assert!(matches!(found.way, Way::Start { .. }), "{:?}", found.way);
        let steps: Vec<_> = report.steps.iter().map(|step| (step.kind, step.is_ready(report.now))).collect();
        use StepKind::{Finalize, Reveal, Start, Withdraw};
        assert_eq!(steps, [(Reveal, true), (Start, true), (Withdraw, false), (Finalize, false)]);
    }

    /// Reserve 4000 and 850 of the channel; right has 700 and the other 450.
    fn check_home(&self) {
        assert_eq!(self.home(), 4_850);
        assert_eq!(now(self.client.reserve(&self.id(0), ETH)), 0);
        assert_eq!(now(self.client.reserve(&self.id(1), ETH)), 1_150);
    }
}

#[test]
fn everything_comes_home_from_the_store() {
    let world = World::with_locks();
    let estate = world.estate(0);
    world.check_locks(&estate);
    use StepKind::{Finalize, Reveal, Start, Withdraw};
    assert_eq!(world.finish(&estate), [Reveal, Start, Finalize, Withdraw]);
    world.check_home();
    // The lock of 40 kept it waiting for its expiry.
    assert!(world.time() > GENESIS.plus(86_400));
    // Again, and again from a fresh reading: nothing is left, nothing is sent.
    let sent = world.chain.sent.lock().unwrap().len();
    assert_eq!(world.finish(&world.estate(0)), []);
    assert_eq!(world.chain.sent.lock().unwrap().len(), sent);
    world.check_home();
}

#[test]
fn everything_comes_home_from_a_backup_alone() {
    let world = World::with_locks();
    let backup = world.parties[0].node.backup().unwrap();
    let estate = Estate::from_backup(&backup).unwrap();
    assert!(estate.is_from_backup());
    assert_eq!(estate.entity(), world.id(0));
    world.check_locks(&estate);
    world.finish(&estate);
    world.check_home();
    let mut damaged = backup;
    damaged[100] ^= 1;
    assert!(Estate::from_backup(&damaged).is_err());
}

/// Killed at its nth request, the next process at its n+1st, and so on: four transactions in all, wherever that falls.
#[test]
fn killed_anywhere_it_goes_on() {
    for first in [0, 5, 9, 13, 16, 20, 27] {
        let world = World::with_locks();
        world.chain.sent.lock().unwrap().clear();
        let mut requests = first;
        loop {
            world.chain.left.store(requests, Ordering::Relaxed);
            let outcome = world.advance(&world.estate(0));
            world.chain.left.store(u64::MAX, Ordering::Relaxed);
            match outcome {
                Err(RunError::Chain(error)) if error.is_transient() => requests += 1,
                Ok(progress) if progress.is_done() => break,
                Ok(progress) => drop(world.chain.inner.set_time(progress.next().unwrap())),
                Err(error) => panic!("{error}"),
            }
            assert!(requests < 1_000);
        }
        assert!(requests > first, "it was killed at least once");
        assert_eq!(world.chain.sent.lock().unwrap().len(), 4, "from {first}");
        world.check_home();
    }
}

#[test]
fn a_stored_close_needs_no_dispute() {
    let mut world = World::opened();
    world.pay(0, 250);
    let expiry = world.time().plus(3_000);
    world.propose(0, vec![Transition::ProposeClose { key: world.key(), expiry }]);
    let estate = world.estate(0);
    assert_eq!(world.look(&estate).subchannels[0].way, Way::Close);
    assert_eq!(world.finish(&estate), [StepKind::Close, StepKind::Withdraw]);
    assert_eq!(world.home(), 4_750);
    // Too late for it, it takes a dispute, and comes to the same.
    let mut world = World::opened();
    world.pay(0, 250);
    world.propose(0, vec![Transition::ProposeClose { key: world.key(), expiry: world.time().plus(3_000) }]);
    world.chain.inner.advance(3_001);
    let estate = world.estate(0);
    assert_eq!(world.finish(&estate), [StepKind::Start, StepKind::Finalize, StepKind::Withdraw]);
    assert_eq!(world.home(), 4_750);
}

/// Right shows the state in which it had less to give: left counters, and need not wait for the window.
#[test]
fn an_old_state_is_countered() {
    let mut world = World::opened();
    world.pay(0, 250);
    let old = world.parties[1].node.channel(&world.id(0)).unwrap().best_evidence(&world.key()).unwrap();
    world.pay(1, 200);
    let call = ChainCall::StartDispute { starter: Side::Right, evidence: old, fills: Vec::new() };
    let action = ChainAction { key: world.key(), pair: world.pair(), call };
    now(world.client.submit(&world.parties[1].key, &action));
    let estate = world.estate(0);
    let report = world.look(&estate);
    let deadline = world.time().plus(WINDOW_S);
    assert!(matches!(report.subchannels[0].way, Way::Running { deadline: d, .. } if d == deadline));
    assert_eq!((report.steps[0].kind, report.steps[0].deadline), (StepKind::Counter, Some(deadline)));
    assert_eq!(world.finish(&estate), [StepKind::Counter, StepKind::Finalize, StepKind::Withdraw]);
    // 4000 and 1000 - 250 + 200.
    assert_eq!(world.home(), 4_950);
    assert!(world.time() < deadline);
}

/// Right never signed anything: the deposit comes home by the empty state.
#[test]
fn a_deposit_comes_home_without_any_signature() {
    let mut world = World::new();
    world.gone = true;
    world.open();
    let estate = world.estate(0);
    assert_eq!(world.look(&estate).subchannels[0].way, Way::StartEmpty);
    assert_eq!(world.finish(&estate), [StepKind::StartEmpty, StepKind::Finalize, StepKind::Withdraw]);
    assert_eq!(world.home(), 5_000);
}

/// Right has drawn 500 on credit beyond its 300: of those its reserve of 700 pays at the close. Had it less, the rest is a claim
/// that is enforced when it has money again.
#[test]
fn credit_becomes_a_claim_and_is_enforced() {
    let mut world = World::opened();
    world.propose(0, vec![Transition::SetCreditLimit { key: world.key(), token: ETH, limit: 2_000 }]);
    world.pay(1, 1_300);
    // Left has 1300 of collateral and is owed 1000, of which right's reserve covers 700.
    let estate = world.estate(0);
    let report = world.look(&estate);
    let token = report.subchannels[0].tokens[0];
    assert_eq!((token.expected, token.claim), (1_300, 1_000));
    assert_eq!(report.total(ETH), (5_300, 5_300), "a claim is not counted");
    assert_eq!(world.finish(&estate), [StepKind::Start, StepKind::Finalize, StepKind::Withdraw]);
    assert_eq!(world.home(), 6_000);
    let report = world.look(&estate);
    assert_eq!(report.claims.iter().map(|c| (c.amount, c.covered_by)).collect::<Vec<_>>(), [(300, 0)]);
    // Right gets 120 from somewhere.
    now(world.client.deposit_eth(&world.parties[1].key, &world.id(1), 120));
    assert_eq!(world.finish(&estate), [StepKind::Enforce, StepKind::Withdraw]);
    assert_eq!(world.home(), 6_120);
}

#[test]
fn a_strange_key_is_refused_before_anything_is_sent() {
    let world = World::with_locks();
    let sent = world.chain.sent.lock().unwrap().len();
    let strange = LocalSigner::new(&[3; 32]).unwrap();
    let outcome = ready(advance(&world.estate(0), &world.client, &strange, HOME, |_| ())).unwrap();
    assert!(matches!(outcome, Err(RunError::WrongKey { .. })));
    assert_eq!(world.chain.sent.lock().unwrap().len(), sent);
}
