//! What a dispute comes out at: each rule by hand, at its boundaries, then conservation and the cut of fills against a
//! search over all of them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests say what they expect by failing"
)]

mod proof_strategies;

use proof_strategies::side;
use proptest::prelude::*;
use xln_core::limits::MAX_LOCK_S;
use xln_core::proof::{
    Allowance, Batch, Body, Clause, Dispute, Fills, FillsGiven, PaymentItem, ResolveError, SwapItem, TokenSplit,
    resolve,
};
use xln_core::types::{Address, Hash, HashKind, Side, TokenFact, TokenId, UnixSeconds};

const PROVIDER: Address = Address([1; 20]);
const GOLD: TokenId = TokenId(0);
const TIN: TokenId = TokenId(7);

fn fact(token: TokenId, collateral: u128, ondelta: i128) -> TokenFact {
    TokenFact { token, collateral, ondelta }
}

fn payment(payer: Side, amount: u128, expiry: u64, hash: u8) -> PaymentItem {
    let kind = HashKind::Keccak256;
    PaymentItem { payer, token_index: 0, amount, expiry: UnixSeconds(expiry), kind, hash: Hash([hash; 32]) }
}

fn wide_open(batch: Batch) -> Clause {
    let allowance = |token_index| Allowance { token_index, right: u128::MAX, left: u128::MAX };
    Clause { provider: PROVIDER, allowances: vec![allowance(0), allowance(1)], batch }
}

fn body(gold: i128, tin: i128, clauses: Vec<Clause>) -> Body {
    let body = Body { tokens: vec![(GOLD, gold), (TIN, tin)], clauses };
    body.check().expect("valid");
    body
}

/// Started at 1000 with a window of 100; finalized at `now`.
fn dispute<'a>(body: &'a Body, facts: &'a [TokenFact], now: u64) -> Dispute<'a> {
    Dispute {
        body,
        facts,
        now: UnixSeconds(now),
        started_at: UnixSeconds(1000),
        window_s: 100,
        left_fills: FillsGiven::default(),
        right_fills: FillsGiven::default(),
    }
}

fn nothing(_: &Address, _: HashKind, _: &Hash) -> Option<UnixSeconds> {
    None
}

/// Gold's split as `(left, right, debt)`.
fn gold(dispute: &Dispute<'_>, registry: &dyn Fn(&Address, HashKind, &Hash) -> Option<UnixSeconds>) -> Split {
    resolve(dispute, registry).map(|splits| {
        assert_eq!((splits[0].token, splits[1].token), (GOLD, TIN));
        (splits[0].left_reserve, splits[0].right_reserve, splits[0].debt)
    })
}

type Split = Result<(u128, u128, Option<(Side, u128)>), ResolveError>;

#[test]
fn delta_splits_collateral_and_leaves_debts_outside() {
    let facts = [fact(GOLD, 100, 40)];
    let at = |offdelta| gold(&dispute(&body(offdelta, 0, Vec::new()), &facts, 2000), &nothing);
    assert_eq!(at(0), Ok((40, 60, None)));
    assert_eq!(at(-40), Ok((0, 100, None)));
    assert_eq!(at(-41), Ok((0, 100, Some((Side::Left, 1)))));
    assert_eq!(at(60), Ok((100, 0, None)));
    assert_eq!(at(61), Ok((100, 0, Some((Side::Right, 1)))));
    // A token without facts has no collateral; one without a body entry does not appear.
    let no_facts = gold(&dispute(&body(5, 0, Vec::new()), &[fact(TokenId(3), 9, 9)], 2000), &nothing);
    assert_eq!(no_facts, Ok((0, 0, Some((Side::Right, 5)))));
    // The ends of the range.
    let most = i128::MAX;
    let far = gold(&dispute(&body(most, 0, Vec::new()), &[fact(GOLD, 0, most)], 2000), &nothing);
    assert_eq!(far, Ok((0, 0, Some((Side::Right, u128::MAX - 1)))));
    let far = gold(&dispute(&body(-most, 0, Vec::new()), &[fact(GOLD, 0, -most)], 2000), &nothing);
    assert_eq!(far, Ok((0, 0, Some((Side::Left, u128::MAX - 1)))));
}

