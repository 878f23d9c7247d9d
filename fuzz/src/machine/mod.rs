//! Three machines in a line, two accounts and an organisation, that meet whatever bytes choose: commands, payments through the
//! one in the middle, disputes, time, chain, losses, damage, restarts.

mod chain;
mod commands;
mod signers;
mod world;

use xln_core::machine::Input;
use xln_core::types::{Address, ChainId, SubchannelKey, TokenId};

use world::World;

/// Steps of one input: what stands behind them is not read.
const STEPS: usize = 200;

/// Nothing that bytes choose panics, no step fails, no nonce is signed twice, no evidence is shown that the contract would
/// refuse, and neighbours agree in the end.
pub fn machine_inputs(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let mut world = World::opened();
    let mut steps = 0;
    while !choices.0.is_empty() && steps < STEPS {
        steps += 1;
        world.step(&mut choices);
    }
    world.end();
}

const KEY: SubchannelKey = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
const PROVIDER: Address = Address([0x5c; 20]);
const ENTITIES: Address = Address([0xee; 20]);
const TOKENS: [TokenId; 2] = [TokenId(1), TokenId(2)];

const N: usize = 3;
const WINDOW_S: u64 = 3_600;

struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, n: u8) -> u8 {
        self.byte() % n
    }

    fn amount(&mut self) -> u128 {
        match self.byte() {
            255 => u128::MAX,
            254 => (1 << 127) - 1,
            253 => 1 << 127,
            small => u128::from(small) / 2,
        }
    }
}

impl World {
    fn step(&mut self, c: &mut Choices<'_>) {
        let i = usize::from(c.below(3));
        // The one in the middle has two neighbours.
        let j = if i == 1 { 2 * usize::from(c.below(2)) } else { 1 };
        match c.below(26) {
            0..=4 => {
                let transition = self.transition(i, j, c);
                self.propose(i, j, transition);
            }
            5..=9 => drop(self.deliver()),
            10 => drop(self.wire.pop_front()),
            11 => {
                if let Some(copy) = self.wire.front().cloned() {
                    self.wire.push_back(copy);
                }
            }
            12 => {
                if let Some((from, to, mut bytes)) = self.wire.pop_front() {
                    let at = usize::from(c.byte()).wrapping_mul(usize::from(c.byte()) + 1) % bytes.len().max(1);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= c.byte() | 1;
                    }
                    let from = self.id(from);
                    self.stage(to, vec![Input::Message { from, bytes }]);
                }
            }
            13 => {
                let count = usize::from(c.byte()).min(c.0.len());
                let (bytes, rest) = c.0.split_at(count);
                c.0 = rest;
                let from = self.id(j);
                self.stage(i, vec![Input::Message { from, bytes: bytes.to_vec() }]);
            }
            14 => {
                self.now += u64::from(c.byte()) << (c.byte() % 6);
                self.stage(i, vec![Input::Tick]);
            }
            15 | 16 => self.chain(c),
            17 => self.snapshots[i] = Some(self.machines[i].snapshot().expect("a machine has an encoding")),
            18 => self.restart(i),
            19 => self.connect(),
            20 | 21 => self.send_through(c),
            22 => self.ask_the_chain(i, j, c),
            23 | 24 => self.act(usize::from(c.byte())),
            _ => self.settle(),
        }
        for (a, b) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
            self.state(a, b).check().expect("no step makes an impossible state");
        }
        assert!(self.machines.iter().all(|m| m.routes() < 64 && m.pending_effects().count() < 64), "it grows");
    }
}
