//! A line of machines with a channel between each two neighbours, and payments along it.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests say what they expect by failing"
)]

use xln_core::chain::{ChainChange, ChainFact, ChangeKind};
use xln_core::channel::{Channel, ChannelConfig, CommandError, CommandId, End, Ended, Event};
use xln_core::crypto::LocalSigner;
use xln_core::machine::{Action, Command, Input, InputOutcome};
use xln_core::route::*;
use xln_core::state::{Pending, TokenState};
use xln_core::transition::Transition;
use xln_core::types::*;

use crate::common::*;

pub const KIND: HashKind = HashKind::Sha256;
pub const FEE_PPM: u32 = 10_000;
pub const LIMIT: u128 = 100_000;

pub fn onion_key(i: usize) -> OnionKey {
    OnionKey::derive(&[i as u8 + 1; 32]).unwrap()
}

pub fn policy(i: usize) -> RoutingPolicy {
    RoutingPolicy {
        onion_key: onion_key(i),
        forwards: true,
        fee_ppm: FEE_PPM,
        gap_s: 3600,
        reveal_s: 0,
        equivalent: vec![],
    }
}

pub fn configure(net: &mut Net, i: usize, change: impl Fn(&mut ChannelConfig)) {
    let mut config = ChannelConfig { routing: Some(policy(i)), ..config() };
    change(&mut config);
    net.stage(i, vec![Input::Configure(config)]);
}

/// `n` machines in a line; each two neighbours grant each other credit.
pub fn line(n: u8) -> Net {
    let mut net = Net::new((1..=n).map(|i| LocalSigner::new(&[i; 32]).unwrap()).collect());
    let last = net.parties.len() - 1;
    for i in 0..=last {
        configure(&mut net, i, |_| ());
    }
    connect_all(&mut net);
    for i in 0..last {
        tell(&mut net, i, i + 1, open(KEY)).unwrap();
        net.settle();
        tell(&mut net, i, i + 1, Transition::AddToken { key: KEY, token: USD }).unwrap();
        net.settle();
        for (a, b) in [(i, i + 1), (i + 1, i)] {
            tell(&mut net, a, b, Transition::SetCreditLimit { key: KEY, token: USD, limit: LIMIT }).unwrap();
            net.settle();
        }
    }
    for party in &mut net.parties {
        party.events.clear();
    }
    net
}

pub fn tell(net: &mut Net, i: usize, j: usize, transition: Transition) -> Result<CommandId, CommandError> {
    let action = Action::Propose { transition, submit: false };
    let command = Command { peer: net.id(j), action };
    match net.stage(i, vec![Input::Command(command)]).remove(0) {
        InputOutcome::Accepted(id) => Ok(id),
        InputOutcome::Refused(error) => Err(error),
        InputOutcome::Taken => panic!("a command has an outcome"),
    }
}

pub fn connect_all(net: &mut Net) {
    for i in 0..net.parties.len() - 1 {
        for (a, b) in [(i, i + 1), (i + 1, i)] {
            let peer = net.id(b);
            net.stage(a, vec![Input::Disconnected { peer }, Input::Connected { peer }]);
        }
    }
}

pub fn chan(net: &Net, i: usize, j: usize) -> &Channel {
    net.parties[i].machine.channel(&net.id(j)).unwrap()
}

pub fn token(net: &Net, i: usize, j: usize) -> &TokenState {
    chan(net, i, j).state().token(&KEY, USD).unwrap()
}

pub fn pending(net: &Net, i: usize, j: usize) -> usize {
    chan(net, i, j).state().subchannels[&KEY].pending.len()
}

pub fn only(net: &Net, i: usize, j: usize) -> u64 {
    let pending = &chan(net, i, j).state().subchannels[&KEY].pending;
    assert_eq!(pending.len(), 1);
    *pending.keys().next().unwrap()
}

/// What `i` has in its channel with `j`, over what it started with.
pub fn balance(net: &Net, i: usize, j: usize) -> i128 {
    let left = token(net, i, j).offdelta;
    if chan(net, i, j).side() == Side::Left { left } else { -left }
}

