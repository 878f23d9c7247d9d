//! The watcher: blocks of one chain in, facts for one entity's machine out (`docs/protocol.md` section 7).
//!
//! It asks for heads and follows parents, since some nodes never say that a log was removed. A block is confirmed once
//! `confirmations` further blocks stand on it. The caller polls it, hands the facts to the machine in the order given, and
//! saves the [`Cursor`]; there is no task and no clock in here.

mod backfill;
mod cursor;
mod decode;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use xln_core::chain::{ChainChange, ChainFact, ChangeKind, REMEMBERED_POINTS, REVEAL_MEMORY_S};
use xln_core::types::{Address, ChainId, EntityId, Hash, HashKind, Pair, Reveal, SubchannelKey, UnixSeconds};

pub use cursor::{Cursor, CursorError, CursorPoint, Sighting};
use decode::Content;

use crate::chain::{Chain, Header, Log, LogFilter};
use crate::deploy::Deployment;
use crate::error::ChainError;

/// What a watcher looks for, and how sure it wants to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchConfig {
    /// Whose channels.
    pub entity: EntityId,
    /// Depositories whose events count.
    pub depositories: Vec<Address>,
    /// SubcontractProviders whose reveals and recorded facts count.
    pub providers: Vec<Address>,
    /// EntityProviders whose boards and revocations count.
    pub entity_providers: Vec<Address>,
    /// Whose boards and revocations are reported; `None` for everybody's, which is right where peers, or members of their
    /// boards, are not known beforehand. Boards change rarely, but anybody may record one for the price of some gas: at worst
    /// some hundred kilobytes per full block. A set must name the members of nested boards, too.
    pub entities: Option<BTreeSet<EntityId>>,
    /// Blocks that must stand on a block until it is confirmed; 0 takes the head for final.
    pub confirmations: u64,
    /// The first block to look at, such as the one that deployed the contracts.
    pub start: u64,
    /// Blocks that one poll reads one by one at most beyond the `confirmations`, not 0.
    pub batch_blocks: u64,
    /// Blocks that one request for old logs spans at most, not 0.
    pub batch_range: u64,
}

impl WatchConfig {
    /// Watches one deployment from its chain's first block.
    #[must_use]
    pub fn new(entity: EntityId, deployment: &Deployment, confirmations: u64) -> Self {
        Self {
            entity,
            depositories: vec![deployment.depository],
            providers: vec![deployment.subcontract_provider],
            entity_providers: vec![deployment.entity_provider],
            entities: None,
            confirmations,
            start: 0,
            batch_blocks: 256,
            batch_range: 2_000,
        }
    }
}

/// A block that is not confirmed yet.
#[derive(Clone, Debug)]
struct Standing {
    header: Header,
    content: Content,
    /// Its sightings were not reported yet.
    fresh: bool,
}

type RevealName = (Address, HashKind, Hash);

/// Follows one chain for one entity.
#[derive(Clone, Debug)]
pub struct Watcher {
    config: WatchConfig,
    filter: LogFilter,
    chain: ChainId,
    /// The last confirmed blocks, ascending.
    confirmed: VecDeque<CursorPoint>,
    /// Blocks above them, ascending, each the parent of the next.
    standing: VecDeque<Standing>,
    /// First reveals of confirmed blocks, by what they open: number and time.
    reveals: BTreeMap<RevealName, (u64, UnixSeconds)>,
    /// Sightings that stand in no block any more, and the head at which that was noticed.
    lost: BTreeMap<Sighting, u64>,
}

impl Watcher {
    /// A watcher that has seen nothing, or that goes on where a cursor stands.
    #[must_use]
    pub fn new(chain: ChainId, config: WatchConfig, cursor: &Cursor) -> Self {
        let filter = decode::filter(&config);
        // What was sighted before counts as lost until it is seen again; the clock starts with the first poll.
        let lost = cursor.sighted.iter().map(|sighting| (*sighting, u64::MAX)).collect();
        Self {
            config,
            filter,
            chain,
            confirmed: cursor.points.iter().copied().collect(),
            standing: VecDeque::new(),
            reveals: BTreeMap::new(),
            lost,
        }
    }

