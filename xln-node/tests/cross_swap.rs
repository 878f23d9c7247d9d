//! Cross-chain swaps between two nodes over two embedded chains with the real contracts: done, unwound, and disputed in the
//! middle.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::VecDeque;
use std::sync::Arc;

use xln_chain::client::Funding;
use xln_chain::embedded::ready;
use xln_chain::{Cursor, Deployment, DepositoryClient, EmbeddedChain, U256, WatchConfig, Watcher};
use xln_core::channel::{Arguments, ChannelConfig, CrossSum, CrossSwapError, Event};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command, Effect, EffectId, Effects, Input};
use xln_core::transition::Transition;
use xln_core::types::{ChainId, EntityId, Hash, HashKind, Pair, Secret, Side, SubchannelKey, TokenId, UnixSeconds};
use xln_node::driver::{Node, NodeOptions, SwapOrder, SwapTerms};
use xln_storage::{FaultStore, MemoryStore};

const GENESIS: UnixSeconds = UnixSeconds(1_800_000_000);
const ETH: TokenId = TokenId(0);
const SECRET: Secret = Secret([0x5e; 32]);
const LIFETIME_S: u64 = 7200;
/// The default gap of a node.
const GAP_S: u64 = 3600;
const CONFIRMATIONS: u64 = 2;
const EACH: u128 = 1000;
const GIVE: u128 = 70;
const WANT: u128 = 30;

struct Party {
    key: LocalSigner,
    node: Node<FaultStore<Arc<MemoryStore>>>,
    watchers: Vec<Watcher>,
    events: Vec<Event>,
    /// Actions that were not executed in this block, or not with success.
    waiting: Vec<(EffectId, xln_core::chain::ChainAction)>,
}

struct World {
    chains: Vec<DepositoryClient<EmbeddedChain>>,
    parties: Vec<Party>,
    wire: VecDeque<(EntityId, EntityId, Vec<u8>)>,
}

fn now<T, E: std::fmt::Debug>(future: impl Future<Output = Result<T, E>>) -> T {
    ready(future).unwrap().unwrap()
}

fn world() -> World {
    let mut keys = [LocalSigner::new(&[1; 32]).unwrap(), LocalSigner::new(&[2; 32]).unwrap()];
    keys.sort_by_key(Signer::entity);
    let deployer = LocalSigner::new(&[99; 32]).unwrap();
    let chains: Vec<DepositoryClient<EmbeddedChain>> = [31_337, 31_338]
        .into_iter()
        .map(|id| {
            let chain = EmbeddedChain::new(ChainId(id), GENESIS);
            for key in keys.iter().chain([&deployer]) {
                chain.fund(key.address(), U256::from(10).pow(U256::from(20)));
            }
            let deployment = now(Deployment::deploy(&chain, &deployer, 3600));
            DepositoryClient::new(chain, deployment).unwrap()
        })
        .collect();
    let depositories = chains.iter().map(|c| c.deployment().accepted()).collect();
    let config = ChannelConfig { depositories, ..ChannelConfig::default() };
    let parties = keys.map(|key| {
        let store = FaultStore::new(Arc::new(MemoryStore::new()));
        let options = NodeOptions { config: config.clone(), snapshot_every: 16 };
        let (node, _) = Node::open(store, Box::new(key.clone()), options, GENESIS).map(|(n, e)| (n, drop(e))).unwrap();
        let watchers = chains.iter().map(|client| {
            let watch = WatchConfig::new(key.entity(), client.deployment(), CONFIRMATIONS);
            Watcher::new(client.deployment().chain, watch, &Cursor::default())
        });
        Party { watchers: watchers.collect(), key, node, events: Vec::new(), waiting: Vec::new() }
    });
    let mut world = World { chains, parties: parties.into(), wire: VecDeque::new() };
    world.connect();
    for chain in 0..2 {
        let deployment = *world.chains[chain].deployment();
        let providers = vec![deployment.subcontract_provider];
        let open = Transition::OpenSubchannel { key: deployment.key(), providers, settle_margin_s: 600 };
        world.propose(0, vec![open, Transition::AddToken { key: deployment.key(), token: ETH }]);
        // Left funds the first chain, right the second.
        let client = &world.chains[chain];
        let (payer, peer) = (&world.parties[chain], world.id(1 - chain));
        let receiver = payer.key.entity();
        now(client.deposit_eth(&payer.key, &receiver, EACH));
        now(client.reserve_to_collateral(&payer.key, ETH, &[Funding { receiver, peer, amount: EACH }]));
    }
    world.pass(60);
    world.pass(60);
    world
}

impl World {
    fn id(&self, i: usize) -> EntityId {
        self.parties[i].key.entity()
    }

    fn key(&self, chain: usize) -> SubchannelKey {
        self.chains[chain].deployment().key()
    }

    fn now(&self) -> UnixSeconds {
        self.chains[0].chain().now()
    }

