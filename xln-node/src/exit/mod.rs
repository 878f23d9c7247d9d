//! Bringing all money of one entity home without any peer: from its store or a backup alone, and the chains.
//!
//! [`Estate`] is what a store holds, [`survey`] compares it with a chain and says what there is and what to do,
//! [`advance`] does what can be done now. Every step is derived from the chain as it is, none from what was done before: who
//! was killed in the middle simply begins again, and what was done already is not there to be done any more. Contracts refuse a
//! step that was sent twice.
//!
//! The peers are taken to be gone. What they have signed is used as it is: a close or settlement with both signatures that has
//! not run, else the latest state with the peer's signature, else the empty state. `docs/protocol.md` section 7 says what the
//! chain makes of it.

mod chain;
mod plan;
mod run;
mod source;
mod survey;

pub use plan::{Step, StepKind};
pub use run::{Executed, Progress, RunError, advance};
pub use source::{Estate, EstateError};
pub use survey::{Claim, Lock, Report, Reserve, SubchannelReport, TokenReport, Way, survey};
