//! Payment channels for Kotlin and Swift: [`xln_node::wallet`] and the pieces below it, converted and nothing else. What a
//! call means is said, decided and tested in the crates below; what is here translates types, errors and callbacks.
//!
//! Doc comments of this crate are what app developers see: `xln-bindgen` carries them into the generated code.

mod delta;
mod error;
mod keys;
mod types;

pub use delta::{Delta, DerivedDelta, delta_bar, derive_delta};
pub use error::XlnError;
pub use keys::{account, recover_signer, secret_hash, version};
pub use types::*;

uniffi::setup_scaffolding!("xln");
