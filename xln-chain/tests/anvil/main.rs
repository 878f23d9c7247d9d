//! `RpcChain`, the watcher and `Sender` against anvil: real JSON-RPC, reorganisations, a crowded chain, a node that dies,
//! endpoints that stall, refuse, lie, and disagree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "modules of one test")]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod node;
mod proxy;
mod rpc;
mod sender;