    /// Where it stands: what to save after the facts of the last poll were handled.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        let standing = self.standing.iter().filter(|block| !block.fresh);
        let mut sighted: BTreeSet<Sighting> = standing.flat_map(|b| sightings(&b.content)).collect();
        sighted.extend(self.lost.keys());
        Cursor { points: cursor::thin_out(self.confirmed.iter().copied()), sighted: sighted.into_iter().collect() }
    }

    /// The last confirmed block.
    #[must_use]
    pub fn confirmed(&self) -> Option<&CursorPoint> {
        self.confirmed.back()
    }

    /// Reads on, at most one batch, and gives what is new. No facts means that it has come to the head, or that the node is
    /// behind: poll again with the next block.
    ///
    /// Every confirmed block gives a [`ChainFact::Block`], also an empty one; except that far behind the head, more than
    /// [`REMEMBERED_POINTS`] confirmed blocks, only blocks with something in them and the last of each batch do. After
    /// [`ChainFact::Reorganised`] the blocks that took the place of those that are gone follow as they get confirmed.
    /// [`ChainFact::Sighted`] may be repeated. A reveal that repeats an earlier one is left out, unless that was before this
    /// watcher was made, or longer ago than machines remember; they keep the first.
    ///
    /// # Errors
    /// [`ChainError`] of the chain. The watcher is as it was, or further; nothing was given twice or left out: poll again.
    pub async fn poll<C: Chain>(&mut self, chain: &C) -> Result<Vec<ChainFact>, ChainError> {
        if chain.chain_id() != self.chain {
            return Err(ChainError::WrongChain { expected: self.chain, found: chain.chain_id() });
        }
        let head = chain.head().await?;
        let mut facts = Vec::new();
        if self.lost.is_empty() && self.tip().is_some_and(|tip| tip.hash == head.hash) {
            return Ok(facts);
        }
        // Work on a copy: an error in the middle leaves the watcher as it was, facts and all.
        let mut next = self.clone();
        if !next.rewind(chain, &head, &mut facts).await? {
            return Ok(facts);
        }
        if !next.backfill(chain, &head, &mut facts).await? {
            next.extend(chain, &head).await?;
            next.report(&head, &mut facts);
        }
        *self = next;
        Ok(facts)
    }

    /// Lets go of blocks that are not on the chain any more. False if the node is behind what is known already.
    async fn rewind<C: Chain>(
        &mut self,
        chain: &C,
        head: &Header,
        facts: &mut Vec<ChainFact>,
    ) -> Result<bool, ChainError> {
        if self.tip().is_some_and(|tip| tip.number > head.number) && self.is_ahead(chain, head).await? {
            return Ok(false);
        }
        let mut gone = None;
        while let Some(tip) = self.tip() {
            if tip.number <= head.number {
                match block(chain, tip.number).await? {
                    Some(header) if header.hash == tip.hash => break,
                    Some(other) if self.standing.is_empty() => corroborate(chain, head, &other).await?,
                    Some(_) => {}
                    // It has a later head and not this block: two nodes answer, and one is behind.
                    None => return Ok(false),
                }
            }
            match self.standing.pop_back() {
                Some(block) => self.lose(&block, head.number),
                None => {
                    self.confirmed.pop_back();
                    // Between remembered blocks there may be others: the first that may be gone is after the one before.
                    gone = Some(self.confirmed.back().map_or(self.config.start, |p| p.number.saturating_add(1)));
                }
            }
        }
        if let Some(number) = gone {
            // Another chain's blocks look like a deep reorganisation of this one.
            let found = chain.identify().await?;
            if found != self.chain {
                return Err(ChainError::WrongChain { expected: self.chain, found });
            }
            self.reveals.retain(|_, (at, _)| *at < number);
            facts.push(ChainFact::Reorganised { chain: self.chain, number });
        }
        Ok(true)
    }

    fn tip(&self) -> Option<CursorPoint> {
        let standing = self.standing.back().map(|b| CursorPoint { number: b.header.number, hash: b.header.hash });
        standing.or_else(|| self.confirmed.back().copied())
    }

    /// Whether a head below the tip is only a node that is behind: what is known up to there is what it has.
    async fn is_ahead<C: Chain>(&self, chain: &C, head: &Header) -> Result<bool, ChainError> {
        let standing = self.standing.iter().map(|b| CursorPoint { number: b.header.number, hash: b.header.hash });
        let mut known = self.confirmed.iter().copied().chain(standing).filter(|point| point.number <= head.number);
        match known.next_back() {
            Some(point) => match block(chain, point.number).await? {
                Some(other) if other.hash != point.hash => corroborate(chain, head, &other).await.map(|()| false),
                _ => Ok(true),
            },
            None => Ok(true),
        }
    }

    fn lose(&mut self, block: &Standing, head: u64) {
        if !block.fresh {
            for sighting in sightings(&block.content) {
                self.lost.entry(sighting).or_insert(head);
            }
        }
    }

    /// Reads the blocks above the tip: one batch above as many as it takes to confirm one, so that a poll short of the head
    /// never comes back empty.
    async fn extend<C: Chain>(&mut self, chain: &C, head: &Header) -> Result<(), ChainError> {
        let most = self.config.batch_blocks.max(1).saturating_add(self.config.confirmations);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        while self.standing.len() < most {
            let tip = self.tip();
            let number = tip.map_or(self.config.start, |tip| tip.number.saturating_add(1));
            if number > head.number {
                break;
            }
            // Not there or on another parent: the chain has just changed, the next poll will see how.
            let Some(header) = block(chain, number).await? else { break };
            if tip.is_some_and(|tip| tip.hash != header.parent) {
                break;
            }
            let logs = match chain.logs(header.hash, &self.filter).await {
                Err(ChainError::UnknownBlock(_)) => break,
                logs => logs?,
            };
            check_order(&self.filter, &logs)?;
            if logs.iter().any(|log| log.block != header.hash || log.number != header.number) {
                return Err(ChainError::Contradiction("logs of another block"));
            }
            let content = decode::content(&self.config, self.chain, &header, &logs)?;
            for sighting in sightings(&content) {
                self.lost.remove(&sighting);
            }
            self.standing.push_back(Standing { header, content, fresh: true });
        }
        Ok(())
    }

    /// Confirms what is deep enough, then gives up what was lost for long enough, then sights the rest.
    ///
    /// Only blocks that were read and linked here count for what stands on a block: the head may be of another branch, or of
    /// another node.
    fn report(&mut self, head: &Header, facts: &mut Vec<ChainFact>) {
        let mut again = BTreeSet::new();
        let read = self.tip().map_or(0, |tip| tip.number);
        while self.standing.front().is_some_and(|block| self.is_confirmed(&block.header, read)) {
            let Some(block) = self.standing.pop_front() else { break };
            again.extend(sightings(&block.content).map(|s| (s.key, s.pair)));
            facts.push(self.confirm(&block.header, block.content));
        }
        self.give_up(head, facts, &mut again);
        for block in &mut self.standing {
            let changes = block.content.changes.iter().filter(|change| is_sight(&change.kind));
            let news = changes.filter(|change| block.fresh || again.contains(&(change.key, change.pair)));
            facts.extend(news.map(|change| ChainFact::Sighted { change: change.clone() }));
            block.fresh = false;
        }
    }

    fn is_confirmed(&self, header: &Header, read: u64) -> bool {
        header.number.saturating_add(self.config.confirmations) <= read
    }

    fn confirm(&mut self, header: &Header, content: Content) -> ChainFact {
        if self.confirmed.len() >= REMEMBERED_POINTS {
            self.confirmed.pop_front();
        }
        self.confirmed.push_back(CursorPoint { number: header.number, hash: header.hash });
        let reveals = self.first_reveals(header, content.reveals);
        ChainFact::Block {
            point: header.point(self.chain),
            changes: content.changes,
            reveals,
            facts: content.facts,
            entities: content.entities,
        }
    }

    /// The event names every secret of a call, also those that were in the registry already.
    fn first_reveals(&mut self, header: &Header, reveals: Vec<Reveal>) -> Vec<Reveal> {
        let mut first = Vec::new();
        for reveal in reveals {
            let name = (reveal.provider, reveal.kind, reveal.secret.hash(reveal.kind));
            self.reveals.entry(name).or_insert_with(|| {
                first.push(reveal);
                (header.number, reveal.at)
            });
        }
        let oldest = header.timestamp.minus(REVEAL_MEMORY_S);
        if header.number.is_multiple_of(64) {
            self.reveals.retain(|_, (_, at)| *at >= oldest);
        }
        first
    }

    fn give_up(&mut self, head: &Header, facts: &mut Vec<ChainFact>, again: &mut BTreeSet<(SubchannelKey, Pair)>) {
        let mut vanished = BTreeSet::new();
        let confirmations = self.config.confirmations;
        let read = self.tip().map_or(0, |tip| tip.number);
        self.lost.retain(|sighting, since| {
            *since = (*since).min(head.number);
            let waits = since.saturating_add(confirmations) > read;
            if !waits {
                vanished.insert((sighting.key, sighting.pair));
            }
            waits
        });
        facts.extend(vanished.iter().map(|(key, pair)| ChainFact::Vanished { key: *key, pair: *pair }));
        again.extend(vanished);
    }
}

