//! What the fuzz targets run. Each function takes any bytes and panics only if a promise is broken. The quick forms include
//! these files: `xln-core/tests/decoders.rs`, `xln-chain/tests/fuzz.rs`, `xln-chain/tests/differential` and
//! `xln-node/tests/fuzz.rs` replay `corpus/` and damaged copies of it on a stable toolchain.

pub mod chain;
pub mod decoders;
pub mod machine;
pub mod memory;
pub mod store;
