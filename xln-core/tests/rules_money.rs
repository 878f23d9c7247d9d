//! The rules of `docs/protocol.md` section 10 that are decided by the state alone, and the table of what each transition
//! allows and refuses (sections 3 and 4). Every refusal is also checked to change nothing (`common::one`).
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
use common::*;
use xln_core::block::BlockError;
use xln_core::check::StateError;
use xln_core::codec;
use xln_core::limits::*;
use xln_core::proof::{Forgiven, SettlementUpdate, TokenDiff};
use xln_core::state::{ChannelState, Pending, SettlementAction};
use xln_core::transition::{Transition, TransitionError as E, settlement_holds};
use xln_core::types::Side::{Left, Right};
use xln_core::types::*;

const BOUND: u128 = AMOUNT_BOUND;

fn later(s: u64) -> UnixSeconds {
    T0.plus(s)
}

fn settle(id: u64, i: u8) -> Transition {
    Transition::SettlePayment { key: KEY, id, secret: secret(i) }
}

fn cancel(id: u64) -> Transition {
    Transition::CancelPayment { key: KEY, id }
}

fn offer(give: u128, want: u128, min_fill: u128, expiry: UnixSeconds) -> Transition {
    Transition::OfferSwap { key: KEY, give_token: USD, give, want_token: EUR, want, min_fill, expiry }
}

fn fill(id: u64, fill: u128) -> Transition {
    Transition::FillSwap { key: KEY, id, fill }
}

fn unswap(id: u64) -> Transition {
    Transition::CancelSwap { key: KEY, id }
}

fn limit(limit: u128) -> Transition {
    Transition::SetCreditLimit { key: KEY, token: USD, limit }
}

fn diff(left: i128, right: i128, ondelta: i128) -> TokenDiff {
    TokenDiff { token: USD, left, right, ondelta }
}

fn settlement(diffs: Vec<TokenDiff>, forgiven: Vec<Forgiven>, expiry: UnixSeconds) -> Transition {
    Transition::ProposeSettlement { key: KEY, update: SettlementUpdate { diffs, forgiven }, expiry }
}

fn close(expiry: UnixSeconds) -> Transition {
    Transition::ProposeClose { key: KEY, expiry }
}

fn reveal(i: u8, at: UnixSeconds) -> Reveal {
    Reveal { provider: PROVIDER, kind: HashKind::Keccak256, secret: secret(i), at }
}

fn usd(state: &ChannelState) -> &xln_core::state::TokenState {
    state.token(&KEY, USD).unwrap()
}

fn poor(available: u128, needed: u128) -> E {
    E::InsufficientCapacity { available, needed }
}

/// Applies one after the other, each alone, all taken.
fn run(mut state: ChannelState, steps: &[(Side, UnixSeconds, Transition)]) -> ChannelState {
    for (side, time, transition) in steps {
        state = one(&state, *side, *time, transition).unwrap_or_else(|e| panic!("{transition:?}: {e}"));
    }
    state
}

#[test]
fn rule_1_left_and_right_by_raw_bytes() {
    let account = |byte: u8| {
        let mut address = [0; 20];
        address[0] = byte;
        EntityId::account(Address(address)).unwrap()
    };
    let organisation = |tag: u8| {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (tag, 1);
        EntityId::parse(bytes).unwrap()
    };
    // As text "0x09…" < "0x0a…" < "0x10…", as signed bytes 0x80 < 0x7f, as numbers of another byte order the tails decide.
    let ascending = [
        account(9),
        account(10),
        account(16),
        account(0x7f),
        account(0x80),
        account(0xff),
        organisation(1),
        organisation(2),
    ];
    for (i, a) in ascending.iter().enumerate() {
        assert!(Pair::new(*a, *a).is_err());
        for b in &ascending[i + 1..] {
            for pair in [Pair::new(*a, *b).unwrap(), Pair::new(*b, *a).unwrap()] {
                assert_eq!((pair.left(), pair.right()), (*a, *b));
                assert_eq!((pair.side(a), pair.side(b)), (Some(Left), Some(Right)));
                let joined = [a.as_bytes().as_slice(), b.as_bytes()].concat();
                assert_eq!(pair.channel_key(), Hash(xln_merkle::keccak256(&joined)));
            }
        }
    }
    // Decoded in the wrong order it is refused wherever a state enters.
    let swapped: Pair = codec::decode(&codec::encode(&(ascending[1], ascending[0])).unwrap()).unwrap();
    assert!(!swapped.is_ordered());
    assert_eq!(ChannelState::genesis(swapped).check(), Err(StateError::InvalidPair));
}

#[test]
fn rule_2_direction_from_the_author() {
    let state = base(100);
    for (author, sign) in [(Left, -1), (Right, 1)] {
        let paid = one(&state, author, T0, &pay(30)).unwrap();
        assert_eq!(usd(&paid).offdelta, 30 * sign);
        let locked = one(&state, author, T0, &lock(30, 1, later(900))).unwrap();
        assert_eq!((usd(&locked).hold(author), usd(&locked).hold(author.other())), (30, 0));
        // Whoever takes it, the payer pays.
        let settled = one(&locked, author.other(), T0, &settle(1, 1)).unwrap();
        assert_eq!((usd(&settled).offdelta, usd(&settled).hold(author)), (30 * sign, 0));
        assert_eq!(one(&locked, author, T0, &settle(1, 1)), Err(E::WrongAuthor));
        // The author of a limit is the creditor.
        let granted = one(&state, author, T0, &limit(7)).unwrap();
        let limits = (usd(&granted).left_limit, usd(&granted).right_limit);
        assert_eq!(limits, if author == Left { (100, 7) } else { (7, 100) });
    }
}

#[test]
fn rule_4_a_hold_that_would_underflow_fails_before_anything_changes() {
    for payer in [Left, Right] {
        let mut state =
            run(base(100), &[(payer, T0, lock(30, 1, later(900))), (payer, T0, offer(20, 20, 0, later(900)))]);
        {
            let token = state.subchannels.get_mut(&KEY).unwrap().tokens.get_mut(&USD).unwrap();
            (token.left_hold, token.right_hold) = (19, 19);
        }
        let past = one(&state, Left, T0, &sync(1, later(901), facts(0, 0, (0, 0)), vec![])).unwrap();
        for (author, transition, on) in [
            (payer.other(), settle(1, 1), &state),
            (payer.other(), cancel(1), &state),
            (payer, cancel(1), &past),
            (payer.other(), fill(2, 20), &state),
            (payer, unswap(2), &state),
        ] {
            assert_eq!(one(on, author, T0, &transition), Err(E::HoldOutOfRange), "{transition:?}");
        }
    }
    // The end of a settlement that holds more than there is.
    let mut state = one(&base(100), Left, T0, &settlement(vec![diff(20, 0, -20)], vec![], later(50))).unwrap_err();
    assert_eq!(state, E::InvalidSettlement, "there is no collateral yet");
    let rich = one(&base(100), Left, T0, &sync(1, T0, facts(0, 0, (50, 50)), vec![])).unwrap();
    let mut held = one(&rich, Left, T0, &settlement(vec![diff(20, 0, -20)], vec![], later(50))).unwrap();
    held.subchannels.get_mut(&KEY).unwrap().tokens.get_mut(&USD).unwrap().left_hold = 19;
    state = one(&held, Left, T0, &sync(2, later(51), facts(0, 0, (50, 50)), vec![])).unwrap_err();
    assert_eq!(state, E::HoldOutOfRange);
}

