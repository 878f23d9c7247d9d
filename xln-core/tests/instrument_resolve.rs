//! A dispute decides subcontracts as settling them off chain would, at the same time and with the same facts; and its own
//! boundaries by hand (`docs/protocol.md` sections 7 and 8).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_sign_loss,
    reason = "tests say what they expect by failing"
)]

mod common;
use common::*;
use proptest::prelude::*;
use xln_core::commitment::body_of;
use xln_core::proof::{
    Allowance, Batch, Body, Clause, Dispute, FillsGiven, ResolveError, TokenSplit, World, resolve, resolve_with,
};
use xln_core::state::{ChannelState, Pending};
use xln_core::subcontract::{
    Answer, Clock, ConditionTerms, CreditDefaultSwapTerms, Hold, Instrument, InstrumentError, Instruments, Outcome,
    Quote, ScheduleTerms, Terms, fact_key,
};
use xln_core::transition::Transition;
use xln_core::types::*;

const START: UnixSeconds = UnixSeconds(1_001_000);
const WINDOW_S: u64 = 2000;

#[derive(Clone, Debug)]
struct Item {
    author: Side,
    payer: Side,
    kind: u8,
    amount: u128,
    other: u128,
    /// Seconds after T0.
    times: (u64, u64),
    steps: u16,
    /// When its fact is recorded, seconds after T0.
    recorded: Option<u64>,
}

fn item() -> impl Strategy<Value = Item> {
    let side = || prop_oneof![Just(Side::Left), Just(Side::Right)];
    (
        side(),
        side(),
        3..=5_u8,
        1..200_u128,
        0..200_u128,
        (0..1500_u64, 1..1500_u64),
        0..5_u16,
        proptest::option::of(0..2500_u64),
    )
        .prop_map(|(author, payer, kind, amount, other, times, steps, recorded)| Item {
            author,
            payer,
            kind,
            amount,
            other,
            times,
            steps,
            recorded,
        })
}

impl Item {
    /// The terms, and the fact that they wait for. `nonce` makes the questions different.
    fn terms(&self, nonce: u8) -> (Vec<u8>, Option<Hash>) {
        let (payer, amount) = (self.payer, self.amount);
        let (early, late) = (self.times.0.min(self.times.1), self.times.0.max(self.times.1));
        let (not_before, expiry) = (T0.plus(early), T0.plus(late));
        match self.kind {
            3 => {
                let terms = CreditDefaultSwapTerms {
                    payer,
                    amount,
                    expiry,
                    not_before,
                    reference: [nonce; 32],
                    debt_token: EUR,
                };
                let question = [&KEY.depository.0[..], &[nonce; 32], &EUR.0.to_be_bytes()].concat();
                (terms.encode().unwrap(), fact_key(3, not_before, &question))
            }
            4 => {
                let (cancellable, paid, start, duration_s) = (false, 0, T0.plus(self.times.0), self.times.1);
                let (cliff_s, steps) = (duration_s / 3, self.steps);
                let terms = ScheduleTerms { payer, cancellable, amount, paid, start, duration_s, cliff_s, steps };
                (terms.encode().unwrap(), None)
            }
            _ => {
                let (target, calldata, fallback) = (Address([nonce; 20]), vec![], self.other);
                let terms = ConditionTerms { payer, amount, fallback, expiry, not_before, target, calldata };
                (terms.encode().unwrap(), fact_key(5, not_before, &[nonce; 20]))
            }
        }
    }
}

fn split(
    state: &ChannelState,
    now: UnixSeconds,
    facts: &[(Hash, UnixSeconds)],
) -> Result<Vec<TokenSplit>, ResolveError> {
    let body = body_of(&state.subchannels[&KEY]).unwrap();
    let tokens = state.subchannels[&KEY].tokens.iter();
    let tokens: Vec<TokenFact> =
        tokens.map(|(t, s)| TokenFact { token: *t, collateral: s.collateral, ondelta: s.ondelta }).collect();
    split_body(&body, &tokens, now, &|key| {
        let found = facts.iter().find(|(k, _)| k == key);
        found.map(|(_, at)| Answer { at: *at, value: 1 }).filter(|a| a.at <= now)
    })
}

