//! The shell around the payment-channel machine: [`driver`] keeps a machine with its store, [`transport`] carries its
//! messages, [`scenario`] plays stories on the real thing, [`vectors`] checks golden files, [`cli`] is the program `xln`.
#![forbid(unsafe_code)]

#[cfg(feature = "cli")]
pub mod cli;
pub mod driver;
#[cfg(feature = "scenario")]
pub mod scenario;
pub mod transport;
#[cfg(feature = "scenario")]
pub mod vectors;
pub mod wallet;