#[test]
fn payments_count_if_revealed_by_their_expiry() {
    let facts = [fact(GOLD, 100, 50)];
    let one = |payer| body(0, 0, vec![wide_open(Batch::Payments(vec![payment(payer, 10, 1500, 9)]))]);
    let revealed = |at: u64| move |_: &Address, _: HashKind, _: &Hash| Some(UnixSeconds(at));
    for (payer, paid) in [(Side::Left, 40), (Side::Right, 60)] {
        let body = one(payer);
        assert_eq!(gold(&dispute(&body, &facts, 1600), &revealed(1500)), Ok((paid, 100 - paid, None)));
        assert_eq!(gold(&dispute(&body, &facts, 1400), &revealed(1200)), Ok((paid, 100 - paid, None)));
        assert_eq!(gold(&dispute(&body, &facts, 1600), &revealed(1501)), Ok((50, 50, None)));
        assert_eq!(gold(&dispute(&body, &facts, 1501), &nothing), Ok((50, 50, None)));
    }
    // The entry must be of this provider, kind and hash.
    let exact = |provider: &Address, kind: HashKind, hash: &Hash| {
        (*provider == PROVIDER && kind == HashKind::Keccak256 && *hash == Hash([9; 32])).then_some(UnixSeconds(1))
    };
    assert_eq!(gold(&dispute(&one(Side::Left), &facts, 1600), &exact), Ok((40, 60, None)));
}

#[test]
fn undecided_payments_are_waited_for_but_not_for_ever() {
    let facts = [fact(GOLD, 100, 50)];
    let waiting = |now, expiries: &[u64]| {
        let items = expiries.iter().map(|expiry| payment(Side::Left, 1, *expiry, 9)).collect();
        gold(&dispute(&body(0, 0, vec![wide_open(Batch::Payments(items))]), &facts, now), &nothing)
    };
    let pending = |until| Err(ResolveError::PendingUntil(UnixSeconds(until)));
    assert_eq!(waiting(1500, &[1500]), pending(1500));
    assert_eq!(waiting(1501, &[1500]), Ok((50, 50, None)));
    assert_eq!(waiting(1500, &[1700, 1900, 1800]), pending(1900));
    let last = 1100 + MAX_LOCK_S;
    assert_eq!(waiting(last, &[last + 5]), pending(last));
    assert_eq!(waiting(last + 1, &[last + 5]), Ok((50, 50, None)));
}

#[test]
fn a_clause_beyond_its_allowances_changes_nothing_and_spoils_no_other() {
    let facts = [fact(GOLD, 100, 50)];
    let revealed = |_: &Address, _: HashKind, _: &Hash| Some(UnixSeconds(1));
    let clause = |payer, amount, allowances: &[(u8, u128, u128)]| Clause {
        provider: PROVIDER,
        allowances: allowances
            .iter()
            .map(|(token_index, right, left)| Allowance { token_index: *token_index, right: *right, left: *left })
            .collect(),
        batch: Batch::Payments(vec![payment(payer, amount, 1500, 9)]),
    };
    let split = |clauses| gold(&dispute(&body(0, 0, clauses), &facts, 1600), &revealed);
    assert_eq!(split(vec![clause(Side::Left, 10, &[(0, 0, 10)])]), Ok((40, 60, None)));
    assert_eq!(split(vec![clause(Side::Left, 10, &[(0, 99, 9)])]), Ok((50, 50, None)));
    assert_eq!(split(vec![clause(Side::Right, 10, &[(0, 10, 0)])]), Ok((60, 40, None)));
    assert_eq!(split(vec![clause(Side::Right, 10, &[(0, 9, 99)])]), Ok((50, 50, None)));
    assert_eq!(split(vec![clause(Side::Left, 10, &[(1, 99, 99)])]), Ok((50, 50, None)));
    let spoilt = clause(Side::Left, 10, &[]);
    assert_eq!(split(vec![spoilt, clause(Side::Left, 3, &[(0, 0, 3)])]), Ok((47, 53, None)));
}