#[test]
fn rule_5_zero_and_what_is_out_of_range_at_every_entrance() {
    let offered = one(&base(100), Left, T0, &offer(20, 20, 0, later(900))).unwrap();
    for (author, state, make) in [
        (Left, &base(100), &(|a| pay(a)) as &dyn Fn(u128) -> Transition),
        (Left, &base(100), &|a| lock(a, 1, later(900))),
        (Left, &base(100), &|a| offer(a, 5, 0, later(900))),
        (Left, &base(100), &|a| offer(5, a, 0, later(900))),
        (Right, &offered, &|a| fill(1, a)),
    ] {
        assert_eq!(one(state, author, T0, &make(0)), Err(E::ZeroAmount), "{:?}", make(0));
        for huge in [BOUND, BOUND + 1, u128::MAX] {
            assert_eq!(one(state, author, T0, &make(huge)), Err(E::AmountOutOfRange), "{:?}", make(huge));
        }
        one(state, author, T0, &make(1)).unwrap();
    }
    // A limit of zero grants nothing and is no amount.
    one(&base(100), Left, T0, &limit(0)).unwrap();
    one(&base(100), Left, T0, &limit(BOUND - 1)).unwrap();
    assert_eq!(one(&base(100), Left, T0, &limit(BOUND)), Err(E::AmountOutOfRange));
    // A settlement that does nothing, and chain facts out of range.
    assert_eq!(one(&base(100), Left, T0, &settlement(vec![], vec![], later(50))), Err(E::InvalidSettlement));
    for bad in [(BOUND, 0), (u128::MAX, 0), (0, i128::MIN)] {
        assert_eq!(one(&base(100), Left, T0, &sync(1, T0, facts(0, 0, bad), vec![])), Err(E::AmountOutOfRange));
    }
}

#[test]
fn amounts_and_deltas_stay_below_2_to_the_127() {
    let huge = BOUND - 1;
    let state = run(base(0), &[(Left, T0, limit(huge)), (Right, T0, limit(huge)), (Right, T0, pay(huge))]);
    assert_eq!(usd(&state).offdelta, i128::MAX);
    assert_eq!(one(&state, Right, T0, &pay(1)), Err(poor(0, 1)));
    // Capacity is there for twice as much, the range is not.
    let back = run(state, &[(Left, T0, pay(huge)), (Left, T0, pay(huge))]);
    assert_eq!(usd(&back).offdelta, -i128::MAX);
    // With collateral beyond the debt there is capacity, and still no range.
    let state = one(&base(huge), Left, T0, &sync(1, T0, facts(0, 0, (huge, i128::MAX)), vec![])).unwrap();
    assert_eq!(one(&state, Right, T0, &pay(1)), Err(E::AmountOutOfRange));
    assert_eq!(one(&state, Right, T0, &lock(1, 1, later(900))), Err(E::AmountOutOfRange));
    let state = one(&state, Left, T0, &pay(1)).unwrap();
    assert_eq!(one(&state, Right, T0, &lock(2, 1, later(900))), Err(E::AmountOutOfRange));
    let state = one(&state, Right, T0, &lock(1, 1, later(900))).unwrap();
    // The room of a hold is kept: what was held can always be settled.
    one(&state, Left, T0, &settle(1, 1)).unwrap();
}

#[test]
fn rule_8_secrets_are_bytes_of_both_kinds() {
    let zero = Secret([0; 32]);
    let known = [
        (HashKind::Keccak256, "290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563"),
        (HashKind::Sha256, "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"),
    ];
    for (kind, expected) in known {
        assert_eq!(zero.hash(kind).to_string(), format!("0x{expected}"));
        assert_eq!(HashKind::from_index(kind.index()), Some(kind));
        for s in [zero, secret(1), Secret([0xff; 32])] {
            let add = Transition::AddPayment {
                key: KEY,
                token: USD,
                amount: 5,
                kind,
                hash: s.hash(kind),
                expiry: later(900),
                onion: vec![],
            };
            let state = one(&base(100), Left, T0, &add).unwrap();
            for wrong in [Secret(s.hash(kind).0), Secret([0x30; 32]), secret(2)] {
                let take = Transition::SettlePayment { key: KEY, id: 1, secret: wrong };
                assert_eq!(one(&state, Right, T0, &take), Err(E::WrongSecret));
            }
            one(&state, Right, T0, &Transition::SettlePayment { key: KEY, id: 1, secret: s }).unwrap();
            // The same bytes under the other hash function open nothing, off chain and in the registry.
            let other = HashKind::from_index(1 - kind.index()).unwrap();
            let crossed = Transition::AddPayment {
                key: KEY,
                token: USD,
                amount: 5,
                kind: other,
                hash: s.hash(kind),
                expiry: later(900),
                onion: vec![],
            };
            let state = one(&base(100), Left, T0, &crossed).unwrap();
            assert_eq!(
                one(&state, Right, T0, &Transition::SettlePayment { key: KEY, id: 1, secret: s }),
                Err(E::WrongSecret)
            );
            let shown = Reveal { provider: PROVIDER, kind, secret: s, at: T0 };
            assert_eq!(one(&state, Left, T0, &sync(1, T0, facts(0, 0, (0, 0)), vec![shown])), Err(E::IrrelevantReveal));
        }
    }
    assert_eq!(HashKind::from_index(2), None);
}

