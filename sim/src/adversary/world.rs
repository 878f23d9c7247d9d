//! One honest node that is under attack, two honest ones that it serves, an adversary, and the real contracts under them.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use xln_chain::client::{Authority, Funding, Token, action_transaction};
use xln_chain::embedded::ready;
use xln_chain::{
    ChainError, Cursor, Deployment, DepositoryClient, EmbeddedChain, TestTokens, U256, WatchConfig, Watcher,
};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::channel::{Channel, ChannelConfig, CommandId, Event};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command, Effect, EffectId, Effects, Input, InputOutcome};
use xln_core::route::{OnionKey, RoutingPolicy};
use xln_core::transition::Transition;
use xln_core::types::{ChainId, EntityId, Pair, Side, SubchannelKey, TokenId, UnixSeconds};
use xln_node::driver::{Node, NodeOptions, is_overtaken};
use xln_storage::MemoryStore;

/// The dispute window, in seconds.
pub(super) const WINDOW_S: u64 = 3_600;
const GENESIS: UnixSeconds = UnixSeconds(1_800_000_000);

/// Something that must not be: the run ends and shows it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Finding {
    /// A check of this program.
    #[error("{0}")]
    Check(String),
    /// An honest node failed.
    #[error("an honest node failed: {0}")]
    Node(#[from] xln_node::driver::NodeError),
    /// The ground of the check gave way: chain, store, encoding.
    #[error("{0}")]
    Ground(Box<dyn std::error::Error>),
}

impl Finding {
    pub(super) fn ground(error: impl std::error::Error + 'static) -> Self {
        Self::Ground(Box::new(error))
    }
}

/// `Err(Finding::Check)` unless it holds.
pub(super) fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), Finding> {
    if holds { Ok(()) } else { Err(Finding::Check(what())) }
}

/// The outcome of something that an embedded chain does at once.
pub(super) fn now<T>(future: impl Future<Output = Result<T, ChainError>>) -> Result<T, Finding> {
    attempt(future).map_err(Finding::ground)
}

/// The same where an error is possible.
pub(super) fn attempt<T>(future: impl Future<Output = Result<T, ChainError>>) -> Result<T, ChainError> {
    ready(future).unwrap_or(Err(ChainError::OutOfRange))
}

/// One that runs the honest code: an honest party, or what the adversary uses when it plays along.
pub(super) struct Party {
    pub(super) signer: LocalSigner,
    pub(super) store: Rc<MemoryStore>,
    pub(super) node: Node<Rc<MemoryStore>>,
    pub(super) watcher: Watcher,
    /// Commands of which no end was reported, and how much each would pay the peer.
    pub(super) open: BTreeMap<CommandId, u128>,
    /// Transactions that the chain does not take at present.
    retries: Vec<(EffectId, ChainAction)>,
}

impl Party {
    pub(super) fn channel(&self, peer: &EntityId) -> Result<&Channel, Finding> {
        self.node.channel(peer).ok_or_else(|| Finding::Check(format!("no channel with {peer}")))
    }
}

/// A message under way.
pub(super) struct Message {
    pub(super) from: EntityId,
    pub(super) to: EntityId,
    pub(super) bytes: Vec<u8>,
}

/// Everybody, the network and the chain.
pub(super) struct World {
    pub(super) chain: EmbeddedChain,
    pub(super) client: DepositoryClient<EmbeddedChain>,
    pub(super) deployment: Deployment,
    pub(super) token: TokenId,
    bank: LocalSigner,
    pub(super) parties: BTreeMap<EntityId, Party>,
    pub(super) wire: VecDeque<Message>,
    /// Whose messages are lost, both ways, for the time being.
    pub(super) silent: Option<EntityId>,
    /// How often a node has countered.
    pub(super) countered: u64,
}

/// A key of its own for each number.
pub(super) fn key(number: u64) -> Result<LocalSigner, Finding> {
    let mut secret = [0x11; 32];
    if let Some(end) = secret.last_chunk_mut::<8>() {
        *end = number.to_be_bytes();
    }
    LocalSigner::new(&secret).map_err(Finding::ground)
}

/// The onion key of a party.
pub(super) fn onion_key(number: u64) -> Result<OnionKey, Finding> {
    let mut seed = [0x22; 32];
    if let Some(end) = seed.last_chunk_mut::<8>() {
        *end = number.to_be_bytes();
    }
    OnionKey::derive(&seed).map_err(Finding::ground)
}

impl World {
    /// Contracts, a token, and a bank that has all of it.
    pub(super) fn new() -> Result<Self, Finding> {
        let chain = EmbeddedChain::new(ChainId(31_337), GENESIS);
        let (deployer, bank) = (key(1_000)?, key(1_001)?);
        let deployment = now(Deployment::deploy(&chain, &deployer, WINDOW_S))?;
        let tokens = now(TestTokens::deploy(&chain, &deployer))?;
        let client = DepositoryClient::new(chain.clone(), deployment).map_err(Finding::ground)?;
        let (token, supply) = (Token::Erc20(tokens.erc20), 1_u128 << 100);
        let mint = TestTokens::mint_erc20(tokens.erc20, bank.address(), U256::from(supply));
        chain.execute_from(bank.address(), mint).map_err(Finding::ground)?;
        let id = now(client.register_token(&bank, &token))?;
        now(client.approve(&bank, &token, U256::from(supply)))?;
        now(client.deposit(&bank, &bank.entity(), id, supply))?;
        let (parties, wire) = (BTreeMap::new(), VecDeque::new());
        Ok(Self { chain, client, deployment, token: id, bank, parties, wire, silent: None, countered: 0 })
    }

