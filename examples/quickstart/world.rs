//! Three parties, a chain inside this process, and the wire between them: everything a node's surroundings do.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use xln_chain::client::{Funding, Token};
use xln_chain::embedded::ready;
use xln_chain::{Chain, Deployment, DepositoryClient, EmbeddedChain, Receipt, TestTokens, Transaction, U256};
use xln_core::chain::ChainCall;
use xln_core::channel::{Arguments, Event};
use xln_core::commitment::Evidence;
use xln_core::crypto::LocalSigner;
use xln_core::delta::bar;
use xln_core::machine::{Action, Command, Effect, Effects, Input, InputOutcome};
use xln_core::proof::SettlementUpdate;
use xln_core::transition::Transition;
use xln_core::types::{ChainId, EntityId, Hash, HashKind, Pair, Side, SubchannelKey, TokenId, UnixSeconds};

use crate::party::{Failure, Party};
use crate::{propose, show};

pub const ALICE: usize = 0;
pub const BOB: usize = 1;
pub const CAROL: usize = 2;
pub const ETH: TokenId = TokenId(0);
pub const USD: TokenId = TokenId(1);
const ENTITIES: [usize; 3] = [ALICE, BOB, CAROL];

/// Everything.
pub struct World {
    chain: EmbeddedChain,
    client: DepositoryClient<EmbeddedChain>,
    deployment: Deployment,
    usd: Token,
    parties: Vec<Party>,
    wire: VecDeque<(EntityId, EntityId, Vec<u8>)>,
    done: Vec<Option<u64>>,
    bytes: usize,
    messages: usize,
    blocks: u64,
    gas: u64,
    external: [u128; 2],
}

/// A future of the embedded chain is ready at once.
fn now<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    ready(future).ok_or_else(|| "the embedded chain never waits".into())
}

impl World {
    /// Deploys the contracts and opens three nodes.
    pub fn new(dir: &Path) -> Result<Self, Failure> {
        let genesis = UnixSeconds(1_800_000_000);
        let chain = EmbeddedChain::new(ChainId(31337), genesis);
        let deployer = LocalSigner::new(&[99; 32])?;
        chain.fund(deployer.address(), U256::from(10).pow(U256::from(20)));
        let started = Instant::now();
        let deployment = now(Deployment::deploy(&chain, &deployer, 3600))??;
        let tokens = now(TestTokens::deploy(&chain, &deployer))??;
        let client = DepositoryClient::new(chain.clone(), deployment)?;
        let usd = Token::Erc20(tokens.erc20);
        let found = now(client.register_token(&deployer, &usd))??;
        if found != USD {
            return Err(format!("the first token has number {}", found.0).into());
        }
        println!("contracts on an embedded EVM in {} ms, dispute window 3600 s", started.elapsed().as_millis());
        let mut world = Self {
            chain,
            client,
            deployment,
            usd,
            parties: Vec::new(),
            wire: VecDeque::new(),
            done: Vec::new(),
            bytes: 0,
            messages: 0,
            blocks: 0,
            gas: 0,
            external: [0; 2],
        };
        for (name, secret) in [("alice", 1), ("bob", 2), ("carol", 3)] {
            // Bob is going to cheat: his node must not put things right by itself.
            let vigilant = name != "bob";
            let (party, effects) = Party::new(name, secret, vigilant, dir, &deployment, genesis)?;
            world.chain.fund(party.key.address(), U256::from(10).pow(U256::from(21)));
            let mint = TestTokens::mint_erc20(tokens.erc20, party.key.address(), U256::from(10).pow(U256::from(12)));
            now(world.chain.execute(&deployer, mint))??;
            now(world.client.approve(&party.key, &usd, U256::MAX))??;
            let entity = party.entity();
            world.parties.push(party);
            world.take(entity, effects)?;
        }
        Ok(world)
    }

    pub const fn key(&self) -> SubchannelKey {
        self.deployment.key()
    }

    pub fn now(&self) -> UnixSeconds {
        self.chain.now()
    }

    fn entity(&self, who: usize) -> Result<EntityId, Failure> {
        Ok(self.party(who)?.entity())
    }

    fn party(&self, who: usize) -> Result<&Party, Failure> {
        self.parties.get(who).ok_or_else(|| "no such party".into())
    }

    fn index(&self, entity: EntityId) -> Option<usize> {
        self.parties.iter().position(|p| p.entity() == entity)
    }

    pub fn is_left(&self, who: usize, peer: usize) -> bool {
        matches!((self.entity(who), self.entity(peer)), (Ok(a), Ok(b)) if a < b)
    }