    fn take(&mut self, i: usize, effects: &Effects) {
        let by = self.id(i);
        self.parties[i].events.extend_from_slice(effects.events());
        for (id, effect) in effects.effects() {
            match effect {
                Effect::Send { to, bytes } => self.wire.push_back((by, *to, bytes.clone())),
                Effect::Submit(action) => self.parties[i].waiting.push((*id, action.clone())),
                other => panic!("{other:?}"),
            }
        }
    }

    fn step(&mut self, i: usize, inputs: Vec<Input>) {
        let time = self.now();
        let effects = self.parties[i].node.step(time, inputs).unwrap();
        self.take(i, &effects);
    }

    fn propose(&mut self, i: usize, transitions: Vec<Transition>) {
        let peer = self.id(1 - i);
        let propose = |transition| Action::Propose { transition, submit: false };
        let commands = transitions.into_iter().map(|t| Input::Command(Command { peer, action: propose(t) }));
        self.step(i, commands.collect());
        self.deliver();
    }

    fn deliver_one(&mut self) -> bool {
        let Some((from, to, bytes)) = self.wire.pop_front() else { return false };
        let to = usize::from(self.id(1) == to);
        self.step(to, vec![Input::Message { from, bytes }]);
        true
    }

    fn deliver(&mut self) {
        while self.deliver_one() {}
    }

    fn connect(&mut self) {
        for i in 0..2 {
            let peer = self.id(1 - i);
            self.step(i, vec![Input::Disconnected { peer }, Input::Connected { peer }]);
        }
        self.deliver();
    }

    /// Executes what waits, makes blocks on both chains, and tells both nodes. Messages stay on the wire.
    fn blocks(&mut self, seconds: u64) {
        let time = self.now().plus(seconds);
        for i in 0..2 {
            let mut ends = Vec::new();
            for (id, action) in std::mem::take(&mut self.parties[i].waiting) {
                let client = self.chains.iter().find(|c| c.deployment().key() == action.key).unwrap();
                let verdict = ready(client.submit(&self.parties[i].key, &action)).unwrap();
                ends.push(Input::Completed { effect: id, success: verdict.is_ok() });
            }
            // Told after the block, so that what is tried again is tried in the next.
            self.step(i, ends);
        }
        for client in &self.chains {
            client.chain().set_time(time);
            client.chain().mine_blocks(CONFIRMATIONS);
        }
        for i in 0..2 {
            let mut facts = Vec::new();
            for chain in 0..2 {
                let source = self.chains[chain].chain().clone();
                loop {
                    let news = now(self.parties[i].watchers[chain].poll(&source));
                    if news.is_empty() {
                        break;
                    }
                    facts.extend(news.into_iter().map(Input::Chain));
                }
            }
            facts.push(Input::Tick);
            self.step(i, facts);
        }
    }

    /// Lets time pass, with talk.
    fn pass(&mut self, seconds: u64) {
        let end = self.now().plus(seconds);
        while self.now() < end {
            self.blocks(300.min(end.0 - self.now().0));
            self.deliver();
        }
    }

    fn sums(&self) -> (CrossSum, CrossSum) {
        let give = CrossSum { key: self.key(0), token: ETH, amount: GIVE };
        (give, CrossSum { key: self.key(1), token: ETH, amount: WANT })
    }

    /// The two calls. Left is the initiator.
    fn swap(&mut self) -> Hash {
        let ((give, want), time) = (self.sums(), self.now());
        let (initiator, responder) = (self.id(0), self.id(1));
        let terms = SwapTerms { receive: give, pay: want, valid_s: 600, lifetime_s: LIFETIME_S };
        let effects = self.parties[1].node.accept_cross_swap(time, initiator, &terms).unwrap().unwrap();
        self.take(1, &effects);
        let order = SwapOrder { give, want, kind: HashKind::Keccak256, secret: SECRET, lifetime_s: LIFETIME_S };
        let (hash, effects) = self.parties[0].node.cross_swap(time, responder, &order).unwrap().unwrap();
        self.take(0, &effects);
        hash
    }

    /// Left's share off chain of each subchannel.
    fn deltas(&self) -> [i128; 2] {
        let states = [0, 1].map(|i| self.parties[i].node.channel(&self.id(1 - i)).unwrap().state());
        assert_eq!(states[0], states[1]);
        [0, 1].map(|chain| {
            let token = states[0].token(&self.key(chain), ETH).unwrap();
            assert_eq!((token.left_hold, token.right_hold), (0, 0));
            token.ondelta + token.offdelta
        })
    }

    fn locks(&self, i: usize) -> [usize; 2] {
        let state = self.parties[i].node.channel(&self.id(1 - i)).unwrap().state();
        [0, 1].map(|chain| state.subchannels[&self.key(chain)].pending.len())
    }

    fn ended(&self, i: usize, hash: &Hash) -> Option<&Event> {
        self.parties[i].events.iter().find(|event| match event {
            Event::CrossSwapDone { hash: h, .. }
            | Event::CrossSwapUnwound { hash: h, .. }
            | Event::CrossSwapTorn { hash: h, .. } => h == hash,
            _ => false,
        })
    }

