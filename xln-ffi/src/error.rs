//! The one error of all calls, typed and with its data. One type, because uniffi gives a typed error for an argument that
//! does not parse only where the call's own error has that type.

use std::fmt::Display;

/// What a call can fail with. `code` is stable, for programs; the description is for people.
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

impl From<uniffi::UnexpectedUniFFICallbackError> for XlnError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Callback { reason: error.reason }
    }
}
