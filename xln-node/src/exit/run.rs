//! Doing what can be done now, one step after the other, each derived from the chain as the one before has left it.

use std::collections::BTreeSet;

use xln_chain::{Chain, ChainError, DepositoryClient};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::types::{Address, EntityId, Hash, UnixSeconds};

use super::plan::Step;
use super::source::Estate;
use super::survey::{Report, survey};

/// Why an exit cannot go on now.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The key is another account's. An organisation's exit needs its board: print the steps and have them signed.
    #[error("the key is not that of {entity}")]
    WrongKey {
        /// Whose exit it is.
        entity: EntityId,
    },
    /// The chain or its node: run again.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// A step that was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executed {
    /// Which.
    pub step: Step,
    /// Its transaction, if it stands in a block.
    pub transaction: Option<Hash>,
    /// The contract's refusal, if it did: mostly that it was done before.
    pub refused: Option<&'static str>,
}

/// What was done in one Depository, and what is left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What was sent, in order.
    pub executed: Vec<Executed>,
    /// How things stand after it.
    pub report: Report,
}

impl Progress {
    /// Whether all is home.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.report.is_done()
    }

    /// When the next step can be done; `None` if that depends on others, or nothing is left.
    #[must_use]
    pub fn next(&self) -> Option<UnixSeconds> {
        self.report.steps.iter().map(|step| step.not_before).filter(|at| *at > self.report.now).min()
    }
}

/// Does everything that can be done now in one Depository. `told` hears of each step after it.
///
/// # Errors
/// [`RunError`]; what was done stays done, and the next call goes on.
pub async fn advance<C: Chain>(
    estate: &Estate,
    client: &DepositoryClient<C>,
    key: &LocalSigner,
    to: Address,
    mut told: impl FnMut(&Executed),
) -> Result<Progress, RunError> {
    if key.entity() != estate.entity() {
        return Err(RunError::WrongKey { entity: estate.entity() });
    }
    let mut executed = Vec::new();
    let mut sent = BTreeSet::new();
    loop {
        let report = survey(estate, client, to).await?;
        // The same bytes are not sent twice in one run: a refusal would only repeat.
        let fresh = |step: &&Step| step.transaction.as_ref().is_some_and(|tx| !sent.contains(&tx.data));
        let next = report.steps.iter().filter(|step| step.is_ready(report.now)).find(fresh).cloned();
        let Some((step, transaction)) = next.and_then(|step| Some((step.clone(), step.transaction?))) else {
            return Ok(Progress { executed, report });
        };
        sent.insert(transaction.data.clone());
        let done = match client.chain().execute(key, transaction).await {
            Ok(receipt) => Executed { step, transaction: Some(receipt.transaction), refused: None },
            Err(ChainError::Reverted { name, .. }) => Executed { step, transaction: None, refused: Some(name) },
            Err(ChainError::Halted) => Executed { step, transaction: None, refused: Some("Halted") },
            Err(error) => return Err(error.into()),
        };
        told(&done);
        executed.push(done);
    }
}
