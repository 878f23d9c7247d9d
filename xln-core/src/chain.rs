//! What enters from a chain and what is asked of it (`docs/protocol.md` section 7). Only the types and the confirmed
//! view; who watches and submits is `xln-chain`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use crate::commitment::Evidence;
use crate::crypto::Signature;
use crate::map::{Entry, Map};
use crate::proof::SettlementUpdate;
use crate::types::{
    Address, ChainId, ChainPoint, DisputeFact, EntityFact, Hash, HashKind, Pair, RecordedFact, Reveal, Secret, Side,
    SubchannelKey, TokenFact, TokenId, UnixSeconds,
};

/// Confirmed points that are remembered per chain, to judge a peer's SyncChain by.
pub const REMEMBERED_POINTS: usize = 512;
/// How long a reveal is remembered after it happened, in seconds: longer than any lock that it could settle.
pub const REVEAL_MEMORY_S: u64 = 2 * crate::limits::MAX_LOCK_S;

/// Recorded facts that are remembered per chain: strangers may record any number for the price of a transaction each.
pub const REMEMBERED_FACTS: usize = 4096;
/// How long a recorded fact is remembered that nothing pending asks for, in seconds.
pub const FACT_MEMORY_S: u64 = 86_400;

/// A fact of a chain, as the watcher reports it.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)
)]
pub enum ChainFact {
    /// One confirmed block, in order of numbers. Every confirmed block is reported, also an empty one.
    Block {
        /// Which block.
        point: ChainPoint,
        /// What changed in it, in order.
        changes: Vec<ChainChange>,
        /// Secrets that were first revealed in it.
        reveals: Vec<Reveal>,
        /// Facts that were first recorded in it.
        facts: Vec<RecordedFact>,
        /// What changed about who may sign.
        entities: Vec<EntityFact>,
    },
    /// A start, answer or close that stands in a block which is not confirmed yet.
    Sighted {
        /// What it says.
        change: ChainChange,
    },
    /// What was sighted has been absent for the confirmation depth.
    Vanished {
        /// In which subchannel.
        key: SubchannelKey,
        /// Of which channel.
        pair: Pair,
    },
    /// Confirmed blocks from `number` on are gone: the chain was reorganised beyond the finality policy.
    Reorganised {
        /// Which chain.
        chain: ChainId,
        /// The first number that is gone.
        number: u64,
    },
}

/// A change of one subchannel.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct ChainChange {
    /// In which subchannel.
    pub key: SubchannelKey,
    /// Of which channel.
    pub pair: Pair,
    /// What changed.
    pub kind: ChangeKind,
}

/// What changed, with the whole new value.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)
)]
pub enum ChangeKind {
    /// Collateral and ondelta of one token.
    Collateral(TokenFact),
    /// A settlement was executed.
    Settled {
        /// The epoch.
        epoch: u32,
        /// The new settlement nonce.
        settlement_nonce: u32,
    },
    /// A dispute was started or answered.
    Dispute {
        /// The epoch.
        epoch: u32,
        /// The dispute as it is now.
        dispute: DisputeFact,
        /// The fills that were given with it, encoded.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        fills: Vec<u8>,
        /// The body of an empty-state start, else empty.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        body: Vec<u8>,
    },
    /// A dispute or a co-signed close ended the epoch.
    Closed {
        /// The new epoch.
        epoch: u32,
        /// The new settlement nonce.
        settlement_nonce: u32,
    },
}

/// What a machine asks to be done on chain, in its own entity's name.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct ChainAction {
    /// Where.
    pub key: SubchannelKey,
    /// In which channel.
    pub pair: Pair,
    /// What.
    pub call: ChainCall,
}

