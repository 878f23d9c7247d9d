//! Subcontracts beyond the rules: what this node lets its peer add, the facts that it keeps for them, and what it settles by
//! itself (`docs/protocol.md` sections 4 and 7).

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::{Channel, Env, StageError};
use crate::block::{Block, next_base};
use crate::chain::SeenFact;
use crate::limits::MAX_CLOCK_DRIFT_S;
use crate::map::Map;
use crate::proof::SettlementUpdate;
use crate::state::{ChannelState, Pending, Subchannel, Subcontract};
use crate::subcontract::{Answer, Contract, Ending, Outcome, Quoted};
use crate::transition::{Applier, Transition};
use crate::types::{Address, ChainId, ChainPoint, Hash, RecordedFact, Side, SubchannelKey, TokenId, UnixSeconds};

/// Consents that the application has given and the peer has not used.
const MAX_CONSENTS: usize = 16;

/// What the application lets the peer propose, once: exactly this.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum Consented {
    /// A settlement that takes something from this side.
    Settlement {
        /// In which subchannel.
        key: SubchannelKey,
        /// The diff.
        update: SettlementUpdate,
    },
    /// A subcontract that may take something from this side.
    Subcontract {
        /// In which subchannel.
        key: SubchannelKey,
        /// The SubcontractProvider.
        provider: Address,
        /// The instrument's number there.
        instrument: u16,
        /// The tokens, in the instrument's order.
        tokens: Vec<TokenId>,
        /// The terms.
        terms: Vec<u8>,
    },
}

impl Consented {
    fn allows(&self, transition: &Transition) -> bool {
        match (self, transition) {
            (Self::Settlement { key, update }, Transition::ProposeSettlement { key: k, update: u, .. }) => {
                k == key && u == update
            }
            (
                Self::Subcontract { key, provider, instrument, tokens, terms },
                Transition::AddSubcontract { key: k, provider: p, instrument: i, tokens: to, terms: te },
            ) => k == key && p == provider && i == instrument && to == tokens && te == terms,
            _ => false,
        }
    }
}

/// The subcontract that a transition adds.
pub(super) fn added(transition: &Transition) -> Option<Contract<'_>> {
    match transition {
        Transition::AddSubcontract { key, provider, instrument, tokens, terms } => {
            Some(Contract { key, provider, instrument: *instrument, tokens, terms })
        }
        _ => None,
    }
}

/// Whether this node has seen every fact that could decide it, so that the chain cannot know better.
pub(super) fn sees_facts(env: &Env<'_>, key: &SubchannelKey, quoted: &Quoted) -> bool {
    let knows = |since| env.chains.get(&key.chain).is_some_and(|view| view.knows_facts_since(since));
    quoted.since.is_none_or(knows)
}

/// Whether terms that were agreed to when a command was queued have come to depend on a fact that may be forgotten since.
pub(super) fn was_unseen(env: &Env<'_>, transition: &Transition) -> bool {
    let contract = added(transition);
    contract.is_some_and(|c| c.quote(env.instruments).is_ok_and(|quoted| !sees_facts(env, c.key, &quoted)))
}

/// Whether a payment in `moves` favours a side.
fn gains(side: Side, moves: &[i128]) -> bool {
    moves.iter().any(|moved| match side {
        Side::Left => *moved > 0,
        Side::Right => *moved < 0,
    })
}

/// Whether a subcontract ends otherwise at another time. A part that is paid takes nothing away: the rest stays.
fn changes_with_time(
    env: &Env<'_>,
    state: &ChannelState,
    (key, id, ending): (&SubchannelKey, u64, Ending),
    (early, late): (UnixSeconds, UnixSeconds),
) -> bool {
    let Some((subchannel, Pending::Subcontract(subcontract))) =
        state.subchannels.get(key).and_then(|s| Some((s, s.pending.get(&id)?)))
    else {
        return true;
    };
    let at = |time| subcontract.ending(env.instruments, key, &subchannel.clock(time), ending);
    match (at(early), at(late)) {
        (Ok(Outcome::Pays { rest: Some(_), .. }), _) => false,
        (Ok(early @ Outcome::Pays { .. }), Ok(late)) => early != late,
        _ => true,
    }
}

impl Channel {
    /// What is pending in a subchannel under instruments of their own, by id.
    pub fn subcontracts(&self, key: &SubchannelKey) -> impl Iterator<Item = (u64, &Subcontract)> {
        let pending = self.tip.state.subchannels.get(key).into_iter().flat_map(|s| &s.pending);
        pending.filter_map(|(id, pending)| match pending {
            Pending::Subcontract(subcontract) => Some((*id, subcontract)),
            _ => None,
        })
    }

    /// The application's consent to what the peer may propose, once: without it this side signs only what takes nothing
    /// from it.
    pub(crate) fn consent(&mut self, consented: Consented) {
        if self.consents.len() >= MAX_CONSENTS {
            self.consents.remove(0);
        }
        self.consents.push(consented);
    }