fn split_body(
    body: &Body,
    facts: &[TokenFact],
    now: UnixSeconds,
    registry: &dyn Fn(&Hash) -> Option<Answer>,
) -> Result<Vec<TokenSplit>, ResolveError> {
    let (left_fills, right_fills) = (FillsGiven::default(), FillsGiven::default());
    let dispute = Dispute { body, facts, now, started_at: START, window_s: WINDOW_S, left_fills, right_fills };
    let facts = |provider: &Address, key: &Hash| registry(key).filter(|_| *provider == PROVIDER);
    let world = World { key: KEY, instruments: &Instruments::built_in(), reveals: &|_, _, _| None, facts: &facts };
    resolve_with(&dispute, &world)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_dispute_decides_as_settling_would(items in proptest::collection::vec(item(), 1..10)) {
        let mut state = one(&base(300), Side::Left, T0, &sync(1, T0, facts(0, 0, (500, 200)), vec![])).unwrap();
        let mut recorded: Vec<(Hash, UnixSeconds)> = Vec::new();
        for (nonce, item) in (0u8..).zip(&items) {
            let (terms, fact) = item.terms(nonce);
            let token = if item.steps % 2 == 0 { USD } else { EUR };
            let instrument = u16::from(item.kind);
            let tokens = vec![token];
            let add = Transition::AddSubcontract { key: KEY, provider: PROVIDER, instrument, tokens, terms };
            // Beyond the capacity is no concern here.
            if let Ok(after) = one(&state, item.author, T0, &add) {
                state = after;
                recorded.extend(fact.zip(item.recorded).map(|(key, at)| (key, T0.plus(at))));
            }
        }
        let over = START.plus(WINDOW_S + 1);
        let disputed = split(&state, over, &recorded).unwrap();

        // Off chain: the facts in time, the chain past every expiry, everything settled at the time of the start.
        let mut known = Vec::new();
        for pending in state.subchannels[&KEY].pending.values() {
            let Pending::Subcontract(s) = pending else { continue };
            for ask in &s.asks {
                let found = recorded.iter().find(|(key, at)| *key == ask.key && *at <= ask.until);
                known.extend(found.map(|(key, at)| RecordedFact { provider: PROVIDER, key: *key, at: *at, value: 1 }));
            }
        }
        let said = facts(0, 0, (500, 200));
        let told = Transition::SyncChain { key: KEY, point: point(2, over), facts: said, reveals: vec![], recorded: known };
        let mut settled = one(&state, Side::Left, T0, &told).unwrap();
        let ids: Vec<u64> = settled.subchannels[&KEY].pending.keys().copied().collect();
        for id in ids {
            if let Ok(after) = one(&settled, Side::Right, START, &Transition::SettleSubcontract { key: KEY, id }) {
                settled = after;
            }
        }
        prop_assert_eq!(&split(&settled, over, &recorded).unwrap(), &disputed, "what is left pays nothing more");
        let mut without = settled.subchannels[&KEY].clone();
        without.pending.clear();
        let collateral = |token: TokenId| if token == USD { (500, 200) } else { (0, 0) };
        for (split, (token, offdelta)) in disputed.iter().zip(body_of(&without).unwrap().tokens) {
            let (all, ondelta) = collateral(token);
            let delta: i128 = ondelta + offdelta;
            prop_assert_eq!(split.left_reserve, delta.clamp(0, all) as u128);
            prop_assert_eq!(split.left_reserve + split.right_reserve, all as u128);
        }
        // Nobody loses more than was held.
        for (token, before) in &state.subchannels[&KEY].tokens {
            let moved = settled.token(&KEY, *token).unwrap().offdelta - before.offdelta;
            prop_assert!(moved >= -(before.left_hold as i128) && moved <= before.right_hold as i128);
        }
    }
}

fn default_swap(expiry: UnixSeconds) -> (Vec<u8>, Hash) {
    let (payer, amount, not_before) = (Side::Left, 60, UnixSeconds(0));
    let terms = CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference: [7; 32], debt_token: EUR };
    let question = [&KEY.depository.0[..], &[7; 32], &EUR.0.to_be_bytes()].concat();
    (terms.encode().unwrap(), fact_key(3, not_before, &question).unwrap())
}

fn body_with(instrument: u16, indices: &[u8], terms: &[u8]) -> Body {
    let payload = [&[u8::try_from(indices.len()).unwrap()], indices, terms].concat();
    let allowances = [0, 1].map(|token_index| Allowance { token_index, right: 1000, left: 1000 }).to_vec();
    let clause = Clause { provider: PROVIDER, allowances, batch: Batch::Custom { instrument, payload } };
    Body { tokens: vec![(USD, 0), (EUR, 0)], clauses: vec![clause] }
}

/// Left's reserve of USD out of 100 at a delta of 80, and of EUR at 10 of 10.
fn reserves(body: &Body, now: UnixSeconds, fact: Option<(Hash, UnixSeconds)>) -> Result<(u128, u128), ResolveError> {
    let facts =
        [TokenFact { token: USD, collateral: 100, ondelta: 80 }, TokenFact { token: EUR, collateral: 10, ondelta: 10 }];
    let registry = |key: &Hash| fact.filter(|(k, _)| k == key).map(|(_, at)| Answer { at, value: 1 });
    let splits = split_body(body, &facts, now, &registry)?;
    assert!(splits.iter().all(|split| split.debt.is_none()));
    Ok((splits[0].left_reserve, splits[1].left_reserve))
}

#[test]
fn a_fact_counts_until_the_expiry_or_the_deadline_whichever_is_first() {
    let deadline = START.plus(WINDOW_S);
    for (expiry, last) in [(deadline.plus(50), deadline), (deadline.minus(50), deadline.minus(50))] {
        let (terms, key) = default_swap(expiry);
        let body = body_with(3, &[0], &terms);
        let at = |now, fact: Option<UnixSeconds>| reserves(&body, now, fact.map(|at| (key, at)));
        assert_eq!(at(last, None), Err(ResolveError::PendingUntil(last)), "it may still come");
        assert_eq!(at(last.plus(1), None), Ok((80, 10)));
        assert_eq!(at(last, Some(last)), Ok((20, 10)));
        assert_eq!(at(last.plus(100), Some(last)), Ok((20, 10)));
        assert_eq!(at(last.plus(100), Some(last.plus(1))), Ok((80, 10)));
    }
}

