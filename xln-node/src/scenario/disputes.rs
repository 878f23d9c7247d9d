//! Steps of a dispute: what a party's machine does, and what anyone may do with what the chain shows.

use std::collections::BTreeMap;

use xln_core::chain::{ChainAction, ChainCall, ChainFact, ChangeKind};
use xln_core::channel::Arguments as Shown;
use xln_core::commitment::Evidence;
use xln_core::entity::Permission;
use xln_core::machine::Action;
use xln_core::proof::{self, Body, body_hash};
use xln_core::types::{DisputeFact, Hash, Nonce, Pair, Side, SubchannelKey, TokenId};

use super::ground::now;
use super::party::watcher;
use super::plan::{Plan, Planned};
use super::refusal::{Refusal, RunError, Verdict};
use super::shadow::Operation;
use super::step::{Act, Answer, Arguments};
use super::world::World;

/// Far above any height that a story reaches.
const FORGED_NONCE: u64 = (1 << 62) | 1;

/// What a counter, an accept and a finalize have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answering {
    /// Show a newer state.
    Counter,
    /// Take the shown one.
    Accept,
    /// End it.
    Finalize,
}

/// A dispute as the chain shows it now.
struct Running {
    dispute: DisputeFact,
    /// Bodies and fills that it has shown, by hash.
    shown: BTreeMap<Hash, Vec<u8>>,
}

fn nothing() -> Refusal {
    Refusal::named("NothingToShow", "nothing to show on chain")
}

impl World {
    /// What `dispute` tells a node.
    ///
    /// # Errors
    /// [`RunError::Unknown`].
    pub fn plan_dispute(&self, act: &Act) -> Result<Option<Planned>, RunError> {
        let Act::Dispute { by, peer, state, empty, arguments, chain } = act else { return Ok(None) };
        if let Some(tokens) = empty {
            return self.plan_empty(by, peer, tokens).map(Some);
        }
        let shown = match self.shown(arguments)? {
            Ok(shown) => shown,
            Err(refusal) => return Ok(Some(Err(refusal))),
        };
        let actions = match state {
            Some(name) => {
                let evidence = self.remembered(name)?;
                let start = |e: &Evidence| Action::StartDispute {
                    key: e.key,
                    arguments: Shown { evidence: Some(e.clone()), ..shown.clone() },
                };
                evidence.iter().map(start).collect()
            }
            None => {
                let keys = self.keys(by, peer, chain.as_deref())?;
                keys.into_iter().map(|key| Action::StartDispute { key, arguments: shown.clone() }).collect()
            }
        };
        self.actions(by, peer, actions).map(Some)
    }

    fn plan_empty(&self, by: &str, peer: &str, tokens: &[String]) -> Result<Planned, RunError> {
        let mut lists: BTreeMap<SubchannelKey, Vec<TokenId>> = BTreeMap::new();
        for token in tokens {
            lists.entry(self.ground.key(token)?).or_default().extend(&self.ground.find(token)?.ids);
        }
        if lists.is_empty() {
            lists.extend(self.keys(by, peer, None)?.into_iter().map(|key| (key, Vec::new())));
        }
        let starts = lists.into_iter().map(|(key, tokens)| Action::StartEmptyDispute { key, tokens });
        self.actions(by, peer, starts.collect())
    }

    fn remembered(&self, name: &str) -> Result<Vec<Evidence>, RunError> {
        let unknown = || RunError::Unknown { kind: "state", name: name.to_owned() };
        self.remembered.get(name).cloned().ok_or_else(unknown)
    }

    /// Keeps states under a name.
    ///
    /// # Errors
    /// [`RunError`] for names that do not exist, or a node that failed.
    pub fn remember(
        &mut self,
        by: &str,
        peer: &str,
        name: &str,
        both: bool,
        forged: bool,
    ) -> Result<Verdict, RunError> {
        let Some(pair) = self.pair(by, peer)? else { return Ok(Err(nothing())) };
        let Some(side) = pair.side(&self.id(by)?) else { return Ok(Err(nothing())) };
        let mut kept = Vec::new();
        for key in self.keys(by, peer, None)? {
            let evidence = if forged {
                Some(self.forge(by, &pair, side, &key)?)
            } else {
                self.view(by, peer).and_then(|channel| channel.best_evidence(&key))
            };
            kept.extend(evidence.map(|e| if both || forged { e } else { without(e, side) }));
        }
        if kept.is_empty() {
            return Ok(Err(nothing()));
        }
        self.remembered.insert(name.to_owned(), kept);
        Ok(Ok(()))
    }