    /// A consent is used up by the block that carries what it allows.
    pub(super) fn use_consents(&mut self, block: &Block) {
        for transition in &block.transitions {
            if let Some(at) = self.consents.iter().position(|consented| consented.allows(transition)) {
                self.consents.remove(at);
            }
        }
    }

    /// Whether the application has consented to exactly this transition: two of the same in one block need two consents.
    pub(super) fn is_consented(&self, block: &Block, index: usize) -> bool {
        let Some(transition) = block.transitions.get(index) else { return false };
        let same = block.transitions.iter().take(index).filter(|earlier| *earlier == transition).count();
        self.consents.iter().filter(|consented| consented.allows(transition)).count() > same
    }

    /// Without consent the peer may add what can take nothing from this side, if this side can judge it.
    pub(super) fn accepts_subcontract(&self, env: &Env<'_>, transition: &Transition, consented: bool) -> bool {
        let Some(contract) = added(transition) else { return true };
        let provider = env.config.depositories.iter().find(|d| d.key == *contract.key);
        let trusted = provider.is_some_and(|d| d.providers.contains(contract.provider));
        let Some(quoted) = contract.quote(env.instruments).ok().filter(|_| trusted) else { return false };
        let free = quoted.holds.iter().all(|hold| hold.of(self.me) == 0);
        (free || consented) && env.now <= quoted.last && sees_facts(env, contract.key, &quoted)
    }

    /// The transition of a block that ends a subcontract, if the block is dated back and that would cost this side something:
    /// what vests is judged by the block's time, and its proposer could have chosen an early one. Each ending is compared on
    /// the state that the transitions before it give.
    pub(super) fn backdated(&self, env: &Env<'_>, block: &Block, since: UnixSeconds) -> Option<u32> {
        let latest = since.minus(MAX_CLOCK_DRIFT_S);
        if block.timestamp >= latest || !block.transitions.iter().any(|t| self.ending_of(t).is_some()) {
            return None;
        }
        let mut state = next_base(&self.tip.state);
        for (index, transition) in (0u32..).zip(&block.transitions) {
            if let Some((key, id, ending)) = self.ending_of(transition)
                && changes_with_time(env, &state, (key, id, ending), (block.timestamp, latest))
            {
                return Some(index);
            }
            let mut applier = Applier::with_instruments(&mut state, block.proposer, block.timestamp, env.instruments);
            // The rules have let it through before.
            if applier.apply(transition).is_err() {
                return Some(index);
            }
        }
        None
    }

