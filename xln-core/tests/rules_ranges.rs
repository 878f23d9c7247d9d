//! The edges of ranges in money: what is one unit inside is taken, what is one outside is refused by name, also where several
//! sums meet (`docs/protocol.md` sections 3, 4 and 9).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    reason = "tests say what they expect by failing"
)]

mod common;
use Side::{Left, Right};
use common::*;
use xln_core::proof::{SettlementUpdate, TokenDiff};
use xln_core::state::ChannelState;
use xln_core::transition::{Transition, TransitionError as E};
use xln_core::types::*;

const BOUND: u128 = 1 << 127;
const HUGE: u128 = BOUND - 1;

fn run(mut state: ChannelState, steps: &[(Side, Transition)]) -> ChannelState {
    for (author, transition) in steps {
        state = one(&state, *author, T0, transition).unwrap_or_else(|e| panic!("{transition:?}: {e}"));
    }
    state
}

fn settlement(left: i128, right: i128, ondelta: i128) -> Transition {
    let update = SettlementUpdate { diffs: vec![TokenDiff { token: USD, left, right, ondelta }], forgiven: vec![] };
    Transition::ProposeSettlement { key: KEY, update, expiry: T0.plus(50) }
}

fn late(amount: u128, i: u8) -> Transition {
    lock(amount, i, T0.plus(900))
}

/// What is held could still be paid: the range keeps room for it, on both ends.
#[test]
fn the_range_keeps_room_for_every_hold() {
    // Left has paid nearly all that the range takes, and collateral would let it pay more.
    let state = one(&base(HUGE), Left, T0, &sync(1, T0, facts(0, 0, (100, 100)), vec![])).unwrap();
    let state = run(state, &[(Left, pay(HUGE - 1))]);
    assert_eq!(one(&state, Left, T0, &late(2, 1)), Err(E::AmountOutOfRange));
    let state = run(state, &[(Left, late(1, 1))]);
    assert_eq!(one(&state, Left, T0, &late(1, 2)), Err(E::AmountOutOfRange));
    assert_eq!(one(&state, Left, T0, &pay(1)), Err(E::AmountOutOfRange));
    // And right, for whom the other end is one unit further away.
    let state = one(&base(HUGE), Left, T0, &sync(1, T0, facts(0, 0, (100, 0)), vec![])).unwrap();
    let state = run(state, &[(Right, pay(HUGE - 1))]);
    assert_eq!(one(&state, Right, T0, &late(2, 1)), Err(E::AmountOutOfRange));
    let state = run(state, &[(Right, late(1, 1))]);
    assert_eq!(one(&state, Right, T0, &late(1, 2)), Err(E::AmountOutOfRange));
}

/// All holds of one side together stay below 2^127.
#[test]
fn holds_stay_below_2_to_the_127_together() {
    let state = one(&base(HUGE), Left, T0, &sync(1, T0, facts(0, 0, (100, 100)), vec![])).unwrap();
    // The range has room: right has paid left before.
    let state = run(state, &[(Right, pay(50)), (Left, late(HUGE - 10, 1)), (Left, late(10, 2))]);
    assert_eq!(state.token(&KEY, USD).unwrap().left_hold, HUGE);
    assert_eq!(one(&state, Left, T0, &late(1, 3)), Err(E::HoldOutOfRange));
}

/// A settlement leaves collateral and ondelta of the chain in their range, or it is none.
#[test]
fn a_settlement_keeps_the_chains_numbers_in_range() {
    let at = |collateral, ondelta| {
        // Right has paid as much as ondelta takes away, so that both have capacity.
        let state = run(base(HUGE), &[(Right, pay(HUGE))]);
        one(&state, Left, T0, &sync(1, T0, facts(0, 0, (collateral, ondelta)), vec![])).unwrap()
    };
    let low = at(10, -i128::MAX);
    for ondelta in [-1, -2, -5] {
        assert_eq!(one(&low, Left, T0, &settlement(1, 0, ondelta)), Err(E::InvalidSettlement), "{ondelta}");
    }
    run(at(10, 1 - i128::MAX), &[(Left, settlement(1, 0, -1))]);
    // Collateral that would not fit any more.
    let full = at(HUGE, 0);
    for (left, right) in [(-1, 0), (0, -1), (-100, -100)] {
        assert_eq!(one(&full, Left, T0, &settlement(left, right, 0)), Err(E::InvalidSettlement), "{left} {right}");
    }
    let state = one(&base(HUGE), Left, T0, &sync(1, T0, facts(0, 0, (HUGE - 1, 0)), vec![])).unwrap();
    run(state, &[(Right, settlement(-1, 0, 0))]);
}

/// A token goes if nothing pending names it, whatever is pending in others.
#[test]
fn a_token_goes_while_others_are_in_use() {
    let third = TokenId(9);
    let add = Transition::AddToken { key: KEY, token: third };
    let remove = |token| Transition::RemoveToken { key: KEY, token };
    let expiry = T0.plus(900);
    let swap =
        Transition::OfferSwap { key: KEY, give_token: USD, give: 10, want_token: EUR, want: 10, min_fill: 1, expiry };
    for pending in [late(10, 1), swap] {
        let uses_eur = matches!(pending, Transition::OfferSwap { .. });
        let state = run(base(100), &[(Left, add.clone()), (Left, pending)]);
        let state = run(state, &[(Right, remove(third))]);
        assert_eq!(one(&state, Right, T0, &remove(USD)), Err(E::NotEmpty));
        assert_eq!(one(&state, Right, T0, &remove(EUR)).is_err(), uses_eur);
    }
}
