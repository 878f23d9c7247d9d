//! Bounds that both sides and the contracts know by the same numbers (`docs/protocol.md` section 4). Each side may use at
//! most half of every limit that counts entries.

/// Subchannels of a channel.
pub const MAX_SUBCHANNELS: usize = 16;
/// Tokens of a subchannel; `MAX_TOKENS` of the Depository.
pub const MAX_TOKENS: usize = 32;
/// Pending subcontracts of a subchannel.
pub const MAX_PENDING: usize = 32;
/// Clauses of a proof body: one for all payments, one for each swap; `MAX_CLAUSES` of the Depository.
pub const MAX_CLAUSES: usize = 33;
/// SubcontractProviders of a subchannel.
pub const MAX_PROVIDERS: usize = 4;
/// Tokens that one subcontract moves.
pub const MAX_SUBCONTRACT_TOKENS: usize = 4;
/// Facts that one subcontract asks for.
pub const MAX_QUESTIONS: usize = 4;
/// Bytes of the terms of one subcontract.
pub const MAX_TERMS_BYTES: usize = 512;
/// Fills in the arguments of a dispute; `MAX_FILLS` of the contracts.
pub const MAX_FILLS: usize = 32;
/// Forgiven debts of a settlement; `MAX_FORGIVEN` of the Depository.
pub const MAX_FORGIVEN: usize = 8;
/// Transitions of a block.
pub const MAX_BLOCK_TRANSITIONS: usize = 1024;
/// Encoded bytes of a block's transitions at most, so that a message always has room for the block and what goes with it.
pub const MAX_BLOCK_BYTES: usize = 768 << 10;
/// Bytes of a memo.
pub const MAX_MEMO_BYTES: usize = 4096;
/// Bytes of a failure that travels back to the sender of a payment.
pub const FAILURE_BYTES: usize = 64;
/// Bytes of the onion that a payment carries: at every limit a whole state still fits into one message.
pub const MAX_ONION_BYTES: usize = 1400;
/// Gas that one clause may use on chain; `CLAUSE_GAS` of the Depository.
pub const CLAUSE_GAS: u64 = 200_000;
/// The furthest ahead that a lock, settlement or close may expire, in seconds; `MAX_LOCK_S` of the Depository.
pub const MAX_LOCK_S: u64 = 604_800;
/// How far a block's time may be ahead of the receiver's clock, in seconds.
pub const MAX_CLOCK_DRIFT_S: u64 = 30;
/// How far above the greatest height seen or signed on one parent a replacement may be. A node that was restored from a backup
/// jumps far, so that no two restores sign at the same heights; heights outlast two thousand million jumps of this size.
pub const MAX_HEIGHT_GAP: u64 = 1 << 32;
/// Heights that a restored node passes over: so many, and as many again for each second since the tip's time, modulo
/// [`RESTORE_PERIOD_S`]. More than a node signs on one parent.
pub const RESTORE_STEP: u64 = 64;
/// Seconds after which the jumps of restored nodes begin anew, so that the greatest one stays far below [`MAX_HEIGHT_GAP`].
pub const RESTORE_PERIOD_S: u64 = 1 << 20;
/// What the grace of an EntityProvider must leave beyond twice the dispute window, in seconds: time to have a start mined.
pub const GRACE_MARGIN_S: u64 = 3600;
/// How long before its expiry a payment must be settled off chain, in seconds, unless the channel says otherwise: at least
/// twice the drift plus the time to get a reveal confirmed.
pub const SETTLE_MARGIN_S: u64 = 600;
