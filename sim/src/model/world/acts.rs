//! What may happen next, and what comes of it.

use xln_core::machine::Input;
use xln_core::types::Side;

use super::probes::{damage, haunt, record};
use super::{Act, Config, SIDES, State};
use crate::model::laws::Mark;
use crate::model::node::{Fate, Steps, short};
use crate::model::{WINDOW_S, index};

/// What may happen next.
pub(in crate::model) fn acts(config: &Config, state: &State, out: &mut Vec<Act>) {
    if state.fault.is_some() {
        return;
    }
    let left = &state.left_over;
    let fates: &[Fate] =
        if left.crashes > 0 { &[Fate::Lives, Fate::DiesBefore, Fate::DiesAfter] } else { &[Fate::Lives] };
    for side in SIDES {
        let i = index(side);
        let wish = config.wishes[i].get(state.next[i]);
        let peer = state.node(side.other()).machine.entity();
        if wish.is_some_and(|w| w.input(state.node(side).channel(), peer, state.now).is_some()) {
            // A command that dies before its record was never given.
            out.extend(fates.iter().filter(|f| **f != Fate::DiesBefore).map(|f| Act::Command(side, *f)));
        }
        for at in 0..state.wire[i].len() {
            if at > 0 && (left.reorder == 0 || state.wire[i][at].print == state.wire[i][at - 1].print) {
                continue;
            }
            out.extend(fates.iter().map(|fate| Act::Deliver { to: side, at, fate: *fate, again: false }));
            if left.double > 0 {
                out.push(Act::Deliver { to: side, at, fate: Fate::Lives, again: true });
            }
        }
        for at in 0..state.wire[i].len() {
            if left.lose > 0 {
                out.push(Act::Lose { to: side, at });
            }
            if config.probes {
                out.push(Act::Damage { to: side, at });
            }
        }
        if left.crashes > 0 {
            out.push(Act::Crash(side));
        }
        if left.restores > 0 && state.backup.iter().all(Option::is_none) {
            out.push(Act::Backup(side));
        }
        if state.backup[i].is_some() {
            if left.restores > 0 {
                out.push(Act::Restore(side));
            }
            out.push(Act::Haunt(side));
        }
        if state.seen[i] < state.chain.blocks.len() {
            out.push(Act::See(side));
        }
        out.extend(state.asked(side).map(|effect| Act::Execute(side, effect)));
        if left.attacks > 0 && state.evil.is_none_or(|evil| evil == side) {
            attacks(state, side, out);
        }
        if config.probes {
            out.extend((0..state.seen[i]).map(|at| Act::Record(side, at)));
        }
    }
    if state.connected {
        if left.cuts > 0 {
            out.push(Act::Cut);
        }
    } else {
        out.push(Act::Connect);
    }
    if left.ticks > 0 {
        out.push(Act::Tick);
    }
    match state.chain.dispute {
        // Who watches answers in time: the window ends only when both have seen all of it and were heard.
        Some(_)
            if !state.chain.is_over(state.now)
                && SIDES.iter().all(|side| state.evil == Some(*side) || state.is_attended(*side)) =>
        {
            out.push(Act::Block(true));
        }
        Some(_) => {}
        None if left.blocks > 0 => out.push(Act::Block(false)),
        None => {}
    }
}

fn attacks(state: &State, side: Side, out: &mut Vec<Act>) {
    let signed = &state.ever[index(side.other())];
    let provable = signed
        .iter()
        .enumerate()
        .filter(|(_, s)| s.evidence.as_ref().is_some_and(|evidence| evidence.epoch == state.chain.epoch));
    match &state.chain.dispute {
        None => out.extend(provable.map(|(at, _)| Act::Start(side, at))),
        Some(d) if state.now <= d.started_at.plus(WINDOW_S) && d.starter != side => {
            if !d.answered {
                out.push(Act::Accept(side));
            }
            let newer = provable.filter(|(_, s)| s.state.nonce.0 > d.nonce);
            out.extend(newer.map(|(at, _)| Act::Counter(side, at)));
        }
        Some(_) => {}
    }
}

/// The state after something happened; `None` if nothing has changed.
pub(in crate::model) fn apply(config: &Config, steps: &Steps, state: &State, act: &Act) -> Option<State> {
    let mut next = state.clone();
    match *act {
        Act::Command(side, fate) => {
            let i = index(side);
            let wish = *config.wishes[i].get(state.next[i])?;
            next.next[i] += 1;
            next.die(side, fate);
            let peer = state.node(side.other()).machine.entity();
            let input = wish.input(state.node(side).channel(), peer, state.now)?;
            next.step(steps, side, fate, short((1, wish)), || vec![input]);
        }
        Act::Deliver { to, at, fate, again } => {
            let i = index(to);
            let letter = state.wire[i].get(at)?.clone();
            next.left_over.reorder -= u8::from(at > 0);
            next.left_over.double -= u8::from(again);
            if !again {
                next.wire[i].remove(at);
            }
            next.die(to, fate);
            next.deliver(steps, to, fate, &letter);
        }
        Act::Lose { to, at } => {
            next.left_over.lose -= 1;
            next.wire[index(to)].remove(at);
        }
        Act::Damage { to, at } => return damage(steps, state, to, at),
        Act::Cut => {
            next.left_over.cuts -= 1;
            next.cut(steps);
        }
        Act::Connect => next.connect(steps),
        Act::Tick => {
            next.left_over.ticks -= 1;
            next.pass(steps, 61);
        }
        Act::Crash(side) => {
            next.die(side, Fate::DiesAfter);
            let outcome = steps.restarted(state.node(side), state.now);
            next.take(steps, side, &outcome);
        }
        Act::Backup(side) => next.backup[index(side)] = Some(state.node(side).clone()),
        Act::Restore(side) => {
            let i = index(side);
            next.left_over.restores -= 1;
            next.nodes[i] = next.backup[i].take()?;
            next.stale[i] = true;
            next.connected = false;
            next.seen[i] = next.nodes[i].heard();
            next.step(steps, side, Fate::Lives, short(2), || vec![Input::RestoredFromBackup]);
        }
        Act::Haunt(side) => return haunt(steps, state, side),
        Act::See(side) => drop(next.see(steps, side)),
        Act::Execute(side, effect) => next.execute(steps, side, effect),
        Act::Block(over) => {
            next.left_over.blocks -= u8::from(!over);
            next.mine(if over { WINDOW_S + 1 } else { config.block_s });
        }
        Act::Start(side, at) => {
            let shown = state.ever[index(side.other())].get(at)?;
            if shown.state.nonce < state.node(side.other()).channel().state().nonce {
                steps.mark(Mark::StaleStart);
            }
            let evidence = shown.evidence.as_ref()?;
            next.attack(side, |chain, now| chain.start(now, side, evidence, &[], false));
        }
        Act::Accept(side) => {
            let dispute = state.chain.dispute?;
            next.attack(side, |chain, now| chain.accept(now, side, &dispute, &[]));
        }
        Act::Counter(side, at) => {
            let dispute = state.chain.dispute?;
            let shown = state.ever[index(side.other())].get(at)?;
            let evidence = shown.evidence.as_ref()?;
            next.attack(side, |chain, now| chain.counter(now, side, &dispute, evidence, &[], false));
        }
        Act::Record(side, at) => return record(steps, state, side, at),
    }
    next.judge();
    Some(next)
}
