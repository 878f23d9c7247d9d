//! A long run of two nodes, killed at every storage operation of either: what restarts agrees with its peer, has kept
//! everything that was accepted, and nothing was sent that was not stored.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;

use common::{
    KEY, NOW, Store, USD, assert_stored, collateral, credit, id, lock, open, open_channel, pay, propose, secret,
};
use xln_core::machine::{Effects, Input, InputOutcome};
use xln_core::transition::Transition;
use xln_core::types::{EntityId, Pair, Side};
use xln_node::driver::Node;
use xln_node::transport::Transport;
use xln_node::transport::memory::MemoryNetwork;
use xln_storage::{Fault, FaultStore, MemoryStore};

struct World {
    stores: [Arc<MemoryStore>; 2],
    nodes: [Option<Node<Store>>; 2],
    ids: [EntityId; 2],
    network: MemoryNetwork,
    /// What accepted commands must come to, for left; and the command that a crash left in doubt.
    moved: i128,
    doubtful: Vec<i128>,
    crashes: u32,
}

impl World {
    fn new(faults: [Option<(u64, Fault)>; 2]) -> Self {
        let stores = [Arc::default(), Arc::default()];
        let mut world = Self {
            stores,
            nodes: [None, None],
            ids: [id(1), id(2)],
            network: MemoryNetwork::default(),
            moved: 0,
            doubtful: Vec::new(),
            crashes: 0,
        };
        for (who, fault) in faults.into_iter().enumerate() {
            let store = Arc::clone(&world.stores[who]);
            let store = match fault {
                Some((nth, fault)) => FaultStore::failing(store, nth, fault),
                None => FaultStore::new(store),
            };
            match open(number(who), store) {
                Ok((node, effects)) => {
                    world.nodes[who] = Some(node);
                    world.send(who, &effects);
                }
                Err(_) => world.restart(who),
            }
        }
        world
    }

    fn restart(&mut self, who: usize) {
        self.crashes += 1;
        self.nodes[who] = None;
        self.network.lose(self.ids[who]);
        let (node, effects) = open(number(who), FaultStore::new(Arc::clone(&self.stores[who]))).unwrap();
        self.nodes[who] = Some(node);
        self.send(who, &effects);
        if self.nodes[1 - who].is_some() {
            self.feed(1 - who, vec![Input::Disconnected { peer: self.ids[who] }]);
            self.connect();
        }
    }

    fn connect(&mut self) {
        for who in [0, 1] {
            self.feed(who, vec![Input::Connected { peer: self.ids[1 - who] }]);
        }
    }

    fn send(&mut self, who: usize, effects: &Effects) {
        assert_stored(self.nodes[who].as_ref().unwrap(), effects);
        self.network.send(self.ids[who], effects);
    }

    /// Outcomes, or none if the node died of it.
    fn feed(&mut self, who: usize, inputs: Vec<Input>) -> Option<Vec<InputOutcome>> {
        let effects = self.nodes[who].as_mut().unwrap().step(NOW, inputs);
        if let Ok(effects) = effects {
            self.send(who, &effects);
            Some(effects.outcomes().to_vec())
        } else {
            self.restart(who);
            None
        }
    }

    fn deliver(&mut self) {
        while let Some(delivery) = self.network.deliver() {
            let who = usize::from(delivery.to == self.ids[1]);
            self.feed(who, vec![Input::Message { from: delivery.from, bytes: delivery.bytes }]);
        }
    }

    /// A command that moves `amount` from `who` to the other once it is done.
    fn tell(&mut self, who: usize, input: impl Fn(EntityId) -> Input, amount: i128) {
        let sign = if self.side(who) == Side::Left { -1 } else { 1 };
        let outcome = self.feed(who, vec![input(self.ids[1 - who])]);
        match outcome.as_deref() {
            Some([InputOutcome::Accepted(_)]) => self.moved += sign * amount,
            None => self.doubtful.push(sign * amount),
            _ => {}
        }
    }

    fn side(&self, who: usize) -> Side {
        Pair::new(self.ids[0], self.ids[1]).unwrap().side(&self.ids[who]).unwrap()
    }

