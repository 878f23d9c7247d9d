//! Stable names of errors, for other languages. They never change once published; new ones may come.

use super::error::WalletError;

impl WalletError {
    /// A stable name: what was refused and why, in parts separated by dots, such as
    /// `refused.transition.insufficient_capacity`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            _ => "other",
        }
    }
}
