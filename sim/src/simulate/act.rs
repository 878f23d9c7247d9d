//! What each step does. Commands of applications are here; `fault.rs` has what goes wrong.

use xln_core::chain::{ChainAction, ChainCall};
use xln_core::channel::Arguments;
use xln_core::commitment::Commitment;
use xln_core::machine::{Action, Command, Input, InputOutcome};
use xln_core::proof::{SettlementUpdate, TokenDiff};
use xln_core::route::{ExpectedPayment, Hop, Lock, Route};
use xln_core::state::Pending;
use xln_core::transition::Transition;
use xln_core::types::{Pair, Secret, Side, SubchannelKey, TokenId, UnixSeconds};
use xln_core::wire::{Message, Part};

use super::book::{Found, Issue, Mark};
use super::ledger::Operation;
use super::party::{FEE_PPM, PROVIDER, SETTLE_MARGIN_S, key_of};
use super::step::{Kind, Step};
use super::world::{EUR, KIND, USD, World};

/// One unit of what is paid; the bits below make each amount different.
const UNIT: u32 = 20;

/// What a step did: something, or nothing.
pub(crate) type Did = Result<bool, String>;

const fn at(number: u32, len: usize) -> usize {
    if len == 0 { 0 } else { number as usize % len }
}

pub(crate) fn pick<T: Clone>(from: &[T], number: u32) -> Option<T> {
    from.get(at(number, from.len())).cloned()
}

impl World {
    /// Takes one step.
    pub(crate) fn step(&mut self, step: &Step) -> Found {
        let did = self.act(step)?;
        self.tally.step(step.kind, did);
        Ok(())
    }

    fn act(&mut self, step: &Step) -> Did {
        let Step { kind, a, b, c } = *step;
        let who = at(a, self.parties.len());
        let Some(peer) = pick(&self.neighbours(who), b) else { return Ok(false) };
        let key = key_of(usize::from(c.is_multiple_of(4)));
        let token = if c.is_multiple_of(3) { EUR } else { USD };
        match kind {
            Kind::Pay => self.pay(who, peer, key, token, c),
            Kind::Burst => self.burst(who, key, c),
            Kind::Lock => self.lock(who, peer, key, token, c),
            Kind::Settle => self.settle_lock(who, b, c),
            Kind::Cancel => self.cancel(who, b),
            Kind::Route => self.route(who, b, key, token, c),
            Kind::Credit => {
                let limit = u128::from(c % 900) << UNIT;
                self.propose(who, peer, Transition::SetCreditLimit { key, token, limit })
            }
            Kind::Offer => self.offer(who, peer, key, c),
            Kind::Fill => self.fill(who, b, c),
            Kind::Unoffer => self.unoffer(who, b),
            Kind::Memo => self.propose(who, peer, Transition::Memo { data: vec![1, 2, 3] }),
            Kind::Update => self.settlement(who, peer, key, token, c),
            Kind::Close => {
                let transition = Transition::ProposeClose { key, expiry: self.later(1800) };
                self.command(who, peer, Action::Propose { transition, submit: true }, None)
            }
            Kind::Open => self.open(who, peer, key, token),
            Kind::Dispute => {
                let arguments = Arguments::default();
                self.command(who, peer, Action::StartDispute { key, arguments }, None)
            }
            Kind::Empty => self.empty(who, peer, key),
            Kind::Cheat => self.cheat(who, peer, key, c),
            Kind::Snatch => self.snatch(who, peer, key, c),
            Kind::Deposit => {
                self.on_chain(who, c, Operation::Deposit { token, amount: u128::from(c % 500 + 1) << UNIT })
            }
            Kind::Withdraw => {
                self.on_chain(who, c, Operation::Withdraw { token, amount: u128::from(c % 100 + 1) << UNIT })
            }
            Kind::Transfer => {
                let (to, amount) = (self.parties[peer].id, u128::from(c % 100 + 1) << UNIT);
                self.on_chain(who, c, Operation::Transfer { to, token, amount })
            }
            Kind::Fund => {
                let (peer, amount) = (self.parties[peer].id, u128::from(c % 200 + 1) << UNIT);
                self.on_chain(who, c, Operation::Fund { peer, own: b % 4 > 0, token, amount })
            }
            Kind::Enforce => self.on_chain(who, c, Operation::Enforce { token }),
            _ => self.suffer(kind, who, peer, (b, c)),
        }
    }

    fn later(&self, seconds: u64) -> UnixSeconds {
        UnixSeconds(self.now + seconds)
    }

    fn on_chain(&mut self, who: usize, c: u32, operation: Operation) -> Did {
        self.submit(who, usize::from(c.is_multiple_of(4)), operation);
        Ok(true)
    }

