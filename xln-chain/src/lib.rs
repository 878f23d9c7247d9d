//! Everything between the rules of `xln-core` and an EVM chain: one trait for chains, an EVM inside this process, typed
//! contract calls, and the watcher that turns blocks into facts. `docs/protocol.md` section 7 says what the facts mean.
#![forbid(unsafe_code)]

mod chain;
pub mod client;
pub mod codec;
#[cfg(feature = "embedded")]
pub mod conformance;
pub mod contracts;
pub mod deploy;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
#[cfg(feature = "rpc")]
pub mod rpc;
#[cfg(feature = "rpc")]
pub mod sender;
pub mod watch;

pub use chain::{Chain, Header, Log, LogFilter, Receipt, Transaction};
pub use client::{BatchBuilder, DepositoryClient, EntityClient};
pub use deploy::{Deployment, Periods, TestTokens};
#[cfg(feature = "embedded")]
pub use embedded::EmbeddedChain;
pub use error::{ActionError, ChainError};
#[cfg(feature = "rpc")]
pub use rpc::{RpcChain, RpcConfig};
#[cfg(feature = "rpc")]
pub use sender::{Sender, SenderConfig};
pub use watch::{Cursor, WatchConfig, Watcher};

/// Calldata, return data and other opaque bytes of a chain.
pub use alloy_primitives::Bytes;
/// A 256-bit number of a chain.
pub use alloy_primitives::U256;
