//! Links `xln-wasm` into the module of the npm package. It is a crate of its own because link-time optimisation works at the
//! level of the crate that links: at level 3, as here, the cryptography's selections in constant time become vectors, and
//! nothing else grows, since each function keeps the level of its own crate.
#![forbid(unsafe_code)]

pub use xln_wasm::*;
