//! Random commands over a network that drops, repeats and delays, with restarts at any point, beside a small obvious model
//! of the money. Deterministic from a seed: `XLN_SEED=… cargo test -p xln-core --test simulation`; `XLN_RUNS` sets how many.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "tests say what they expect by failing"
)]

mod common;
use std::collections::BTreeMap;

use common::*;
use xln_core::channel::{CommandId, Event};
use xln_core::machine::Input;
use xln_core::state::Pending;
use xln_core::subcontract::{CreditDefaultSwapTerms, ScheduleTerms};
use xln_core::transition::Transition;
use xln_core::types::*;

/// SplitMix64: enough for choices, the same everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// What each side is owed, kept only from the commands that were reported done.
#[derive(Default)]
struct Model {
    commands: BTreeMap<(usize, CommandId), Transition>,
    /// Left's balance by token, and open locks: payer, token, amount.
    balance: BTreeMap<TokenId, i128>,
    locks: BTreeMap<u64, (usize, TokenId, u128)>,
    swaps: BTreeMap<u64, (usize, u128, u128, u128)>,
    /// Schedules, in EUR: payer, amount, what is paid, start. And default swaps, in USD: payer, amount.
    schedules: BTreeMap<u64, (usize, u128, u128, u64)>,
    defaults: BTreeMap<u64, (usize, u128)>,
    /// Times of the blocks that were on the wire.
    times: BTreeMap<(u64, Side), UnixSeconds>,
}

const fn sign(payer: usize) -> i128 {
    if payer == 0 { -1 } else { 1 }
}

impl Model {
    fn pending(&self) -> usize {
        self.locks.len() + self.swaps.len() + self.schedules.len() + self.defaults.len()
    }

    fn done(&mut self, by: usize, command: CommandId, subcontract: Option<u64>, at: UnixSeconds) {
        let transition = self.commands.remove(&(by, command)).expect("a command is done once");
        if std::env::var("XLN_TRACE").is_ok() {
            eprintln!("{by} {command:?} {subcontract:?} {transition:?}");
        }
        match transition {
            Transition::DirectPayment { token, amount, .. } => {
                *self.balance.entry(token).or_default() += sign(by) * amount as i128
            }
            Transition::AddPayment { token, amount, .. } => {
                self.locks.insert(subcontract.unwrap(), (by, token, amount));
            }
            Transition::SettlePayment { id, .. } => {
                let (payer, token, amount) = self.locks.remove(&id).unwrap();
                *self.balance.entry(token).or_default() += sign(payer) * amount as i128;
            }
            Transition::CancelPayment { id, .. } => drop(self.locks.remove(&id).unwrap()),
            Transition::OfferSwap { give, want, .. } => {
                self.swaps.insert(subcontract.unwrap(), (by, give, want, give));
            }
            Transition::FillSwap { id, fill, .. } => {
                let (maker, give, want, left) = self.swaps[&id];
                *self.balance.entry(USD).or_default() += sign(maker) * fill as i128;
                *self.balance.entry(EUR).or_default() -= sign(maker) * (fill * want).div_ceil(give) as i128;
                if left == fill {
                    self.swaps.remove(&id);
                } else {
                    self.swaps.insert(id, (maker, give, want, left - fill));
                }
            }
            Transition::CancelSwap { id, .. } => drop(self.swaps.remove(&id).unwrap()),
            Transition::AddSubcontract { instrument: 4, terms, .. } => {
                let terms = ScheduleTerms::parse(&terms).unwrap();
                self.schedules.insert(subcontract.unwrap(), (by, terms.amount, 0, terms.start.0));
            }
            Transition::AddSubcontract { terms, .. } => {
                let terms = CreditDefaultSwapTerms::parse(&terms).unwrap();
                self.defaults.insert(subcontract.unwrap(), (by, terms.amount));
            }
            Transition::SettleSubcontract { id, .. } => match self.schedules.remove(&id) {
                Some((payer, amount, paid, start)) => {
                    // The model knows no floor of a vested part beyond whole division.
                    let elapsed = u128::from(at.0.saturating_sub(start)).min(u128::from(VESTING_S));
                    let vested = amount * elapsed / u128::from(VESTING_S);
                    *self.balance.entry(EUR).or_default() += sign(payer) * (vested - paid) as i128;
                    if vested < amount {
                        self.schedules.insert(id, (payer, amount, vested, start));
                    }
                }
                None => {
                    let (payer, amount) = self.defaults.remove(&id).unwrap();
                    *self.balance.entry(USD).or_default() += sign(payer) * amount as i128;
                }
            },
            Transition::CancelSubcontract { id, .. } => {
                assert!(self.schedules.remove(&id).is_some() || self.defaults.remove(&id).is_some());
            }
            _ => {}
        }
    }
}