    pub(super) const fn key(&self) -> SubchannelKey {
        self.deployment.key()
    }

    pub(super) fn now(&self) -> UnixSeconds {
        self.chain.now()
    }

    fn options(&self, number: u64) -> Result<NodeOptions, Finding> {
        let (onion_key, equivalent) = (onion_key(number)?, Vec::new());
        let routing = RoutingPolicy { onion_key, forwards: true, fee_ppm: 1_000, gap_s: 600, reveal_s: 0, equivalent };
        let depositories = vec![self.deployment.accepted()];
        let config = ChannelConfig { depositories, routing: Some(routing), ..ChannelConfig::default() };
        Ok(NodeOptions { config, snapshot_every: 64 })
    }

    fn watcher(&self, entity: EntityId) -> Watcher {
        Watcher::new(self.deployment.chain, WatchConfig::new(entity, &self.deployment, 0), &Cursor::default())
    }

    /// A party on an empty store, with a reserve.
    pub(super) fn join(&mut self, number: u64, reserve: u128) -> Result<EntityId, Finding> {
        let signer = key(number)?;
        let entity = signer.entity();
        now(self.client.reserve_to_reserve(&self.bank, &entity, self.token, reserve))?;
        let party = self.open(number, Rc::new(MemoryStore::new()))?;
        self.parties.insert(entity, party);
        self.observe(entity)?;
        Ok(entity)
    }

    /// The party whose number it is, on this store.
    pub(super) fn open(&self, number: u64, store: Rc<MemoryStore>) -> Result<Party, Finding> {
        let signer = key(number)?;
        let (node, _) = Node::open(store.clone(), Box::new(signer.clone()), self.options(number)?, self.now())?;
        let watcher = self.watcher(signer.entity());
        Ok(Party { signer, store, node, watcher, open: BTreeMap::new(), retries: Vec::new() })
    }

    /// Opens a channel, gives it collateral, and lets both grant the other credit.
    pub(super) fn connect(&mut self, a: EntityId, b: EntityId, collateral: u128, credit: u128) -> Result<(), Finding> {
        self.reconnect(a, b)?;
        let (key, token) = (self.key(), self.token);
        let providers = vec![self.deployment.subcontract_provider];
        self.propose(a, b, Transition::OpenSubchannel { key, providers, settle_margin_s: 0 }, 0)?;
        self.settle(200)?;
        self.propose(a, b, Transition::AddToken { key, token }, 0)?;
        self.settle(200)?;
        for (from, to) in [(a, b), (b, a)] {
            self.propose(from, to, Transition::SetCreditLimit { key, token, limit: credit }, 0)?;
            self.settle(200)?;
        }
        let fundings = [(a, b), (b, a)].map(|(receiver, peer)| Funding { receiver, peer, amount: collateral });
        now(self.client.reserve_to_collateral(&self.bank, token, &fundings))?;
        self.observe_all()?;
        self.settle(200).map(drop)
    }

    /// What the two lost on the way they say again.
    pub(super) fn reconnect(&mut self, a: EntityId, b: EntityId) -> Result<(), Finding> {
        for (from, peer) in [(a, b), (b, a)] {
            self.step(from, vec![Input::Disconnected { peer }, Input::Connected { peer }])?;
        }
        Ok(())
    }

    /// Takes inputs, sends what comes out, and does on chain what was asked for.
    pub(super) fn step(&mut self, who: EntityId, inputs: Vec<Input>) -> Result<Vec<InputOutcome>, Finding> {
        let now = self.now();
        let effects = self.party(&who)?.node.step(now, inputs)?;
        let outcomes = effects.outcomes().to_vec();
        self.perform(who, &effects)?;
        Ok(outcomes)
    }

    fn perform(&mut self, who: EntityId, effects: &Effects) -> Result<(), Finding> {
        for event in effects.events() {
            if let Event::CommandDone { command, .. } | Event::CommandFailed { command, .. } = event {
                self.party(&who)?.open.remove(command);
            }
        }
        for (id, effect) in effects.effects() {
            match effect {
                Effect::Send { to, bytes } => {
                    self.wire.push_back(Message { from: who, to: *to, bytes: bytes.clone() });
                }
                Effect::Submit(action) => self.submit(who, *id, action.clone())?,
                _ => {}
            }
        }
        Ok(())
    }