/// A call of a Depository or a SubcontractProvider.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
pub enum ChainCall {
    /// Executes a co-signed diff.
    CooperativeUpdate {
        /// Its expiry.
        expiry: UnixSeconds,
        /// The diff.
        update: SettlementUpdate,
        /// Left's signature.
        left: Signature,
        /// Right's signature.
        right: Signature,
    },
    /// Executes a co-signed close.
    CooperativeClose {
        /// Its expiry.
        expiry: UnixSeconds,
        /// The encoded body.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        body: Vec<u8>,
        /// Left's signature.
        left: Signature,
        /// Right's signature.
        right: Signature,
    },
    /// Starts a dispute with a state that the peer signed.
    StartDispute {
        /// Who starts.
        starter: Side,
        /// The state.
        evidence: Evidence,
        /// The starter's fills, encoded.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        fills: Vec<u8>,
    },
    /// Starts a dispute with the empty state.
    StartEmptyDispute {
        /// Who starts.
        starter: Side,
        /// Its tokens, ascending.
        tokens: Vec<TokenId>,
    },
    /// The non-starter takes the shown state.
    AcceptDispute {
        /// The dispute.
        dispute: DisputeFact,
        /// The non-starter's fills, encoded.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        fills: Vec<u8>,
    },
    /// Shows a newer state: by the non-starter, or by anyone if `both`.
    CounterDispute {
        /// The dispute.
        dispute: DisputeFact,
        /// The newer state.
        evidence: Evidence,
        /// The non-starter's fills, encoded.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        fills: Vec<u8>,
        /// Use both signatures instead of the caller's role.
        both: bool,
    },
    /// Ends a dispute.
    FinalizeDispute {
        /// The dispute.
        dispute: DisputeFact,
        /// The encoded body.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        body: Vec<u8>,
        /// The starter's fills, encoded.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        starter_fills: Vec<u8>,
        /// The non-starter's fills, encoded.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        answerer_fills: Vec<u8>,
    },
    /// Puts a secret into the registry.
    Reveal {
        /// The registry.
        provider: Address,
        /// Which hash function.
        kind: HashKind,
        /// The secret.
        secret: Secret,
    },
    /// Puts a fact into the registry, if it is so.
    Record {
        /// The registry.
        provider: Address,
        /// The instrument that asks.
        instrument: u16,
        /// Chain time from which the fact counts.
        not_before: UnixSeconds,
        /// What is asked.
        #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
        question: Vec<u8>,
    },
}

/// A reveal and the block that it stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SeenReveal {
    /// The reveal.
    pub reveal: Reveal,
    /// Number of its block.
    pub number: u64,
}

/// A recorded fact and the block that it stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SeenFact {
    /// The fact.
    pub fact: RecordedFact,
    /// Number of its block.
    pub number: u64,
}

/// A machine's confirmed view of one chain.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct ChainView {
    points: VecDeque<ChainPoint>,
    reveals: Map<(Address, HashKind, Hash), SeenReveal>,
    facts: Map<(Address, Hash), SeenFact>,
    /// Their names, oldest first.
    fact_order: VecDeque<(Address, Hash)>,
    /// Every fact that was recorded at or after this chain time is known.
    facts_since: UnixSeconds,
}

/// What a view knows of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PointVerdict {
    /// It is confirmed.
    Known,
    /// The view has not come that far.
    Ahead,
    /// The view has another block there, or has forgotten it.
    Unknown,
}

impl ChainView {
    /// The last confirmed block.
    #[must_use]
    pub fn head(&self) -> Option<&ChainPoint> {
        self.points.back()
    }

    /// Takes the next confirmed block. Views only move forward: an older or repeated one changes nothing and gives false.
    pub fn advance(&mut self, point: ChainPoint, reveals: &[Reveal], facts: &[RecordedFact]) -> bool {
        let news = self.take(point, reveals, facts);
        self.forget_facts();
        news
    }

