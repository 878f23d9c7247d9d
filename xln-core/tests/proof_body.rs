//! The bytes of bodies, fills and settlements: one encoding per value, one value per encoding, limits both ways, and no
//! bytes that make a parser panic.
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

use proof_strategies::{any_body, any_fills, any_update};
use proptest::prelude::*;
use xln_core::limits::{MAX_CLAUSES, MAX_FILLS, MAX_FORGIVEN, MAX_PENDING, MAX_PROVIDERS, MAX_TOKENS};
use xln_core::proof::{
    Allowance, Batch, Body, BodyError, Clause, Fills, FillsError, Forgiven, PaymentItem, SettlementError,
    SettlementUpdate, SwapItem, TokenDiff, swap_price,
};
use xln_core::types::{Address, Hash, HashKind, Side, TokenId, UnixSeconds};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_is_encoded_parses_back(body in any_body(), fills in any_fills(), update in any_update()) {
        prop_assert_eq!(Body::parse(&body.encode().expect("valid")), Ok(body));
        prop_assert_eq!(Fills::parse(&fills.encode().expect("valid")), Ok(fills));
        prop_assert_eq!(SettlementUpdate::parse(&update.encode().expect("valid")), Ok(update));
    }

    #[test]
    fn what_parses_encodes_to_the_same_bytes(
        body in any_body(), update in any_update(), fills in any_fills(), place in any::<usize>(), byte in any::<u8>(),
        cut in any::<Option<u16>>(),
    ) {
        let spoil = |mut bytes: Vec<u8>| {
            if let Some(at) = place.checked_rem(bytes.len()) {
                bytes[at] = byte;
            }
            bytes.truncate(cut.map_or(bytes.len(), usize::from));
            bytes
        };
        let bytes = spoil(body.encode().expect("valid"));
        if let Ok(parsed) = Body::parse(&bytes) {
            prop_assert_eq!(parsed.encode().expect("checked by parse"), bytes);
        }
        let bytes = spoil(update.encode().expect("valid"));
        if let Ok(parsed) = SettlementUpdate::parse(&bytes) {
            prop_assert_eq!(parsed.encode().expect("checked by parse"), bytes);
        }
        let bytes = spoil(fills.encode().expect("valid"));
        if let Ok(parsed) = Fills::parse(&bytes) {
            prop_assert_eq!(parsed.encode().expect("checked by parse"), bytes);
        }
    }

    #[test]
    fn noise_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..400), small in 0_u8..4) {
        let _ = (Body::parse(&bytes), Fills::parse(&bytes), SettlementUpdate::parse(&bytes));
        // A small count in front gets further.
        if let Some(first) = bytes.first_mut() {
            *first = small;
        }
        let _ = (Body::parse(&bytes), SettlementUpdate::parse(&bytes));
    }

    #[test]
    fn every_prefix_and_every_extension_is_refused(body in any_body(), update in any_update()) {
        let (body, update) = (body.encode().expect("valid"), update.encode().expect("valid"));
        for end in 0..body.len() {
            prop_assert!(Body::parse(&body[..end]).is_err());
        }
        for end in 0..update.len() {
            prop_assert!(SettlementUpdate::parse(&update[..end]).is_err());
        }
        prop_assert_eq!(Body::parse(&[&body[..], &[0]].concat()), Err(BodyError::TrailingBytes));
        prop_assert_eq!(SettlementUpdate::parse(&[&update[..], &[0]].concat()), Err(SettlementError::TrailingBytes));
    }

    #[test]
    fn prices_round_up(fill in any::<u64>(), give in 1_u64.., want in any::<u64>()) {
        let price = swap_price(fill.into(), give.into(), want.into()).expect("64 bits");
        let (fill, give, want) = (u128::from(fill), u128::from(give), u128::from(want));
        prop_assert_eq!(price, (fill * want).div_ceil(give));
    }
}

fn payment() -> PaymentItem {
    PaymentItem {
        payer: Side::Left,
        token_index: 0,
        amount: 5,
        expiry: UnixSeconds(1_800_000_000),
        kind: HashKind::Sha256,
        hash: Hash([7; 32]),
    }
}

fn swap() -> SwapItem {
    SwapItem {
        maker: Side::Right,
        id: 3,
        give_index: 0,
        want_index: 1,
        give: 100,
        want: 7,
        remaining: 60,
        min_fill: 10,
        expiry: UnixSeconds(1_800_000_000),
        taker_limit: 9,
    }
}

fn body_with(batches: Vec<Batch>) -> Body {
    let clause = |batch| Clause { provider: Address([1; 20]), allowances: Vec::new(), batch };
    Body { tokens: vec![(TokenId(0), 4), (TokenId(9), -4)], clauses: batches.into_iter().map(clause).collect() }
}

/// The same refusal from `encode` and, where the bytes can be written at all, from `parse`.
fn refused(body: &Body, expected: BodyError) {
    assert_eq!(body.check(), Err(expected));
    assert_eq!(body.encode(), Err(expected));
}