#[test]
fn rule_9_one_boundary_for_admit_settle_and_cancel() {
    for margin in [0, 600] {
        let mut state = base(100);
        state.subchannels.get_mut(&KEY).unwrap().settle_margin_s = margin;
        let expiry = later(margin);
        // Admit.
        let state2 = one(&state, Left, T0, &lock(10, 1, expiry)).unwrap();
        assert_eq!(one(&state, Left, T0.plus(1), &lock(10, 1, expiry)), Err(E::Expired));
        assert_eq!(one(&state, Left, T0, &lock(10, 1, later(MAX_LOCK_S + 1))), Err(E::ExpiryTooFar));
        one(&state, Left, T0, &lock(10, 1, later(MAX_LOCK_S))).unwrap();
        // Settle.
        one(&state2, Right, T0, &settle(1, 1)).unwrap();
        assert_eq!(one(&state2, Right, T0.plus(1), &settle(1, 1)), Err(E::Expired));
        // Cancel: by the payer one second after what the beneficiary could still reveal at, by the chain's clock only.
        let far = T0.plus(MAX_LOCK_S);
        assert_eq!(one(&state2, Left, far, &cancel(1)), Err(E::NotYetCancellable));
        let at = |s: UnixSeconds, reveals| one(&state2, Left, T0, &sync(1, s, facts(0, 0, (0, 0)), reveals));
        assert_eq!(one(&at(expiry, vec![]).unwrap(), Left, far, &cancel(1)), Err(E::NotYetCancellable));
        one(&at(expiry.plus(1), vec![]).unwrap(), Left, T0, &cancel(1)).unwrap();
        // The beneficiary at any time.
        one(&state2, Right, T0, &cancel(1)).unwrap();
        one(&state2, Right, far, &cancel(1)).unwrap();
        // A reveal at the last second counts for ever, one second later never.
        assert_eq!(at(expiry.plus(1), vec![reveal(1, expiry.plus(1))]), Err(E::IrrelevantReveal));
        let revealed = at(expiry.plus(1), vec![reveal(1, expiry)]).unwrap();
        assert_eq!(one(&revealed, Left, far, &cancel(1)), Err(E::AlreadyRevealed));
        one(&revealed, Right, far, &settle(1, 1)).unwrap();
        assert_eq!(one(&revealed, Right, far, &settle(1, 2)), Err(E::WrongSecret));
    }
    // Swaps and what goes on chain: the same boundary.
    let state = one(&base(100), Left, T0, &sync(1, T0, facts(0, 0, (50, 0)), vec![])).unwrap();
    for make in [
        &(|e| offer(10, 10, 0, e)) as &dyn Fn(UnixSeconds) -> Transition,
        &|e| settlement(vec![diff(0, 5, 0)], vec![], e),
        &|e| close(e),
    ] {
        one(&state, Left, T0, &make(T0)).unwrap();
        assert_eq!(one(&state, Left, T0, &make(T0.minus(1))), Err(E::Expired));
        one(&state, Left, T0, &make(later(MAX_LOCK_S))).unwrap();
        assert_eq!(one(&state, Left, T0, &make(later(MAX_LOCK_S + 1))), Err(E::ExpiryTooFar));
    }
    let offered = one(&state, Left, T0, &offer(10, 10, 0, later(5))).unwrap();
    one(&offered, Right, later(5), &fill(1, 5)).unwrap();
    assert_eq!(one(&offered, Right, later(6), &fill(1, 5)), Err(E::Expired));
    one(&offered, Left, later(6), &unswap(1)).unwrap();
    let open = one(&state, Left, T0, &settlement(vec![diff(0, 5, 0)], vec![], later(5))).unwrap();
    let after = |s| one(&open, Left, later(100), &sync(2, later(s), facts(0, 0, (50, 0)), vec![])).unwrap();
    assert!(after(5).subchannels[&KEY].settlement.is_some());
    assert!(after(6).subchannels[&KEY].settlement.is_none());
}

