//! What becomes of a state when the faults end: connections hold, messages flow in order, watchers report, and what nodes ask
//! of the chain is done. Everything that can complete must.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use xln_core::machine::Effect;
use xln_core::types::Side;

use super::laws::{Fault, Law};
use super::node::{End, Fate, Steps, of, print_of, short};
use super::world::State;
use super::{KEY, WINDOW_S, index};

const SIDES: [Side; 2] = [Side::Left, Side::Right];
const SHARDS: usize = 64;
/// Far more than any state needs.
const PATIENCE: usize = 600;

/// What was found out already.
pub(super) struct Calm {
    shards: Vec<Mutex<HashMap<u128, Option<Arc<Fault>>>>>,
}

impl Calm {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// The law that a state breaks when it comes to rest.
    pub(super) fn judge(&self, steps: &Steps, state: &State) -> Option<Arc<Fault>> {
        let print = print_of(|h| state.substance(h));
        let shard = &self.shards[usize::try_from(print % 64).expect("below 64")];
        if let Some(known) = shard.lock().expect("no panic inside").get(&print) {
            return known.clone();
        }
        let mut rest = state.clone();
        let found = match rest.settle(steps) {
            Ok(()) => rest.fault.clone().or_else(|| rest.is_complete(state)),
            Err(fault) => Some(fault),
        };
        shard.lock().expect("no panic inside").insert(print, found.clone());
        found
    }
}

impl State {
    /// Lets everything flow until nothing moves.
    pub(super) fn settle(&mut self, steps: &Steps) -> Result<(), Arc<Fault>> {
        let mut waited = 0;
        for _ in 0..PATIENCE {
            if let Some(fault) = &self.fault {
                return Err(fault.clone());
            }
            if self.move_on(steps) {
                continue;
            }
            if self.is_open() && waited < 20 {
                waited += 1;
                self.wait(steps);
                continue;
            }
            return Ok(());
        }
        Err(Arc::new(Fault { law: Law::Completion, text: "the two never come to rest".into() }))
    }

    /// One thing that can be done at once.
    fn move_on(&mut self, steps: &Steps) -> bool {
        for side in SIDES {
            if self.see(steps, side) {
                return true;
            }
        }
        for side in SIDES {
            let i = index(side);
            if !self.wire[i].is_empty() {
                let letter = self.wire[i].remove(0);
                self.deliver(steps, side, Fate::Lives, &letter);
                return true;
            }
        }
        if !self.connected {
            self.connect(steps);
            return true;
        }
        for side in SIDES {
            let asked: Vec<_> = self
                .node(side)
                .machine
                .pending_effects()
                .filter(|(_, effect)| matches!(effect, Effect::Submit(_)))
                .map(|(id, _)| id)
                .collect();
            for effect in asked {
                let before = self.node(side).print;
                self.execute(steps, side, effect);
                if self.node(side).print != before || self.fault.is_some() {
                    return true;
                }
            }
        }
        false
    }

    /// Whether something has begun that time may bring to its end.
    fn is_open(&self) -> bool {
        let busy = |side| {
            let channel = self.node(side).channel();
            channel.is_in_flight() || channel.queued() > 0 || channel.is_recovering()
        };
        SIDES.into_iter().any(busy) || self.chain.dispute.is_some() || !self.are_level()
    }

    fn wait(&mut self, steps: &Steps) {
        if self.chain.dispute.is_some() {
            let over = self.chain.is_over(self.now);
            self.mine(if over { 10_000 } else { WINDOW_S + 1 });
            return;
        }
        let due = SIDES.into_iter().filter_map(|side| self.node(side).machine.poll_timeout()).min();
        let seconds = due.map_or(11, |due| due.0.saturating_sub(self.now.0)).clamp(1, 1000);
        self.pass(steps, seconds);
    }

    fn are_level(&self) -> bool {
        let [left, right] = &self.nodes;
        left.channel().state() == right.channel().state()
    }

    /// The first law that is broken by how things have come out.
    fn is_complete(&self, before: &Self) -> Option<Arc<Fault>> {
        if !self.are_level() {
            return Fault::new(Law::Completion, "the two sides do not stand at one state");
        }
        for side in SIDES {
            let channel = self.node(side).channel();
            let what = if channel.is_in_flight() {
                "a block is in flight"
            } else if channel.queued() > 0 {
                "a command waits"
            } else if channel.is_recovering() {
                "it is recovering"
            } else {
                continue;
            };
            return Fault::new(Law::Completion, &format!("{side:?} does not come to rest: {what}"));
        }
        if self.chain.dispute.is_some() {
            return Fault::new(Law::Completion, "a dispute does not end");
        }
        let state = self.node(Side::Left).channel().state();
        let recorded = of(state, KEY).map_or(0, |s| s.epoch);
        if recorded != self.chain.epoch {
            return Fault::new(Law::Completion, "the end of an epoch is not recorded");
        }
        if before.is_stale() { None } else { self.reports(recorded) }
    }

    /// Every command has one end, and the money is what the ends say.
    fn reports(&self, epoch: u32) -> Option<Arc<Fault>> {
        let mut expected = 0;
        for side in SIDES {
            let node = self.node(side);
            for (command, effect) in &node.asked {
                match node.ends.get(command) {
                    Some(End::Done) => expected += effect,
                    Some(End::Failed) => {}
                    // Said when a dispute may have come out at a state with it.
                    Some(End::Unknown) if epoch > 0 => {}
                    Some(End::Unknown) => {
                        let text = format!("{side:?} does not know what became of command {command}");
                        return Fault::new(Law::Reports, &text);
                    }
                    None => {
                        return Fault::new(Law::Reports, &format!("{side:?} never hears of command {command} again"));
                    }
                }
            }
        }
        for side in SIDES {
            let Some(shown) = self.enforced[index(side)].as_ref().filter(|_| self.evil != Some(side)) else { continue };
            let node = self.node(side);
            if node.commits.iter().any(|commit| commit.block == shown.state.block_hash) {
                continue;
            }
            for (command, effect) in node.asked.iter().filter(|(_, effect)| shown.effects.contains(effect)) {
                let end = node.ends.get(command).copied();
                if end != Some(End::Unknown) {
                    let text = format!("{side:?}'s payment of {effect} was enforced on chain, and is reported {end:?}");
                    return Fault::new(Law::Reports, &text);
                }
            }
        }
        let state = self.node(Side::Left).channel().state();
        let token = of(state, KEY)?.tokens.values().next()?;
        if epoch == 0 && token.offdelta != expected {
            let text = format!("the reports say {expected}, the state says {}", token.offdelta);
            return Fault::new(Law::Reports, &text);
        }
        None
    }

    pub(super) fn see(&mut self, steps: &Steps, side: Side) -> bool {
        let Some(at) = self.unseen(side) else { return false };
        let fact = self.chain.blocks[at].clone();
        let name = self.chain.history.get(at).map(|(point, _)| (point.hash.0, point.timestamp.0));
        self.step(steps, side, Fate::Lives, short((3, name)), || {
            vec![xln_core::machine::Input::Chain((*fact).clone())]
        });
        true
    }
}
