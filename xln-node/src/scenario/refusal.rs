//! What a step can end with beside success: a refusal, which a scenario may expect by name, or a fault of the run itself.

use std::fmt::{Debug, Display};

use xln_chain::ChainError;

use crate::driver::NodeError;

/// Names around the one that matters.
const WRAPPERS: [&str; 6] = ["Transition", "RefusedByPeer", "Refused", "Block", "Action", "Settlement"];

/// Something was refused, and changed nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Every name that fits: the error's variant and those that wrap it.
    names: Vec<String>,
    /// In a sentence.
    pub text: String,
}

impl Refusal {
    /// From an error enum: its variants' names are the refusal's.
    pub fn of<E: Debug + Display>(error: &E) -> Self {
        let shown = format!("{error:?}");
        let words = shown.split(|c: char| !c.is_alphanumeric() && c != '_');
        let names = words.filter(|w| w.starts_with(|c: char| c.is_ascii_uppercase())).map(str::to_owned);
        Self { names: names.collect(), text: error.to_string() }
    }

    /// From a name.
    pub fn named(name: &str, text: impl Into<String>) -> Self {
        Self { names: vec![name.to_owned()], text: text.into() }
    }

    /// From a chain's answer; `Err` if the chain itself failed.
    ///
    /// # Errors
    /// The error again, if it is no refusal.
    pub fn of_chain(error: ChainError) -> Result<Self, ChainError> {
        match &error {
            ChainError::Reverted { name, .. } => Ok(Self::named(name, error.to_string())),
            ChainError::Halted => Ok(Self::named("Halted", error.to_string())),
            ChainError::Unacceptable(_) => Ok(Self::named("Unacceptable", error.to_string())),
            ChainError::Action(inner) => Ok(Self::of(inner)),
            _ => Err(error),
        }
    }

    /// The name that matters.
    #[must_use]
    pub fn name(&self) -> &str {
        let inner = self.names.iter().find(|name| !WRAPPERS.contains(&name.as_str()));
        inner.or_else(|| self.names.last()).map_or("Refused", String::as_str)
    }

    /// Whether a scenario that expects `name` means this.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name(), self.text)
    }
}

/// Why a run cannot go on, or what does not hold.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no scenario.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A step cannot be read.
    #[error(transparent)]
    Step(#[from] super::step::StepError),
    /// A name that the file does not declare.
    #[error("{kind} `{name}` is not in the scenario")]
    Unknown {
        /// Entity, token, payment, state, chain or pair.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The file contradicts itself.
    #[error("{0}")]
    Malformed(String),
    /// A step that must work was refused.
    #[error("expected to work, was refused with {0}")]
    Refused(Refusal),
    /// A step that must be refused worked.
    #[error("expected to be refused{0}, worked")]
    Worked(String),
    /// A step was refused for another reason.
    #[error("expected to be refused with {expected}, was refused with {found}")]
    OtherRefusal {
        /// What the scenario says.
        expected: String,
        /// What happened.
        found: Refusal,
    },
    /// A refused step changed something.
    #[error("refused, and yet changed: expected {expected}, found {found}")]
    Changed {
        /// Before.
        expected: String,
        /// After.
        found: String,
    },
    /// Something else than expected.
    #[error("{what}: expected {expected}, found {found}")]
    Differs {
        /// Of what.
        what: String,
        /// As the scenario says.
        expected: String,
        /// As it is.
        found: String,
    },
    /// A rule that always holds does not.
    #[error("the model does not hold: {0}")]
    Model(String),
    /// A node failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A store failed.
    #[error(transparent)]
    Storage(#[from] xln_storage::StorageError),
    /// The chain itself failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A value that the runner made is out of its range.
    #[error("{0}")]
    Value(&'static str),
}

/// What a step gives: worked, or was refused.
pub(super) type Verdict = Result<(), Refusal>;
