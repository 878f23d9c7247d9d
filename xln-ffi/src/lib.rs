//! Payment channels for Kotlin and Swift: [`xln_node::wallet`] and the pieces below it, converted and nothing else. What a
//! call means is said, decided and tested in the crates below; what is here translates types, errors and callbacks.
//!
//! Doc comments of this crate are what app developers see: `xln-bindgen` carries them into the generated code.

pub mod asks;
pub mod chain;
mod commands;
pub mod config;
pub mod delta;
mod driver;
pub mod error;
pub mod events;
pub mod hosts;
pub mod info;
pub mod keys;
pub mod network;
pub mod proofs;
pub mod reasons;
pub mod types;
pub mod wallet;

uniffi::setup_scaffolding!("xln");