    fn ending_of<'t>(&self, transition: &'t Transition) -> Option<(&'t SubchannelKey, u64, Ending)> {
        match transition {
            Transition::SettleSubcontract { key, id } => Some((key, *id, Ending::Settle)),
            Transition::CancelSubcontract { key, id } => Some((key, *id, Ending::Cancel(self.peer()))),
            _ => None,
        }
    }

    /// Keeps the facts that something pending waits for or was decided by, as long as it is pending: also in a state that is only signed by one
    /// side so far, since the other one may still make it the tip after the fact was forgotten elsewhere.
    pub(super) fn keep_facts(&mut self, env: &Env<'_>) {
        let known = core::mem::take(&mut self.facts);
        let mut kept = Map::new();
        for state in self.states() {
            for (key, subchannel) in &state.subchannels {
                for (subcontract, ask) in asks(subchannel) {
                    let name = (*key, subcontract.provider, ask);
                    let seen = known.get(&name).copied();
                    let seen = seen.or_else(|| env.chains.get(&key.chain)?.fact(&subcontract.provider, &ask).copied());
                    kept.extend(seen.map(|seen| (name, seen)));
                }
            }
        }
        self.facts = kept;
    }

    /// The tip and what may still become it.
    pub(super) fn states(&self) -> impl Iterator<Item = &ChannelState> {
        core::iter::once(&self.tip.state).chain(self.states_in_doubt())
    }

    /// States beyond the tip that may still be agreed: mine in flight or refused, the peer's that my signer has before it.
    fn states_in_doubt(&self) -> impl Iterator<Item = &ChannelState> {
        let own = self.own.iter().map(|own| &own.signed);
        let waiting = self.waiting.iter().filter_map(|w| w.signing.as_ref());
        own.chain(waiting).chain(self.abandoned.iter().map(|a| &a.signed)).map(|signed| &signed.state)
    }

    /// Whether such a state has a subcontract that a fact of this chain may decide.
    pub(crate) fn asks_in_doubt(&self, chain: ChainId) -> bool {
        let subchannels = self.states_in_doubt().flat_map(|state| &state.subchannels);
        subchannels.filter(|(key, _)| key.chain == chain).any(|(_, subchannel)| asks(subchannel).next().is_some())
    }

    /// A new block of a chain: keeps what something waits for before it can be forgotten.
    pub(crate) fn chain_moved(&mut self, env: &mut Env<'_>) -> Result<(), StageError> {
        self.judge_waiting(env)?;
        // After judging: what was let in just now may be decided by this very block.
        self.keep_facts(env);
        Ok(())
    }

    /// The facts that a SyncChain at `point` records for one subcontract: those that it waits for, in time.
    pub(super) fn recorded_at(
        &self,
        env: &Env<'_>,
        key: &SubchannelKey,
        subcontract: &Subcontract,
        point: &ChainPoint,
        out: &mut Vec<RecordedFact>,
    ) {
        for ask in subcontract.asks.iter().filter(|ask| ask.answer.is_none()) {
            let kept = self.facts.get(&(*key, subcontract.provider, ask.key)).copied();
            let seen: Option<SeenFact> =
                kept.or_else(|| env.chains.get(&key.chain)?.fact(&subcontract.provider, &ask.key).copied());
            let timely = seen.filter(|seen| seen.number <= point.number && seen.fact.at <= ask.until);
            out.extend(timely.map(|seen| seen.fact).filter(|fact| !out.contains(fact)));
        }
    }

    /// Whether recording this point decides something in this side's favour that is undecided now.
    pub(super) fn waits_for_facts(
        &self,
        env: &Env<'_>,
        key: &SubchannelKey,
        head: &ChainPoint,
        recorded: &[RecordedFact],
    ) -> bool {
        let Some(subchannel) = self.tip.state.subchannels.get(key) else { return false };
        let now = subchannel.clock(env.now);
        let then = crate::subcontract::Clock { seen: head.timestamp, ..now };
        self.subcontracts(key).filter(|(_, s)| s.asks.iter().any(|ask| ask.answer.is_none())).any(|(_, before)| {
            let mut after = before.clone();
            for ask in after.asks.iter_mut().filter(|ask| ask.answer.is_none()) {
                let fact = recorded.iter().find(|f| f.provider == before.provider && f.key == ask.key);
                ask.answer = fact.filter(|f| f.at <= ask.until).map(|f| Answer { at: f.at, value: f.value });
            }
            let open = matches!(before.outcome(env.instruments, key, &now), Ok(Outcome::Undecided { .. }));
            let decided = after.outcome(env.instruments, key, &then);
            open && decided.is_ok_and(|outcome| self.wants(before, &outcome))
        })
    }

    /// Whether settling is in this side's interest: it ends, and pays this side or frees its hold.
    fn wants(&self, subcontract: &Subcontract, outcome: &Outcome) -> bool {
        let Outcome::Pays { moves, rest: None } = outcome else { return false };
        let nothing = moves.iter().all(|moved| *moved == 0);
        gains(self.me, moves) || nothing && !subcontract.is_free_for(self.me)
    }

    /// Settles what has ended in this side's favour.
    pub(super) fn watch_subcontracts(&mut self, env: &mut Env<'_>, key: &SubchannelKey) -> Result<(), StageError> {
        let Some(subchannel) = self.tip.state.subchannels.get(key) else { return Ok(()) };
        let clock = subchannel.clock(env.now.max(self.tip.state.timestamp));
        let ended = self.subcontracts(key).filter(|(id, subcontract)| {
            let outcome = subcontract.outcome(env.instruments, key, &clock);
            !self.is_queued(key, *id) && outcome.is_ok_and(|outcome| self.wants(subcontract, &outcome))
        });
        let ended: Vec<u64> = ended.map(|(id, _)| id).collect();
        let over = self.subcontracts(key).filter(|(_, s)| s.last <= clock.at).map(|(id, _)| (*key, id));
        let over: Vec<(SubchannelKey, u64)> = over.filter(|name| !self.ended.contains(name)).collect();
        self.ended.extend(over);
        for id in ended {
            self.enqueue_own(env, Transition::SettleSubcontract { key: *key, id })?;
        }
        Ok(())
    }

    /// When what decides itself by time alone, and can take nothing from this side, has come to its end.
    pub(super) fn vesting_ends(&self) -> impl Iterator<Item = UnixSeconds> {
        let idle = |key: &&SubchannelKey| !self.recovering && self.frozen(key).is_none();
        let keys = self.tip.state.subchannels.keys().filter(idle);
        let all = keys.flat_map(|key| self.subcontracts(key).map(move |(id, s)| (key, id, s)));
        let mine = all.filter(|(_, _, s)| s.asks.is_empty() && s.is_free_for(self.me));
        mine.filter(|(key, id, _)| !self.ended.contains(&(**key, *id))).map(|(_, _, s)| s.last)
    }
}

/// Everything that is asked, also what is answered: an answer may vanish with its block.
fn asks(subchannel: &Subchannel) -> impl Iterator<Item = (&Subcontract, Hash)> {
    let subcontracts = subchannel.pending.values().filter_map(|p| match p {
        Pending::Subcontract(subcontract) => Some(subcontract),
        _ => None,
    });
    subcontracts.flat_map(|s| s.asks.iter().map(move |ask| (s, ask.key)))
}