#[test]
fn rule_10_no_clock_float_or_map_order_in_the_source() {
    fn walk(path: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap();
                for word in [
                    "HashMap",
                    "HashSet",
                    "SystemTime",
                    "Instant::",
                    "std::time",
                    "f32",
                    "f64",
                    "rand::",
                    "getrandom",
                    "thread::",
                    "to_lowercase",
                    "std::env",
                    "static mut",
                    "unsafe {",
                ] {
                    if code.contains(word) {
                        found.push(format!("{}:{}: {word}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn rule_12_each_side_has_half_of_every_limit() {
    // Pending subcontracts, payments and swaps together.
    let mut state = base(1000);
    for i in 0..MAX_PENDING / 2 {
        let t = if i % 2 == 0 { lock(1, 1, later(900)) } else { offer(1, 1, 0, later(900)) };
        state = one(&state, Left, T0, &t).unwrap();
    }
    assert_eq!(one(&state, Left, T0, &lock(1, 1, later(900))), Err(E::LimitReached));
    assert_eq!(one(&state, Left, T0, &offer(1, 1, 0, later(900))), Err(E::LimitReached));
    for _ in 0..MAX_PENDING / 2 {
        state = one(&state, Right, T0, &lock(1, 1, later(900))).unwrap();
    }
    assert_eq!(one(&state, Right, T0, &lock(1, 1, later(900))), Err(E::LimitReached));
    assert!(xln_core::commitment::Commitment::of(&state).is_ok(), "a full subchannel has a body");
    let state = one(&state, Left, T0, &unswap(2)).unwrap();
    one(&state, Left, T0, &lock(1, 1, later(900))).unwrap();
    // Tokens.
    let mut state = base(0);
    let add = |i: u32| Transition::AddToken { key: KEY, token: TokenId(i) };
    for i in 2..MAX_TOKENS as u32 / 2 {
        state = one(&state, Left, T0, &add(100 + i)).unwrap();
    }
    assert_eq!(one(&state, Left, T0, &add(999)), Err(E::LimitReached));
    for i in 0..MAX_TOKENS as u32 / 2 {
        state = one(&state, Right, T0, &add(200 + i)).unwrap();
    }
    assert_eq!(one(&state, Right, T0, &add(999)), Err(E::LimitReached));
    assert!(xln_core::commitment::Commitment::of(&state).is_ok());
    // Subchannels.
    let mut state = base(0);
    let opens = |i: u64| open(SubchannelKey { chain: ChainId(1000 + i), depository: KEY.depository });
    for i in 1..MAX_SUBCHANNELS as u64 / 2 {
        state = one(&state, Left, T0, &opens(i)).unwrap();
    }
    assert_eq!(one(&state, Left, T0, &opens(99)), Err(E::LimitReached));
    for i in 0..MAX_SUBCHANNELS as u64 / 2 {
        state = one(&state, Right, T0, &opens(100 + i)).unwrap();
    }
    assert_eq!(one(&state, Right, T0, &opens(99)), Err(E::LimitReached));
    assert!(xln_core::commitment::Commitment::of(&state).is_ok());
}

#[test]
fn rule_12_sizes() {
    let state = base(100);
    let onion = |n: usize| {
        let kind = HashKind::Sha256;
        Transition::AddPayment {
            key: KEY,
            token: USD,
            amount: 1,
            kind,
            hash: secret(1).hash(kind),
            expiry: later(900),
            onion: vec![0; n],
        }
    };
    one(&state, Left, T0, &onion(MAX_ONION_BYTES)).unwrap();
    assert_eq!(one(&state, Left, T0, &onion(MAX_ONION_BYTES + 1)), Err(E::TooLong));
    let memo = |n: usize| Transition::Memo { data: vec![0; n] };
    one(&state, Left, T0, &memo(MAX_MEMO_BYTES)).unwrap();
    assert_eq!(one(&state, Left, T0, &memo(MAX_MEMO_BYTES + 1)), Err(E::TooLong));
    step(&state, Left, T0, vec![memo(0); MAX_BLOCK_TRANSITIONS]).unwrap();
    assert_eq!(step(&state, Left, T0, vec![memo(0); MAX_BLOCK_TRANSITIONS + 1]), Err(BlockError::TooManyTransitions));
    let opens =
        |providers: Vec<Address>, settle_margin_s| Transition::OpenSubchannel { key: KEY2, providers, settle_margin_s };
    let providers = |n: u8| (0..n).map(|i| Address([i + 1; 20])).collect::<Vec<_>>();
    one(&state, Left, T0, &opens(providers(MAX_PROVIDERS as u8), MAX_LOCK_S)).unwrap();
    for bad in [
        opens(providers(MAX_PROVIDERS as u8 + 1), 0),
        opens(vec![], 0),
        opens(vec![PROVIDER, PROVIDER], 0),
        opens(providers(1), MAX_LOCK_S + 1),
    ] {
        assert_eq!(one(&state, Left, T0, &bad), Err(E::InvalidProviders));
    }
    let forgiven = |n: u64| (0..n).map(|index| Forgiven { token: USD, debtor: Left, index }).collect::<Vec<_>>();
    one(&state, Left, T0, &settlement(vec![], forgiven(MAX_FORGIVEN as u64), later(9))).unwrap();
    assert_eq!(
        one(&state, Left, T0, &settlement(vec![], forgiven(MAX_FORGIVEN as u64 + 1), later(9))),
        Err(E::InvalidSettlement)
    );
}

#[test]
fn rule_13_what_the_rules_could_not_have_made_is_refused() {
    let rich = one(&base(100), Left, T0, &sync(1, T0, facts(0, 0, (50, 50)), vec![])).unwrap();
    let state = run(
        rich,
        &[
            (Left, T0, lock(10, 1, later(900))),
            (Right, T0, offer(10, 10, 0, later(900))),
            (Left, T0, settlement(vec![diff(20, 0, -20)], vec![], later(50))),
        ],
    );
    state.check().unwrap();
    fn sub(s: &mut ChannelState) -> &mut xln_core::state::Subchannel {
        s.subchannels.get_mut(&KEY).unwrap()
    }
    fn token(s: &mut ChannelState) -> &mut xln_core::state::TokenState {
        sub(s).tokens.get_mut(&USD).unwrap()
    }
    fn payment(s: &mut ChannelState) -> &mut xln_core::state::Payment {
        match sub(s).pending.get_mut(&1).unwrap() {
            Pending::Payment(p) => p,
            Pending::Swap(_) | Pending::Subcontract(_) => panic!(),
        }
    }
    fn swap(s: &mut ChannelState) -> &mut xln_core::state::Swap {
        match sub(s).pending.get_mut(&2).unwrap() {
            Pending::Swap(p) => p,
            Pending::Payment(_) | Pending::Subcontract(_) => panic!(),
        }
    }
    type Change = (&'static str, fn(&mut ChannelState));
    let changes: Vec<Change> = vec![
        ("a hold less", |s| token(s).left_hold -= 1),
        ("a hold more", |s| token(s).right_hold += 1),
        ("a hold without cause", |s| sub(s).tokens.get_mut(&EUR).unwrap().left_hold = 1),
        ("collateral out of range", |s| token(s).collateral = BOUND),
        ("left limit out of range", |s| token(s).left_limit = BOUND),
        ("right limit out of range", |s| token(s).right_limit = u128::MAX),
        ("offdelta out of range", |s| token(s).offdelta = i128::MIN),
        ("ondelta out of range", |s| token(s).ondelta = i128::MIN),
        ("another amount", |s| payment(s).amount = 11),
        ("no amount", |s| {
            payment(s).amount = 0;
            token(s).left_hold -= 10;
        }),
        ("another payer", |s| payment(s).payer = Right),
        ("a token that is not there", |s| payment(s).token = TokenId(77)),
        ("an onion too long", |s| payment(s).onion = vec![0; MAX_ONION_BYTES + 1]),
        ("a number that was not given", |s| {
            s.next_id = 2;
            sub(s).settlement = None;
            token(s).left_hold -= 20;
        }),
        ("a settlement that was not given", |s| s.next_id = 3),
        ("more left than offered", |s| swap(s).give = 9),
        ("a swap for nothing", |s| swap(s).want = 0),
        ("a swap for too much", |s| swap(s).want = BOUND),
        ("a swap for an unknown token", |s| swap(s).want_token = TokenId(77)),
        ("a settlement out of range", |s| {
            let SettlementAction::Update(u) = &mut sub(s).settlement.as_mut().unwrap().action else { panic!() };
            u.diffs[0].ondelta = i128::MIN;
        }),
        ("a settlement with another hold", |s| {
            let SettlementAction::Update(u) = &mut sub(s).settlement.as_mut().unwrap().action else { panic!() };
            u.diffs[0].ondelta = -21;
        }),
        ("too many providers", |s| sub(s).providers = (0..5).map(|i| Address([i; 20])).collect()),
        ("too many tokens of one side", |s| {
            let extra = token(s).clone();
            let extra = xln_core::state::TokenState { left_hold: 0, right_hold: 0, ..extra };
            sub(s).tokens.extend((100..120).map(|i| (TokenId(i), extra.clone())));
        }),
        ("too many subchannels", |s| {
            let extra = xln_core::state::Subchannel {
                tokens: Default::default(),
                pending: Default::default(),
                settlement: None,
                ..sub(s).clone()
            };
            s.subchannels.extend((100..120).map(|i| (SubchannelKey { chain: ChainId(i), ..KEY }, extra.clone())));
        }),
        ("too many pending of one side", |s| {
            let p = Pending::Payment(payment(s).clone());
            s.next_id = 100;
            token(s).left_hold += 160;
            sub(s).pending.extend((50..66).map(|i| (i, p.clone())));
        }),
    ];
    for (what, change) in changes {
        let mut corrupt = state.clone();
        change(&mut corrupt);
        assert!(corrupt.check().is_err(), "accepted: {what}");
    }
}

#[test]
fn rule_14_settlements_conserve_and_never_need_more_credit_than_was_granted() {
    let mut seed = 7u64;
    let mut next = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..3000 {
        let (collateral, ondelta) = (u128::from(next(60)), next(80) as i128 - 10);
        let state =
            one(&base(u128::from(next(40))), Left, T0, &sync(1, T0, facts(0, 0, (collateral, ondelta)), vec![]))
                .unwrap();
        let d = diff(next(60) as i128 - 30, next(60) as i128 - 30, next(60) as i128 - 30);
        let c = d.collateral().unwrap();
        assert_eq!(d.left + d.right + c, 0);
        let verdict = one(&state, if next(2) == 0 { Left } else { Right }, T0, &settlement(vec![d], vec![], later(50)));
        let Ok(mut held) = verdict else {
            refused += 1;
            continue;
        };
        taken += 1;
        let (left, right) = settlement_holds(&d).unwrap();
        assert_eq!((left, right), ((-d.ondelta).max(0) as u128, (d.ondelta - c).max(0) as u128));
        assert_eq!((usd(&held).left_hold, usd(&held).right_hold), (left, right));
        // Both pay all that they still can.
        for side in if next(2) == 0 { [Left, Right] } else { [Right, Left] } {
            let all = usd(&held).out_capacity(side).unwrap();
            if all > 0 && next(2) == 0 {
                held = one(&held, side, T0, &pay(all)).unwrap();
            }
        }
        let before = usd(&held).clone();
        let fact = ((before.collateral as i128 + c) as u128, before.ondelta + d.ondelta);
        let after_state = one(&held, Left, T0, &sync(2, T0, facts(0, 1, fact), vec![])).unwrap();
        let after = usd(&after_state);
        assert_eq!((after.left_hold, after.right_hold, after.offdelta), (0, 0, before.offdelta));
        // Reserve plus share of the subchannel, off chain: what one side gains the other loses, nothing appears.
        let share = |t: &xln_core::state::TokenState| t.ondelta + t.offdelta;
        let gain_left = d.left + share(after) - share(&before);
        let gain_right =
            d.right + (after.collateral as i128 - share(after)) - (before.collateral as i128 - share(&before));
        assert_eq!(gain_left + gain_right, 0);
        for side in [Left, Right] {
            let granted = if side == Left { before.left_limit } else { before.right_limit };
            assert!(
                after.drawn(side) <= granted.max(before.drawn(side)),
                "{side:?} owes more than was granted: {before:?} {d:?}"
            );
        }
    }
    assert!(taken > 300 && refused > 300, "{taken} {refused}");
    // Written by a person, a diff that does not add up is refused.
    assert!(xln_core::channel::balanced(&[(USD, 5, 5, -10, 0)], vec![]).is_ok());
    assert_eq!(
        xln_core::channel::balanced(&[(USD, 5, 5, -9, 0)], vec![]),
        Err(xln_core::channel::CommandError::Unbalanced)
    );
}

#[test]
fn settlements_shape_and_holds() {
    let rich = one(&base(100), Left, T0, &sync(1, T0, facts(0, 0, (50, 50)), vec![])).unwrap();
    let e = later(50);
    let ok = |d: Vec<TokenDiff>| one(&rich, Left, T0, &settlement(d, vec![], e));
    assert_eq!(ok(vec![diff(1, 0, 0), diff(1, 0, 0)]), Err(E::InvalidSettlement), "no token twice");
    let other = TokenDiff { token: EUR, ..diff(-1, 0, 0) };
    assert_eq!(ok(vec![other, diff(1, 0, 0)]), Err(E::InvalidSettlement), "ascending");
    ok(vec![diff(1, 0, 0), other]).unwrap();
    assert_eq!(ok(vec![TokenDiff { token: TokenId(9), ..diff(1, 0, 0) }]), Err(E::UnknownToken));
    assert_eq!(ok(vec![diff(51, 0, 0)]), Err(E::InvalidSettlement), "more collateral than there is");
    ok(vec![diff(50, 0, -50)]).unwrap();
    assert!(ok(vec![diff(i128::MAX, i128::MAX, 0)]).is_err());
    assert!(ok(vec![diff(0, 0, i128::MIN)]).is_err());
    // The holds bind payments, of both tokens or none.
    let state = ok(vec![diff(50, 0, -50)]).unwrap();
    assert_eq!(one(&state, Left, T0, &pay(101)), Err(poor(100, 101)));
    assert_eq!(ok(vec![diff(0, 0, -151)]), Err(poor(150, 151)));
    assert_eq!(ok(vec![diff(0, 0, 101)]), Err(poor(100, 101)));
    assert_eq!(
        ok(vec![diff(0, 0, -1), TokenDiff { token: EUR, ..diff(0, 0, -101) }]),
        Err(poor(100, 101)),
        "and the first hold is gone again"
    );
    // One at a time, of either kind.
    assert_eq!(one(&state, Right, T0, &settlement(vec![diff(-1, 0, 1)], vec![], e)), Err(E::SettlementOpen));
    assert_eq!(one(&state, Right, T0, &close(e)), Err(E::SettlementOpen));
    // Payments go on meanwhile, and the end comes only from the chain.
    let state = one(&state, Right, T0, &pay(10)).unwrap();
    let kept = one(&state, Left, e.plus(500), &sync(2, e, facts(0, 0, (50, 50)), vec![])).unwrap();
    assert_eq!(usd(&kept).left_hold, 50);
    let executed = one(&kept, Left, T0, &sync(3, T0.plus(60), facts(0, 1, (0, 0)), vec![])).unwrap();
    assert_eq!((usd(&executed).left_hold, executed.subchannels[&KEY].settlement.clone()), (0, None));
}

#[test]
fn a_close_freezes_the_subchannel_until_the_chain_says_how_it_ended() {
    let rich = one(&base(100), Left, T0, &sync(1, T0, facts(0, 0, (50, 50)), vec![])).unwrap();
    let locked = one(&rich, Left, T0, &lock(10, 1, later(900))).unwrap();
    assert_eq!(one(&locked, Left, T0, &close(later(50))), Err(E::SomethingPending));
    let offered = one(&rich, Left, T0, &offer(10, 10, 0, later(900))).unwrap();
    assert_eq!(one(&offered, Right, T0, &close(later(50))), Err(E::SomethingPending));
    let closing = one(&rich, Left, T0, &close(later(50))).unwrap();
    for t in [
        pay(1),
        lock(1, 1, later(900)),
        offer(1, 1, 0, later(900)),
        limit(1),
        settlement(vec![diff(1, 0, 0)], vec![], later(50)),
        close(later(50)),
        Transition::AddToken { key: KEY, token: TokenId(9) },
        Transition::RemoveToken { key: KEY, token: EUR },
        Transition::CloseSubchannel { key: KEY },
        settle(1, 1),
        cancel(1),
        fill(1, 1),
        unswap(1),
    ] {
        for side in [Left, Right] {
            assert_eq!(one(&closing, side, T0, &t), Err(E::SubchannelFrozen), "{t:?}");
        }
    }
    one(&closing, Left, T0, &open(KEY2)).unwrap();
    // Expired unexecuted: on as before.
    let back = one(&closing, Right, T0, &sync(2, later(51), facts(0, 0, (50, 50)), vec![])).unwrap();
    one(&back, Left, T0, &pay(1)).unwrap();
    // Executed: a new epoch.
    let next = one(&closing, Right, T0, &sync(2, later(10), facts(1, 1, (0, 0)), vec![])).unwrap();
    assert_eq!(one(&next, Left, T0, &pay(1)), Err(poor(0, 1)));
}

#[test]
fn rule_32_a_close_never_refills_credit() {
    let state = run(
        base(100),
        &[
            (Left, T0, sync(1, T0, facts(0, 0, (50, 50)), vec![])),
            (Left, T0, pay(120)),
            (Right, T0, lock(10, 1, later(900))),
            (Right, T0, offer(5, 5, 0, later(900))),
            (Left, T0, settlement(vec![diff(1, 0, -1)], vec![], later(50))),
        ],
    );
    for author in [Left, Right] {
        let next = one(&state, author, T0, &sync(2, T0, facts(1, 0, (0, 0)), vec![])).unwrap();
        let sub = &next.subchannels[&KEY];
        for token in sub.tokens.values() {
            assert_eq!(
                (token.offdelta, token.left_limit, token.right_limit, token.left_hold, token.right_hold),
                (0, 0, 0, 0, 0)
            );
        }
        assert!(sub.pending.is_empty() && sub.settlement.is_none() && sub.epoch == 1);
        for side in [Left, Right] {
            assert_eq!(one(&next, side, T0, &pay(1)), Err(poor(0, 1)));
        }
        assert_eq!(
            one(&next, author, T0, &sync(3, T0, facts(0, 0, (0, 0)), vec![])),
            Err(E::ChainWentBack),
            "the epoch never falls"
        );
    }
}

#[test]
fn limits_below_what_is_drawn_keep_the_debt_and_bind_what_is_new() {
    let state = run(base(100), &[(Left, T0, pay(70)), (Right, T0, limit(20))]);
    // Left owes 70, its limit is 20: the effective limit is what is drawn.
    assert_eq!(usd(&state).effective_limits(), (70, 100));
    assert_eq!(one(&state, Left, T0, &pay(1)), Err(poor(0, 1)));
    assert_eq!(one(&state, Left, T0, &lock(1, 1, later(900))), Err(poor(0, 1)));
    assert_eq!(usd(&state).out_capacity(Right).unwrap(), 170, "the debt is right's to spend");
    // Repaid it does not come back above the limit.
    let repaid = one(&state, Right, T0, &pay(60)).unwrap();
    assert_eq!((usd(&repaid).effective_limits(), usd(&repaid).out_capacity(Left).unwrap()), ((20, 100), 10));
    assert_eq!(one(&repaid, Left, T0, &pay(11)), Err(poor(10, 11)));
    one(&repaid, Left, T0, &pay(10)).unwrap();
    // The mirror image, beyond collateral.
    let state = run(
        base(100),
        &[(Left, T0, sync(1, T0, facts(0, 0, (50, 0)), vec![])), (Right, T0, pay(130)), (Left, T0, limit(5))],
    );
    assert_eq!((usd(&state).drawn(Right), usd(&state).effective_limits()), (80, (100, 80)));
    assert_eq!(one(&state, Right, T0, &pay(1)), Err(poor(0, 1)));
    one(&state, Left, T0, &pay(230)).unwrap();
    assert_eq!(one(&state, Left, T0, &pay(231)), Err(poor(230, 231)));
    // Holds are no debt: a hold does not raise the effective limit, and settling what is held never fails.
    let state = run(base(100), &[(Left, T0, lock(90, 1, later(900))), (Right, T0, limit(0))]);
    assert_eq!(usd(&state).effective_limits(), (0, 100));
    let state = one(&state, Right, T0, &settle(1, 1)).unwrap();
    assert_eq!((usd(&state).offdelta, usd(&state).effective_limits()), (-90, (90, 100)));
}

#[test]
fn rule_19_the_maker_never_chooses_its_own_fill() {
    for maker in [Left, Right] {
        let state = one(&base(100), maker, T0, &offer(20, 30, 5, later(900))).unwrap();
        for amount in [5, 20] {
            assert_eq!(one(&state, maker, T0, &fill(1, amount)), Err(E::WrongAuthor));
        }
        assert_eq!(one(&state, maker.other(), T0, &unswap(1)), Err(E::WrongAuthor), "only the maker takes it back");
        one(&state, maker, T0, &unswap(1)).unwrap();
        one(&state, maker.other(), T0, &fill(1, 20)).unwrap();
    }
}

#[test]
fn swaps_round_for_the_maker_and_respect_the_smallest_fill() {
    let eur = |s: &ChannelState| s.token(&KEY, EUR).unwrap().offdelta;
    for (maker, sign) in [(Left, 1), (Right, -1)] {
        let taker = maker.other();
        let state = one(&base(100), maker, T0, &offer(10, 3, 4, later(900))).unwrap();
        assert_eq!(one(&state, taker, T0, &fill(1, 3)), Err(E::FillTooSmall));
        assert_eq!(one(&state, taker, T0, &fill(1, 11)), Err(E::FillTooLarge));
        // 4 of 10 at 3 for 10 costs 1.2: two.
        let part = one(&state, taker, T0, &fill(1, 4)).unwrap();
        assert_eq!((usd(&part).offdelta, eur(&part), usd(&part).hold(maker)), (-4 * sign, 2 * sign, 6));
        // 4 more leave 2, which is less than the minimum and may still be taken whole.
        let part = one(&part, taker, T0, &fill(1, 4)).unwrap();
        assert_eq!(one(&part, taker, T0, &fill(1, 1)), Err(E::FillTooSmall));
        assert_eq!(one(&part, taker, T0, &fill(1, 3)), Err(E::FillTooLarge));
        let done = one(&part, taker, T0, &fill(1, 2)).unwrap();
        assert_eq!((usd(&done).offdelta, eur(&done), usd(&done).hold(maker)), (-10 * sign, 5 * sign, 0));
        assert!(done.subchannels[&KEY].pending.is_empty());
        assert_eq!(one(&done, taker, T0, &fill(1, 1)), Err(E::UnknownSubcontract));
        // All at once is exact, and after a part the rest can be taken back.
        assert_eq!(eur(&one(&state, taker, T0, &fill(1, 10)).unwrap()), 3 * sign);
        let part = one(&state, taker, T0, &fill(1, 9)).unwrap();
        let back = one(&part, maker, T0, &unswap(1)).unwrap();
        assert_eq!((usd(&back).hold(maker), usd(&back).offdelta), (0, -9 * sign));
        // The taker pays from its own capacity; neither leg moves alone.
        let state = one(&base(100), maker, T0, &offer(10, 101, 0, later(900))).unwrap();
        assert_eq!(one(&state, taker, T0, &fill(1, 10)), Err(poor(100, 101)));
        one(&state, taker, T0, &fill(1, 9)).unwrap();
    }
    let state = base(100);
    let same = Transition::OfferSwap {
        key: KEY,
        give_token: USD,
        give: 1,
        want_token: USD,
        want: 1,
        min_fill: 0,
        expiry: later(9),
    };
    assert_eq!(one(&state, Left, T0, &same), Err(E::SameToken));
    assert_eq!(one(&state, Left, T0, &offer(10, 1, 11, later(9))), Err(E::FillTooLarge));
    one(&state, Left, T0, &offer(10, 1, 10, later(9))).unwrap();
    assert_eq!(one(&state, Left, T0, &offer(101, 1, 0, later(9))), Err(poor(100, 101)));
    let unknown = Transition::OfferSwap {
        key: KEY,
        give_token: USD,
        give: 1,
        want_token: TokenId(9),
        want: 1,
        min_fill: 0,
        expiry: later(9),
    };
    assert_eq!(one(&state, Left, T0, &unknown), Err(E::UnknownToken));
    // A price that leaves the range.
    let dear = one(&state, Left, T0, &offer(1, BOUND - 1, 0, later(9))).unwrap();
    assert!(one(&dear, Right, T0, &fill(1, 1)).is_err());
}

#[test]
fn payments_are_no_swaps_and_numbers_never_return() {
    let state = run(base(100), &[(Left, T0, lock(10, 1, later(900))), (Left, T0, offer(10, 10, 0, later(900)))]);
    for t in [settle(2, 1), cancel(2), fill(1, 5), unswap(1), settle(7, 1), cancel(7), fill(7, 1), unswap(7)] {
        for side in [Left, Right] {
            assert_eq!(one(&state, side, T0, &t), Err(E::UnknownSubcontract), "{t:?}");
        }
    }
    let state = run(state, &[(Right, T0, cancel(1)), (Left, T0, unswap(2)), (Left, T0, lock(10, 1, later(900)))]);
    assert_eq!(state.subchannels[&KEY].pending.keys().copied().collect::<Vec<_>>(), [3]);
    assert_eq!(one(&state, Right, T0, &settle(1, 1)), Err(E::UnknownSubcontract));
}

#[test]
fn the_payer_takes_back_only_what_the_chain_says_is_over() {
    let add = lock(10, 1, later(100));
    let state = run(base(100), &[(Left, T0, add.clone()), (Left, T0, add)]);
    let late = later(101);
    let empty = |n, t| sync(n, t, facts(0, 0, (0, 0)), vec![]);
    // A reveal in time is recorded for every lock that it opens, and only once.
    let revealed = one(&state, Right, T0, &sync(1, late, facts(0, 0, (0, 0)), vec![reveal(1, later(100))])).unwrap();
    for id in [1, 2] {
        assert_eq!(one(&revealed, Left, late, &cancel(id)), Err(E::AlreadyRevealed));
        one(&revealed, Right, later(9000), &settle(id, 1)).unwrap();
        one(&revealed, Right, later(9000), &cancel(id)).unwrap();
    }
    assert_eq!(
        one(&revealed, Right, T0, &sync(2, late, facts(0, 0, (0, 0)), vec![reveal(1, later(100))])),
        Err(E::IrrelevantReveal),
        "rule 15"
    );
    // Reveals that open nothing, twice the same, of another registry, too late.
    for bad in [
        vec![reveal(2, T0)],
        vec![reveal(1, T0), reveal(1, T0)],
        vec![Reveal { provider: Address([1; 20]), ..reveal(1, T0) }],
        vec![reveal(1, later(101))],
        vec![reveal(1, T0), reveal(2, T0)],
    ] {
        assert_eq!(one(&state, Right, T0, &sync(1, late, facts(0, 0, (0, 0)), bad)), Err(E::IrrelevantReveal));
    }
    // Not revealed: late settling is refused for ever, taking back is allowed.
    let over = one(&state, Left, T0, &empty(1, late)).unwrap();
    assert_eq!(one(&over, Right, late, &settle(1, 1)), Err(E::Expired));
    one(&over, Left, T0, &cancel(1)).unwrap();
    // In one block, in this order.
    step(&state, Left, T0, vec![empty(1, late), cancel(1), cancel(2)]).unwrap();
    assert_eq!(
        step(&state, Left, T0, vec![cancel(1), empty(1, late)]),
        Err(BlockError::Transition { index: 0, error: E::NotYetCancellable })
    );
}

#[test]
fn rule_31_sync_only_moves_forward_and_is_complete() {
    let state = one(&base(100), Left, T0, &sync(5, later(50), facts(2, 3, (50, 10)), vec![])).unwrap();
    let f = |e, n| facts(e, n, (60, 10));
    let verdict = |t| one(&state, Right, T0, &t).err();
    assert_eq!(verdict(sync(6, later(50), f(2, 3), vec![])), None);
    for back in [
        sync(5, later(60), f(2, 3), vec![]),
        sync(4, later(60), f(2, 3), vec![]),
        sync(6, later(49), f(2, 3), vec![]),
        sync(6, later(60), f(1, 3), vec![]),
        sync(6, later(60), f(2, 2), vec![]),
        sync(6, later(60), f(3, 2), vec![]),
    ] {
        assert_eq!(verdict(back), Some(E::ChainWentBack));
    }
    let mut wrong = point(6, later(60));
    wrong.chain = ChainId(2);
    assert_eq!(
        verdict(Transition::SyncChain { key: KEY, point: wrong, facts: f(2, 3), reveals: vec![], recorded: vec![] }),
        Some(E::WrongChain)
    );
    let with = |tokens| SubchannelFacts { tokens, ..f(2, 3) };
    let all = f(2, 3).tokens;
    for tokens in [
        vec![],
        vec![all[0]],
        vec![all[1], all[0]],
        vec![all[0], all[1], all[1]],
        vec![all[0], all[0]],
        [all.clone(), vec![TokenFact { token: TokenId(9), collateral: 0, ondelta: 0 }]].concat(),
    ] {
        assert_eq!(verdict(sync(6, later(60), with(tokens), vec![])), Some(E::FactsIncomplete));
    }
}

#[test]
fn opening_and_raising_an_epoch_stand_alone_in_their_block() {
    let state = base(100);
    let raise = sync(1, T0, facts(1, 0, (0, 0)), vec![]);
    let plain = sync(1, T0, facts(0, 0, (0, 0)), vec![]);
    let not_alone = |index| Err(BlockError::Transition { index, error: E::NotAlone });
    for other in [pay(1), limit(5), lock(1, 1, later(900)), close(later(9)), plain.clone()] {
        assert_eq!(step(&state, Left, T0, vec![raise.clone(), other.clone()]), not_alone(1), "{other:?}");
        assert_eq!(step(&state, Left, T0, vec![other.clone(), raise.clone()]), not_alone(1), "{other:?}");
    }
    assert_eq!(step(&state, Left, T0, vec![raise.clone(), sync(2, T0, facts(2, 0, (0, 0)), vec![])]), not_alone(1));
    assert_eq!(step(&state, Left, T0, vec![open(KEY2), Transition::AddToken { key: KEY2, token: USD }]), not_alone(1));
    // Other subchannels go on in the same block.
    step(&state, Left, T0, vec![open(KEY2), pay(1), limit(5)]).unwrap();
    step(&state, Left, T0, vec![raise, open(KEY2), Transition::Memo { data: vec![] }]).unwrap();
    step(&state, Left, T0, vec![plain, pay(1)]).unwrap();
}

#[test]
fn a_dispute_on_record_stops_everything_but_the_chain_and_a_close() {
    let locked = one(&base(100), Left, T0, &lock(10, 1, later(900))).unwrap();
    let with = |s: &ChannelState| {
        let f = SubchannelFacts { dispute: Some(dispute(Left, 0, T0)), ..facts(0, 0, (0, 0)) };
        one(s, Left, T0, &sync(1, T0, f, vec![])).unwrap()
    };
    let state = with(&locked);
    for t in [
        pay(1),
        lock(1, 1, later(900)),
        offer(1, 1, 0, later(900)),
        limit(1),
        settlement(vec![diff(1, 0, 0)], vec![], later(50)),
        settle(1, 1),
        cancel(1),
        Transition::AddToken { key: KEY, token: TokenId(9) },
        Transition::CloseSubchannel { key: KEY },
    ] {
        for side in [Left, Right] {
            assert_eq!(one(&state, side, T0, &t), Err(E::InDispute), "{t:?}");
        }
    }
    assert_eq!(one(&state, Left, T0, &close(later(9))), Err(E::SomethingPending));
    one(&with(&base(100)), Right, T0, &close(later(9))).unwrap();
    one(&state, Left, T0, &open(KEY2)).unwrap();
    let over = one(&state, Left, T0, &sync(2, T0, facts(1, 0, (0, 0)), vec![])).unwrap();
    one(&over, Left, T0, &limit(5)).unwrap();
}

#[test]
fn what_is_empty_can_go_and_leaves_an_empty_leaf_for_one_block() {
    let remove = |token| Transition::RemoveToken { key: KEY, token };
    let shut = Transition::CloseSubchannel { key: KEY };
    let busy = [
        one(&base(100), Left, T0, &pay(1)).unwrap(),
        one(&base(100), Left, T0, &lock(1, 1, later(900))).unwrap(),
        one(&base(100), Left, T0, &offer(1, 1, 0, later(900))).unwrap(),
        one(&base(100), Left, T0, &sync(1, T0, facts(0, 0, (1, 0)), vec![])).unwrap(),
        one(&base(100), Left, T0, &sync(1, T0, facts(0, 0, (0, 1)), vec![])).unwrap(),
        one(&base(100), Left, T0, &settlement(vec![diff(-1, 0, 0)], vec![], later(9))).unwrap(),
    ];
    for state in &busy {
        for side in [Left, Right] {
            assert_eq!(one(state, side, T0, &remove(USD)), Err(E::NotEmpty));
            assert_eq!(one(state, side, T0, &shut), Err(E::NotEmpty));
        }
    }
    // A swap needs the token that it wants, although that one holds nothing.
    assert_eq!(one(&busy[2], Left, T0, &remove(EUR)), Err(E::NotEmpty));
    // Offsetting ondelta and offdelta are not nothing.
    let offset = run(base(100), &[(Left, T0, sync(1, T0, facts(0, 0, (0, 5)), vec![])), (Left, T0, pay(5))]);
    assert_eq!(one(&offset, Left, T0, &shut), Err(E::NotEmpty));
    let state = one(&base(100), Right, T0, &remove(USD)).unwrap();
    assert_eq!(one(&state, Left, T0, &pay(1)), Err(E::UnknownToken));
    assert_eq!(one(&state, Left, T0, &remove(USD)), Err(E::UnknownToken));
    one(&state, Left, T0, &Transition::AddToken { key: KEY, token: USD }).unwrap();
    assert_eq!(one(&state, Left, T0, &Transition::AddToken { key: KEY, token: EUR }), Err(E::TokenExists));
    let closed = step(&state, Left, T0, vec![shut.clone()]).unwrap();
    assert!(closed.subchannels[&KEY].closed);
    let commitment = xln_core::commitment::Commitment::of(&closed).unwrap();
    assert_eq!(commitment.subchannels.len(), 1, "an empty leaf outranks what came before");
    for t in [shut, pay(1), open(KEY), sync(1, T0, SubchannelFacts::default(), vec![])] {
        let mut same_block = state.clone();
        let mut applier = xln_core::transition::Applier::new(&mut same_block, Left, T0);
        applier.apply(&Transition::CloseSubchannel { key: KEY }).unwrap();
        assert_eq!(
            applier.apply(&t),
            Err(if matches!(t, Transition::OpenSubchannel { .. }) { E::NotAlone } else { E::SubchannelClosed })
        );
    }
    let next = step(&closed, Right, T0, vec![]).unwrap();
    assert!(next.subchannels.is_empty());
    let again = step(&closed, Right, T0, vec![open(KEY)]).unwrap();
    assert_eq!(again.subchannels[&KEY].opened_by, Right);
    assert_eq!(one(&base(0), Left, T0, &open(KEY)), Err(E::SubchannelExists));
    assert_eq!(one(&base(0), Left, T0, &Transition::AddToken { key: KEY2, token: USD }), Err(E::UnknownSubchannel));
}

#[test]
fn blocks_follow_from_their_parent_and_nothing_else() {
    let state = base(100);
    let hash = state.hash().unwrap();
    let good = block_on(&state, Left, T0, vec![pay(1)]);
    let verdict = |change: &dyn Fn(&mut xln_core::block::Block)| {
        let mut block = good.clone();
        change(&mut block);
        xln_core::block::apply_block(&state, &hash, &block).map(|s| s.nonce)
    };
    assert_eq!(verdict(&|_| ()), Ok(Nonce(state.height * 2 + 3)));
    assert_eq!(
        verdict(&|b| b.proposer = Right),
        Ok(Nonce(state.height * 2 + 2)),
        "left outranks right at equal height"
    );
    assert_eq!(verdict(&|b| b.height += 9), Ok(Nonce(state.height * 2 + 21)));
    assert_eq!(verdict(&|b| b.prev_block_hash.0[0] ^= 1), Err(BlockError::WrongParent));
    assert_eq!(verdict(&|b| b.prev_state_hash.0[0] ^= 1), Err(BlockError::WrongParentState));
    assert!(matches!(verdict(&|b| b.height -= 1), Err(BlockError::WrongHeight { .. })));
    assert!(matches!(verdict(&|b| b.height = u64::MAX), Err(BlockError::WrongHeight { .. })), "no nonce");
    assert_eq!(verdict(&|b| b.timestamp = T0.minus(1)), Err(BlockError::TimeWentBack));
    // Every byte of the block is under the signature of the state.
    let signed = |b: &xln_core::block::Block| {
        let after = xln_core::block::apply_block(&state, &hash, b).unwrap();
        xln_core::commitment::Commitment::of(&after).unwrap().digest
    };
    let memo = |m: u8| xln_core::block::Block { transitions: vec![Transition::Memo { data: vec![m] }], ..good.clone() };
    assert_ne!(signed(&memo(1)), signed(&memo(2)));
}

#[test]
fn deltas_say_the_same_narrow_and_wide() {
    // `TokenState` has its own fast way to what `derive_delta` says; both at the ends of the range.
    for (c, on, off) in
        [(0, i128::MAX, i128::MAX), (BOUND - 1, -i128::MAX, -i128::MAX), (5, 7, -9), (0, 0, 0), (10, 25, -3)]
    {
        let mut state = base(9);
        let token = state.subchannels.get_mut(&KEY).unwrap().tokens.get_mut(&USD).unwrap();
        (token.collateral, token.ondelta, token.offdelta) = (c, on, off);
        for side in [Left, Right] {
            let wide = token.derive(side).unwrap().out_capacity;
            assert_eq!(token.out_capacity(side).unwrap(), u128::try_from(wide).unwrap_or(u128::MAX));
        }
    }
}