    fn step(&mut self, who: usize, inputs: Vec<Input>) -> Result<Vec<InputOutcome>, Failure> {
        let (time, entity) = (self.now(), self.entity(who)?);
        let party = self.parties.get_mut(who).ok_or("no such party")?;
        let effects = party.node()?.step(time, inputs)?;
        let outcomes = effects.outcomes().to_vec();
        self.take(entity, effects)?;
        Ok(outcomes)
    }

    /// Does what a step wants done: bytes to the wire, actions to the chain.
    fn take(&mut self, by: EntityId, effects: Effects) -> Result<(), Failure> {
        for event in effects.events() {
            match event {
                Event::Committed { .. } => self.blocks += 1,
                Event::CommandDone { subcontract, .. } => self.done.push(*subcontract),
                Event::CommandFailed { error, .. } => return Err(error.to_string().into()),
                Event::Rejected { reason, .. } => return Err(reason.to_string().into()),
                _ => {}
            }
        }
        for (id, effect) in effects.effects() {
            match effect {
                Effect::Send { to, bytes } => {
                    self.bytes += bytes.len();
                    self.messages += 1;
                    self.wire.push_back((by, *to, bytes.clone()));
                }
                Effect::Submit(action) => {
                    let who = self.index(by).ok_or("no such party")?;
                    let receipt = now(self.client.submit(&self.party(who)?.key, action))??;
                    self.report(&format!("{}: {}", self.party(who)?.name, call_name(&action.call)), &receipt);
                    self.step(who, vec![Input::Completed { effect: *id, success: true }])?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn report(&mut self, what: &str, receipt: &Receipt) {
        self.gas += receipt.gas_used;
        show::gas(what, receipt.gas_used);
    }

    /// Delivers messages and chain facts until nothing moves.
    fn settle(&mut self) -> Result<(), Failure> {
        loop {
            while let Some((from, to, bytes)) = self.wire.pop_front() {
                let to = self.index(to).ok_or("message to a stranger")?;
                self.step(to, vec![Input::Message { from, bytes }])?;
            }
            let mut quiet = true;
            for who in ENTITIES {
                let chain = self.chain.clone();
                let party = self.parties.get_mut(who).ok_or("no such party")?;
                let facts = now(party.watcher.poll(&chain))??;
                if !facts.is_empty() {
                    quiet = false;
                    self.step(who, facts.into_iter().map(Input::Chain).collect())?;
                }
            }
            if quiet && self.wire.is_empty() {
                return Ok(());
            }
        }
    }

    // What the story does.

    pub fn deposit(&mut self, who: usize, token: TokenId, amount: u128) -> Result<(), Failure> {
        let party = self.party(who)?;
        let entity = party.entity();
        let receipt = if token == ETH {
            now(self.client.deposit_eth(&party.key, &entity, amount))??
        } else {
            now(self.client.deposit(&party.key, &entity, token, amount))??
        };
        if let Some(total) = self.external.get_mut(usize::from(token != ETH)) {
            *total += amount;
        }
        let what = format!("{}: deposit of {}", self.party(who)?.name, if token == ETH { "ETH" } else { "dollars" });
        self.report(&what, &receipt);
        self.settle()
    }

    pub fn collateral(&mut self, who: usize, peer: usize, amount: u128) -> Result<(), Failure> {
        let (receiver, peer) = (self.entity(who)?, self.entity(peer)?);
        let funding = [Funding { receiver, peer, amount }];
        let receipt = now(self.client.reserve_to_collateral(&self.party(who)?.key, USD, &funding))??;
        self.report(&format!("{}: reserve to collateral", self.party(who)?.name), &receipt);
        self.settle()
    }

    pub fn open(&mut self, who: usize, peer: usize) -> Result<(), Failure> {
        let key = self.key();
        for (who, peer) in [(who, peer), (peer, who)] {
            let peer = self.entity(peer)?;
            self.step(who, vec![Input::Connected { peer }])?;
        }
        self.settle()?;
        let providers = vec![self.deployment.subcontract_provider];
        let open = Transition::OpenSubchannel { key, providers, settle_margin_s: 600 };
        self.propose(who, peer, vec![open, Transition::AddToken { key, token: USD }])
    }

    pub fn grant(&mut self, who: usize, peer: usize, limit: u128) -> Result<(), Failure> {
        let key = self.key();
        self.propose(who, peer, vec![Transition::SetCreditLimit { key, token: USD, limit }])
    }

    pub const fn pay(&self, amount: u128) -> Transition {
        Transition::DirectPayment { key: self.key(), token: USD, amount }
    }

    pub const fn lock(&self, amount: u128, kind: HashKind, hash: Hash, expiry: UnixSeconds) -> Transition {
        Transition::AddPayment { key: self.key(), token: USD, amount, kind, hash, expiry, onion: Vec::new() }
    }

    pub fn propose(&mut self, who: usize, peer: usize, transitions: Vec<Transition>) -> Result<(), Failure> {
        let actions = transitions.into_iter().map(|t| propose(t, false)).collect();
        self.command(who, peer, actions)
    }

    /// Proposes one and gives the id of the subcontract that it made.
    pub fn propose_one(&mut self, who: usize, peer: usize, transition: Transition) -> Result<u64, Failure> {
        self.done.clear();
        self.propose(who, peer, vec![transition])?;
        self.done.pop().flatten().ok_or_else(|| "it made no subcontract".into())
    }

    fn command(&mut self, who: usize, peer: usize, actions: Vec<Action>) -> Result<(), Failure> {
        let peer = self.entity(peer)?;
        let inputs = actions.into_iter().map(|action| Input::Command(Command { peer, action })).collect();
        for outcome in self.step(who, inputs)? {
            if let InputOutcome::Refused(error) = outcome {
                return Err(error.to_string().into());
            }
        }
        self.settle()
    }

    pub fn one_by_one(&mut self, who: usize, peer: usize, count: u64, amount: u128) -> Result<(), Failure> {
        let progress = show::progress("one by one", count);
        let started = Instant::now();
        for _ in 0..count {
            self.propose(who, peer, vec![self.pay(amount)])?;
            progress.inc(1);
        }
        progress.finish_and_clear();
        show::rate(&format!("{count} payments one by one"), count, started.elapsed());
        Ok(())
    }

    pub fn settle_on_chain(&mut self, who: usize, peer: usize, update: SettlementUpdate) -> Result<(), Failure> {
        let (key, expiry) = (self.key(), self.now().plus(3600));
        self.command(who, peer, vec![propose(Transition::ProposeSettlement { key, update, expiry }, true)])
    }

    pub fn close(&mut self, who: usize, peer: usize) -> Result<(), Failure> {
        let (key, expiry) = (self.key(), self.now().plus(3600));
        self.command(who, peer, vec![propose(Transition::ProposeClose { key, expiry }, true)])
    }

    pub fn evidence(&mut self, who: usize, peer: usize) -> Result<Evidence, Failure> {
        let (peer, key) = (self.entity(peer)?, self.key());
        let party = self.parties.get_mut(who).ok_or("no such party")?;
        party.node()?.channel(&peer).and_then(|c| c.best_evidence(&key)).ok_or_else(|| "nothing signed".into())
    }

    pub fn dispute(&mut self, who: usize, peer: usize, evidence: Option<Evidence>) -> Result<(), Failure> {
        let arguments = Arguments { evidence, ..Arguments::default() };
        self.command(who, peer, vec![Action::StartDispute { key: self.key(), arguments }])
    }

    /// Ends the dispute, unless a vigilant node has done so by itself.
    pub fn finalize(&mut self, who: usize, peer: usize) -> Result<(), Failure> {
        let pair = Pair::new(self.entity(who)?, self.entity(peer)?)?;
        if now(self.client.channel(&pair))??.dispute.is_none() {
            return Ok(());
        }
        let arguments = Arguments::default();
        self.command(who, peer, vec![Action::FinalizeDispute { key: self.key(), arguments }])
    }

    pub fn enforce(&mut self, who: usize, token: TokenId) -> Result<(), Failure> {
        let entity = self.entity(who)?;
        let receipt = now(self.client.enforce_debts(&self.party(who)?.key, &entity, token, 10))??;
        self.report("anyone: enforce debts", &receipt);
        self.settle()
    }

    pub fn advance(&mut self, seconds: u64) -> Result<(), Failure> {
        self.chain.advance(seconds);
        println!("   … {seconds} seconds pass");
        self.settle()
    }

    pub fn restart(&mut self, who: usize) -> Result<(), Failure> {
        let (time, started) = (self.now(), Instant::now());
        let party = self.parties.get_mut(who).ok_or("no such party")?;
        let (entity, effects) = (party.entity(), party.restart(time)?);
        println!("   {} restarts from disk in {} ms", self.party(who)?.name, started.elapsed().as_millis());
        self.take(entity, effects)?;
        for other in ENTITIES.into_iter().filter(|other| *other != who) {
            let peer = self.entity(other)?;
            let known = self.parties.get_mut(who).ok_or("no such party")?.node()?.channel(&peer).is_some();
            if known {
                self.step(other, vec![Input::Disconnected { peer: entity }, Input::Connected { peer: entity }])?;
                self.step(who, vec![Input::Connected { peer }])?;
            }
        }
        self.settle()
    }

    // What it checks and shows.

    pub fn reserve(&self, who: usize, token: TokenId) -> Result<u128, Failure> {
        Ok(now(self.client.reserve(&self.entity(who)?, token))??)
    }

    pub fn expect_reserve(&self, who: usize, token: TokenId, expected: u128) -> Result<(), Failure> {
        let found = self.reserve(who, token)?;
        println!("   {}'s reserve: {found}", self.party(who)?.name);
        if found == expected { Ok(()) } else { Err(format!("expected a reserve of {expected}").into()) }
    }

    pub fn expect_debt(&self, who: usize, token: TokenId, expected: u128) -> Result<(), Failure> {
        let found = now(self.client.debt_total(&self.entity(who)?, token))??;
        println!("   {}'s debt on chain: {found}", self.party(who)?.name);
        if found == U256::from(expected) { Ok(()) } else { Err(format!("expected a debt of {expected}").into()) }
    }

    pub fn bar(&mut self, who: usize, peer: usize, what: &str) -> Result<(), Failure> {
        let (me, other, key) = (self.entity(who)?, self.entity(peer)?, self.key());
        let side = Pair::new(me, other)?.side(&me).unwrap_or(Side::Left);
        let party = self.parties.get_mut(who).ok_or("no such party")?;
        let state = party.node()?.channel(&other).map(|c| c.state().clone()).ok_or("no channel")?;
        let token = state.token(&key, USD).ok_or("no token")?;
        let derived = token.derive(side)?;
        println!("\n   {what}: {} can send {} and receive {}", party.name, derived.out_capacity, derived.in_capacity);
        for line in bar(&token.to_delta(), side, 60)?.lines() {
            println!("      {line}");
        }
        Ok(())
    }

    /// What came in from outside is what the Depository holds, and that is all reserves and all collateral.
    pub fn check_conservation(&mut self) -> Result<(), Failure> {
        show::chapter("Was any money created or lost?");
        for (token, name, entered) in [(ETH, "ETH", self.external[0]), (USD, "dollars", self.external[1])] {
            let mut sum = 0u128;
            for who in ENTITIES {
                sum += self.reserve(who, token)?;
            }
            for (a, b) in [(ALICE, BOB), (BOB, CAROL), (ALICE, CAROL)] {
                let pair = Pair::new(self.entity(a)?, self.entity(b)?)?;
                sum += now(self.client.collaterals(&pair, &[token]))??.iter().map(|fact| fact.collateral).sum::<u128>();
            }
            let held = self.held(token)?;
            println!("   {name}: deposited {entered}, held by the contract {held}, reserves and collateral {sum}");
            if U256::from(sum) != held || sum != entered {
                return Err(format!("{name} do not add up").into());
            }
        }
        println!("   no");
        Ok(())
    }

    fn held(&self, token: TokenId) -> Result<U256, Failure> {
        let depository = self.deployment.depository;
        if token == ETH {
            return Ok(now(self.chain.balance(depository))??);
        }
        let Token::Erc20(token) = self.usd else { return Err("dollars are an ERC-20".into()) };
        // balanceOf(address)
        let call = [&[0x70, 0xa0, 0x82, 0x31][..], &[0; 12], depository.as_bytes()].concat();
        let anyone = self.party(ALICE)?.key.address();
        Ok(U256::from_be_slice(&now(self.chain.call(anyone, &Transaction::call(token, call)))??))
    }

    pub fn totals(&self) {
        let signatures: u64 = self.parties.iter().map(|p| p.signer.count.load(Ordering::Relaxed)).sum();
        show::chapter("In all");
        println!(
            "   {} agreed blocks, {signatures} signatures, {} messages, {} bytes",
            self.blocks / 2,
            self.messages,
            self.bytes
        );
        println!("   {} gas in all transactions of the three", self.gas);
    }
}

const fn call_name(call: &ChainCall) -> &'static str {
    match call {
        ChainCall::CooperativeUpdate { .. } => "settlement on chain",
        ChainCall::CooperativeClose { .. } => "close by agreement",
        ChainCall::StartDispute { .. } | ChainCall::StartEmptyDispute { .. } => "dispute start",
        ChainCall::AcceptDispute { .. } => "dispute accept",
        ChainCall::CounterDispute { .. } => "dispute counter",
        ChainCall::FinalizeDispute { .. } => "dispute finalize",
        ChainCall::Reveal { .. } => "secret revealed",
        ChainCall::Record { .. } => "fact recorded",
    }
}
