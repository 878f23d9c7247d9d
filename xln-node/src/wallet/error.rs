//! What can go wrong with a wallet, and its stable names.

use xln_core::channel::{CommandError, StageError};
use xln_core::codec::CodecError;
use xln_core::crypto::SignatureError;
use xln_core::machine::{EffectId, RestoreError};

use super::host::HostError;
use crate::driver::BackupError;

/// Why a call did not do what it says.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WalletError {
    /// The command was refused, at once or by the peer; nothing changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The step could not be made: the signer failed or a counter is used up. The wallet is as before.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The store failed; the wallet must be opened anew.
    #[error("store failed: {0}")]
    Store(HostError),
    /// An earlier write failed, or is in doubt: the wallet must be opened anew.
    #[error("wallet must be opened anew: {0}")]
    Poisoned(HostError),
    /// The wallet was closed.
    #[error("wallet is closed")]
    Closed,
    /// A record would sign backwards: two wallets run with one key.
    #[error("the store has seen a later signature: does another wallet run with this key?")]
    StaleNonce,
    /// The store does not replay.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The store belongs to another entity, other depositories, or another format.
    #[error("store does not fit: {0}")]
    WrongStore(String),
    /// A row, record or state does not decode.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The backup is not taken.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A signature is no good.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// No effect of this name is pending.
    #[error("no effect {} is pending", .0.0)]
    UnknownEffect(EffectId),
    /// The command is not known: too old, or never given.
    #[error("command is not known")]
    UnknownCommand,
    /// A chain's node failed.
    #[error("chain: {0}")]
    Chain(HostError),
}
