//! Steps on what carries the story: processes that die, lines that break, messages that are meddled with, time, and
//! chains that are reorganised.

use xln_core::machine::{Effect, Input};
use xln_core::types::{Address, EntityId, Pair};

use super::refusal::{RunError, Verdict};
use super::step::{Act, How};
use super::world::{Submission, World};
use crate::transport::memory::Tamper;

impl World {
    /// Plays such a step; `None` for any other.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn on_faults(&mut self, act: &Act) -> Result<Option<Verdict>, RunError> {
        match act {
            Act::Observe {} => self.touched = true,
            Act::Backup { of, name } => self.party_mut(of)?.keep_backup(name)?,
            Act::Crash { of, backup } => self.crash(of, backup.as_deref())?,
            Act::Cut { between: (a, b) } => self.cut(a, b)?,
            Act::Heal { between: (a, b) } => self.heal(a, b)?,
            Act::Tamper { by, peer, how } => self.tamper(by, peer, *how)?,
            Act::Advance { seconds } => self.advance(*seconds)?,
            Act::Reorg { chain, depth } => {
                let place = self.ground.place(chain)?;
                place.chain.reorg(*depth);
                // Something must stand where it was, or nobody could tell it from a node that is behind.
                let gone_from = place.chain.newest().number.saturating_add(1);
                place.chain.mine();
                self.shadow.roll_back(chain, gone_from);
                self.touched = true;
            }
            _ => return Ok(None),
        }
        Ok(Some(Ok(())))
    }

    fn two(&self, a: &str, b: &str) -> Result<Pair, RunError> {
        self.pair(a, b)?.ok_or_else(|| RunError::Malformed(format!("`{a}` has no connection with itself")))
    }

    fn crash(&mut self, of: &str, backup: Option<&str>) -> Result<(), RunError> {
        let (id, at) = (self.id(of)?, self.now);
        self.network.lose(id);
        self.submissions.retain(|submission| submission.by != id);
        self.deferred.retain(|(name, _)| name != of);
        let linked: Vec<Pair> = self.linked.iter().filter(|pair| pair.side(&id).is_some()).copied().collect();
        for pair in &linked {
            let peer = if pair.left() == id { pair.right() } else { pair.left() };
            let name = self.name(&peer);
            self.feed(&name, vec![Input::Disconnected { peer: id }])?;
        }
        let party = self.parties.get_mut(of).ok_or(RunError::Value("party"))?;
        let effects = party.crash(&self.ground, at, backup)?;
        let pending: Vec<Submission> = party
            .node()?
            .pending_effects()
            .filter_map(|(effect, what)| match what {
                Effect::Submit(action) => Some(Submission { by: id, effect, action: action.clone(), direct: false }),
                _ => None,
            })
            .collect();
        let party = self.party(of)?.node()?;
        let unsigned: Vec<_> = party
            .pending_effects()
            .filter_map(|(effect, what)| match what {
                Effect::Sign { digest, purpose, .. } => Some((effect, *digest, purpose.clone())),
                _ => None,
            })
            .filter(|(effect, ..)| !effects.effects().iter().any(|(new, _)| new == effect))
            .collect();
        self.take(of, &effects, false)?;
        for (request, digest, purpose) in unsigned {
            self.answer_signing(of, request, &digest, &purpose)?;
        }
        // What the restart itself asked for is in the outbox too.
        self.submissions.retain(|submission| submission.by != id);
        self.submissions.extend(pending);
        self.settle_down()?;
        linked.iter().try_for_each(|pair| self.connect(pair))
    }

    fn cut(&mut self, a: &str, b: &str) -> Result<(), RunError> {
        let pair = self.two(a, b)?;
        if self.network.cut(pair) {
            for (_, name, peer) in self.ends(&pair) {
                let peer = self.id(&peer)?;
                self.feed(&name, vec![Input::Disconnected { peer }])?;
            }
        }
        Ok(())
    }

    fn heal(&mut self, a: &str, b: &str) -> Result<(), RunError> {
        let pair = self.two(a, b)?;
        self.network.heal(&pair);
        self.connect(&pair)
    }

    fn tamper(&mut self, by: &str, peer: &str, how: How) -> Result<(), RunError> {
        let pair = self.two(by, peer)?;
        let (from, to) = (self.id(by)?, self.id(peer)?);
        let how = match how {
            How::FlipByte => Tamper::FlipByte,
            How::Truncate => Tamper::Truncate,
            How::Replay => Tamper::Replay,
            How::Impersonate => Tamper::Impersonate(self.somebody_else(&pair)?),
        };
        self.network.tamper(from, to, how);
        Ok(())
    }

    fn somebody_else(&self, pair: &Pair) -> Result<EntityId, RunError> {
        let other = self.parties.values().map(|party| party.id).find(|id| pair.side(id).is_none());
        match other {
            Some(id) => Ok(id),
            None => EntityId::account(Address([0x5a; 20])).map_err(|_| RunError::Value("a stranger")),
        }
    }

    fn advance(&mut self, seconds: u64) -> Result<(), RunError> {
        self.now = self.now.plus(seconds);
        for place in self.ground.places.values() {
            place.chain.advance(seconds);
        }
        self.touched = true;
        let names: Vec<String> = self.parties.keys().cloned().collect();
        for name in names {
            self.feed(&name, vec![Input::Tick])?;
        }
        self.settle_down()
    }

    /// After time has passed, whoever can meets.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn meet_all(&mut self) -> Result<(), RunError> {
        let linked: Vec<Pair> = self.linked.iter().copied().collect();
        linked.iter().try_for_each(|pair| self.meet(pair))
    }
}