#[test]
fn bodies_outside_the_rules_have_no_encoding() {
    let pay = |change: fn(&mut PaymentItem)| {
        let mut item = payment();
        change(&mut item);
        body_with(vec![Batch::Payments(vec![item])])
    };
    refused(&pay(|item| item.amount = 0), BodyError::AmountOutOfRange);
    refused(&pay(|item| item.amount = 1 << 127), BodyError::AmountOutOfRange);
    refused(&pay(|item| item.token_index = 2), BodyError::NoSuchToken { index: 2 });
    let late = UnixSeconds(1 << 40);
    refused(&pay(|item| item.expiry = UnixSeconds(1 << 40)), BodyError::ExpiryOutOfRange(late));

    let offer = |change: fn(&mut SwapItem)| {
        let mut item = swap();
        change(&mut item);
        body_with(vec![Batch::Swap(item)])
    };
    refused(&offer(|item| item.want_index = 0), BodyError::SameToken);
    refused(&offer(|item| item.want_index = 2), BodyError::NoSuchToken { index: 2 });
    refused(&offer(|item| item.remaining = 101), BodyError::RemainingExceedsGive);
    refused(&offer(|item| item.remaining = 0), BodyError::AmountOutOfRange);
    refused(&offer(|item| item.give = 0), BodyError::AmountOutOfRange);
    refused(&offer(|item| item.want = 1 << 127), BodyError::AmountOutOfRange);
    refused(&offer(|item| item.min_fill = 1 << 127), BodyError::AmountOutOfRange);
    refused(&offer(|item| item.expiry = UnixSeconds(1 << 40)), BodyError::ExpiryOutOfRange(late));

    refused(&body_with(vec![Batch::Payments(Vec::new())]), BodyError::NoPayments);
    refused(&body_with(vec![Batch::Swap(swap()), Batch::Payments(vec![payment()])]), BodyError::SwapNotLast);
    let custom = |instrument, length| body_with(vec![Batch::Custom { instrument, payload: vec![0; length] }]);
    refused(&custom(1, 0), BodyError::BuiltInInstrument(1));
    refused(&custom(2, 96), BodyError::BuiltInInstrument(2));
    refused(&custom(300, 65_534), BodyError::BatchTooLong { length: 65_536 });
    assert!(custom(300, 65_533).encode().is_ok_and(|bytes| Body::parse(&bytes) == Ok(custom(300, 65_533))));

    let mut body = body_with(Vec::new());
    body.tokens.swap(0, 1);
    refused(&body, BodyError::TokensNotAscending);
    body.tokens = vec![(TokenId(1), 0), (TokenId(1), 0)];
    refused(&body, BodyError::TokensNotAscending);
    body.tokens = vec![(TokenId(1), i128::MIN)];
    refused(&body, BodyError::AmountOutOfRange);
    body = body_with(vec![Batch::Swap(swap())]);
    let allowance = |token_index| Allowance { token_index, right: 0, left: 0 };
    body.clauses[0].allowances = vec![allowance(1), allowance(1)];
    refused(&body, BodyError::AllowancesNotAscending);
    body.clauses[0].allowances = vec![allowance(2)];
    refused(&body, BodyError::NoSuchToken { index: 2 });
}

#[test]
fn limits_of_bodies_hold_at_the_limit_and_not_beyond() {
    let tokens = |n: usize| Body { tokens: (0..n).map(|id| (TokenId(id as u32), 0)).collect(), clauses: Vec::new() };
    assert!(tokens(MAX_TOKENS).encode().is_ok_and(|bytes| Body::parse(&bytes).is_ok()));
    refused(&tokens(MAX_TOKENS + 1), BodyError::TooManyTokens { found: MAX_TOKENS + 1 });
    let swaps = |n: usize| body_with(vec![Batch::Swap(swap()); n]);
    assert!(swaps(MAX_PENDING).encode().is_ok_and(|bytes| Body::parse(&bytes).is_ok()));
    refused(&swaps(MAX_PENDING + 1), BodyError::TooManyPending { found: MAX_PENDING + 1 });
    refused(&swaps(MAX_CLAUSES + 1), BodyError::TooManyClauses { found: MAX_CLAUSES + 1 });
    let pays = |n: usize| body_with(vec![Batch::Payments(vec![payment(); n])]);
    assert!(pays(MAX_PENDING).encode().is_ok());
    refused(&pays(MAX_PENDING + 1), BodyError::TooManyPending { found: MAX_PENDING + 1 });
    let providers = |n: usize| {
        let mut body = body_with(vec![Batch::Swap(swap()); n]);
        body.clauses.iter_mut().zip(1..).for_each(|(clause, byte)| clause.provider = Address([byte; 20]));
        body
    };
    assert!(providers(MAX_PROVIDERS).encode().is_ok());
    refused(&providers(MAX_PROVIDERS + 1), BodyError::TooManyProviders);
}