/// A block by its number, and no other.
async fn block<C: Chain>(chain: &C, number: u64) -> Result<Option<Header>, ChainError> {
    let found = chain.header(number).await?;
    match found {
        Some(header) if header.number != number => Err(ChainError::Contradiction("a block of another number")),
        _ => Ok(found),
    }
}

/// Nobody takes back what was confirmed because of one answer: the block that is said to be there instead must carry the
/// next one, or be the head.
async fn corroborate<C: Chain>(chain: &C, head: &Header, other: &Header) -> Result<(), ChainError> {
    let carried = if other.number == head.number {
        other.hash == head.hash
    } else {
        block(chain, other.number.saturating_add(1)).await?.is_some_and(|next| next.parent == other.hash)
    };
    if carried { Ok(()) } else { Err(ChainError::Contradiction("a block that the next one does not stand on")) }
}

/// Logs are those asked for, each once, in the chain's order.
fn check_order(filter: &LogFilter, logs: &[Log]) -> Result<(), ChainError> {
    if !logs.iter().all(|log| filter.admits(log)) {
        return Err(ChainError::Contradiction("logs that were not asked for"));
    }
    if !logs.is_sorted_by(|a, b| (a.number, a.index) < (b.number, b.index)) {
        return Err(ChainError::Contradiction("logs twice or out of order"));
    }
    Ok(())
}

/// Starts, answers and closes: what freezes a subchannel before it is confirmed.
const fn is_sight(kind: &ChangeKind) -> bool {
    matches!(kind, ChangeKind::Dispute { .. } | ChangeKind::Closed { .. })
}

fn sightings(content: &Content) -> impl Iterator<Item = Sighting> {
    let sights = content.changes.iter().filter(|change| is_sight(&change.kind));
    sights.map(|ChainChange { key, pair, kind }| {
        let close = matches!(kind, ChangeKind::Closed { .. });
        Sighting { key: *key, pair: *pair, close }
    })
}
