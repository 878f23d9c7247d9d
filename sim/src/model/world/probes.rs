//! What can change nothing and is tried all the same: each gives a state only if something has changed.

use std::sync::Arc;

use xln_core::block::Block;
use xln_core::commitment::Commitment;
use xln_core::machine::Input;
use xln_core::transition::Transition;
use xln_core::types::Side;
use xln_core::wire::{Message, Part};

use super::State;
use crate::model::laws::{Fault, Law, Mark};
use crate::model::node::{Fate, Steps, of, short};
use crate::model::wishes::Wish;
use crate::model::{KEY, index};

/// A proposal arrives whose signature does not verify: nothing may come of it.
pub(super) fn damage(steps: &Steps, state: &State, to: Side, at: usize) -> Option<State> {
    let letter = state.wire[index(to)].get(at)?;
    let mut message = Message::decode(&letter.bytes).ok()?;
    message.parts.retain(|part| matches!(part, Part::Proposal { .. } | Part::Ack { .. }));
    for part in &mut message.parts {
        let (Part::Proposal { signature, .. } | Part::Ack { signature, .. }) = part else { continue };
        let mut bytes = signature.as_bytes().to_vec();
        *bytes.get_mut(9)? ^= 1;
        *signature = xln_core::crypto::Signature::new(bytes).ok()?;
    }
    if message.parts.is_empty() {
        return None;
    }
    let bytes = message.encode().ok()?;
    let from = state.node(to.other()).machine.entity();
    let name = short((9, letter.print));
    let inputs = || vec![Input::Message { from, bytes }];
    let outcome = steps.step(state.node(to), state.now, Fate::Lives, name, inputs);
    let (before, after) = (state.node(to).channel(), outcome.node.channel());
    let same = before.tip() == after.tip()
        && before.is_in_flight() == after.is_in_flight()
        && before.queued() == after.queued()
        && before.max_signed() == after.max_signed();
    if same && outcome.fault.is_none() {
        return None;
    }
    let mut next = state.clone();
    let text = format!("{to:?} changes its mind by a message that does not verify");
    next.fault = outcome.fault.clone().or_else(|| Fault::new(Law::Authentic, &text));
    Some(next)
}

/// A machine from the backup, started by mistake beside the present one, gives a command to the present store.
pub(super) fn haunt(steps: &Steps, state: &State, side: Side) -> Option<State> {
    let old = state.backup[index(side)].as_ref()?;
    let peer = state.node(side.other()).machine.entity();
    let input = Wish::Pay(3).input(old.channel(), peer, state.now)?;
    let fault = steps.haunted(old, state.node(side), state.now, short(10), input);
    steps.mark(Mark::Haunted);
    fault.map(|fault| State { fault: Some(fault), ..state.clone() })
}

/// The peer proposes to record a block of the chain that both know: an older one must be refused.
pub(super) fn record(steps: &Steps, state: &State, to: Side, at: usize) -> Option<State> {
    let tip = state.node(to).channel().tip();
    let recorded = of(&tip.state, KEY)?.point?;
    let (point, facts) = state.chain.history.get(at)?.clone();
    if point.number > recorded.number {
        return None;
    }
    let (proposer, height) = (to.other(), tip.state.height + 2);
    let reveals = Vec::new();
    let sync = Transition::SyncChain { key: KEY, point, facts: facts.clone(), reveals, recorded: Vec::new() };
    let name = short((11, point.hash.0, tip.state.block_hash.0));
    let inputs = || {
        let block = Block {
            height,
            prev_block_hash: tip.state.block_hash,
            prev_state_hash: tip.commitment.state_hash,
            proposer,
            timestamp: state.now.max(tip.state.timestamp),
            transitions: vec![sync],
        };
        // What the peer would sign if it could go back: the rules decide on the receiver's side.
        let signature = xln_core::block::apply_block(&tip.state, &tip.commitment.state_hash, &block)
            .ok()
            .and_then(|after| Commitment::of(&after).ok())
            .and_then(|c| steps.key(proposer).sign_digest(&c.digest).ok())
            .unwrap_or_else(|| xln_core::crypto::Signature::compact([1; 64]));
        let part = Part::Proposal { block: Arc::new(block), signature };
        let message = Message { channel: steps.pair.channel_key(), parts: vec![part] };
        let bytes = message.encode().expect("one block fits");
        vec![Input::Message { from: steps.pair.entity(proposer), bytes }]
    };
    let outcome = steps.step(state.node(to), state.now, Fate::Lives, name, inputs);
    let after = outcome.node.channel().state();
    steps.mark(Mark::WentBack);
    let back = of(after, KEY).and_then(|s| s.point).is_some_and(|p| p.number <= recorded.number && p != recorded);
    let fault = outcome.fault.clone().filter(|f| f.law == Law::Forward);
    if !back && fault.is_none() {
        return None;
    }
    let text = format!("{to:?} lets its peer record block {} after {}", point.number, recorded.number);
    let fault = fault.or_else(|| Fault::new(Law::Forward, &text));
    Some(State { fault, ..state.clone() })
}
