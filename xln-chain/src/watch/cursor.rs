//! Where a watcher stands, in a form that outlives the process.

use wincode::{SchemaRead, SchemaWrite};
use xln_core::types::{ChainPoint, Hash, Pair, SubchannelKey};

/// Confirmed blocks that a cursor names one by one; older ones ever more sparsely.
const DENSE: usize = 16;

/// How far a watcher has come. Save it together with, or after, what came of the facts: after a crash in between the facts
/// are given again, which changes nothing, and none is lost.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct Cursor {
    /// Some confirmed blocks, ascending, the last confirmed one at the end.
    pub points: Vec<CursorPoint>,
    /// What was sighted and is neither confirmed nor reported as vanished.
    pub sighted: Vec<Sighting>,
}

/// A block by number and hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct CursorPoint {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Something that stood in a block which was not confirmed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, SchemaRead, SchemaWrite)]
pub struct Sighting {
    /// In which subchannel.
    pub key: SubchannelKey,
    /// Of which channel.
    pub pair: Pair,
    /// Whether it ends the epoch; else it starts or answers a dispute.
    pub close: bool,
}

/// The bytes are no cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bytes are no cursor")]
pub struct CursorError;

impl Cursor {
    /// A cursor at one confirmed block, such as the head of a machine's view.
    #[must_use]
    pub fn at(point: &ChainPoint) -> Self {
        Self { points: vec![CursorPoint { number: point.number, hash: point.hash }], sighted: Vec::new() }
    }

    /// The last confirmed block.
    #[must_use]
    pub fn last(&self) -> Option<&CursorPoint> {
        self.points.last()
    }

    /// The bytes to save.
    ///
    /// # Errors
    /// None for a cursor that a watcher made.
    pub fn encode(&self) -> Result<Vec<u8>, CursorError> {
        wincode::serialize(self).map_err(|_| CursorError)
    }

    /// Takes saved bytes.
    ///
    /// # Errors
    /// [`CursorError`] if they are no cursor.
    pub fn parse(bytes: &[u8]) -> Result<Self, CursorError> {
        let cursor: Self = wincode::deserialize_exact(bytes).map_err(|_| CursorError)?;
        let ascending = cursor.points.is_sorted_by(|a, b| a.number < b.number);
        let valid = cursor.sighted.iter().all(|s| s.pair.is_ordered());
        if ascending && valid { Ok(cursor) } else { Err(CursorError) }
    }
}

/// Of many points the last ones, and before them every second, fourth, eighth…
pub(super) fn thin_out(points: impl DoubleEndedIterator<Item = CursorPoint>) -> Vec<CursorPoint> {
    let mut wanted = 0_usize;
    let mut step = 1_usize;
    let mut kept = Vec::new();
    for (age, point) in points.rev().enumerate() {
        if age < wanted {
            continue;
        }
        kept.push(point);
        if kept.len() > DENSE {
            step = step.saturating_mul(2);
        }
        wanted = age.saturating_add(step);
    }
    kept.reverse();
    kept
}
