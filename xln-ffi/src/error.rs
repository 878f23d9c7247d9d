//! The one error of all calls, typed and with its data, and what the app's own code reports. One type, because uniffi gives
//! a typed error for an argument that does not parse only where the call's own error has that type.

use std::fmt::Display;

use xln_node::wallet::{self, WalletError};

use crate::reasons::CommandError;
use crate::types::EffectId;

/// What a call can fail with. Its text is for people; `code` is stable, for programs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, uniffi::Error)]
#[uniffi::export(Display)]
#[non_exhaustive]
pub enum XlnError {
    /// Something passed in is not what it should be.
    #[error("{what}: {reason}")]
    InvalidArgument {
        /// Which kind of value.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The command was refused, at once or by the peer; nothing changed.
    #[error("{reason}")]
    Refused {
        /// A stable name of the reason.
        code: String,
        /// Why.
        reason: CommandError,
    },
    /// The step could not be made: the signer failed or a counter is used up. The wallet is as before.
    #[error("{reason}")]
    NotMade {
        /// A stable name of the reason.
        code: String,
        /// Why.
        reason: String,
    },
    /// The store failed; the wallet must be opened anew.
    #[error("store failed: {reason}")]
    Store {
        /// What it says.
        reason: String,
    },
    /// An earlier write failed, or is in doubt: the wallet must be opened anew.
    #[error("wallet must be opened anew: {reason}")]
    Poisoned {
        /// Why.
        reason: String,
    },
    /// The wallet was closed.
    #[error("wallet is closed")]
    Closed,
    /// A record would sign backwards: two wallets run with one key.
    #[error("the store has seen a later signature: does another wallet run with this key?")]
    StaleNonce,
    /// What is stored, backed up or replayed is damaged, or belongs to another wallet.
    #[error("{reason}")]
    Unusable {
        /// A stable name of the reason.
        code: String,
        /// What is wrong.
        reason: String,
    },
    /// No effect of this name is pending.
    #[error("no effect {} is pending", .effect.0)]
    UnknownEffect {
        /// Its name.
        effect: EffectId,
    },
    /// The command is not known: too old, or never given.
    #[error("command is not known")]
    UnknownCommand,
    /// A chain's node failed.
    #[error("chain: {reason}")]
    Chain {
        /// What it says.
        reason: String,
    },
    /// Code of the app that was called back failed in a way that it does not declare.
    #[error("a callback failed unexpectedly: {reason}")]
    Callback {
        /// What it says.
        reason: String,
    },
}

impl XlnError {
    pub(crate) fn invalid(what: &str, reason: &dyn Display) -> Self {
        Self::InvalidArgument { what: what.to_owned(), reason: reason.to_string() }
    }
}

impl From<WalletError> for XlnError {
    fn from(error: WalletError) -> Self {
        let (code, reason) = (error.code().to_owned(), error.to_string());
        match error {
            WalletError::Refused(reason) => Self::Refused { code, reason },
            WalletError::Stage(_) => Self::NotMade { code, reason },
            WalletError::Store(error) => Self::Store { reason: error.0 },
            WalletError::Poisoned(error) => Self::Poisoned { reason: error.0 },
            WalletError::Closed => Self::Closed,
            WalletError::StaleNonce => Self::StaleNonce,
            WalletError::Signature(_) => Self::InvalidArgument { what: "signature".to_owned(), reason },
            WalletError::UnknownEffect(effect) => Self::UnknownEffect { effect },
            WalletError::UnknownCommand => Self::UnknownCommand,
            WalletError::Chain(error) => Self::Chain { reason: error.0 },
            WalletError::Restore(_) | WalletError::WrongStore(_) | WalletError::Codec(_) | WalletError::Backup(_) => {
                Self::Unusable { code, reason }
            }
        }
    }
}

impl From<uniffi::UnexpectedUniFFICallbackError> for XlnError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Callback { reason: error.reason }
    }
}

/// What the app's own storage, transport, signer or clock reports when it does not work.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, uniffi::Error)]
#[uniffi::export(Display)]
pub enum HostError {
    /// It failed.
    #[error("{reason}")]
    Failed {
        /// Why, for people.
        reason: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for HostError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: error.reason }
    }
}

impl From<wallet::HostError> for HostError {
    fn from(error: wallet::HostError) -> Self {
        Self::Failed { reason: error.0 }
    }
}

impl From<HostError> for wallet::HostError {
    fn from(error: HostError) -> Self {
        Self::new(error)
    }
}