    /// A state of enormous nonce that gives everything to `by`, and by its signature alone: in both places, so that it is
    /// the contract that has to find out.
    fn forge(&self, by: &str, pair: &Pair, side: Side, key: &SubchannelKey) -> Result<Evidence, RunError> {
        let place = self.ground.place_of(key).ok_or(RunError::Value("depository"))?;
        let mut ids: Vec<TokenId> = Vec::new();
        for token in self.ground.tokens.values() {
            if self.ground.place(&token.chain)?.client.deployment().key() == *key {
                ids.extend(&token.ids);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let facts = now(place.client.collaterals(pair, &ids))?;
        let tokens = facts.iter().map(|fact| {
            let all = if side.is_left() { i128::try_from(fact.collateral).unwrap_or(0) } else { 0 };
            (fact.token, all.saturating_sub(fact.ondelta))
        });
        let body = Body { tokens: tokens.collect(), clauses: Vec::new() };
        let body = body.encode().map_err(|_| RunError::Value("a forged body has no encoding"))?;
        let epoch = now(place.client.channel(pair))?.epoch;
        let leaves = [proof::state_leaf(&Hash::ZERO), proof::subchannel_leaf(key, epoch, &body_hash(&body))];
        let (root, path, nonce) = (proof::root(&leaves), proof::path(&leaves, 1), Nonce(FORGED_NONCE));
        let digest = proof::channel_state_digest(&pair.channel_key(), nonce, &root);
        let signature = self.sign_as(by, &digest, Permission::States)?;
        let (left, right) = (Some(signature.clone()), Some(signature));
        Ok(Evidence { key: *key, epoch, nonce, body, path, root, left, right })
    }

    /// Counter, accept and finalize: through the machine of a party that knows the dispute, else straight to the chain.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn answer(&mut self, kind: Answering, answer: &Answer) -> Result<Verdict, RunError> {
        let (a, b) = match (&answer.peer, &answer.channel) {
            (Some(peer), None) => (answer.by.as_str(), peer.as_str()),
            (_, Some(channel)) => self.split(channel, "-")?,
            (None, None) => return Err(RunError::Malformed("`peer` or `channel` must be given".to_owned())),
        };
        let Some(pair) = self.pair(a, b)? else { return Ok(Err(nothing())) };
        let by = self.id(&answer.by)?;
        let keys = self.disputed(&pair, (a, b), answer.chain.as_deref())?;
        let peer = pair.side(&by).map(|side| self.name(&pair.entity(side.other())));
        if let Some(peer) = peer {
            match self.answer_as_party(kind, answer, &peer, &keys)? {
                Err(refusal) if refusal.is("NothingToShow") => {}
                verdict => return Ok(verdict),
            }
        }
        for key in keys {
            let verdict = self.answer_directly(kind, answer, &pair, &key)?;
            if verdict.is_err() {
                return Ok(verdict);
            }
        }
        Ok(Ok(()))
    }

    /// Subchannels with a dispute on chain; if there is none, those that it would be about.
    fn disputed(&self, pair: &Pair, (a, b): (&str, &str), chain: Option<&str>) -> Result<Vec<SubchannelKey>, RunError> {
        let mut running = Vec::new();
        for (name, place) in &self.ground.places {
            let wanted = chain.is_none_or(|chain| chain == name);
            if wanted && now(place.client.channel(pair))?.dispute.is_some() {
                running.push(place.client.deployment().key());
            }
        }
        if running.is_empty() { self.keys(a, b, chain) } else { Ok(running) }
    }

    fn answer_as_party(
        &mut self,
        kind: Answering,
        answer: &Answer,
        peer: &str,
        keys: &[SubchannelKey],
    ) -> Result<Verdict, RunError> {
        let shown = match self.shown(&answer.arguments)? {
            Ok(shown) => shown,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let states = answer.state.as_deref().map(|name| self.remembered(name)).transpose()?.unwrap_or_default();
        let action = |key: &SubchannelKey| {
            let (key, arguments) = (*key, shown.clone());
            match kind {
                Answering::Counter => {
                    let evidence = states.iter().find(|e| e.key == key).cloned();
                    Action::CounterDispute { key, arguments: Shown { evidence, ..arguments } }
                }
                Answering::Accept => Action::AcceptDispute { key, arguments },
                Answering::Finalize => Action::FinalizeDispute { key, arguments },
            }
        };
        match self.actions(&answer.by, peer, keys.iter().map(action).collect())? {
            Ok(plan) => self.issue(Plan { ..plan }, None),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn answer_directly(
        &mut self,
        kind: Answering,
        answer: &Answer,
        pair: &Pair,
        key: &SubchannelKey,
    ) -> Result<Verdict, RunError> {
        let Some(running) = self.running(pair, key)? else { return Ok(Err(nothing())) };
        let call = match kind {
            Answering::Counter => self.counter_call(answer, pair, key, &running)?,
            Answering::Accept => {
                self.fills(&answer.arguments)?.map(|fills| ChainCall::AcceptDispute { dispute: running.dispute, fills })
            }
            Answering::Finalize => self.finalize_call(&answer.arguments, pair, key, &running)?,
        };
        let call = match call {
            Ok(call) => call,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let action = ChainAction { key: *key, pair: *pair, call };
        let sent = self.submit_as(&answer.by, &action)?;
        let chain = self.ground.name_of(key);
        self.receipt_of(&chain, &Operation::Act { by: self.id(&answer.by)?, action: Box::new(action) }, sent)
    }

    fn counter_call(
        &self,
        answer: &Answer,
        pair: &Pair,
        key: &SubchannelKey,
        running: &Running,
    ) -> Result<Result<ChainCall, Refusal>, RunError> {
        let evidence = match &answer.state {
            Some(name) => self.remembered(name)?.into_iter().find(|e| e.key == *key),
            None => self.latest(pair, key),
        };
        let Some(evidence) = evidence else { return Ok(Err(nothing())) };
        let non_starter = pair.entity(running.dispute.starter.other());
        let both = self.id(&answer.by)? != non_starter;
        let dispute = running.dispute;
        Ok(self.fills(&answer.arguments)?.map(|fills| ChainCall::CounterDispute { dispute, evidence, fills, both }))
    }

    /// The newest state with both signatures that either side holds: what a watchtower has been given.
    fn latest(&self, pair: &Pair, key: &SubchannelKey) -> Option<Evidence> {
        let ends = self.ends(pair);
        let held = ends.iter().filter_map(|(_, name, peer)| self.view(name, peer)?.best_evidence(key));
        held.filter(|e| e.left.is_some() && e.right.is_some()).max_by_key(|e| e.nonce)
    }

    fn finalize_call(
        &self,
        arguments: &Arguments,
        pair: &Pair,
        key: &SubchannelKey,
        running: &Running,
    ) -> Result<Result<ChainCall, Refusal>, RunError> {
        let dispute = running.dispute;
        let mut body = running.shown.get(&dispute.body_hash).cloned();
        for (_, name, peer) in self.ends(pair) {
            let (node, peer) = (self.party(&name)?.node()?, self.id(&peer)?);
            let held = node.channel(&peer).and_then(|channel| channel.body(key, &dispute.body_hash));
            body = body.or(held);
            if body.is_none() {
                body = node.evidence(&peer, key, &dispute.body_hash)?.map(|evidence| evidence.body);
            }
        }
        let given = |hash: &Hash| running.shown.get(hash).cloned().unwrap_or_default();
        let (starter_fills, mut answerer_fills) =
            (given(&dispute.starter_fills_hash), given(&dispute.answerer_fills_hash));
        if !dispute.answered && answerer_fills.is_empty() {
            match self.fills(arguments)? {
                Ok(fills) => answerer_fills = fills,
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        // A state that nobody in the story holds: the chain says what is wrong with any other body.
        let body = body.unwrap_or_else(|| vec![0, 0]);
        Ok(Ok(ChainCall::FinalizeDispute { dispute, body, starter_fills, answerer_fills }))
    }

    /// Reads the dispute of a channel from the chain itself.
    fn running(&self, pair: &Pair, key: &SubchannelKey) -> Result<Option<Running>, RunError> {
        let place = self.ground.place_of(key).ok_or(RunError::Value("depository"))?;
        let mut watcher = watcher(pair.left(), place, &xln_chain::Cursor::default());
        let mut running: Option<Running> = None;
        let mut shown = BTreeMap::new();
        loop {
            let facts = now(watcher.poll(&place.chain))?;
            if facts.is_empty() {
                return Ok(running.map(|r| Running { shown, ..r }));
            }
            for fact in facts {
                let ChainFact::Block { changes, .. } = fact else { continue };
                for change in changes.into_iter().filter(|c| c.pair == *pair && c.key == *key) {
                    match change.kind {
                        ChangeKind::Dispute { dispute, fills, body, .. } => {
                            shown.extend([fills, body].into_iter().map(|bytes| (body_hash(&bytes), bytes)));
                            running = Some(Running { dispute, shown: BTreeMap::new() });
                        }
                        ChangeKind::Closed { .. } => running = None,
                        _ => {}
                    }
                }
            }
        }
    }
}

fn without(evidence: Evidence, side: Side) -> Evidence {
    match side {
        Side::Left => Evidence { left: None, ..evidence },
        Side::Right => Evidence { right: None, ..evidence },
    }
}
