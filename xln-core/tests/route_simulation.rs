//! Random payments over random routes through four machines on a network that drops and delays, with restarts at any point:
//! every payment ends on both sides alike, hops never lose, and money is conserved. `XLN_SEED`, `XLN_RUNS` as elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "tests say what they expect by failing"
)]

mod common;
mod route_common;

use std::collections::BTreeMap;

use common::*;
use route_common::*;
use xln_core::channel::{End, Event};
use xln_core::machine::Input;
use xln_core::route::*;

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

struct Sent {
    path: Vec<usize>,
    route: Route,
    amount: u128,
}

#[derive(Default)]
struct Tally {
    settled: u32,
    failed: u32,
}

fn simulate(seed: u64, tally: &mut Tally) {
    let mut rng = Rng(seed);
    let mut net = line(4);
    let mut sent: BTreeMap<u8, Sent> = BTreeMap::new();
    for _ in 0..90 {
        match rng.below(12) {
            0..=2 => {
                let (from, to) = (rng.below(4) as usize, rng.below(4) as usize);
                let s = sent.len() as u8 + 1;
                if from == to {
                    continue;
                }
                let path: Vec<usize> = if from < to { (from + 1..=to).collect() } else { (to..from).rev().collect() };
                // Some are not expected, some are too large for where others have passed.
                let amount = u128::from(rng.below(90_000)) + 1;
                if rng.below(4) > 0 {
                    expect(&mut net, to, amount, s);
                }
                let route = plan(&net, &path, amount, s);
                if send(&mut net, from, &route).is_ok() {
                    sent.insert(s, Sent { path: [vec![from], path].concat(), route, amount });
                }
            }
            3 => {
                if let Some(first) = net.wire.pop_front() {
                    net.wire.push_back(first);
                }
            }
            4 => drop(net.wire.pop_front()),
            5 if rng.below(3) == 0 => {
                let victim = rng.below(4) as usize;
                restart(&mut net, victim);
            }
            _ => drop(net.deliver()),
        }
    }
    for _ in 0..4 {
        connect_all(&mut net);
        net.settle();
    }
    at_rest(&net);
    let mut expected = [0i128; 4];
    for (s, Sent { path, route, amount }) in &sent {
        let hash = secret(*s).hash(KIND);
        let end_at = |i: usize| -> Vec<End> {
            let found = net.parties[i].events.iter().filter_map(|e| match e {
                Event::PaymentEnded { payment, .. } if payment.hash == hash => Some(payment.end.clone()),
                _ => None,
            });
            found.collect()
        };
        let ends = end_at(path[0]);
        assert_eq!(ends.len(), 1, "a payment ends once: {ends:?}");
        match &ends[0] {
            End::Settled(shown) => {
                tally.settled += 1;
                assert_eq!(*shown, secret(*s));
                assert_eq!(end_at(*path.last().unwrap()), ends);
                for (two, (due, _)) in path.windows(2).zip(&route.locks) {
                    expected[two[0]] -= *due as i128;
                    expected[two[1]] += *due as i128;
                }
                assert_eq!(route.locks.last().unwrap().0, *amount);
            }
            End::Failed(reason) => {
                tally.failed += 1;
                let (hop, _) = route.open_failure(reason).expect("its sender can read it");
                assert!(hop + 1 < path.len());
            }
            End::TakenBack => panic!("nothing expires here"),
        }
    }
    assert_eq!([0, 1, 2, 3].map(|i| wealth(&net, i)), expected);
    assert_eq!(expected.iter().sum::<i128>(), 0);
    for i in 0..3 {
        assert_eq!(pending(&net, i, i + 1), 0);
        assert_eq!((token(&net, i, i + 1).left_hold, token(&net, i, i + 1).right_hold), (0, 0));
    }
    // Nothing of it is left behind in the machines either.
    for i in 0..4 {
        net.stage(i, vec![Input::Tick]);
        assert_eq!(net.parties[i].machine.routes(), 0, "links end with their locks");
    }
}

#[test]
fn random_routes_conserve_money() {
    let number = |name: &str, default: u64| std::env::var(name).ok().map_or(default, |v| v.parse().unwrap());
    let (first, runs) = (number("XLN_SEED", 1), number("XLN_RUNS", 40));
    let mut tally = Tally::default();
    for seed in first..first + runs {
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| simulate(seed, &mut tally)));
        assert!(played.is_ok(), "seed {seed}");
    }
    assert!(
        tally.settled > runs as u32 && tally.failed > runs as u32,
        "{} settled, {} failed",
        tally.settled,
        tally.failed
    );
}