    fn submit(&mut self, who: EntityId, effect: EffectId, action: ChainAction) -> Result<(), Finding> {
        let signer = self.party(&who)?.signer.clone();
        if matches!(action.call, ChainCall::CounterDispute { .. }) {
            self.countered = self.countered.saturating_add(1);
        }
        let success = match attempt(self.client.submit(&signer, &action)) {
            Ok(_) => true,
            Err(ChainError::Reverted { name, .. }) if is_overtaken(name) => true,
            Err(ChainError::Reverted { name: "PaymentPending", .. }) => {
                self.party(&who)?.retries.push((effect, action));
                return Ok(());
            }
            Err(_) => false,
        };
        self.step(who, vec![Input::Completed { effect, success }]).map(drop)
    }

    /// Signs and sends in the name of any key, past every node.
    pub(super) fn submit_raw(&self, signer: &LocalSigner, action: &ChainAction) -> Result<(), ChainError> {
        let transaction = action_transaction(&self.deployment, action, &Authority::Sender)?;
        self.chain.execute_from(signer.address(), transaction).map(drop)
    }

    pub(super) fn party(&mut self, who: &EntityId) -> Result<&mut Party, Finding> {
        self.parties.get_mut(who).ok_or_else(|| Finding::Check(format!("nobody is {who}")))
    }

    pub(super) fn see(&self, who: &EntityId) -> Result<&Party, Finding> {
        self.parties.get(who).ok_or_else(|| Finding::Check(format!("nobody is {who}")))
    }

    /// A command; `offers` is what it would pay the peer.
    pub(super) fn propose(
        &mut self,
        who: EntityId,
        peer: EntityId,
        transition: Transition,
        offers: u128,
    ) -> Result<bool, Finding> {
        let action = Action::Propose { transition, submit: false };
        let outcomes = self.step(who, vec![Input::Command(Command { peer, action })])?;
        let Some(InputOutcome::Accepted(id)) = outcomes.first() else { return Ok(false) };
        if offers > 0 {
            self.party(&who)?.open.insert(*id, offers);
        }
        Ok(true)
    }

    /// Delivers the oldest message, if there is one.
    pub(super) fn deliver(&mut self) -> Result<bool, Finding> {
        let Some(Message { from, to, bytes }) = self.wire.pop_front() else { return Ok(false) };
        let lost = self.silent.is_some_and(|silent| silent == from || silent == to);
        if !lost && self.parties.contains_key(&to) {
            self.step(to, vec![Input::Message { from, bytes }])?;
        }
        Ok(true)
    }

    /// Delivers until nothing moves, which must be soon.
    pub(super) fn settle(&mut self, budget: u32) -> Result<u32, Finding> {
        let mut delivered: u32 = 0;
        while self.deliver()? {
            delivered = delivered.saturating_add(1);
            check(delivered <= budget, || format!("more than {budget} messages, and no rest"))?;
        }
        Ok(delivered)
    }

    /// Lets time pass; everybody looks at the clock and at the chain.
    pub(super) fn pass(&mut self, seconds: u64) -> Result<(), Finding> {
        self.chain.advance(seconds);
        self.observe_all()
    }

    pub(super) fn observe_all(&mut self) -> Result<(), Finding> {
        let everybody: Vec<EntityId> = self.parties.keys().copied().collect();
        everybody.into_iter().try_for_each(|who| self.observe(who))
    }

    /// One party reads the chain to its head, looks at the clock, and tries again what the chain did not take.
    pub(super) fn observe(&mut self, who: EntityId) -> Result<(), Finding> {
        loop {
            let chain = self.chain.clone();
            let facts = now(self.party(&who)?.watcher.poll(&chain))?;
            if facts.is_empty() {
                break;
            }
            self.step(who, facts.into_iter().map(Input::Chain).collect())?;
        }
        self.step(who, vec![Input::Tick])?;
        for (effect, action) in std::mem::take(&mut self.party(&who)?.retries) {
            self.submit(who, effect, action)?;
        }
        Ok(())
    }

    /// What an entity has on chain in all: reserve, and what is owed to it by `peer`, less what it owes to it.
    pub(super) fn net(&self, who: &EntityId, peer: &EntityId) -> Result<i128, Finding> {
        let reserve = now(self.client.reserve(who, self.token))?;
        let owed = |debtor: &EntityId, creditor: &EntityId| -> Result<u128, Finding> {
            let debts = now(self.client.all_debts(debtor, self.token, 100))?;
            Ok(debts
                .iter()
                .filter(|debt| debt.creditor == *creditor)
                .map(|debt| debt.amount)
                .fold(0, u128::saturating_add))
        };
        let (plus, minus) = (reserve.saturating_add(owed(peer, who)?), owed(who, peer)?);
        let signed = |n: u128| i128::try_from(n).map_err(Finding::ground);
        Ok(signed(plus)?.saturating_sub(signed(minus)?))
    }

    /// The pair of two entities, and the side of the first.
    pub(super) fn pair(a: EntityId, b: EntityId) -> Result<(Pair, Side), Finding> {
        let pair = Pair::new(a, b).map_err(Finding::ground)?;
        let side = pair.side(&a).ok_or_else(|| Finding::Check("no side".into()))?;
        Ok((pair, side))
    }
}
