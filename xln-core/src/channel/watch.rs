//! A channel's view of its subchannels on chain: confirmed facts and their history since the last SyncChain, what was
//! sighted and is not confirmed, and what that freezes (`docs/protocol.md` section 7).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::env::Freeze;
use super::{Channel, Env, Event};
use crate::chain::{ChainChange, ChainView, ChangeKind};
use crate::map::{Map, Set};
use crate::proof::body_hash;
use crate::state::{Pending, Subchannel};
use crate::transition::Transition;
use crate::types::{
    ChainId, ChainPoint, DisputeFact, Hash, Nonce, RecordedFact, Reveal, Side, SubchannelFacts, SubchannelKey,
    TokenFact,
};

/// Past facts that are kept per subchannel while the peer has not recorded them.
const REMEMBERED_FACTS: usize = 256;

/// What a SyncChain states.
#[derive(PartialEq, Eq)]
pub(super) struct Synced {
    pub(super) facts: SubchannelFacts,
    pub(super) reveals: Vec<Reveal>,
    pub(super) recorded: Vec<RecordedFact>,
}

/// What the chain says about one subchannel.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct Watch {
    /// Facts by the block from which they hold, ascending.
    history: VecDeque<(u64, SubchannelFacts)>,
    /// Something before the history was forgotten.
    forgot: bool,
    /// A start or answer in a block, confirmed or not, with its epoch.
    sighted: Option<(u32, DisputeFact)>,
    /// A close stands in an unconfirmed block.
    closing: bool,
    /// The epoch for which this node has signed a start.
    own_start: Option<u32>,
    /// A confirmed fact vanished.
    alarm: bool,
    /// Bodies and fills that the chain has shown in the running dispute, by hash.
    shown: Map<Hash, Vec<u8>>,
    /// The dispute that this node has answered, or finalized, by itself: all of it, since a reorganisation may start it at
    /// another time, and what was sent for the one before is void then.
    pub(super) reacted: Option<(u32, DisputeFact, bool)>,
}

impl Watch {
    /// The confirmed facts.
    #[must_use]
    pub fn facts(&self) -> Option<&SubchannelFacts> {
        self.history.back().map(|(_, facts)| facts)
    }

    /// The dispute that stands on chain, confirmed or not, with its epoch.
    #[must_use]
    pub const fn dispute(&self) -> Option<&(u32, DisputeFact)> {
        self.sighted.as_ref()
    }

    /// Bytes that the chain has shown in the running dispute.
    pub(super) fn shown(&self, hash: &Hash) -> Option<&Vec<u8>> {
        self.shown.get(hash)
    }

    /// The facts at a block; `None` if they are forgotten. Before the first change there is nothing.
    fn facts_at(&self, number: u64) -> Option<SubchannelFacts> {
        let found = self.history.iter().rev().find(|(from, _)| *from <= number).map(|(_, facts)| facts.clone());
        found.or_else(|| (!self.forgot).then(SubchannelFacts::default))
    }

    /// Takes back what blocks from `number` on have brought. Whether there was anything.
    fn roll_back(&mut self, number: u64) -> bool {
        let before = self.history.len();
        self.history.retain(|(from, _)| *from < number);
        self.history.len() != before
    }

    fn change(&mut self, number: u64, kind: &ChangeKind) {
        let mut facts = self.facts().cloned().unwrap_or_default();
        match kind {
            ChangeKind::Collateral(fact) => set_token(&mut facts.tokens, *fact),
            ChangeKind::Settled { epoch, settlement_nonce } => {
                (facts.epoch, facts.settlement_nonce) = (*epoch, *settlement_nonce);
            }
            ChangeKind::Dispute { dispute, .. } => facts.dispute = Some(*dispute),
            ChangeKind::Closed { epoch, settlement_nonce } => {
                (facts.epoch, facts.settlement_nonce, facts.dispute) = (*epoch, *settlement_nonce, None);
            }
        }
        match self.history.back_mut() {
            Some((from, last)) if *from == number => *last = facts,
            _ => self.history.push_back((number, facts)),
        }
        if self.history.len() > REMEMBERED_FACTS {
            self.history.pop_front();
            self.forgot = true;
        }
    }

    fn sight(&mut self, kind: &ChangeKind) {
        match kind {
            ChangeKind::Dispute { epoch, dispute, fills, body } => {
                self.sighted = Some((*epoch, *dispute));
                for bytes in [fills, body] {
                    if !bytes.is_empty() && self.shown.len() < REMEMBERED_FACTS {
                        self.shown.insert(body_hash(bytes), bytes.clone());
                    }
                }
            }
            ChangeKind::Closed { .. } => self.closing = true,
            _ => {}
        }
    }
}

