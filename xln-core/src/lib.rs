//! The rules of xln, payment channels with reserve credit: pure, deterministic, without I/O, clock, threads or randomness.
//! `docs/protocol.md` of the repository says what they mean.
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod block;
pub mod chain;
pub mod channel;
pub mod check;
pub mod codec;
pub mod commitment;
pub mod crypto;
pub mod delta;
pub mod entity;
pub mod limits;
pub mod machine;
pub mod proof;
mod ratio;
pub mod route;
#[cfg(feature = "serde")]
mod serde_text;
pub mod state;
pub mod subcontract;
pub mod transition;
pub mod types;
pub mod wire;

/// The maps and sets of states, and of what reads them.
pub use xln_compact as map;
