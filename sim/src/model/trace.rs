//! A counterexample as a person reads it.

use std::fmt::Write as _;

use xln_core::types::Side;
use xln_core::wire::{Message, Part};

use super::laws::Law;
use super::node::Letter;
use super::world::State;
use super::{Trace, index};

/// The story of how a law was broken.
pub(super) fn tell(law: Law, path: Trace) -> String {
    let mut text = format!("BROKEN: {}\n", law.name());
    let steps = path.into_vec();
    for (number, (state, act)) in steps.iter().enumerate() {
        describe(&mut text, state);
        match (act, &state.fault) {
            (Some(act), _) => drop(writeln!(text, "{:>3}. {act:?}", number + 1)),
            (None, Some(fault)) => drop(writeln!(text, "     {}", fault.text)),
            (None, None) => {}
        }
    }
    text
}

fn describe(text: &mut String, state: &State) {
    for side in [Side::Left, Side::Right] {
        let channel = state.node(side).channel();
        let tip = channel.state();
        let token = tip.subchannels.values().next().and_then(|s| s.tokens.values().next());
        let _ = write!(
            text,
            "     {side:?}: agreed height {} nonce {} offdelta {}, signed up to {}{}{}{}; on its way to it:",
            tip.height,
            tip.nonce.0,
            token.map_or(0, |t| t.offdelta),
            channel.max_signed().0,
            if channel.is_in_flight() { ", a block in flight" } else { "" },
            if channel.queued() > 0 { format!(", {} queued", channel.queued()) } else { String::new() },
            if channel.is_recovering() { ", recovering" } else { "" },
        );
        for letter in &state.wire[index(side)] {
            let _ = write!(text, " [{}]", contents(letter));
        }
        text.push('\n');
    }
    let chain = &state.chain;
    let _ = writeln!(
        text,
        "     chain: block {}, epoch {}, collateral {}, left has {}, right has {}, {}{}",
        chain.number,
        chain.epoch,
        chain.collateral,
        chain.reserve(Side::Left),
        chain.reserve(Side::Right),
        if state.connected { "connected" } else { "apart" },
        chain.dispute.map_or_else(String::new, |d| format!(", dispute by {:?} shows nonce {}", d.starter, d.nonce)),
    );
}

fn contents(letter: &Letter) -> String {
    let Ok(message) = Message::decode(&letter.bytes) else { return "?".into() };
    let parts = message.parts.iter().map(|part| match part {
        Part::Proposal { block, .. } => {
            let names = block.transitions.iter().map(|t| {
                let text = format!("{t:?}");
                text.split([' ', '{']).next().unwrap_or_default().to_owned()
            });
            format!("Proposal {} ({})", block.height, names.collect::<Vec<_>>().join(", "))
        }
        Part::Ack { height, .. } => format!("Ack {height}"),
        Part::Reject(reject) => format!("Reject {}: {}", reject.height, reject.reason),
        Part::Reestablish { height, reply, .. } => format!("Reestablish {height}{}", if *reply { "?" } else { "" }),
        Part::StateRequest => "StateRequest".into(),
        Part::StateReply { state, .. } => format!("StateReply {}", state.height),
        Part::SettlementSignature { id, .. } => format!("SettlementSignature {id}"),
    });
    parts.collect::<Vec<_>>().join(" + ")
}