#[test]
fn custom_instruments_are_not_guessed() {
    let custom = Batch::Custom { instrument: 256, payload: Vec::new() };
    let found = gold(&dispute(&body(0, 0, vec![wide_open(custom)]), &[], 2000), &nothing);
    assert_eq!(found, Err(ResolveError::UnknownInstrument(256)));
}

/// Left gives up to 60 of 100 gold for tin at 100 : 7; right takes.
fn offer() -> SwapItem {
    SwapItem {
        maker: Side::Left,
        id: 5,
        give_index: 0,
        want_index: 1,
        give: 100,
        want: 7,
        remaining: 60,
        min_fill: 10,
        expiry: UnixSeconds(1050),
        taker_limit: 0,
    }
}

/// How much gold and tin left has after `fill`, given by both sides at `at`; it begins with 80 and 0.
fn after_fill(offer: SwapItem, bytes: &[u8], at: u64, collateral_of_tin: u128) -> (u128, u128) {
    let body = body(0, 0, vec![wide_open(Batch::Swap(offer))]);
    let facts = [fact(GOLD, 100, 80), fact(TIN, collateral_of_tin, 0)];
    let given = FillsGiven { bytes, at: UnixSeconds(at) };
    let mut dispute = dispute(&body, &facts, 2000);
    match offer.maker {
        Side::Left => dispute.right_fills = given,
        Side::Right => dispute.left_fills = given,
    }
    let splits = resolve(&dispute, &nothing).expect("decided");
    (splits[0].left_reserve, splits[1].left_reserve)
}

#[test]
fn fills_count_within_the_offer_and_only_from_the_taker() {
    let fill = |id, amount| Fills(vec![(id, amount)]).encode().expect("valid");
    let plain = |amount| after_fill(offer(), &fill(5, amount), 1050, 10);
    assert_eq!(plain(20), (60, 2));
    assert_eq!(plain(10), (70, 1));
    assert_eq!(plain(60), (20, 5));
    for refused in [0, 9, 61, 100] {
        assert_eq!(plain(refused), (80, 0), "{refused}");
    }
    assert_eq!(after_fill(SwapItem { remaining: 3, ..offer() }, &fill(5, 3), 1050, 10), (77, 1));
    assert_eq!(after_fill(offer(), &fill(4, 20), 1050, 10), (80, 0));
    assert_eq!(after_fill(offer(), &fill(5, 20), 1051, 10), (80, 0));
    // Malformed lists are no fills: cut short, repeated, out of order, too many.
    let good = fill(5, 20);
    for list in [&good[..23], &[&good[..], &good].concat(), &[&good[..], &fill(4, 1)].concat(), &good.repeat(33)] {
        assert_eq!(after_fill(offer(), list, 1050, 10), (80, 0));
    }
    // The maker's own fill of its offer is none.
    let body = body(0, 0, vec![wide_open(Batch::Swap(offer()))]);
    let facts = [fact(GOLD, 100, 80), fact(TIN, 10, 0)];
    let own = FillsGiven { bytes: &good, at: UnixSeconds(1050) };
    let splits = resolve(&Dispute { left_fills: own, ..dispute(&body, &facts, 2000) }, &nothing).expect("decided");
    assert_eq!((splits[0].left_reserve, splits[1].left_reserve), (80, 0));
}

