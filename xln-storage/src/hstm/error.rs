//! What the state-time machine refuses, and what it finds broken.

use crate::error::StorageError;

/// Why an operation of [`Hstm`](crate::Hstm) failed; `E` is the state machine's own error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HstmError<E: std::error::Error + 'static> {
    /// The state machine refused an entry or could not decode bytes. At an append nothing was changed.
    #[error("the state machine refused")]
    Machine(#[source] E),
    /// The store failed. If it was a write, the machine is in doubt from here on.
    #[error("the store failed")]
    Storage(#[from] StorageError),
    /// An earlier write failed and may or may not have been stored: open the machine anew from a reopened store.
    #[error("an earlier write failed and may have been stored")]
    InDoubt,
    /// An entry must be higher than the last one.
    #[error("height {found} is not above {tip}")]
    HeightNotAbove {
        /// Height of the last entry.
        tip: u64,
        /// Height of the refused entry.
        found: u64,
    },
    /// Time does not go back.
    #[error("time {found_s} s is before {previous_s} s")]
    TimeBackwards {
        /// Time of the last entry, unix seconds.
        previous_s: u64,
        /// Time of the refused entry, unix seconds.
        found_s: u64,
    },
    /// The height lies in the future.
    #[error("height {height} is above the tip {tip}")]
    AboveTip {
        /// What was asked for.
        height: u64,
        /// Height of the last entry.
        tip: u64,
    },
    /// What was asked for was pruned.
    #[error("history before height {base} was pruned")]
    Pruned {
        /// The lowest height whose state is kept.
        base: u64,
    },
    /// There is no snapshot at exactly this height.
    #[error("no snapshot at height {height}")]
    NoSnap {
        /// What was asked for.
        height: u64,
    },
    /// Pruning needs a snapshot at or before the height, above the present base.
    #[error("no snapshot at or before height {height} to prune to")]
    NothingToPrune {
        /// The first height that was to be kept.
        height: u64,
    },
    /// A restore needs an empty prefix.
    #[error("the store already holds a journal here")]
    NotEmpty,
    /// A row that goes with an append has a key under the machine's own prefix.
    #[error("an extra row lies under the machine's own prefix")]
    ExtraUnderPrefix,
    /// The stored history does not hold together.
    #[error("stored history is corrupt at height {height}: {what}")]
    Corrupt {
        /// Where it was noticed.
        height: u64,
        /// What is wrong.
        what: Corruption,
    },
}

/// What is wrong with stored history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corruption {
    /// The head row is missing, too short, of another version, or fails its checksum.
    Head,
    /// An entry's row is too short or fails its checksum.
    Entry,
    /// An entry does not follow the one before: something between them is missing or was changed.
    BrokenChain,
    /// The journal ends before the height that the head names.
    Truncated,
    /// The journal goes on after the height that the head names.
    BeyondHead,
    /// A snapshot's index row is malformed or fails its checksum.
    SnapIndex,
    /// A snapshot's state is missing or fails its checksum.
    SnapState,
    /// A snapshot is intact but not what the journal leads to.
    SnapDiffers,
}

impl std::fmt::Display for Corruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Head => "the head row is missing or damaged",
            Self::Entry => "an entry is damaged",
            Self::BrokenChain => "an entry does not follow the one before",
            Self::Truncated => "the journal ends early",
            Self::BeyondHead => "the journal goes on after its head",
            Self::SnapIndex => "a snapshot's index is damaged",
            Self::SnapState => "a snapshot's state is missing or damaged",
            Self::SnapDiffers => "a snapshot differs from the journal",
        })
    }
}