    fn up(&self, who: usize) -> bool {
        self.parties[who].is_up(self.now)
    }

    /// Gives a node a command and keeps what it says.
    fn command(&mut self, who: usize, peer: usize, action: Action, mark: Option<Mark>) -> Did {
        let peer_id = self.parties[peer].id;
        let command = Command { peer: peer_id, action };
        Ok(self.commands(who, vec![(peer, command, mark)])? > 0)
    }

    /// Several in one frame. How many were accepted.
    fn commands(&mut self, who: usize, commands: Vec<(usize, Command, Option<Mark>)>) -> Result<usize, String> {
        if !self.up(who) {
            return Ok(0);
        }
        let marks: Vec<Option<(Pair, Side, Mark)>> = commands
            .iter()
            .map(|(peer, _, mark)| mark.map(|mark| (self.pair(who, *peer), self.side(who, *peer), mark)))
            .collect();
        for (pair, side, mark) in marks.iter().flatten() {
            if let Some(book) = self.books.get_mut(pair) {
                book.issues.insert((*side, *mark), Issue::default());
            }
        }
        let life = self.parties[who].life;
        let inputs = commands.into_iter().map(|(_, command, _)| Input::Command(command)).collect();
        let Some(outcomes) = self.feed(who, inputs)? else { return Ok(1) };
        let mut accepted = 0;
        for (outcome, mark) in outcomes.iter().zip(marks) {
            accepted += usize::from(matches!(outcome, InputOutcome::Accepted(_)));
            let Some((pair, side, mark)) = mark else { continue };
            let Some(book) = self.books.get_mut(&pair) else { continue };
            match outcome {
                InputOutcome::Accepted(id) => {
                    if let Some(issue) = book.issues.get_mut(&(side, mark)) {
                        issue.accepted = true;
                    }
                    self.named.insert((who, life, *id), (pair, side, mark));
                }
                _ => drop(book.issues.remove(&(side, mark))),
            }
        }
        Ok(accepted)
    }

    fn propose(&mut self, who: usize, peer: usize, transition: Transition) -> Did {
        self.command(who, peer, Action::Propose { transition, submit: false }, None)
    }

    fn amount(&mut self, units: u32) -> u128 {
        self.serial += 1;
        (u128::from(units) << UNIT) + self.serial
    }

    fn secret(&mut self) -> Secret {
        self.serial += 1;
        let secret = Secret(xln_core::proof::body_hash(&self.serial.to_be_bytes()).0);
        self.secrets.insert(secret.hash(KIND), secret);
        secret
    }

    fn pay(&mut self, who: usize, peer: usize, key: SubchannelKey, token: TokenId, c: u32) -> Did {
        let amount = self.amount(c % 60);
        let transition = Transition::DirectPayment { key, token, amount };
        self.command(who, peer, Action::Propose { transition, submit: false }, Some(Mark::Amount(amount)))
    }

    fn burst(&mut self, who: usize, key: SubchannelKey, c: u32) -> Did {
        let mut commands = Vec::new();
        for peer in self.neighbours(who) {
            for _ in 0..=c % 3 {
                let amount = self.amount(c % 20);
                let transition = Transition::DirectPayment { key, token: USD, amount };
                let action = Action::Propose { transition, submit: false };
                commands.push((peer, Command { peer: self.parties[peer].id, action }, Some(Mark::Amount(amount))));
            }
        }
        Ok(self.commands(who, commands)? > 0)
    }

    fn lock(&mut self, who: usize, peer: usize, key: SubchannelKey, token: TokenId, c: u32) -> Did {
        let amount = self.amount(c % 40);
        let hash = self.secret().hash(KIND);
        let expiry = self.later(1000 + u64::from(c % 3000));
        let transition = Transition::AddPayment { key, token, amount, kind: KIND, hash, expiry, onion: Vec::new() };
        self.command(who, peer, Action::Propose { transition, submit: false }, Some(Mark::Lock(hash)))
    }

    /// The pending things of a node's channels: with whom, where, which, what, and whether its own.
    pub(crate) fn pending(&self, who: usize) -> Vec<(usize, SubchannelKey, u64, Pending, bool)> {
        let mut found = Vec::new();
        let Some(node) = self.parties[who].node.as_ref() else { return found };
        for (peer, channel) in node.machine().channels() {
            let Some(peer) = self.index(peer) else { continue };
            for (key, part) in &channel.state().subchannels {
                let own = |pending: &Pending| pending.author() == channel.side();
                found.extend(part.pending.iter().map(|(id, p)| (peer, *key, *id, p.clone(), own(p))));
            }
        }
        found
    }