fn set_token(tokens: &mut Vec<TokenFact>, fact: TokenFact) {
    match tokens.binary_search_by_key(&fact.token, |t| t.token) {
        Ok(index) => {
            if let Some(found) = tokens.get_mut(index) {
                *found = fact;
            }
        }
        Err(index) => tokens.insert(index, fact),
    }
}

impl Channel {
    /// Why a subchannel must not be touched, if so.
    #[must_use]
    pub fn frozen(&self, key: &SubchannelKey) -> Option<Freeze> {
        let watch = self.watches.get(key)?;
        let epoch = self.tip.state.subchannels.get(key).map_or(0, |s| s.epoch);
        if watch.alarm {
            Some(Freeze::Alarm)
        } else if self.tip.state.subchannels.contains_key(key) && watch.facts().is_some_and(|f| f.epoch > epoch) {
            // Leaves of a dead epoch enforce nothing: nothing is agreed in them.
            Some(Freeze::Sighted)
        } else if watch.closing || watch.sighted.is_some_and(|(e, _)| e >= epoch) {
            Some(Freeze::Sighted)
        } else if watch.own_start.is_some_and(|e| e >= epoch) {
            Some(Freeze::OwnStart)
        } else {
            None
        }
    }

    /// A confirmed change.
    pub(crate) fn chain_change(&mut self, env: &mut Env<'_>, point: &ChainPoint, change: &ChainChange) {
        let watch = self.watches.entry(change.key).or_default();
        watch.change(point.number, &change.kind);
        watch.sight(&change.kind);
        self.keep_shown(change);
        let Some(watch) = self.watches.get_mut(&change.key) else { return };
        if let ChangeKind::Closed { epoch, .. } = change.kind {
            watch.sighted = watch.sighted.filter(|(e, _)| *e >= epoch);
            // It freezes until SyncChain has recorded it, which needs something to record it in.
            watch.closing = self.tip.state.subchannels.get(&change.key).is_some_and(|s| s.epoch < epoch);
            watch.shown.clear();
        }
        self.report_dispute(env, change);
    }

    /// A change that is not confirmed: it freezes, and a stale start is answered at once.
    pub(crate) fn chain_sight(&mut self, env: &mut Env<'_>, change: &ChainChange) {
        self.watches.entry(change.key).or_default().sight(&change.kind);
        self.keep_shown(change);
        self.report_dispute(env, change);
    }

    /// The body that a dispute shows, if this node holds it now: blocks that are agreed later must not take away what the
    /// dispute is finalized with.
    fn keep_shown(&mut self, change: &ChainChange) {
        let ChangeKind::Dispute { dispute, .. } = &change.kind else { return };
        let Some(body) = self.body(&change.key, &dispute.body_hash) else { return };
        if let Some(watch) = self.watches.get_mut(&change.key).filter(|w| w.shown.len() < REMEMBERED_FACTS) {
            watch.shown.entry(dispute.body_hash).or_insert(body);
        }
    }

    /// A body that the store still has. Only the one that the dispute shows is kept: the others would end nothing. There may be
    /// as many as the dispute was answered, each in a transaction of its own.
    pub(crate) fn supplied(&mut self, key: &SubchannelKey, body: &[u8]) {
        let Some(watch) = self.watches.get_mut(key) else { return };
        let hash = body_hash(body);
        if watch.sighted.is_some_and(|(_, dispute)| dispute.body_hash == hash) {
            watch.shown.insert(hash, body.to_vec());
        }
    }

    /// What was sighted did not come true.
    pub(crate) fn chain_vanish(&mut self, key: &SubchannelKey) {
        if let Some(watch) = self.watches.get_mut(key) {
            watch.closing = false;
            watch.sighted = watch.facts().and_then(|f| f.dispute.map(|d| (f.epoch, d)));
            watch.own_start = None;
        }
    }

    /// Whether the chain shows a dispute in some subchannel.
    pub(crate) fn sees_dispute(&self, chain: ChainId) -> bool {
        self.watches.iter().any(|(key, watch)| key.chain == chain && watch.sighted.is_some())
    }

