//! Two machines and a channel between them, without any chain: credit, a payment, and the root that both signed.
#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that shows something")]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "the amounts of a story are small, and a debug build would stop at an overflow"
)]

use std::collections::VecDeque;
use std::convert::Infallible;

use xln_core::channel::{AcceptedDepository, ChannelConfig};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command, Context, Effect, Input, Log, Machine, Record};
use xln_core::transition::Transition;
use xln_core::types::{Address, ChainId, SubchannelKey, TokenId, UnixSeconds};

/// Keeps nothing: fine for a demonstration, not for money.
struct Forgetful;

impl Log for Forgetful {
    type Error = Infallible;
    fn append(&mut self, _: &Record) -> Result<(), Infallible> {
        Ok(())
    }
}

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let key = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
    let (token, provider) = (TokenId(1), Address([0x5c; 20]));
    let alice = LocalSigner::new(&[1; 32])?;
    let bob = LocalSigner::new(&[2; 32])?;
    let mut parties = [(Machine::new(alice.entity()), alice), (Machine::new(bob.entity()), bob)];
    let depositories = vec![AcceptedDepository::new(key, 3600, vec![provider], Address([0xee; 20]), 10_800)];
    let config = ChannelConfig { depositories, ..ChannelConfig::default() };
    for who in 0..2 {
        step(&mut parties, who, Input::Configure(config.clone()))?;
    }
    let open = Transition::OpenSubchannel { key, providers: vec![provider], settle_margin_s: 600 };
    for (who, transition) in [
        (0, open),
        (0, Transition::AddToken { key, token }),
        (1, Transition::SetCreditLimit { key, token, limit: 100 }),
        (0, Transition::DirectPayment { key, token, amount: 42 }),
    ] {
        let peer = parties.get(1 - who).map(|(m, _)| m.entity()).ok_or("no peer")?;
        let command = Command { peer, action: Action::Propose { transition, submit: false } };
        step(&mut parties, who, Input::Command(command))?;
    }
    for (machine, _) in &parties {
        for (_, channel) in machine.channels() {
            let state = channel.state().token(&key, token).ok_or("no token")?;
            println!("{:?}: offdelta {}, root {}", channel.side(), state.offdelta, channel.state_root());
        }
    }
    Ok(())
}

/// One input, and every message that follows from it.
fn step(parties: &mut [(Machine, LocalSigner); 2], who: usize, input: Input) -> Result<(), Failure> {
    let mut queue = VecDeque::from([(who, input)]);
    while let Some((who, input)) = queue.pop_front() {
        let (machine, signer) = parties.get_mut(who).ok_or("no such party")?;
        let from = machine.entity();
        let cx = Context { now: UnixSeconds(1_800_000_000), signer };
        let effects = machine.stage(&cx, vec![input])?.commit(&mut Forgetful)?;
        for (_, effect) in effects.effects() {
            if let Effect::Send { bytes, .. } = effect {
                queue.push_back((1 - who, Input::Message { from, bytes: bytes.clone() }));
            }
        }
    }
    Ok(())
}