/// How long a schedule of the simulation vests, in seconds.
const VESTING_S: u64 = 60;

fn add(instrument: u16, token: TokenId, terms: Vec<u8>) -> Transition {
    Transition::AddSubcontract { key: KEY, provider: PROVIDER, instrument, tokens: vec![token], terms }
}

/// Every default that something pending waits for, as if it had just been recorded.
fn defaults(net: &Net, i: usize) -> Vec<RecordedFact> {
    let pending = net.channel(i).subcontracts(&KEY).flat_map(|(_, s)| s.asks.clone());
    let open = pending.filter(|ask| ask.answer.is_none());
    open.map(|ask| RecordedFact { provider: PROVIDER, key: ask.key, at: net.now, value: 1 }).collect()
}

fn random_transition(net: &Net, rng: &mut Rng, by: usize) -> Transition {
    let amount = u128::from(rng.below(40));
    let token = if rng.below(3) == 0 { EUR } else { USD };
    let pending: Vec<(u64, Pending)> =
        net.state(by).subchannels[&KEY].pending.iter().map(|(i, p)| (*i, p.clone())).collect();
    let chosen = if pending.is_empty() { None } else { Some(&pending[rng.below(pending.len() as u64) as usize]) };
    let payer = if by == 0 { Side::Left } else { Side::Right };
    match (rng.below(10), chosen) {
        (0..=2, _) => Transition::DirectPayment { key: KEY, token, amount },
        (3, _) => {
            let (kind, s) = (HashKind::Sha256, secret(rng.below(3) as u8));
            Transition::AddPayment {
                key: KEY,
                token,
                amount,
                kind,
                hash: s.hash(kind),
                expiry: net.now.plus(5000),
                onion: vec![],
            }
        }
        (4, _) => Transition::OfferSwap {
            key: KEY,
            give_token: USD,
            give: amount,
            want_token: EUR,
            want: amount + 7,
            min_fill: 3,
            expiry: net.now.plus(5000),
        },
        (5, _) => Transition::SetCreditLimit { key: KEY, token, limit: u128::from(rng.below(120)) },
        (6, _) => {
            let (cancellable, paid, cliff_s, steps) = (false, 0, 0, 0);
            let (start, duration_s) = (net.now, VESTING_S);
            let terms = ScheduleTerms { payer, cancellable, amount, paid, start, duration_s, cliff_s, steps };
            add(4, EUR, terms.encode().unwrap_or_default())
        }
        (7, _) => {
            let (expiry, not_before) = (net.now.plus(5000), net.now);
            let terms =
                CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference: [7; 32], debt_token: EUR };
            add(3, USD, terms.encode().unwrap_or_default())
        }
        (_, Some((id, Pending::Subcontract(_)))) if rng.below(4) > 0 => {
            Transition::SettleSubcontract { key: KEY, id: *id }
        }
        (_, Some((id, Pending::Subcontract(_)))) => Transition::CancelSubcontract { key: KEY, id: *id },
        (_, Some((id, Pending::Payment(p)))) if rng.below(4) > 0 => {
            let right = (0..3).map(secret).find(|s| s.hash(p.kind) == p.hash).unwrap();
            Transition::SettlePayment { key: KEY, id: *id, secret: if rng.below(5) == 0 { secret(9) } else { right } }
        }
        (_, Some((id, Pending::Payment(_)))) => Transition::CancelPayment { key: KEY, id: *id },
        (_, Some((id, Pending::Swap(s)))) if rng.below(4) > 0 => {
            Transition::FillSwap { key: KEY, id: *id, fill: u128::from(rng.below(s.remaining as u64 + 2)) }
        }
        (_, Some((id, Pending::Swap(_)))) => Transition::CancelSwap { key: KEY, id: *id },
        _ => Transition::Memo { data: vec![1, 2] },
    }
}