#[test]
fn foreign_bytes_are_refused_by_name() {
    let bytes = body_with(vec![Batch::Payments(vec![payment()])]).encode().expect("valid");
    // One payment: the head stands before an offset of no bytes and the amount's own.
    let amount_size = payment().amount.to_be_bytes().iter().skip_while(|byte| **byte == 0).count();
    let head = bytes.len() - amount_size - 1;
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Body::parse(&bytes)
    };
    assert_eq!(with(head, 0x40), Err(BodyError::UnknownFlags(0x40)));
    // Sizes beyond the least: an amount with a leading zero, and offsets where there are none.
    let sizes = head - 32 - 6;
    let longer = |sizes_byte: u8, extra: usize| {
        let mut long = bytes.clone();
        long[sizes] = sizes_byte;
        (0..extra).for_each(|_| long.insert(head + 1, 0));
        long[sizes - 3] += extra as u8;
        Body::parse(&long)
    };
    let size = amount_size as u8;
    assert_eq!(longer(size + 1, 1), Err(BodyError::UnknownFlags(size + 1)));
    assert_eq!(longer(1 << 5 | size, 1), Err(BodyError::UnknownFlags(1 << 5 | size)));
    assert_eq!(longer(17, 17 - amount_size), Err(BodyError::Truncated));
    assert_eq!(with(sizes + 5, bytes[sizes + 5] ^ 1).map(|_| ()), Ok(()), "another expiry");
    assert_eq!(with(0, 33), Err(BodyError::TooManyTokens { found: 33 }));
    assert_eq!(with(41, 34), Err(BodyError::TooManyClauses { found: 34 }));
    let offer = body_with(vec![Batch::Swap(swap())]).encode().expect("valid");
    let mut unknown = offer.clone();
    unknown[offer.len() - 96] = 2;
    assert_eq!(Body::parse(&unknown), Err(BodyError::UnknownFlags(2)));
    // A swap batch with one byte more than an offer.
    let mut long = offer.clone();
    long.push(0);
    long[offer.len() - 99] += 1;
    assert_eq!(Body::parse(&long), Err(BodyError::TrailingBytes));
}

#[test]
fn fills_and_settlements_keep_their_limits() {
    let fills = |n: u64| Fills((0..n).map(|id| (id, 1)).collect());
    let most = MAX_FILLS as u64;
    assert!(fills(most).encode().is_ok_and(|bytes| Fills::parse(&bytes).is_ok()));
    assert_eq!(fills(most + 1).encode(), Err(FillsError::TooMany { found: MAX_FILLS + 1 }));
    assert_eq!(Fills(vec![(1, 1), (1, 2)]).encode(), Err(FillsError::NotAscending));
    assert_eq!(Fills::parse(&[0; 48]), Err(FillsError::NotAscending));
    assert_eq!(Fills::parse(&[0; 25]), Err(FillsError::WrongLength { length: 25 }));
    assert_eq!(Fills::parse(&[0; 24 * 33]), Err(FillsError::TooMany { found: 33 }));
    assert_eq!(Fills::parse(&[]), Ok(Fills::default()));

    let diff = |token, left, right| TokenDiff { token: TokenId(token), left, right, ondelta: 0 };
    assert_eq!(diff(0, 5, -7).collateral(), Some(2));
    assert_eq!(diff(0, i128::MAX, 1).collateral(), None);
    assert_eq!(diff(0, -i128::MAX, -1).collateral(), None);
    let update = |diffs| SettlementUpdate { diffs, forgiven: Vec::new() };
    assert_eq!(update(vec![diff(0, i128::MAX, i128::MAX)]).encode(), Err(SettlementError::AmountOutOfRange));
    assert_eq!(update(vec![diff(0, i128::MIN, i128::MAX)]).encode(), Err(SettlementError::AmountOutOfRange));
    assert_eq!(update(vec![diff(1, 0, 0), diff(1, 0, 0)]).encode(), Err(SettlementError::TokensNotAscending));
    let debt = |debtor, index| Forgiven { token: TokenId(2), debtor, index };
    let forgive = |forgiven| SettlementUpdate { diffs: Vec::new(), forgiven };
    // Right's debts stand before left's: the byte says whether the debtor is left.
    assert!(forgive(vec![debt(Side::Right, 9), debt(Side::Left, 1)]).encode().is_ok());
    let wrong = forgive(vec![debt(Side::Left, 1), debt(Side::Right, 9)]);
    assert_eq!(wrong.encode(), Err(SettlementError::ForgivenNotAscending));
    let many = |n: usize| forgive((0..n).map(|index| debt(Side::Left, index as u64)).collect());
    assert!(many(MAX_FORGIVEN).encode().is_ok());
    let found = MAX_FORGIVEN + 1;
    assert_eq!(many(found).encode(), Err(SettlementError::TooManyForgiven { found }));
    assert_eq!(
        SettlementUpdate::parse(&[0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]),
        Err(SettlementError::UnknownDebtor(2))
    );
}