#[test]
fn fills_are_cut_to_what_the_taker_can_pay() {
    let fill = Fills(vec![(5, 60)]).encode().expect("valid");
    let after = |taker_limit, collateral| after_fill(SwapItem { taker_limit, ..offer() }, &fill, 1050, collateral);
    // 60 gold cost 5 tin; 4 tin buy 57, 1 tin buys 14, and 10 is the least.
    assert_eq!(after(0, 5), (20, 5));
    assert_eq!(after(0, 4), (23, 4));
    assert_eq!(after(3, 1), (23, 1));
    assert_eq!(after(0, 1), (66, 1));
    assert_eq!(after(0, 0), (80, 0));
    assert_eq!(after_fill(SwapItem { min_fill: 15, ..offer() }, &fill, 1050, 1), (80, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// The cut is the largest fill that the taker can pay for, found by trying all.
    #[test]
    fn cuts_are_the_largest_possible(
        maker in side(), numbers in (1_u128..60, 1_u128..60, 1_u128..60, 0_u128..30, 0_u128..30),
        asked in 0_u128..60, collateral in 0_u128..40, tin in -40_i128..80,
    ) {
        let (give, want, left, min_fill, taker_limit) = numbers;
        let remaining = (left % give) + 1;
        let offer = SwapItem { maker, give, want, remaining, min_fill, taker_limit, ..offer() };
        let body = body(0, tin, vec![wide_open(Batch::Swap(offer))]);
        let facts = [fact(GOLD, 1000, 500), fact(TIN, collateral, 0)];
        let bytes = Fills(vec![(5, asked)]).encode().expect("valid");
        let given = FillsGiven { bytes: &bytes, at: UnixSeconds(1050) };
        let both = Dispute { left_fills: given, right_fills: given, ..dispute(&body, &facts, 2000) };
        let found = resolve(&both, &nothing).expect("decided");

        let may_pay = match maker {
            Side::Left => i128::try_from(collateral + taker_limit).expect("small") - tin,
            Side::Right => tin + i128::try_from(taker_limit).expect("small"),
        };
        let price = |fill: u128| (fill * want).div_ceil(give);
        let valid = |fill: &u128| *fill >= min_fill || *fill == asked;
        let allowed = asked <= remaining && (asked >= min_fill || asked == remaining);
        let fill = (1..=asked).rev().find(|fill| i128::try_from(price(*fill)).expect("small") <= may_pay);
        let fill = fill.filter(|fill| allowed && valid(fill)).unwrap_or(0);
        let gold = if maker == Side::Left { 500 - fill } else { 500 + fill };
        prop_assert_eq!(found[0].left_reserve, gold, "fill {}", fill);
        let paid = i128::try_from(price(fill)).expect("small");
        let tin = if maker == Side::Left { tin + paid } else { tin - paid };
        prop_assert_eq!(signed(&found[1]), tin);
        // A taker is not left beyond its limit by its own fill.
        if fill > 0 {
            prop_assert!(found[1].debt.is_none_or(|(debtor, owed)| debtor != maker.other() || owed <= taker_limit));
        }
    }

    /// Collateral is paid out exactly, whatever the numbers.
    #[test]
    fn collateral_is_conserved(
        collateral in 0_u128..1 << 127, ondelta in any::<i128>(), offdelta in any::<i128>(),
        items in prop::collection::vec((side(), 1_u128..1 << 127, any::<bool>()), 0..8), limits in any::<(u128, u128)>(),
    ) {
        let (ondelta, offdelta) = (ondelta.max(-i128::MAX), offdelta.max(-i128::MAX));
        let (right, left) = limits;
        let items: Vec<PaymentItem> =
            items.iter().map(|(payer, amount, known)| payment(*payer, *amount, 1500, u8::from(*known))).collect();
        let mut clauses = vec![wide_open(Batch::Payments(items.clone()))];
        clauses[0].allowances = vec![Allowance { token_index: 0, right, left }];
        let body = body(offdelta, 0, if items.is_empty() { Vec::new() } else { clauses });
        let facts = [fact(GOLD, collateral, ondelta)];
        let registry = |_: &Address, _: HashKind, hash: &Hash| (hash.0[0] == 1).then_some(UnixSeconds(1200));
        let splits = resolve(&dispute(&body, &facts, 2000), &registry).expect("in range");
        prop_assert_eq!(splits[0].left_reserve + splits[0].right_reserve, collateral);
        match splits[0].debt {
            Some((Side::Left, owed)) => prop_assert!(owed > 0 && splits[0].left_reserve == 0),
            Some((Side::Right, owed)) => prop_assert!(owed > 0 && splits[0].right_reserve == 0),
            None => {}
        }
    }
}

/// The delta that a split came from.
fn signed(split: &TokenSplit) -> i128 {
    let whole = i128::try_from(split.left_reserve).expect("small");
    match split.debt {
        None => whole,
        Some((Side::Left, owed)) => -i128::try_from(owed).expect("small"),
        Some((Side::Right, owed)) => whole + i128::try_from(owed).expect("small"),
    }
}
