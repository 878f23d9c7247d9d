//! The shell around the payment-channel machine: [`driver`] keeps a machine with its store, [`wallet`] is the same as an
//! asynchronous object for apps, [`transport`] carries messages, [`inspect`] says what a store holds, [`exit`] brings the money
//! home without the peer, [`scenario`] plays stories on the real thing, [`vectors`] checks golden files, [`cli`] is the
//! program `xln`.
#![forbid(unsafe_code)]

#[cfg(feature = "cli")]
pub mod cli;
pub mod driver;
#[cfg(feature = "cli")]
pub mod exit;
#[cfg(feature = "cli")]
pub mod inspect;
#[cfg(feature = "scenario")]
pub mod scenario;
pub mod transport;
#[cfg(feature = "scenario")]
pub mod vectors;
pub mod wallet;
