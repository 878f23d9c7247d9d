//! The scenario runner (`docs/scenarios.md`): plays a JSON file on real machines, real stores, real messages and the real
//! contracts on an embedded chain.

mod amount;
mod boards;
mod clauses;
mod commands;
mod disputes;
mod expect;
mod faults;
mod file;
mod ground;
pub mod history;
mod model;
mod party;
mod plan;
mod play;
mod promises;
mod pump;
mod records;
mod refusal;
pub mod report;
mod reserves;
mod route;
mod shadow;
mod step;
mod wealth;
mod world;

use std::path::Path;

pub use file::{EntitySpec, Scenario, TokenKind, TokenSpec};
pub use play::{Options, Play, StepReport};
pub use records::write_records;
pub use refusal::{Refusal, RunError};
pub use step::{Act, Step, StepError};

/// Reads a scenario file. Steps are read one by one when they are played.
///
/// # Errors
/// [`RunError::File`] or [`RunError::Json`], which names the field.
pub fn read(path: &Path) -> Result<Scenario, RunError> {
    let file = |source| RunError::File { path: path.display().to_string(), source };
    let text = std::fs::read_to_string(path).map_err(file)?;
    let scenario: Scenario = serde_json::from_str(&text)?;
    for (number, step) in (1_usize..).zip(&scenario.steps) {
        Step::parse(step).map_err(|error| RunError::Malformed(format!("step {number}: {error}")))?;
    }
    Ok(scenario)
}
