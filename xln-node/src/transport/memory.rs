//! A network in memory: deterministic, without threads, with links that can be cut and messages that can be tampered with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use xln_core::machine::{Effect, Effects};
use xln_core::types::{EntityId, Pair};

use super::Transport;

/// Messages that are remembered per direction, to be replayed.
const REMEMBERED: usize = 64;

/// What happens to the next message of a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tamper {
    /// One bit of the byte in the middle is flipped.
    FlipByte,
    /// The second half is missing.
    Truncate,
    /// An earlier message arrives in its place; if there was none, nothing does.
    Replay,
    /// It arrives under this entity's name.
    Impersonate(EntityId),
    /// It is lost.
    Drop,
}

/// A message on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Under whose name it arrives.
    pub from: EntityId,
    /// To whom.
    pub to: EntityId,
    /// What arrives.
    pub bytes: Vec<u8>,
    /// What was done to it.
    pub tampered: Option<Tamper>,
}

/// The network: one queue, so that every direction keeps its order and every run is the same.
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork {
    queue: VecDeque<Delivery>,
    cut: BTreeSet<Pair>,
    tampers: BTreeMap<(EntityId, EntityId), VecDeque<Tamper>>,
    sent: BTreeMap<(EntityId, EntityId), VecDeque<Vec<u8>>>,
    lost: u64,
}

impl MemoryNetwork {
    /// Cuts a link; what is on its way is lost. False if it was cut already.
    pub fn cut(&mut self, pair: Pair) -> bool {
        let before = self.queue.len();
        self.queue.retain(|d| Pair::new(d.from, d.to) != Ok(pair));
        self.lost = self.lost.saturating_add(u64::try_from(before.saturating_sub(self.queue.len())).unwrap_or(0));
        self.cut.insert(pair)
    }

    /// Heals a link. False if it was not cut.
    pub fn heal(&mut self, pair: &Pair) -> bool {
        self.cut.remove(pair)
    }

    /// Whether a link is cut.
    #[must_use]
    pub fn is_cut(&self, pair: &Pair) -> bool {
        self.cut.contains(pair)
    }

    /// Tampers with the next message of one direction that nothing else is planned for.
    pub fn tamper(&mut self, from: EntityId, to: EntityId, how: Tamper) {
        self.tampers.entry((from, to)).or_default().push_back(how);
    }

    /// Takes the next message off the network.
    pub fn deliver(&mut self) -> Option<Delivery> {
        self.queue.pop_front()
    }

    /// Loses everything that is on its way from or to an entity: its process died.
    pub fn lose(&mut self, entity: EntityId) {
        self.queue.retain(|d| d.from != entity && d.to != entity);
    }

    /// Messages that are on their way.
    pub fn in_flight(&self) -> impl Iterator<Item = &Delivery> {
        self.queue.iter()
    }

    /// How many messages cut links have lost.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    fn push(&mut self, from: EntityId, to: EntityId, bytes: &[u8]) {
        if Pair::new(from, to).is_ok_and(|pair| self.cut.contains(&pair)) {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        let direction = (from, to);
        let tampered = self.tampers.get_mut(&direction).and_then(VecDeque::pop_front);
        let arrived = match tampered {
            None => Some((from, bytes.to_vec())),
            Some(Tamper::FlipByte) => Some((from, flipped(bytes))),
            Some(Tamper::Truncate) => Some((from, bytes.iter().take(bytes.len().wrapping_div(2)).copied().collect())),
            Some(Tamper::Replay) => self.earlier(&direction).map(|earlier| (from, earlier)),
            Some(Tamper::Impersonate(name)) => Some((name, bytes.to_vec())),
            Some(Tamper::Drop) => None,
        };
        let sent = self.sent.entry(direction).or_default();
        if sent.len() >= REMEMBERED {
            sent.pop_front();
        }
        sent.push_back(bytes.to_vec());
        if let Some((from, bytes)) = arrived {
            self.queue.push_back(Delivery { from, to, bytes, tampered });
        }
    }

    fn earlier(&self, direction: &(EntityId, EntityId)) -> Option<Vec<u8>> {
        self.sent.get(direction)?.back().cloned()
    }
}

impl Transport for MemoryNetwork {
    fn send(&mut self, from: EntityId, effects: &Effects) {
        for (_, effect) in effects.effects() {
            if let Effect::Send { to, bytes } = effect {
                self.push(from, *to, bytes);
            }
        }
    }
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let middle = bytes.len().wrapping_div(2);
    bytes.iter().enumerate().map(|(at, byte)| if at == middle { byte ^ 1 } else { *byte }).collect()
}
