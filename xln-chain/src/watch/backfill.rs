//! Catching up from far behind: logs of whole ranges, checked against the hashes at both ends.

use std::collections::BTreeMap;

use xln_core::chain::{ChainFact, REMEMBERED_POINTS};

use super::{Watcher, block, check_order, decode, sightings};
use crate::chain::{Chain, Header, Log};
use crate::error::ChainError;

impl Watcher {
    /// Reads one range of blocks that are confirmed with more than [`REMEMBERED_POINTS`] confirmed ones above them. False if
    /// there are none; then blocks are read one by one.
    pub(super) async fn backfill<C: Chain>(
        &mut self,
        chain: &C,
        head: &Header,
        facts: &mut Vec<ChainFact>,
    ) -> Result<bool, ChainError> {
        let margin = u64::try_from(REMEMBERED_POINTS).unwrap_or(u64::MAX).saturating_add(self.config.confirmations);
        let tip = self.tip();
        let first = tip.map_or(self.config.start, |tip| tip.number.saturating_add(1));
        let furthest = first.saturating_add(self.config.batch_range.max(1)).saturating_sub(1);
        let last = head.number.saturating_sub(margin).min(furthest);
        if !self.standing.is_empty() || head.number < margin || last < first {
            return Ok(false);
        }
        let Some(end) = block(chain, last).await? else { return Ok(true) };
        let logs = chain.logs_between(first, last, &self.filter).await?;
        check_order(&self.filter, &logs)?;
        if logs.iter().any(|log| !(first..=last).contains(&log.number)) {
            return Err(ChainError::Contradiction("logs of another range"));
        }
        let mut blocks: BTreeMap<u64, Vec<Log>> = BTreeMap::new();
        for log in logs {
            blocks.entry(log.number).or_default().push(log);
        }
        blocks.entry(last).or_default();
        let mut read = Vec::new();
        for (number, logs) in blocks {
            let header = block(chain, number).await?.ok_or(ChainError::UnknownBlock(end.hash))?;
            if logs.iter().any(|log| log.block != header.hash) {
                return Err(ChainError::UnknownBlock(header.hash));
            }
            let content = decode::content(&self.config, self.chain, &header, &logs)?;
            if number == last || !content.is_empty() {
                read.push((header, content));
            }
        }
        // Both ends are still what they were: so is everything between them.
        let still = block(chain, last).await?.is_some_and(|header| header.hash == end.hash);
        let tip_stands = match tip {
            Some(tip) => block(chain, tip.number).await?.is_some_and(|header| header.hash == tip.hash),
            None => true,
        };
        if !still || !tip_stands {
            return Err(ChainError::UnknownBlock(end.hash));
        }
        for (header, content) in read {
            for sighting in sightings(&content) {
                self.lost.remove(&sighting);
            }
            facts.push(self.confirm(&header, content));
        }
        Ok(true)
    }
}
