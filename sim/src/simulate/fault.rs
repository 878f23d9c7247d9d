//! What goes wrong: networks, processes, disks, backups and chains.

use std::sync::Arc;

use xln_core::machine::Input;
use xln_node::driver::import;
use xln_storage::{Fault, MemoryStore};

use super::act::{Did, pick};
use super::book::Found;
use super::chain::MAX_DELAY_S;
use super::step::Kind;
use super::world::{MAX_OUTAGE_S, World};

impl World {
    pub(crate) fn suffer(&mut self, kind: Kind, who: usize, peer: usize, (b, c): (u32, u32)) -> Did {
        let seconds = u64::from(c) % MAX_OUTAGE_S;
        let index = usize::from(c.is_multiple_of(2));
        match kind {
            Kind::Deliver => self.deliver_any(b.wrapping_mul(31).wrapping_add(c)),
            Kind::Flush => {
                for i in 0..=c % 12 {
                    if !self.deliver_any(b.wrapping_add(i.wrapping_mul(7)))? {
                        return Ok(i > 0);
                    }
                }
                Ok(true)
            }
            Kind::Wait => self.idle(b, c),
            Kind::Drop => Ok(self.busy(b).is_some_and(|way| self.on(way, |queue| drop(queue.pop_front())))),
            Kind::Duplicate => Ok(self.busy(b).is_some_and(|way| {
                self.on(way, |queue| {
                    if let Some(first) = queue.front().cloned() {
                        queue.push_back(first);
                    }
                })
            })),
            Kind::Reorder => Ok(self.busy(b).is_some_and(|way| {
                self.on(way, |queue| {
                    let last = queue.pop_back();
                    last.into_iter().for_each(|last| queue.push_front(last));
                })
            })),
            Kind::Tamper => self.tamper(b, c),
            Kind::Replay => self.replay(peer, who, c),
            Kind::Cut => {
                if !self.cut.insert((who.min(peer), who.max(peer))) {
                    return Ok(false);
                }
                self.disconnect(who, peer).map(|()| true)
            }
            Kind::Heal => {
                let Some((a, b)) = pick(&self.cut.iter().copied().collect::<Vec<_>>(), b) else { return Ok(false) };
                self.cut.remove(&(a, b));
                self.connect(a, b).map(|()| true)
            }
            Kind::Crash => {
                let running = self.parties[who].node.is_some();
                self.kill(who, if b % 2 == 0 { 0 } else { seconds }).map(|()| running)
            }
            Kind::WriteLost => self.arm(who, c, Fault::WriteLost),
            Kind::WriteKept => self.arm(who, c, Fault::WriteKept),
            Kind::ReadFails => self.arm(who, c, Fault::Read),
            Kind::Torn => self.torn(who, c),
            Kind::Stall => {
                self.parties[who].stalled_until = self.now + seconds;
                Ok(true)
            }
            Kind::Lag => {
                self.parties[who].lagging_until[index] = self.now + seconds;
                Ok(true)
            }
            Kind::Backup => {
                let Some(node) = self.parties[self.frail].node.as_ref() else { return Ok(false) };
                let bytes = node.backup();
                // A disk that was told to fail at a read does so here.
                self.parties[self.frail].backup = bytes.ok();
                Ok(true)
            }
            Kind::Restore => self.restore(),
            Kind::Reorganise => {
                let now = self.now;
                let done = self.chains[index].reorganise(1 + b as usize % 3, now, u64::from(c));
                for party in 0..self.parties.len() {
                    self.poll(party, index)?;
                }
                self.check_chain(index).map(|()| done)
            }
            Kind::Congest => {
                self.chains[index].congested_until = self.now + u64::from(c) % MAX_DELAY_S;
                Ok(true)
            }
            Kind::Censor => {
                self.chains[index].censored = Some((who, self.now + u64::from(c) % MAX_DELAY_S));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// A way with something on it.
    fn busy(&self, number: u32) -> Option<(usize, usize)> {
        let busy: Vec<_> = self.links.iter().filter(|(_, link)| !link.queue.is_empty()).map(|(way, _)| *way).collect();
        pick(&busy, number)
    }

    fn on(&mut self, way: (usize, usize), change: impl FnOnce(&mut std::collections::VecDeque<Vec<u8>>)) -> bool {
        self.links.get_mut(&way).map(|link| change(&mut link.queue)).is_some()
    }

    fn deliver_any(&mut self, number: u32) -> Did {
        match self.busy(number) {
            Some((from, to)) => self.deliver(from, to),
            None => Ok(false),
        }
    }

    /// Everything that is on its way arrives.
    pub(crate) fn settle(&mut self) -> Found {
        for _ in 0..1000 {
            let ways: Vec<_> = self.links.iter().filter(|(_, link)| !link.queue.is_empty()).map(|(w, _)| *w).collect();
            let mut any = false;
            for (from, to) in ways {
                any |= self.deliver(from, to)?;
            }
            if !any {
                return Ok(());
            }
        }
        let said = self.links.values().filter_map(|link| link.past.back());
        let said: Vec<_> = said.filter_map(|bytes| xln_core::wire::Message::decode(bytes).ok()).collect();
        Err(format!("two nodes talk without end: {said:?}"))
    }

    fn idle(&mut self, b: u32, c: u32) -> Did {
        let seconds = match b % 40 {
            0 => 1000 + u64::from(c % 3000),
            1..=8 => 30 + u64::from(c % 120),
            _ => 1 + u64::from(c % 12),
        };
        // Long silence is the exception: messages arrive while time passes.
        if seconds > 20 && !c.is_multiple_of(4) {
            let parts = seconds / 120 + 1;
            for _ in 0..parts {
                self.settle()?;
                self.wait(seconds / parts)?;
            }
        } else {
            self.wait(seconds)?;
        }
        Ok(true)
    }

    fn tamper(&mut self, b: u32, c: u32) -> Did {
        let Some((from, to)) = self.busy(b) else { return Ok(false) };
        let Some(mut bytes) = self.links.get(&(from, to)).and_then(|link| link.queue.front().cloned()) else {
            return Ok(false);
        };
        // Half of the time in the last bytes, where signatures are.
        let len = bytes.len();
        let place = if c.is_multiple_of(2) { len - 1 - (c as usize / 2) % len.min(64) } else { c as usize % len };
        bytes[place] ^= 1 << (b % 8);
        if !self.parties[to].is_up(self.now) {
            return Ok(false);
        }
        let from = self.parties[from].id;
        self.feed(to, vec![Input::Message { from, bytes }]).map(|_| true)
    }

    fn replay(&mut self, from: usize, to: usize, c: u32) -> Did {
        let past: Vec<_> =
            self.links.get(&(from, to)).map(|link| link.past.iter().cloned().collect()).unwrap_or_default();
        let Some(bytes) = pick(&past, c) else { return Ok(false) };
        if !self.parties[to].is_up(self.now) {
            return Ok(false);
        }
        let from = self.parties[from].id;
        self.feed(to, vec![Input::Message { from, bytes }]).map(|_| true)
    }

    fn arm(&mut self, who: usize, c: u32, fault: Fault) -> Did {
        if self.parties[who].node.is_none() {
            return Ok(false);
        }
        self.parties[who].faults.fail_at(u64::from(1 + c % 3), fault);
        Ok(true)
    }

    /// A write of an engine that is not atomic. The node may refuse what it finds, by name; whole, it is as before.
    fn torn(&mut self, who: usize, c: u32) -> Did {
        let party = &self.parties[who];
        if !party.is_up(self.now) {
            return Ok(false);
        }
        let before = Arc::new(party.store.image().map_err(|e| e.to_string())?);
        party.faults.fail_at(1, Fault::WriteTorn { kept_ops: c as usize % 4 });
        // Whatever comes out of this never left the machine.
        let now = self.now;
        let party = &mut self.parties[who];
        let time = xln_core::types::UnixSeconds(now + party.ahead_s);
        let struck = party.node.as_mut().is_some_and(|node| node.step(time, vec![Input::Tick]).is_err());
        if !struck {
            return Err(format!("a tick of node {who} stores no record"));
        }
        let torn = Arc::new(xln_storage::FaultStore::new(Arc::new(party.store.image().map_err(|e| e.to_string())?)));
        // It opens or says why not.
        let _ = party.open(torn, now);
        party.store = before;
        self.kill(who, 0).map(|()| true)
    }

    /// The frail party has lost its disk and takes a backup.
    fn restore(&mut self) -> Did {
        let who = self.frail;
        // It may be taken again and again, but within one second it would jump to the same height (docs/security.md, backups).
        let Some(backup) = self.parties[who].backup.clone() else { return Ok(false) };
        if self.parties[who].restored_at.replace(self.now) == Some(self.now) {
            return Ok(false);
        }
        // Their peers are there to say where they stand.
        for peer in self.neighbours(who) {
            if self.parties[peer].node.is_none() {
                self.start(peer)?;
            }
        }
        self.kill(who, 1)?;
        let party = &mut self.parties[who];
        let store =
            import(Arc::new(MemoryStore::new()), party.id, &party.config(), &backup).map_err(|e| e.to_string())?;
        party.store = store;
        party.life += 1;
        self.restored = true;
        let id = party.id;
        for book in self.books.values_mut() {
            let Some(side) = book.pair.side(&id) else { continue };
            book.forgetful.insert(side);
            for ((by, _), issue) in &mut book.issues {
                issue.unknown |= *by == side;
            }
        }
        for peer in self.neighbours(who) {
            let pair = self.pair(who, peer);
            let channel = self.parties[peer].node.as_ref().and_then(|node| node.channel(&id));
            if let (Some(book), Some(channel)) = (self.books.get_mut(&pair), channel) {
                book.roll_back(channel.state())?;
            }
        }
        self.parties[who].down_until = self.now;
        self.start(who).map(|()| true)
    }
}