    /// Confirmed blocks vanish. Facts that came with them are not to be trusted until someone looks. The view still has what
    /// it loses.
    pub(crate) fn chain_reorganised(&mut self, env: &mut Env<'_>, chain: ChainId, number: u64) {
        let peer = self.pair().entity(self.peer());
        let lost: Set<SubchannelKey> = self.said_since(env, chain, number).collect();
        for key in &lost {
            // Without a change of its own a subchannel has no watch yet.
            self.watches.entry(*key).or_default();
        }
        for (key, watch) in self.watches.iter_mut().filter(|(key, _)| key.chain == chain) {
            if (watch.roll_back(number) || lost.contains(key)) && !watch.alarm {
                watch.alarm = true;
                env.out.events.push(Event::Alarm { peer, key: *key });
            }
        }
        self.facts.retain(|(key, ..), seen| key.chain != chain || seen.number < number);
    }

    /// The subchannels in which something pending waits for, or was decided by, what only a registry has said from block
    /// `number` on.
    fn said_since(&self, env: &Env<'_>, chain: ChainId, number: u64) -> impl Iterator<Item = SubchannelKey> {
        let facts = self.facts.iter().filter(move |((key, ..), seen)| key.chain == chain && seen.number >= number);
        let view = env.chains.get(&chain);
        let revealed = move |s: &Subchannel| {
            let payments = s.pending.values().filter_map(|p| if let Pending::Payment(p) = p { Some(p) } else { None });
            let provider = s.providers.first();
            payments.filter_map(|p| view?.seen_reveal(provider?, p.kind, &p.hash)).any(|seen| seen.number >= number)
        };
        let subchannels = self.states().flat_map(|state| &state.subchannels);
        let reveals = subchannels.filter(move |(key, s)| key.chain == chain && revealed(s)).map(|(key, _)| *key);
        facts.map(|((key, ..), _)| *key).chain(reveals)
    }

    /// Someone has looked: the facts as they are now hold again.
    pub(crate) fn clear_alarm(&mut self, key: &SubchannelKey) {
        if let Some(watch) = self.watches.get_mut(key) {
            watch.alarm = false;
        }
    }

    pub(super) fn set_own_start(&mut self, key: &SubchannelKey, epoch: Option<u32>) {
        self.watches.entry(*key).or_default().own_start = epoch;
    }

    fn report_dispute(&mut self, env: &mut Env<'_>, change: &ChainChange) {
        let ChangeKind::Dispute { dispute, .. } = &change.kind else { return };
        let peer = self.pair().entity(self.peer());
        let best = self.best_nonce(&change.key).unwrap_or(Nonce(0));
        let shown = Nonce(dispute.nonce);
        env.out.events.push(Event::DisputeSeen { peer, key: change.key, shown, best });
    }

    /// After an agreed SyncChain: what is recorded needs no history, what ended freezes no more.
    pub(super) fn after_sync(&mut self) {
        for (key, subchannel) in &self.tip.state.subchannels {
            let Some(watch) = self.watches.get_mut(key) else { continue };
            let Some(point) = subchannel.point else { continue };
            while watch.history.get(1).is_some_and(|(from, _)| *from <= point.number) {
                watch.history.pop_front();
                watch.forgot = true;
            }
            if watch.facts().is_some_and(|f| f.epoch == subchannel.epoch && f.dispute.is_none()) {
                watch.closing = false;
            }
            watch.sighted = watch.sighted.filter(|(e, _)| *e >= subchannel.epoch);
            watch.own_start = watch.own_start.filter(|e| *e >= subchannel.epoch);
            self.sync_refused.remove(key);
        }
        let subchannels = &self.tip.state.subchannels;
        let pending = |key: &SubchannelKey, id: &u64| subchannels.get(key).is_some_and(|s| s.pending.contains_key(id));
        self.revealing.retain(|(key, id)| pending(key, id));
        self.secrets.retain(|(key, id), _| pending(key, id));
        self.ended.retain(|(key, id)| pending(key, id));
        self.refused_ends.retain(|(key, id), _| pending(key, id));
    }