    fn settle_lock(&mut self, who: usize, b: u32, c: u32) -> Did {
        let locks: Vec<_> = self.pending(who).into_iter().filter(|(.., own)| !own).collect();
        let direct = locks.into_iter().filter_map(|(peer, key, id, pending, _)| match pending {
            Pending::Payment(p) if p.onion.is_empty() => Some((peer, key, id, p.hash)),
            _ => None,
        });
        let Some((peer, key, id, hash)) = pick(&direct.collect::<Vec<_>>(), b) else { return Ok(false) };
        let secret = if c.is_multiple_of(16) { Secret([9; 32]) } else { self.secrets[&hash] };
        self.propose(who, peer, Transition::SettlePayment { key, id, secret })
    }

    fn cancel(&mut self, who: usize, b: u32) -> Did {
        let locks: Vec<_> =
            self.pending(who).into_iter().filter(|(.., p, _)| matches!(p, Pending::Payment(_))).collect();
        let Some((peer, key, id, ..)) = pick(&locks, b) else { return Ok(false) };
        self.propose(who, peer, Transition::CancelPayment { key, id })
    }

    /// Some way through the channels, no party twice.
    fn path(&self, who: usize, b: u32) -> Vec<usize> {
        let (mut path, mut b) = (vec![who], b);
        let hops = 2 + b % 3;
        for _ in 0..hops {
            let last = path[path.len() - 1];
            let on: Vec<usize> = self.neighbours(last).into_iter().filter(|next| !path.contains(next)).collect();
            let Some(next) = pick(&on, b) else { break };
            path.push(next);
            b /= 2;
        }
        path
    }

    fn route(&mut self, who: usize, b: u32, key: SubchannelKey, token: TokenId, c: u32) -> Did {
        let path = self.path(who, b);
        if path.len() < 3 || !self.up(who) {
            return Ok(false);
        }
        let amount = self.amount(c % 30);
        let secret = self.secret();
        let (hash, expiry) = (secret.hash(KIND), self.later(1500 + u64::from(c % 3000)));
        let last = path[path.len() - 1];
        if !c.is_multiple_of(6) && self.up(last) {
            let payment = ExpectedPayment { key, token, amount, kind: KIND, secret, until: expiry };
            self.feed(last, vec![Input::Expect(payment)])?;
        }
        let hop = |i: &usize| Hop {
            entity: self.parties[*i].id,
            onion_key: self.parties[*i].onion_key().public().unwrap(),
            key,
            token,
            fee_ppm: FEE_PPM,
            gap_s: 0,
        };
        let hops: Vec<Hop> = path[1..].iter().map(hop).collect();
        let session = xln_core::proof::body_hash(&hash.0).0;
        let route =
            Route::new(&hops, amount, &Lock { kind: KIND, hash, expiry }, &session).map_err(|e| e.to_string())?;
        self.routes.insert(hash, self.parties[last].id);
        let action = Action::Propose { transition: route.payment, submit: false };
        self.command(who, path[1], action, Some(Mark::Lock(hash)))
    }

    fn offer(&mut self, who: usize, peer: usize, key: SubchannelKey, c: u32) -> Did {
        let give = self.amount(c % 40 + 1);
        let (give_token, want_token) = if c.is_multiple_of(2) { (USD, EUR) } else { (EUR, USD) };
        let (want, min_fill, expiry) = (give / 3 + 7, give / 10, self.later(3000));
        self.propose(who, peer, Transition::OfferSwap { key, give_token, give, want_token, want, min_fill, expiry })
    }

    fn offers(&self, who: usize, own: bool, b: u32) -> Option<(usize, SubchannelKey, u64, u128)> {
        let offers = self.pending(who).into_iter().filter_map(|(peer, key, id, p, mine)| match p {
            Pending::Swap(s) if mine == own => Some((peer, key, id, s.remaining)),
            _ => None,
        });
        pick(&offers.collect::<Vec<_>>(), b)
    }

    fn fill(&mut self, who: usize, b: u32, c: u32) -> Did {
        let Some((peer, key, id, remaining)) = self.offers(who, false, b) else { return Ok(false) };
        let fill = if c.is_multiple_of(2) { remaining } else { remaining * u128::from(c) / 10_000 };
        self.propose(who, peer, Transition::FillSwap { key, id, fill })
    }

    fn unoffer(&mut self, who: usize, b: u32) -> Did {
        let Some((peer, key, id, _)) = self.offers(who, true, b) else { return Ok(false) };
        self.propose(who, peer, Transition::CancelSwap { key, id })
    }