    /// The number of a lock in the tip of `who`, by its amount.
    fn pending(&self, who: usize, amount: u128) -> u64 {
        let channel = self.nodes[who].as_ref().unwrap().channel(&self.ids[1 - who]);
        let pending = channel.and_then(|c| c.state().subchannels.get(&KEY)).map(|s| &s.pending);
        let found = pending.and_then(|p| {
            p.iter().find(|(_, p)| matches!(p, xln_core::state::Pending::Payment(p) if p.amount == amount))
        });
        found.map_or(u64::MAX, |(id, _)| *id)
    }

    fn settle(&mut self, who: usize, amount: u128, number: u8) {
        let id = self.pending(who, amount);
        let settle = |peer| propose(peer, Transition::SettlePayment { key: KEY, id, secret: secret(number) });
        self.tell(who, settle, -i128::try_from(amount).unwrap());
        self.deliver();
    }

    fn run(&mut self) {
        let pair = Pair::new(self.ids[0], self.ids[1]).unwrap();
        // What an application does after a crash: it asks again for what is not there.
        for _ in 0..2 {
            self.feed(0, open_channel(self.ids[1]));
            self.deliver();
        }
        self.connect();
        self.deliver();
        for number in 1..=2 {
            for who in [0, 1] {
                let fact = || {
                    Input::Chain(collateral(pair, number, u128::from(number) * 100_000, i128::from(number) * 50_000))
                };
                if self.feed(who, vec![fact()]).is_none() {
                    self.feed(who, vec![fact()]);
                }
            }
            self.deliver();
        }
        self.feed(1, vec![credit(self.ids[0], 1000)]);
        self.deliver();
        self.tell(0, |peer| pay(peer, 1), 1);
        self.deliver();
        // Collisions: both speak before either hears.
        for round in 0..3_u32 {
            let amount = 1_u128 << (round + 1);
            self.tell(0, |peer| pay(peer, amount * 8), i128::try_from(amount * 8).unwrap());
            self.tell(1, |peer| pay(peer, amount), i128::try_from(amount).unwrap());
            self.deliver();
        }
        self.tell(0, |peer| lock(peer, 1000, 7), 0);
        self.tell(1, |peer| lock(peer, 2000, 8), 0);
        self.deliver();
        self.settle(1, 1000, 7);
        self.settle(0, 2000, 8);
        self.tell(1, |peer| pay(peer, 128), 128);
        self.deliver();
        self.connect();
        self.deliver();
    }

    fn check(&self, what: &str) {
        let channel = |who: usize| self.nodes[who].as_ref().unwrap().channel(&self.ids[1 - who]).unwrap();
        let (a, b) = (channel(0), channel(1));
        assert_eq!(a.state(), b.state(), "{what}");
        assert!(!a.is_in_flight() && !b.is_in_flight() && a.queued() + b.queued() == 0, "{what}");
        let found = a.state().token(&KEY, USD).unwrap().offdelta;
        let possible = |doubt: i128| found == self.moved + doubt;
        let fits = possible(0) || self.doubtful.iter().any(|doubt| possible(*doubt));
        assert!(
            fits,
            "{what}: offdelta is {found}, accepted commands are {}, in doubt {:?}",
            self.moved, self.doubtful
        );
    }
}

fn number(who: usize) -> u8 {
    u8::try_from(who).unwrap() + 1
}

fn killed_everywhere(who: usize, fault: Fault) {
    for nth in 1.. {
        let mut faults = [None, None];
        faults[who] = Some((nth, fault));
        let mut world = World::new(faults);
        world.run();
        world.check(&format!("party {who}, {fault:?} at operation {nth}"));
        if world.crashes == 0 {
            assert!(nth > 20, "the run is too short: {nth} operations");
            return;
        }
    }
}

#[test]
fn nothing_fails() {
    let mut world = World::new([None, None]);
    world.run();
    world.check("no fault");
    assert!(world.moved != 0 && world.doubtful.is_empty());
}

#[test]
fn left_write_lost() {
    killed_everywhere(0, Fault::WriteLost);
}

#[test]
fn left_write_kept() {
    killed_everywhere(0, Fault::WriteKept);
}

#[test]
fn left_read() {
    killed_everywhere(0, Fault::Read);
}

#[test]
fn right_write_lost() {
    killed_everywhere(1, Fault::WriteLost);
}

#[test]
fn right_write_kept() {
    killed_everywhere(1, Fault::WriteKept);
}

#[test]
fn right_read() {
    killed_everywhere(1, Fault::Read);
}