    fn assert_done(&self, hash: &Hash) {
        for i in 0..2 {
            assert_eq!(self.ended(i, hash), Some(&Event::CrossSwapDone { peer: self.id(1 - i), hash: *hash }));
        }
    }

    fn reserve(&self, chain: usize, i: usize) -> u128 {
        now(self.chains[chain].reserve(&self.id(i), ETH))
    }

    fn revealed(&self, chain: usize, hash: &Hash) -> bool {
        now(self.chains[chain].revealed_at(HashKind::Keccak256, hash)).is_some()
    }
}

#[test]
fn two_calls_swap_over_two_chains_without_a_transaction() {
    let mut w = world();
    assert_eq!(w.deltas(), [1000, 0], "left has all of the first chain, nothing of the second");
    let hash = w.swap();
    w.deliver();
    assert_eq!(w.deltas(), [930, 30]);
    w.assert_done(&hash);
    assert!(!w.revealed(0, &hash) && !w.revealed(1, &hash));
}

#[test]
fn a_swap_that_the_responder_never_joins_unwinds() {
    let mut w = world();
    let hash = w.swap();
    // The responder agrees to the first leg; its answer is lost, and so is all that follows until that leg's expiry.
    w.deliver_one();
    w.wire.clear();
    for _ in 0..(LIFETIME_S + GAP_S) / 300 + 1 {
        w.blocks(300);
        w.wire.clear();
    }
    assert_eq!(w.locks(1), [1, 0]);
    w.connect();
    w.pass(900);
    assert_eq!(w.deltas(), [1000, 0]);
    for i in 0..2 {
        assert!(matches!(w.ended(i, &hash), Some(Event::CrossSwapUnwound { .. })), "{:?}", w.ended(i, &hash));
    }
    // One that nobody consented to comes back at once.
    let ((give, want), time, responder) = (w.sums(), w.now(), w.id(1));
    let order = SwapOrder { give, want, kind: HashKind::Sha256, secret: Secret([3; 32]), lifetime_s: LIFETIME_S };
    let (hash, effects) = w.parties[0].node.cross_swap(time, responder, &order).unwrap().unwrap();
    w.take(0, &effects);
    w.deliver();
    let reason = CrossSwapError::Declined;
    assert_eq!(w.ended(0, &hash), Some(&Event::CrossSwapUnwound { peer: responder, hash, reason }));
    assert_eq!(w.deltas(), [1000, 0]);
}

/// Delivers until the initiator has agreed to both legs; its secret is on the wire then.
fn until_both_locked(w: &mut World) -> Hash {
    let hash = w.swap();
    while w.locks(0) != [1, 1] {
        assert!(w.deliver_one());
    }
    hash
}

#[test]
fn a_dispute_on_the_first_chain_in_the_middle_does_not_tear_the_swap() {
    let mut w = world();
    let hash = until_both_locked(&mut w);
    // The initiator starts a dispute over the chain on which it owes.
    let (peer, key) = (w.id(1), w.key(0));
    w.step(
        0,
        vec![Input::Command(Command { peer, action: Action::StartDispute { key, arguments: Arguments::default() } })],
    );
    w.blocks(12);
    w.deliver();
    assert_eq!(w.locks(1), [1, 0], "the second leg is settled off chain, the first is frozen");
    assert!(!w.revealed(0, &hash));
    w.pass(LIFETIME_S + GAP_S + 1200);
    assert!(w.revealed(0, &hash), "the responder shows the secret to the first chain");
    assert!(!w.revealed(1, &hash));
    w.assert_done(&hash);
    assert_eq!(now(w.chains[0].channel(&Pair::new(w.id(0), w.id(1)).unwrap())).epoch, 1);
    assert_eq!([w.reserve(0, 0), w.reserve(0, 1)], [EACH - GIVE, GIVE], "the contract paid the leg");
    assert_eq!(w.deltas()[1], 30);
}

#[test]
fn a_reveal_on_the_second_chain_pays_the_leg_on_the_first() {
    let mut w = world();
    let hash = until_both_locked(&mut w);
    // The responder has locked and goes silent, and disputes its own side with what it holds.
    w.wire.clear();
    let (peer, key) = (w.id(0), w.key(1));
    w.step(
        1,
        vec![Input::Command(Command { peer, action: Action::StartDispute { key, arguments: Arguments::default() } })],
    );
    for _ in 0..(LIFETIME_S + 600) / 300 {
        w.blocks(300);
        w.wire.clear();
    }
    assert!(w.revealed(1, &hash), "the initiator takes its leg where it is");
    w.connect();
    w.pass(1800);
    w.assert_done(&hash);
    assert_eq!([w.reserve(1, 0), w.reserve(1, 1)], [WANT, EACH - WANT], "the contract paid the leg");
    assert_eq!(w.deltas()[0], 930, "and the responder has settled the other off chain");
    assert!(!w.revealed(0, &hash));
    assert_eq!(w.parties[0].node.channel(&w.id(1)).unwrap().side(), Side::Left);
}
