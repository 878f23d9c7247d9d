//! xln for JavaScript. Conversion only: every behaviour is in the crates below. What is here turns bigints, hex text and
//! bytes into the crates' types and back, and their errors into `XlnError` with a code.

pub mod convert;
pub mod crypto;
pub mod delta;
pub mod error;
pub mod ids;
pub mod proof;
pub mod reader;
#[cfg(feature = "wallet")]
pub mod replay;
#[cfg(feature = "wallet")]
pub mod state;
#[cfg(all(feature = "wallet", target_arch = "wasm32"))]
pub mod wallet;
pub mod writer;
