//! Fees, onions and failures of payments over several hops (`docs/protocol.md` section 9).
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

use alloy_primitives::U256;
use proptest::prelude::*;
use xln_core::limits::{FAILURE_BYTES, MAX_ONION_BYTES};
use xln_core::route::*;
use xln_core::transition::Transition;
use xln_core::types::*;

const KIND: HashKind = HashKind::Keccak256;
const HASH: Hash = Hash([0x77; 32]);

fn node(i: u8) -> OnionKey {
    OnionKey::derive(&[i + 1; 32]).unwrap()
}

fn entity(i: u8) -> EntityId {
    EntityId::account(Address([i + 1; 20])).unwrap()
}

fn place(i: u8) -> SubchannelKey {
    SubchannelKey { chain: ChainId(u64::from(i) + 1), depository: Address([i; 20]) }
}

fn hops(n: u8, fee_ppm: u32, gap_s: u64) -> Vec<Hop> {
    let hop = |i| Hop {
        entity: entity(i),
        onion_key: node(i).public().unwrap(),
        key: place(i),
        token: TokenId(u32::from(i)),
        fee_ppm,
        gap_s,
    };
    (0..n).map(hop).collect()
}

fn lock() -> Lock {
    Lock { kind: KIND, hash: HASH, expiry: UnixSeconds(5000) }
}

fn onion(route: &Route) -> Vec<u8> {
    let Transition::AddPayment { onion, .. } = &route.payment else { panic!() };
    onion.clone()
}

proptest! {
    /// Beside arithmetic without bounds: the smallest whole number not below amount * ppm / 10^6.
    #[test]
    fn fees_are_exact_and_rounded_up(amount in prop_oneof![0u128..5_000_000, any::<u128>()], ppm in prop_oneof![0u32..2_000_000, any::<u32>()]) {
        let exact = U256::from(amount) * U256::from(ppm);
        let expected = exact.div_ceil(U256::from(1_000_000u32));
        prop_assert_eq!(fee(amount, ppm), u128::try_from(expected).ok());
        let due = u128::try_from(expected + U256::from(amount)).ok();
        prop_assert_eq!(with_fee(amount, ppm), due);
    }

    #[test]
    fn every_hop_learns_its_own_layer_and_no_more(n in 1u8..=10, amount in 1u128..1_000_000_000, ppm in 0u32..50_000, gap in 0u64..100, session in any::<[u8; 32]>()) {
        let hops = hops(n, ppm, gap);
        let Ok(route) = Route::new(&hops, amount, &lock(), &session) else { return Ok(()) };
        prop_assert_eq!(route.peer, entity(0));
        let mut packet = onion(&route);
        for i in 0..n {
            prop_assert_eq!(packet.len(), ONION_BYTES);
            for other in (0..n).filter(|other| *other != i) {
                prop_assert_eq!(peel(&packet, &node(other), (KIND, &HASH)), Err(OnionError::NotForMe));
            }
            let peeled = peel(&packet, &node(i), (KIND, &HASH)).unwrap();
            let (incoming, _) = route.locks[usize::from(i)];
            if i + 1 == n {
                prop_assert_eq!(peeled.layer, Layer::Receive { amount, expiry: lock().expiry });
                prop_assert_eq!(incoming, amount);
            } else {
                let (next_amount, next_expiry) = route.locks[usize::from(i) + 1];
                prop_assert_eq!(peeled.layer, Layer::Forward {
                    next: entity(i + 1), key: place(i + 1), token: TokenId(u32::from(i) + 1), amount: next_amount, expiry: next_expiry,
                });
                prop_assert_eq!(incoming, next_amount + fee(next_amount, ppm).unwrap());
                prop_assert_eq!(route.locks[usize::from(i)].1, next_expiry.plus(gap));
            }
            packet = peeled.next;
        }
    }

    #[test]
    fn a_changed_onion_opens_nowhere(at in 0..ONION_BYTES, bit in 0u8..8, hop in 0u8..3) {
        let route = Route::new(&hops(4, 10, 0), 1000, &lock(), &[9; 32]).unwrap();
        let mut packet = onion(&route);
        for i in 0..hop {
            packet = peel(&packet, &node(i), (KIND, &HASH)).unwrap().next;
        }
        packet[at] ^= 1 << bit;
        prop_assert!(peel(&packet, &node(hop), (KIND, &HASH)).is_err());
    }
}