fn collect_events(net: &mut Net, model: &mut Model, committed: &mut BTreeMap<u64, Hash>) {
    for (_, _, bytes) in &net.wire {
        for block in proposals(&xln_core::wire::Message::decode(bytes).unwrap().parts) {
            model.times.insert((block.height, block.proposer), block.timestamp);
        }
    }
    for i in 0..2 {
        let mut done = Vec::new();
        for event in core::mem::take(&mut net.parties[i].events) {
            match event {
                Event::CommandDone { command, subcontract } => done.push((command, subcontract)),
                Event::Committed { height, proposer, .. } => {
                    for (command, subcontract) in done.drain(..) {
                        model.done(i, command, subcontract, model.times[&(height, proposer)]);
                    }
                }
                Event::CommandFailed { command, .. } => {
                    model.commands.remove(&(i, command));
                }
                _ => {}
            }
        }
        let state = net.state(i);
        let known = committed.entry(state.nonce.0).or_insert(state.block_hash);
        assert_eq!(*known, state.block_hash, "two different states were agreed at one nonce");
        state.check().unwrap();
    }
    assert!(net.state(0).height.abs_diff(net.state(1).height) <= 17, "the two are never more than a block apart");
}

fn simulate(seed: u64, steps: u64) -> u64 {
    let mut rng = Rng(seed);
    let mut net = two();
    net.with_credit(100);
    net.collateral(60, 30);
    net.connect();
    let (mut model, mut committed) = (Model::default(), BTreeMap::new());
    let mut collateral = (60u128, 30i128);
    for p in &mut net.parties {
        p.events.clear();
    }
    for _ in 0..steps {
        let by = rng.below(2) as usize;
        match rng.below(20) {
            0..=6 => {
                let transitions: Vec<_> = (0..=rng.below(3)).map(|_| random_transition(&net, &mut rng, by)).collect();
                let verdicts = net.submit(by, transitions.clone());
                for (t, verdict) in transitions.into_iter().zip(verdicts) {
                    if let Ok(id) = verdict {
                        model.commands.insert((by, id), t);
                    }
                }
            }
            7..=14 => drop(net.deliver()),
            15 => drop(net.wire.pop_front()),
            16 => {
                if let Some(copy) = net.wire.front().cloned() {
                    net.wire.push_back(copy);
                }
            }
            17 => {
                if let Some(first) = net.wire.pop_front() {
                    net.wire.push_back(first);
                }
            }
            18 => {
                net.restart(by);
                net.wire.clear();
                for (i, j) in [(0, 1), (1, 0)] {
                    let peer = net.id(j);
                    net.stage(i, vec![Input::Disconnected { peer }, Input::Connected { peer }]);
                }
            }
            _ => {
                net.now = net.now.plus(rng.below(15));
                collateral.0 += u128::from(rng.below(5));
                collateral.1 += rng.below(3) as i128 - 1;
                let fact = TokenFact { token: USD, collateral: collateral.0, ondelta: collateral.1 };
                net.block += 1;
                let facts = if rng.below(2) == 0 { defaults(&net, by) } else { vec![] };
                net.facts_for(&[by, 1 - by], vec![xln_core::chain::ChangeKind::Collateral(fact)], vec![], facts);
                net.stage(by, vec![Input::Tick]);
            }
        }
        collect_events(&mut net, &mut model, &mut committed);
    }
    for (i, j) in [(0, 1), (1, 0)] {
        let peer = net.id(j);
        net.stage(i, vec![Input::Connected { peer }]);
    }
    // One at a time: the model needs the reports of both sides in the order in which they happened.
    while net.deliver() {
        collect_events(&mut net, &mut model, &mut committed);
    }
    net.agreed();
    assert!(net.channel(0).queued() + net.channel(1).queued() == 0, "everything that can complete does");
    assert!(model.commands.is_empty(), "every command has an end");
    for token in [USD, EUR] {
        let state = net.state(0).token(&KEY, token).unwrap();
        assert_eq!(state.offdelta, model.balance.get(&token).copied().unwrap_or(0), "money of {token:?}");
    }
    assert_eq!(net.state(0).subchannels[&KEY].pending.len(), model.pending());
    assert_eq!(net.token(0).collateral, collateral.0);
    committed.len() as u64
}

#[test]
fn random_histories_agree_and_money_adds_up() {
    let number = |name: &str, default: u64| std::env::var(name).ok().map_or(default, |v| v.parse().unwrap());
    let (first, runs) = (number("XLN_SEED", 1), number("XLN_RUNS", 150));
    let mut blocks = 0;
    for seed in first..first + runs {
        let outcome = std::panic::catch_unwind(|| simulate(seed, 150));
        blocks += outcome.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(blocks > runs * 10, "the histories do something: {blocks} agreed blocks");
}
