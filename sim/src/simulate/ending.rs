//! How a world begins, and what must be true of it once everything is whole again and enough time has passed.

use std::collections::BTreeMap;

use rand::Rng;
use xln_core::machine::{Action, Command, Input};
use xln_core::state::Pending;
use xln_core::transition::Transition;
use xln_core::types::{EntityId, Hash, Side};

use super::book::{Found, Mark};
use super::ledger::Operation;
use super::party::{PROVIDER, SETTLE_MARGIN_S, key_of};
use super::world::{EUR, USD, World};

/// Rounds of healed time until everything must have ended; each is longer than a round of messages and confirmations.
const ROUNDS: usize = 40;
const ROUND_S: u64 = 600;

impl World {
    /// Deposits, opens channels, adds tokens, grants credit.
    pub(crate) fn set_up(&mut self, rng: &mut impl Rng) -> Found {
        for who in 0..self.parties.len() {
            for index in [0, 1] {
                for token in [USD, EUR] {
                    self.submit(who, index, Operation::Deposit { token, amount: 5000 << 20 });
                }
            }
        }
        for (a, b) in self.edges.clone() {
            let subchannels = if rng.random_bool(0.5) { 2 } else { 1 };
            for index in 0..subchannels {
                let key = key_of(index);
                let (providers, settle_margin_s) = (vec![PROVIDER], SETTLE_MARGIN_S);
                self.tell(a, b, vec![Transition::OpenSubchannel { key, providers, settle_margin_s }])?;
                let token = |token| Transition::AddToken { key, token };
                let limit = |token, limit: u128| Transition::SetCreditLimit { key, token, limit: limit << 20 };
                self.tell(a, b, vec![token(USD), token(EUR), limit(USD, 400), limit(EUR, 300)])?;
                self.tell(b, a, vec![limit(USD, 300), limit(EUR, 500)])?;
                for (who, peer) in [(a, b), (b, a)] {
                    let (peer, amount) = (self.parties[peer].id, u128::from(rng.random_range(1..400_u32)) << 20);
                    self.submit(who, index, Operation::Fund { peer, own: true, token: USD, amount });
                }
            }
        }
        for _ in 0..5 {
            self.wait(60)?;
            self.settle()?;
        }
        Ok(())
    }

    fn tell(&mut self, who: usize, peer: usize, transitions: Vec<Transition>) -> Found {
        let peer = self.parties[peer].id;
        let command =
            |transition| Input::Command(Command { peer, action: Action::Propose { transition, submit: false } });
        self.feed(who, transitions.into_iter().map(command).collect())?;
        self.settle()
    }

    /// Everything is whole again; then what can end must end, and everybody must have what is his.
    pub(crate) fn finish(&mut self) -> Found {
        self.calm = true;
        self.cut.clear();
        for chain in &mut self.chains {
            (chain.congested_until, chain.censored) = (0, None);
        }
        let now = self.now;
        for party in &mut self.parties {
            (party.stalled_until, party.lagging_until, party.down_until) = (now, [now; 2], now);
            // A fault that was armed and has not struck.
            party.faults.fail_at(u64::MAX / 2, xln_storage::Fault::Read);
        }
        for who in 0..self.parties.len() {
            if self.parties[who].node.is_none() {
                self.start(who)?;
            }
        }
        let mut why = String::new();
        for round in 0..ROUNDS {
            if round % 4 == 0 {
                for (a, b) in self.edges.clone() {
                    self.disconnect(a, b)?;
                    self.connect(a, b)?;
                }
            }
            self.settle()?;
            self.wait(ROUND_S)?;
            self.settle()?;
            match self.unfinished() {
                Some(reason) => why = reason,
                None => return self.check(),
            }
        }
        Err(format!("not everything has ended: {why}"))
    }

