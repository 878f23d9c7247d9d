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
}

const fn sign(payer: usize) -> i128 {
    if payer == 0 { -1 } else { 1 }
}

impl Model {
    fn done(&mut self, by: usize, command: CommandId, subcontract: Option<u64>) {
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
            _ => {}
        }
    }
}

fn random_transition(net: &Net, rng: &mut Rng, by: usize) -> Transition {
    let amount = u128::from(rng.below(40));
    let token = if rng.below(3) == 0 { EUR } else { USD };
    let pending: Vec<(u64, Pending)> =
        net.state(by).subchannels[&KEY].pending.iter().map(|(i, p)| (*i, p.clone())).collect();
    let chosen = if pending.is_empty() { None } else { Some(&pending[rng.below(pending.len() as u64) as usize]) };
    match (rng.below(8), chosen) {
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
    for i in 0..2 {
        for event in core::mem::take(&mut net.parties[i].events) {
            match event {
                Event::CommandDone { command, subcontract } => model.done(i, command, subcontract),
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
                net.chain_for(&[by, 1 - by], vec![xln_core::chain::ChangeKind::Collateral(fact)], vec![]);
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
    assert_eq!(net.state(0).subchannels[&KEY].pending.len(), model.locks.len() + model.swaps.len());
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