    /// The SyncChain transitions that a block of mine should carry, and whether each is reason enough for a block. The
    /// left side sees to what the chain brings, so that both do not propose at once; either sees to what only it waits for.
    pub(super) fn due_syncs(&self, env: &Env<'_>) -> Vec<(Transition, bool)> {
        let mut due = Vec::new();
        for (key, subchannel) in &self.tip.state.subchannels {
            let Some(head) = env.chains.get(&key.chain).and_then(ChainView::head) else { continue };
            let old = subchannel.point.is_some_and(|p| p.number >= head.number);
            if subchannel.closed || old || self.sync_refused.get(key).is_some_and(|n| *n >= head.number) {
                continue;
            }
            let Some(found) = self.sync_at(env, key, head) else { continue };
            let news = differs(subchannel, &found.facts) || !found.reveals.is_empty() || !found.recorded.is_empty();
            let mine = self.waits_for_time(subchannel, head) || self.waits_for_facts(env, key, head, &found.recorded);
            if news || mine {
                let urgent = mine || self.me == Side::Left;
                let Synced { facts, reveals, recorded } = found;
                due.push((Transition::SyncChain { key: *key, point: *head, facts, reveals, recorded }, urgent));
            }
        }
        due
    }

    /// Whether the state lacks something that this chain has confirmed: a token that was added when its collateral was there
    /// already, and the block recorded, has it with the next block.
    pub(crate) fn lags(&self, chain: ChainId) -> bool {
        let mine = self.tip.state.subchannels.iter().filter(|(key, s)| key.chain == chain && !s.closed);
        mine.filter_map(|(key, s)| Some((s, self.watches.get(key)?.facts()?)))
            .any(|(s, known)| differs(s, &facts_of(s, known)))
    }

    /// Whether the chain's time at `head` frees something that this side waits for.
    fn waits_for_time(&self, subchannel: &Subchannel, head: &ChainPoint) -> bool {
        let passes = |expiry| head.timestamp > expiry && subchannel.point.is_none_or(|p| p.timestamp <= expiry);
        let settlement = subchannel.settlement.as_ref().is_some_and(|s| s.proposer == self.me && passes(s.expiry));
        let payment = subchannel.pending.values().any(|p| match p {
            Pending::Payment(p) => p.payer == self.me && p.revealed_at.is_none() && passes(p.expiry),
            Pending::Swap(_) | Pending::Subcontract(_) => false,
        });
        settlement || payment
    }

    /// The facts, reveals and recorded facts that a SyncChain at `point` must state, from my own confirmed view.
    pub(super) fn sync_at(&self, env: &Env<'_>, key: &SubchannelKey, point: &ChainPoint) -> Option<Synced> {
        let subchannel = self.tip.state.subchannels.get(key)?;
        let known = match self.watches.get(key) {
            Some(watch) => watch.facts_at(point.number)?,
            None => SubchannelFacts::default(),
        };
        let facts = facts_of(subchannel, &known);
        let view = env.chains.get(&key.chain)?;
        let provider = subchannel.providers.first()?;
        let (mut reveals, mut recorded): (Vec<Reveal>, Vec<RecordedFact>) = (Vec::new(), Vec::new());
        if facts.epoch == subchannel.epoch {
            for pending in subchannel.pending.values() {
                let p = match pending {
                    Pending::Payment(p) => p,
                    Pending::Subcontract(s) => {
                        self.recorded_at(env, key, s, point, &mut recorded);
                        continue;
                    }
                    Pending::Swap(_) => continue,
                };
                let Some(reveal) = view.reveal(provider, p.kind, &p.hash, point.number) else { continue };
                let timely = reveal.at <= p.expiry && p.revealed_at.is_none();
                if timely && !reveals.iter().any(|r| r.secret == reveal.secret && r.kind == reveal.kind) {
                    reveals.push(*reveal);
                }
            }
        }
        Some(Synced { facts, reveals, recorded })
    }
}

/// What is known, for exactly the tokens in use.
fn facts_of(subchannel: &Subchannel, known: &SubchannelFacts) -> SubchannelFacts {
    let tokens = subchannel.tokens.keys().map(|token| fact_of(known, *token)).collect();
    let SubchannelFacts { epoch, settlement_nonce, dispute, .. } = *known;
    SubchannelFacts { epoch, settlement_nonce, dispute, tokens }
}

fn fact_of(facts: &SubchannelFacts, token: crate::types::TokenId) -> TokenFact {
    let found = facts.tokens.iter().find(|t| t.token == token).copied();
    found.unwrap_or(TokenFact { token, collateral: 0, ondelta: 0 })
}

fn differs(subchannel: &Subchannel, facts: &SubchannelFacts) -> bool {
    let tokens = subchannel.tokens.values().zip(&facts.tokens);
    facts.epoch != subchannel.epoch
        || facts.settlement_nonce != subchannel.settlement_nonce
        || facts.dispute != subchannel.dispute
        || tokens.into_iter().any(|(s, f)| s.collateral != f.collateral || s.ondelta != f.ondelta)
}