#[test]
fn worked_fees_of_the_documentation() {
    // 10,000 to the last, 1,000 ppm each: 10 for the second, ceil(10.010) = 11 for the first.
    assert_eq!((fee(10_000, 1000), fee(10_010, 1000)), (Some(10), Some(11)));
    let route = Route::new(&hops(3, 1000, 3600), 10_000, &lock(), &[1; 32]).unwrap();
    let at = |s: u64| UnixSeconds(5000 + s);
    assert_eq!(route.locks, [(10_021, at(7200)), (10_010, at(3600)), (10_000, at(0))]);
    assert_eq!((fee(0, 7), fee(1, 1), fee(1_000_000, 1), fee(1_000_001, 1)), (Some(0), Some(1), Some(1), Some(2)));
}

#[test]
fn an_onion_is_bound_to_its_lock_and_its_order() {
    let route = Route::new(&hops(3, 0, 0), 5, &lock(), &[3; 32]).unwrap();
    let packet = onion(&route);
    assert!(packet.len() <= MAX_ONION_BYTES);
    let other = Hash([0x78; 32]);
    assert_eq!(peel(&packet, &node(0), (KIND, &other)), Err(OnionError::NotForMe));
    assert_eq!(peel(&packet, &node(0), (HashKind::Sha256, &HASH)), Err(OnionError::NotForMe));
    assert_eq!(peel(&packet, &node(1), (KIND, &HASH)), Err(OnionError::NotForMe), "the second cannot come first");
    let second = peel(&packet, &node(0), (KIND, &HASH)).unwrap().next;
    assert_eq!(peel(&second, &node(0), (KIND, &HASH)), Err(OnionError::NotForMe), "nor the first again");
    assert_eq!(peel(&second, &node(2), (KIND, &HASH)), Err(OnionError::NotForMe), "nor the second be left out");
    for bad in [&packet[1..], &packet[..packet.len() - 1], &[]] {
        assert_eq!(peel(bad, &node(0), (KIND, &HASH)), Err(OnionError::Malformed));
    }
    assert_eq!(Route::new(&hops(11, 0, 0), 5, &lock(), &[3; 32]), Err(RouteError::Onion(OnionError::Hops)));
    assert_eq!(Route::new(&[], 5, &lock(), &[3; 32]), Err(RouteError::Onion(OnionError::Hops)));
    assert_eq!(Route::new(&hops(2, 1, 0), u128::MAX, &lock(), &[3; 32]), Err(RouteError::AmountOutOfRange));
}

/// Neither length nor any common byte string shows two hops that they are on one route.
#[test]
fn layers_of_one_route_share_nothing() {
    let route = Route::new(&hops(4, 0, 0), 5, &lock(), &[3; 32]).unwrap();
    let mut packets = vec![onion(&route)];
    for i in 0..3 {
        packets.push(peel(packets.last().unwrap(), &node(i), (KIND, &HASH)).unwrap().next);
    }
    for (i, a) in packets.iter().enumerate() {
        assert_eq!(a.len(), ONION_BYTES);
        for b in &packets[i + 1..] {
            let windows: std::collections::BTreeSet<&[u8]> = a.windows(8).collect();
            assert!(b.windows(8).all(|w| !windows.contains(w)));
        }
    }
}

#[test]
fn a_failure_names_the_hop_to_the_sender_only() {
    let route = Route::new(&hops(4, 0, 0), 5, &lock(), &[3; 32]).unwrap();
    for origin in 0..4 {
        let mut failure = fail(&route.shared[origin], FailureCode::InsufficientCapacity);
        for hop in (0..origin).rev() {
            assert_eq!(failure.len(), FAILURE_BYTES);
            // A hop in between has its own secret, and by it can tell nothing of what it passes on.
            assert_eq!(open_failure(&route.shared[hop..=hop], &failure), None);
            failure = pass_on(&route.shared[hop], &failure);
        }
        assert_eq!(route.open_failure(&failure), Some((origin, FailureCode::InsufficientCapacity)));
        let mut damaged = failure.clone();
        damaged[40] ^= 1;
        assert_eq!(route.open_failure(&damaged), None);
    }
    // A next hop that says nothing is reported by the one before it.
    let silent = pass_on(&route.shared[0], &pass_on(&route.shared[1], &[]));
    assert_eq!(route.open_failure(&silent), Some((1, FailureCode::NextHopFailed)));
    assert_eq!(route.open_failure(&[]), None);
}

#[test]
fn keys_out_of_range_are_refused_and_never_shown() {
    assert!(OnionKey::new([0; 32]).is_err());
    assert!(OnionKey::new([0xff; 32]).is_err());
    assert!(OnionPublicKey::new([5; 33]).is_err());
    let key = OnionKey::new([7; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "OnionKey(..)");
    assert_eq!(OnionPublicKey::new(*key.public().unwrap().as_bytes()), key.public());
    // The generator itself, by definition of the curve.
    let one = OnionKey::new(core::array::from_fn(|i| u8::from(i == 31))).unwrap();
    let shown = format!("{:?}", one.public().unwrap());
    assert_eq!(shown, "0x0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
}