    fn unfinished(&self) -> Option<String> {
        for (index, chain) in self.chains.iter().enumerate() {
            if let Some(tx) = chain.waiting.first() {
                return Some(format!("chain {index} has {:?} waiting", tx.operation));
            }
            for (pair, line) in &chain.ledger.lines {
                if line.dispute.is_some() {
                    return Some(format!("chain {index} has a dispute of {pair:?}: {:?}", line.dispute));
                }
            }
        }
        for (who, party) in self.parties.iter().enumerate() {
            let node = party.node.as_ref()?;
            for (peer, channel) in node.machine().channels() {
                let name = || format!("node {who} with {:?}", self.index(peer));
                if channel.is_in_flight() || channel.queued() > 0 {
                    let flight = channel.is_in_flight();
                    return Some(format!("{}: in flight {flight}, queued {}", name(), channel.queued()));
                }
                let other = self.index(peer).and_then(|peer| self.parties[peer].node.as_ref()?.channel(&party.id));
                if other.is_none_or(|other| other.state() != channel.state()) {
                    return Some(format!("{}: the two differ", name()));
                }
                for (key, part) in &channel.state().subchannels {
                    if let Some(open) = &part.settlement {
                        return Some(format!("{}: settlement {open:?} is open", name()));
                    }
                    if let Some((id, lock)) = part.pending.iter().find(|(_, p)| matches!(p, Pending::Payment(_))) {
                        return Some(format!("{}: lock {id} is there at {}: {lock:?}", name(), self.now));
                    }
                    let index = usize::from(*key == key_of(1));
                    let line = self.chains[index].ledger.line(&channel.pair());
                    if line.epoch != part.epoch || part.dispute.is_some() {
                        return Some(format!("{}: epoch {} is {} on chain", name(), part.epoch, line.epoch));
                    }
                    if let Some(frozen) = channel.frozen(key) {
                        return Some(format!("{}: {key:?} is frozen: {frozen:?}", name()));
                    }
                    for (token, state) in &part.tokens {
                        let bucket = line.buckets.get(token).copied().unwrap_or_default();
                        if bucket != (state.collateral, state.ondelta) {
                            return Some(format!("{}: {token:?} has {bucket:?} on chain, {state:?} off chain", name()));
                        }
                    }
                }
            }
            if node.machine().routes() > 0 {
                return Some(format!("node {who} has {} links left", node.machine().routes()));
            }
        }
        None
    }

    /// What nobody may have lost.
    fn check(&mut self) -> Found {
        for index in [0, 1] {
            self.check_chain(index)?;
        }
        for who in 0..self.parties.len() {
            self.look(who)?;
        }
        for book in self.books.values() {
            self.tally.blocks += book.blocks;
            for ((side, mark), issue) in &book.issues {
                let who = self.index(&book.pair.entity(*side));
                let deaf = who.is_some_and(|who| self.parties[who].deaf);
                let over = issue.agreed || issue.failed || issue.unknown || issue.enforced;
                if issue.accepted && !over && !deaf {
                    return Err(format!("{mark:?} of {who:?} was accepted and is lost: {issue:?}"));
                }
            }
        }
        self.check_hops()
    }

    /// A hop never pays more than it gets under one hash, and who let its secret go got its money.
    fn check_hops(&self) -> Found {
        let mut sums: BTreeMap<(EntityId, Hash), (u128, u128)> = BTreeMap::new();
        for book in self.books.values() {
            for (payer, hash, amount) in book.flows.iter().chain(&book.paid_out) {
                sums.entry((book.pair.entity(*payer), *hash)).or_default().1 += amount;
                sums.entry((book.pair.entity(payer.other()), *hash)).or_default().0 += amount;
            }
        }
        let exempt = |id: &EntityId| self.restored && self.parties[self.frail].id == *id;
        for ((id, hash), (got, paid)) in &sums {
            let is_sender = self.books.values().any(|book| {
                let of =
                    |side: Side| book.pair.entity(side) == *id && book.issues.contains_key(&(side, Mark::Lock(*hash)));
                of(Side::Left) || of(Side::Right)
            });
            if !is_sender && !exempt(id) && paid > got {
                return Err(format!("node {:?} paid {paid} and got {got} under {hash}", self.index(id)));
            }
            if let Some(to) = self.routes.get(hash)
                && !exempt(to)
                && sums.get(&(*to, *hash)).is_none_or(|(got, _)| *got == 0)
            {
                return Err(format!("{:?} let the secret of {hash} go and got nothing", self.index(to)));
            }
        }
        Ok(())
    }
}