    fn settlement(&mut self, who: usize, peer: usize, key: SubchannelKey, token: TokenId, c: u32) -> Did {
        let x = i128::from(c % 50 + 1) << UNIT;
        let left = self.side(who, peer).is_left();
        // Own reserve into the channel, out of it, or over to the peer's; the last needs the peer's word.
        let (left, right, ondelta) = match (c % 3, left) {
            (0, true) => (-x, 0, x),
            (0, false) => (0, -x, 0),
            (1, true) => (x, 0, -x),
            (1, false) => (0, x, 0),
            (_, true) => (x, -x, 0),
            (_, false) => (-x, x, 0),
        };
        let update = SettlementUpdate { diffs: vec![TokenDiff { token, left, right, ondelta }], forgiven: Vec::new() };
        if c % 3 == 2 && !c.is_multiple_of(4) {
            self.command(peer, who, Action::Consent { key, update: update.clone() }, None)?;
        }
        let expiry = self.later(900 + u64::from(c % 900));
        let transition = Transition::ProposeSettlement { key, update, expiry };
        self.command(who, peer, Action::Propose { transition, submit: !c.is_multiple_of(8) }, None)
    }

    pub(crate) fn open(&mut self, who: usize, peer: usize, key: SubchannelKey, token: TokenId) -> Did {
        let id = self.parties[peer].id;
        let channel = self.parties[who].node.as_ref().and_then(|node| node.channel(&id));
        match channel.and_then(|channel| channel.state().subchannels.get(&key)) {
            None => {
                let (providers, settle_margin_s) = (vec![PROVIDER], SETTLE_MARGIN_S);
                self.propose(who, peer, Transition::OpenSubchannel { key, providers, settle_margin_s })
            }
            Some(part) if !part.tokens.contains_key(&token) => {
                self.propose(who, peer, Transition::AddToken { key, token })
            }
            Some(_) => Ok(false),
        }
    }

    fn start_behind(&mut self, who: usize, peer: usize, key: SubchannelKey, call: ChainCall) -> Did {
        let index = usize::from(key == key_of(1));
        let pair = self.pair(who, peer);
        let epoch = self.chains[index].ledger.line(&pair).epoch;
        self.cheats.insert((who, pair, key, epoch));
        if let ChainCall::StartDispute { evidence, .. } = &call {
            self.exhibits.insert(evidence.body_hash(), evidence.body.clone());
        }
        self.submit(who, index, Operation::Act(Box::new(ChainAction { key, pair, call })));
        Ok(true)
    }

    fn empty(&mut self, who: usize, peer: usize, key: SubchannelKey) -> Did {
        let starter = self.side(who, peer);
        self.start_behind(who, peer, key, ChainCall::StartEmptyDispute { starter, tokens: vec![USD, EUR] })
    }

    fn cheat(&mut self, who: usize, peer: usize, key: SubchannelKey, c: u32) -> Did {
        let (pair, starter) = (self.pair(who, peer), self.side(who, peer));
        let epoch = self.chains[usize::from(key == key_of(1))].ledger.line(&pair).epoch;
        let old = self.history.get(&(pair, key)).into_iter().flatten().filter(|e| e.epoch == epoch);
        let Some(evidence) = pick(&old.collect::<Vec<_>>(), c).cloned() else { return Ok(false) };
        self.start_behind(who, peer, key, ChainCall::StartDispute { starter, evidence, fills: Vec::new() })
    }

    /// Shows what the peer has proposed and this side has not answered.
    fn snatch(&mut self, who: usize, peer: usize, key: SubchannelKey, c: u32) -> Did {
        let (id, starter) = (self.parties[peer].id, self.side(who, peer));
        let Some(channel) = self.parties[who].node.as_ref().and_then(|node| node.channel(&id)) else {
            return Ok(false);
        };
        let tip = channel.tip();
        let messages = self.links.get(&(peer, who)).into_iter().flat_map(|link| link.queue.iter().chain(&link.past));
        for part in messages.filter_map(|bytes| Message::decode(bytes).ok()).flat_map(|message| message.parts) {
            let Part::Proposal { block, signature } = part else { continue };
            let Ok(state) = xln_core::block::apply_block(&tip.state, &tip.commitment.state_hash, &block) else {
                continue;
            };
            if block.proposer == starter || state.nonce <= tip.state.nonce {
                continue;
            }
            let Some(mut evidence) = Commitment::of(&state).ok().and_then(|c| c.evidence(&key, state.nonce)) else {
                continue;
            };
            if starter.is_left() {
                evidence.right = Some(signature);
            } else {
                evidence.left = Some(signature);
            }
            // And, now and then, falls silent.
            if c.is_multiple_of(2) && self.cut.insert((who.min(peer), who.max(peer))) {
                self.disconnect(who, peer)?;
            }
            return self.start_behind(who, peer, key, ChainCall::StartDispute { starter, evidence, fills: Vec::new() });
        }
        Ok(false)
    }
}
