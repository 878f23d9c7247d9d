//! An instrument that the core does not know: an option on a price feed. The Rust side is `price_option.rs`, the contract is
//! `contracts/src/examples/PriceOption.sol`. Here the conformance kit tries the Rust side, and two machines agree on an
//! option, hold for its worst case, and settle it by the price that the registry on chain recorded. That both sides
//! decide alike on chain is what `xln_chain::conformance::compare` checks, in `xln-chain/tests/instruments.rs`.
#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that shows something")]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "the amounts of a story are small, and a debug build would stop at an overflow"
)]

mod price_option;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use price_option::{PriceOption, PriceOptionTerms};
use xln_core::chain::ChainFact;
use xln_core::channel::{AcceptedDepository, ChannelConfig};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command, Context, Effect, Input, Log, Machine, Record};
use xln_core::subcontract::conformance::{Sample, check};
use xln_core::subcontract::{FIRST_CUSTOM, Instruments, fact_key};
use xln_core::transition::Transition;
use xln_core::types::{Address, ChainId, ChainPoint, Hash, RecordedFact, Side, SubchannelKey, TokenId, UnixSeconds};

/// Keeps nothing: fine for a demonstration, not for money.
struct Forgetful;

impl Log for Forgetful {
    type Error = Infallible;
    fn append(&mut self, _: &Record) -> Result<(), Infallible> {
        Ok(())
    }
}

type Failure = Box<dyn std::error::Error>;
type Parties = [(Machine, LocalSigner); 2];

const START: UnixSeconds = UnixSeconds(1_800_000_000);
const KEY: SubchannelKey = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
const PROVIDER: Address = Address([0x5c; 20]);
const FEED: Address = Address([0xfe; 20]);
const USD: TokenId = TokenId(1);
/// Prices have eight decimals.
const UNIT: u128 = 100_000_000;

fn main() -> Result<(), Failure> {
    let (not_before, expiry) = (START.plus(3600), START.plus(7200));
    // Alice pays two for every whole unit above 2,000, at most 500.
    let terms = PriceOptionTerms {
        payer: side_of_alice()?,
        not_before,
        expiry,
        feed: FEED,
        ..PriceOptionTerms::call(Side::Left, 2000 * UNIT, 2, 500)
    };
    let data = terms.encode().ok_or("terms")?;
    let values = vec![2000 * UNIT, 2001 * UNIT, 3000 * UNIT];
    let sample =
        Sample { key: KEY, id: FIRST_CUSTOM, tokens: vec![USD], data: data.clone(), times: vec![START], values };
    println!("conformance: {} cases", check(&PriceOption, &sample)?.len());

    // What `registerInstrument` gave its contract; the first that is registered gets this number.
    let mut instruments = Instruments::built_in();
    instruments.register(KEY.chain, PROVIDER, FIRST_CUSTOM, Arc::new(PriceOption))?;
    let instruments = Arc::new(instruments);
    let (alice, bob) = (LocalSigner::new(&[1; 32])?, LocalSigner::new(&[2; 32])?);
    let machine = |signer: &LocalSigner| Machine::new_with(signer.entity(), Arc::clone(&instruments));
    let mut parties = [(machine(&alice), alice), (machine(&bob), bob)];

    let depositories = vec![AcceptedDepository::new(KEY, 3600, vec![PROVIDER], Address([0xee; 20]), 10_800)];
    let config = ChannelConfig { depositories, ..ChannelConfig::default() };
    for who in 0..2 {
        step(&mut parties, START, who, Input::Configure(config.clone()))?;
        step(&mut parties, START, who, block(1, START, Vec::new()))?;
    }
    let add = Transition::AddSubcontract {
        key: KEY,
        provider: PROVIDER,
        instrument: FIRST_CUSTOM,
        tokens: vec![USD],
        terms: data,
    };
    let now = START.plus(1);
    for (who, transition) in [
        (0, Transition::OpenSubchannel { key: KEY, providers: vec![PROVIDER], settle_margin_s: 600 }),
        (0, Transition::AddToken { key: KEY, token: USD }),
        (1, Transition::SetCreditLimit { key: KEY, token: USD, limit: 1000 }),
        (0, add),
    ] {
        let peer = parties.get(1 - who).map(|(m, _)| m.entity()).ok_or("no peer")?;
        let command = Command { peer, action: Action::Propose { transition, submit: false } };
        step(&mut parties, now, who, Input::Command(command))?;
    }
    show(&parties, "agreed, and its worst case held")?;

    // Somebody has the registry on chain record the price; both see the block.
    let name = fact_key(FIRST_CUSTOM, not_before, &FEED.0).ok_or("a time beyond 40 bits")?;
    let later = START.plus(3700);
    let fact = RecordedFact { provider: PROVIDER, key: name, at: later, value: 2100 * UNIT };
    for who in 0..2 {
        step(&mut parties, later, who, block(2, later, vec![fact]))?;
    }
    show(&parties, "recorded at 2,100: bob's machine has settled it by itself")
}

fn side_of_alice() -> Result<Side, Failure> {
    let (alice, bob) = (LocalSigner::new(&[1; 32])?.entity(), LocalSigner::new(&[2; 32])?.entity());
    Ok(if alice < bob { Side::Left } else { Side::Right })
}

fn block(number: u64, timestamp: UnixSeconds, facts: Vec<RecordedFact>) -> Input {
    let byte = u8::try_from(number).unwrap_or(u8::MAX);
    let point = ChainPoint { chain: KEY.chain, number, hash: Hash([byte; 32]), timestamp };
    Input::Chain(ChainFact::Block { point, changes: Vec::new(), reveals: Vec::new(), facts, entities: Vec::new() })
}

fn show(parties: &Parties, what: &str) -> Result<(), Failure> {
    println!("{what}:");
    for (machine, _) in parties {
        for (_, channel) in machine.channels() {
            let subchannel = channel.state().subchannels.get(&KEY).ok_or("no subchannel")?;
            let token = subchannel.tokens.get(&USD).ok_or("no token")?;
            let (side, pending) = (channel.side(), subchannel.pending.len());
            let (left, right) = (token.left_hold, token.right_hold);
            println!("  {side:?}: offdelta {}, holds {left} and {right}, {pending} pending", token.offdelta);
        }
    }
    Ok(())
}

/// One input, and every message that follows from it.
fn step(parties: &mut Parties, now: UnixSeconds, who: usize, input: Input) -> Result<(), Failure> {
    let mut queue = VecDeque::from([(who, input)]);
    while let Some((who, input)) = queue.pop_front() {
        let (machine, signer) = parties.get_mut(who).ok_or("no such party")?;
        let from = machine.entity();
        let effects = machine.stage(&Context { now, signer }, vec![input])?.commit(&mut Forgetful)?;
        for (_, effect) in effects.effects() {
            if let Effect::Send { bytes, .. } = effect {
                queue.push_back((1 - who, Input::Message { from, bytes: bytes.clone() }));
            }
        }
    }
    Ok(())
}