/// What `i` has in all its channels.
pub fn wealth(net: &Net, i: usize) -> i128 {
    let near = [i.checked_sub(1), (i + 1 < net.parties.len()).then_some(i + 1)];
    near.into_iter().flatten().map(|j| balance(net, i, j)).sum()
}

pub fn hops(net: &Net, path: &[usize], fee_ppm: u32, gap_s: u64) -> Vec<Hop> {
    let hop = |i: &usize| Hop {
        entity: net.id(*i),
        onion_key: onion_key(*i).public().unwrap(),
        key: KEY,
        token: USD,
        fee_ppm,
        gap_s,
    };
    path.iter().map(hop).collect()
}

pub fn expect(net: &mut Net, i: usize, amount: u128, s: u8) {
    let until = net.now.plus(10_000);
    let payment = ExpectedPayment { key: KEY, token: USD, amount, kind: KIND, secret: secret(s), until };
    net.stage(i, vec![Input::Expect(payment)]);
}

pub fn plan(net: &Net, path: &[usize], amount: u128, s: u8) -> Route {
    let lock = Lock { kind: KIND, hash: secret(s).hash(KIND), expiry: net.now.plus(5000) };
    Route::new(&hops(net, path, FEE_PPM, 0), amount, &lock, &[s ^ 0x5a; 32]).unwrap()
}

/// The first lock of a route from its sender; nothing is delivered yet.
pub fn send(net: &mut Net, from: usize, route: &Route) -> Result<CommandId, CommandError> {
    let to = (0..net.parties.len()).find(|i| net.id(*i) == route.peer).unwrap();
    tell(net, from, to, route.payment.clone())
}

pub fn ended(net: &Net, i: usize) -> Vec<Ended> {
    let events = net.parties[i].events.iter();
    events
        .filter_map(|e| if let Event::PaymentEnded { payment, .. } = e { Some(payment.clone()) } else { None })
        .collect()
}

/// How the only payment of a node ended.
pub fn end(net: &Net, i: usize) -> End {
    let ended = ended(net, i);
    assert_eq!(ended.len(), 1, "{ended:?}");
    ended[0].end.clone()
}

pub fn failure(net: &Net, route: &Route) -> Option<(usize, FailureCode)> {
    match end(net, 0) {
        End::Failed(reason) => route.open_failure(&reason),
        other => panic!("{other:?}"),
    }
}

pub fn restart(net: &mut Net, i: usize) {
    net.restart(i);
    net.wire.clear();
    connect_all(net);
}

/// All sides agree, nothing waits.
pub fn at_rest(net: &Net) {
    for i in 0..net.parties.len() - 1 {
        assert_eq!(chan(net, i, i + 1).state(), chan(net, i + 1, i).state());
        assert!(!chan(net, i, i + 1).is_in_flight() && !chan(net, i + 1, i).is_in_flight());
        assert_eq!(chan(net, i, i + 1).queued() + chan(net, i + 1, i).queued(), 0);
    }
}

/// One confirmed block for some, with what it changes in the channel of two of them.
pub fn block(net: &mut Net, who: &[usize], (i, j): (usize, usize), kinds: Vec<ChangeKind>, reveals: Vec<Reveal>) {
    net.block += 1;
    let pair = Pair::new(net.id(i), net.id(j)).unwrap();
    let changes: Vec<ChainChange> = kinds.into_iter().map(|kind| ChainChange { key: KEY, pair, kind }).collect();
    let point = net.point();
    for i in who {
        let (changes, reveals) = (changes.clone(), reveals.clone());
        let block = ChainFact::Block { point, changes, reveals, facts: vec![], entities: vec![] };
        net.stage(*i, vec![Input::Chain(block)]);
    }
}

pub fn revealed(net: &Net, s: u8) -> Reveal {
    Reveal { provider: PROVIDER, kind: KIND, secret: secret(s), at: net.now }
}

pub fn is_pending_payment(net: &Net, i: usize, j: usize, id: u64) -> bool {
    matches!(chan(net, i, j).state().subchannels[&KEY].pending.get(&id), Some(Pending::Payment(_)))
}
