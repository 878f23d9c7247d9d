//! What parent and child say to each other over the child's stdin and stdout: a u32 length, little endian, then the value.

use std::io::{self, Read, Write};

use wincode::{SchemaRead, SchemaWrite};
use xln_core::codec;
use xln_core::machine::Input;
use xln_core::types::{EntityId, Hash, Nonce};

/// How a child opens its node.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(crate) struct Open {
    /// The engine's name.
    pub(crate) backend: String,
    /// The store's folder.
    pub(crate) dir: String,
    /// Which of the two parties, 0 or 1.
    pub(crate) who: u8,
    /// After how many records a snapshot replaces them.
    pub(crate) snapshot_every: u64,
    /// The last record that the child acknowledged before it was killed.
    pub(crate) acknowledged: u64,
    /// The body of the last agreed state that it acknowledged.
    pub(crate) agreed: Option<Hash>,
    /// A planted fault: each write is reported done and made with the next call.
    pub(crate) write_behind: bool,
}

/// From the parent.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(crate) enum Ask {
    /// Always the first.
    Open(Open),
    /// One durable step.
    Step(Vec<Input>),
    /// Where the node stands.
    Stand,
}

/// What became of one input.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(crate) enum Outcome {
    /// Not a command.
    Taken,
    /// A command under this number.
    Accepted(u64),
    /// A command, and why not.
    Refused(String),
}

/// What a node is after a durable step.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(crate) struct Durable {
    /// Position of the record.
    pub(crate) seq: u64,
    /// Root over the whole machine after it.
    pub(crate) root: Hash,
    /// What the store's guard holds for the channel.
    pub(crate) signed: Option<(Nonce, Hash)>,
}

/// From the child. Nothing is said before it is durable.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(crate) enum Said {
    /// The node is open.
    Opened {
        /// The last record that the store held before this open.
        held: u64,
        /// The root at the acknowledged record, unless a snapshot has swallowed it.
        root: Option<Hash>,
        /// What the store's guard held before this open.
        signed: Option<(Nonce, Hash)>,
        /// Whether the acknowledged agreed state is in the history; true if none was asked for.
        has_agreed: bool,
        /// After the open's own step.
        now: Durable,
    },
    /// A step is durable.
    Stepped {
        /// After it.
        now: Durable,
        /// Per input.
        outcomes: Vec<Outcome>,
        /// Messages to the peer.
        sends: Vec<Vec<u8>>,
        /// Events that must not happen under this load.
        troubles: Vec<String>,
        /// Bodies of states that became agreed.
        agreed: Vec<Hash>,
    },
    /// The answer to [`Ask::Stand`].
    Stands(Standing),
    /// The node cannot go on.
    Failed(String),
}

/// Where a node stands in its channel.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(crate) struct Standing {
    /// Who it is.
    pub(crate) entity: EntityId,
    /// Hash of the tip's block.
    pub(crate) block: Hash,
    /// Hash of the tip's state.
    pub(crate) state: Hash,
    /// Blocks in flight and commands that wait.
    pub(crate) unsettled: u64,
    /// The token's offdelta.
    pub(crate) offdelta: i128,
    /// Ids of pending payments.
    pub(crate) pending: Vec<u64>,
}

/// Writes one value and flushes.
///
/// # Errors
/// What the pipe reports.
pub(crate) fn write<T: codec::Encode>(to: &mut impl Write, value: &T) -> io::Result<()> {
    let bytes = codec::encode(value).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    // One write, so that a kill cannot fall between length and value more often than it must.
    to.write_all(&[&length.to_le_bytes(), bytes.as_slice()].concat())?;
    to.flush()
}

/// Reads one value; `None` at the end, also in the middle of a value: what was cut off was never said.
pub(crate) fn read<T: codec::Encode + codec::Decode>(from: &mut impl Read) -> Option<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(length)).ok()?];
    from.read_exact(&mut bytes).ok()?;
    codec::decode_trusted_length(&bytes).ok()
}