#[test]
fn a_schedule_pays_by_the_start_and_not_by_the_finalize() {
    let (payer, cancellable, paid, start) = (Side::Left, false, 10, START.minus(300));
    let terms = ScheduleTerms { payer, cancellable, amount: 60, paid, start, duration_s: 600, cliff_s: 0, steps: 0 };
    let body = body_with(4, &[0], &terms.encode().unwrap());
    for now in [START, START.plus(9999)] {
        assert_eq!(reserves(&body, now, None), Ok((60, 10)), "half of 60, less 10");
    }
    // Paid ahead of the start: it never pays back.
    let ahead = ScheduleTerms { paid: 31, ..terms }.encode().unwrap();
    assert_eq!(reserves(&body_with(4, &[0], &ahead), START, None), Ok((80, 10)));
}

#[test]
fn what_is_malformed_or_leaves_its_allowance_moves_nothing() {
    let (terms, key) = default_swap(START);
    let fact = Some((key, START));
    let now = START.plus(1);
    let good = body_with(3, &[0], &terms);
    assert_eq!(reserves(&good, now, fact), Ok((20, 10)));
    for indices in [&[][..], &[2], &[0, 1], &[0, 0], &[0, 1, 0, 1, 0]] {
        assert_eq!(reserves(&body_with(3, indices, &terms), now, fact), Ok((80, 10)), "{indices:?}");
    }
    assert_eq!(reserves(&body_with(3, &[0], &terms[1..]), now, fact), Ok((80, 10)));
    let mut tight = good.clone();
    tight.clauses[0].allowances[0].left = 59;
    assert_eq!(reserves(&tight, now, fact), Ok((80, 10)));
    tight.clauses[0].allowances[0].left = 60;
    assert_eq!(reserves(&tight, now, fact), Ok((20, 10)));
    tight.clauses[0].allowances.remove(0);
    assert_eq!(reserves(&tight, now, fact), Ok((80, 10)));
    // Another registry's fact is none.
    let mut foreign = good.clone();
    foreign.clauses[0].provider = Address([1; 20]);
    assert_eq!(reserves(&foreign, now, fact), Ok((80, 10)));
    let unknown = body_with(256, &[0], &terms);
    assert_eq!(reserves(&unknown, now, fact), Err(ResolveError::UnknownInstrument(256)));
    let (left_fills, right_fills) = (FillsGiven::default(), FillsGiven::default());
    let dispute =
        Dispute { body: &good, facts: &[], now, started_at: START, window_s: WINDOW_S, left_fills, right_fills };
    assert_eq!(resolve(&dispute, &|_, _, _| None), Err(ResolveError::UnknownInstrument(3)));
}

/// Takes ten of every token from left.
struct Tens;

impl Instrument for Tens {
    fn name(&self) -> &'static str {
        "tens"
    }
    fn quote(&self, terms: &Terms<'_>) -> Result<Quote, InstrumentError> {
        let holds = vec![Hold { left: 10, right: 0 }; terms.tokens.len()];
        Ok(Quote { holds, questions: vec![], last: START })
    }
    fn outcome(&self, terms: &Terms<'_>, _: &[Option<Answer>], _: &Clock) -> Result<Outcome, InstrumentError> {
        Ok(Outcome::Pays { moves: vec![-10; terms.tokens.len()], rest: None })
    }
    fn canonical(&self, terms: &Terms<'_>) -> Result<Vec<u8>, InstrumentError> {
        Ok(terms.data.to_vec())
    }
}

#[test]
fn an_instrument_moves_each_of_its_tokens_once() {
    let mut instruments = Instruments::built_in();
    instruments.register(KEY.chain, PROVIDER, 256, std::sync::Arc::new(Tens)).unwrap();
    let moved = |indices: &[u8]| {
        let body = body_with(256, indices, &[]);
        let (left_fills, right_fills) = (FillsGiven::default(), FillsGiven::default());
        let facts = [USD, EUR].map(|token| TokenFact { token, collateral: 100, ondelta: 50 });
        let (body, facts, now, window_s) = (&body, &facts, START, WINDOW_S);
        let dispute = Dispute { body, facts, now, started_at: START, window_s, left_fills, right_fills };
        let world = World { key: KEY, instruments: &instruments, reveals: &|_, _, _| None, facts: &|_, _| None };
        let splits = resolve_with(&dispute, &world).unwrap();
        (splits[0].left_reserve, splits[1].left_reserve)
    };
    assert_eq!(moved(&[0, 1]), (40, 40));
    assert_eq!(moved(&[1]), (50, 40));
    for malformed in [&[0, 0][..], &[0, 2], &[1, 0, 1], &[]] {
        assert_eq!(moved(malformed), (50, 50), "{malformed:?}");
    }
}
