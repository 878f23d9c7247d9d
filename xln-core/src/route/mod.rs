//! Payments over several hops (`docs/protocol.md` section 9): what each takes, and what each is told. The sender picks the
//! route; `machine` forwards. Pure: the randomness of a session is an argument.

mod failure;
mod fee;
mod keys;
mod onion;
mod plan;
mod policy;

pub use failure::{FailureCode, fail, open_failure, pass_on};
pub use fee::{fee, with_fee};
pub use keys::{InvalidOnionKey, OnionKey, OnionPublicKey, SharedSecret};
pub use onion::{Layer, MAX_HOPS, ONION_BYTES, OnionError, Peeled, is_onion, peel, wrap};
pub use plan::{Hop, Lock, Route, RouteError};
pub(crate) use policy::Leg;
pub use policy::{Equivalence, ExpectedPayment, RoutingPolicy};