    /// [`ChainView::advance`] that forgets no facts yet, so that whoever waits for one can keep it first.
    pub(crate) fn take(&mut self, point: ChainPoint, reveals: &[Reveal], facts: &[RecordedFact]) -> bool {
        if self.head().is_some_and(|h| point.number <= h.number) {
            return false;
        }
        if self.head().is_none() {
            // Earlier blocks of the same second were not seen.
            self.facts_since = self.facts_since.max(point.timestamp.plus(1));
        }
        if self.points.len() >= REMEMBERED_POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
        for reveal in reveals {
            let name = (reveal.provider, reveal.kind, reveal.secret.hash(reveal.kind));
            self.reveals.entry(name).or_insert(SeenReveal { reveal: *reveal, number: point.number });
        }
        let oldest = point.timestamp.minus(REVEAL_MEMORY_S);
        self.reveals.retain(|_, seen| seen.reveal.at >= oldest);
        for fact in facts {
            let name = (fact.provider, fact.key);
            // The registry never records twice; the first one counts.
            if let Entry::Vacant(place) = self.facts.entry(name) {
                place.insert(SeenFact { fact: *fact, number: point.number });
                self.fact_order.push_back(name);
            }
        }
        true
    }

    /// What is forgotten, by age or by number, moves the time since which everything is known.
    pub(crate) fn forget_facts(&mut self) {
        let Some(oldest) = self.head().map(|head| head.timestamp.minus(FACT_MEMORY_S)) else { return };
        while let Some(name) = self.fact_order.front().copied() {
            let at = self.facts.get(&name).map(|seen| seen.fact.at);
            if self.fact_order.len() <= REMEMBERED_FACTS && at.is_some_and(|at| at >= oldest) {
                break;
            }
            self.fact_order.pop_front();
            self.facts.remove(&name);
            self.facts_since = self.facts_since.max(at.map_or(UnixSeconds(0), |at| at.plus(1)));
        }
    }

    /// Forgets the blocks from `number` on: they are not part of the chain any more.
    pub fn roll_back(&mut self, number: u64) {
        self.points.retain(|point| point.number < number);
        self.reveals.retain(|_, seen| seen.number < number);
        self.facts.retain(|_, seen| seen.number < number);
        let Self { facts, fact_order, .. } = self;
        fact_order.retain(|name| facts.contains_key(name));
    }

    /// What it knows of a block that a peer names.
    #[must_use]
    pub fn judge(&self, point: &ChainPoint) -> PointVerdict {
        if self.head().is_none_or(|h| point.number > h.number) {
            return PointVerdict::Ahead;
        }
        let known = self.points.binary_search_by_key(&point.number, |p| p.number).ok();
        match known.and_then(|i| self.points.get(i)) {
            Some(found) if found == point => PointVerdict::Known,
            _ => PointVerdict::Unknown,
        }
    }

    /// The registry's entry for a lock, if there was one at block `number`.
    #[must_use]
    pub fn reveal(&self, provider: &Address, kind: HashKind, hash: &Hash, number: u64) -> Option<&Reveal> {
        let seen = self.seen_reveal(provider, kind, hash)?;
        (seen.number <= number).then_some(&seen.reveal)
    }

    /// The registry's entry for a lock, with its block.
    #[must_use]
    pub fn seen_reveal(&self, provider: &Address, kind: HashKind, hash: &Hash) -> Option<&SeenReveal> {
        self.reveals.get(&(*provider, kind, *hash))
    }

    /// A fact that was recorded, unless it was forgotten.
    #[must_use]
    pub fn fact(&self, provider: &Address, key: &Hash) -> Option<&SeenFact> {
        self.facts.get(&(*provider, *key))
    }

    /// Whether every fact that was recorded at or after this chain time is known. Without a block nothing is.
    #[must_use]
    pub fn knows_facts_since(&self, time: UnixSeconds) -> bool {
        self.head().is_some() && self.facts_since <= time
    }

    /// The secret for a lock, if the registry has it.
    #[must_use]
    pub fn secret(&self, provider: &Address, kind: HashKind, hash: &Hash) -> Option<&Reveal> {
        self.seen_reveal(provider, kind, hash).map(|seen| &seen.reveal)
    }
}
