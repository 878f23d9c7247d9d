//! Many operations in one transaction, by the entity itself or by any relayer with its signature (`docs/encodings.md`).

use std::collections::BTreeMap;

use alloy_primitives::U256;
use alloy_sol_types::{Eip712Domain, SolCall, SolEvent, SolStruct};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::crypto::{LocalSigner, Signature};
use xln_core::entity::Permission;
use xln_core::types::{EntityId, Hash, SubchannelKey, TokenId, UnixSeconds};

use super::{Authority, DepositoryClient, Operation, word};
use crate::chain::{Chain, Receipt, Transaction};
use crate::codec::{RawOperation, encode_operations, parse_operations};
use crate::contracts::depository::Depository;
use crate::deploy::Deployment;
use crate::error::{ActionError, ChainError, revert_name};

#[allow(missing_docs, reason = "made by a macro")]
mod typed {
    alloy_sol_types::sol! {
        struct Batch { bytes32 entity; uint64 nonce; uint64 expiry; bytes operations; }
    }
}

/// Collects operations of one entity.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    deployment: Deployment,
    entity: EntityId,
    operations: Vec<RawOperation>,
}

impl BatchBuilder {
    /// A batch of nothing yet.
    #[must_use]
    pub const fn new(deployment: Deployment, entity: EntityId) -> Self {
        Self { deployment, entity, operations: Vec::new() }
    }

    /// Adds an operation; if it fails, the whole batch does.
    ///
    /// # Errors
    /// [`ActionError`] if it has no calldata.
    pub fn then(self, operation: &Operation) -> Result<Self, ChainError> {
        self.push(operation, false)
    }

    /// Adds an operation that is skipped, and reported, if it fails for a reason that others can cause.
    ///
    /// # Errors
    /// [`ActionError`] if it has no calldata, or if it carries wei.
    pub fn then_skippable(self, operation: &Operation) -> Result<Self, ChainError> {
        self.push(operation, true)
    }

    fn push(mut self, operation: &Operation, skippable: bool) -> Result<Self, ChainError> {
        let data = operation.calldata(&self.deployment, &self.entity)?;
        self.operations.push(RawOperation { skippable, value: operation.value(), data });
        Ok(self)
    }

    /// Adds cooperative updates of several channels of the entity, in the order given, all or none, and lends it for the time
    /// of the batch what a later one gives back: collateral moves between channels without a reserve to start from.
    /// The entity's own signatures are left out; the batch stands for them.
    ///
    /// # Errors
    /// [`ActionError::NotAnUpdate`] for any other action, or one of a channel that is not the entity's; [`ActionError`].
    pub fn updates(mut self, actions: &[ChainAction]) -> Result<Self, ChainError> {
        let mut balances: BTreeMap<TokenId, (i128, i128)> = BTreeMap::new();
        for action in actions {
            let ChainCall::CooperativeUpdate { update, .. } = &action.call else {
                return Err(ActionError::NotAnUpdate.into());
            };
            let side = action.pair.side(&self.entity).ok_or(ActionError::NotAnUpdate)?;
            for diff in &update.diffs {
                let own = if side.is_left() { diff.left } else { diff.right };
                let (sum, lowest) = balances.entry(diff.token).or_default();
                *sum = sum.checked_add(own).ok_or(ChainError::OutOfRange)?;
                *lowest = (*lowest).min(*sum);
            }
        }
        for (token, (_, lowest)) in balances.into_iter().filter(|(_, (_, lowest))| *lowest < 0) {
            self = self.then(&Operation::Flash { token, amount: lowest.unsigned_abs() })?;
        }
        for action in actions {
            let (mut action, authority) = (action.clone(), Authority::Sender);
            let is_left = action.pair.left() == self.entity;
            if let ChainCall::CooperativeUpdate { left, right, .. } = &mut action.call {
                *(if is_left { left } else { right }) = Signature::new(Vec::new()).map_err(ActionError::Signature)?;
            }
            self = self.then(&Operation::Act { action, authority })?;
        }
        Ok(self)
    }

    /// The whole. `nonce` matters only if it is sent with a signature: [`DepositoryClient::batch_nonce`]. `expiry` is the last
    /// second of chain time at which it counts.
    ///
    /// # Errors
    /// [`ActionError::Codec`] if there are too many operations, or one is too long or carries wei and may be skipped.
    pub fn build(self, nonce: u64, expiry: UnixSeconds) -> Result<Batch, ChainError> {
        let operations = encode_operations(&self.operations).map_err(ActionError::Codec)?;
        Batch::new(self.deployment.key(), self.entity, nonce, expiry, operations)
    }
}

/// A batch as it is signed and sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    key: SubchannelKey,
    entity: EntityId,
    nonce: u64,
    expiry: UnixSeconds,
    operations: Vec<u8>,
    list: Vec<RawOperation>,
    value: u128,
}

impl Batch {
    /// Takes the encoded operations of somebody who wants it signed or relayed.
    ///
    /// # Errors
    /// [`ActionError::Codec`] if they are none; [`ChainError::OutOfRange`] if their wei pass 128 bits.
    pub fn new(
        key: SubchannelKey,
        entity: EntityId,
        nonce: u64,
        expiry: UnixSeconds,
        operations: Vec<u8>,
    ) -> Result<Self, ChainError> {
        let list = parse_operations(&operations).map_err(ActionError::Codec)?;
        let value = list.iter().try_fold(0_u128, |sum, operation| sum.checked_add(operation.value));
        let value = value.ok_or(ChainError::OutOfRange)?;
        Ok(Self { key, entity, nonce, expiry, operations, list, value })
    }

    /// Whose.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        self.entity
    }

    /// Its nonce, if it is sent with a signature.
    #[must_use]
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// What it does.
    #[must_use]
    pub fn operations(&self) -> &[RawOperation] {
        &self.list
    }

    /// Its operations' bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.operations
    }

    /// Wei that must go with it.
    #[must_use]
    pub const fn value(&self) -> u128 {
        self.value
    }

    /// What the entity signs for a relayer.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let batch = typed::Batch {
            entity: word(&self.entity),
            nonce: self.nonce,
            expiry: self.expiry.0,
            operations: self.operations.clone().into(),
        };
        Hash(batch.eip712_signing_hash(&depository_domain(&self.key)).0)
    }

    /// What whoever signs for the entity must be allowed to.
    #[must_use]
    pub fn permission(&self) -> Permission {
        const OUTGOING: [[u8; 4]; 6] = [
            Depository::withdrawCall::SELECTOR,
            Depository::reserveToReserveCall::SELECTOR,
            Depository::reserveToCollateralCall::SELECTOR,
            Depository::flashCall::SELECTOR,
            Depository::cooperativeUpdateCall::SELECTOR,
            Depository::cooperativeCloseCall::SELECTOR,
        ];
        let selector = |operation: &RawOperation| operation.data.first_chunk::<4>().copied();
        let outgoing = self.list.iter().filter_map(selector).any(|selector| OUTGOING.contains(&selector));
        if outgoing { Permission::Withdraw } else { Permission::Dispute }
    }

    /// The transaction: by the entity's own account without a signature, by anybody with one.
    #[must_use]
    pub fn transaction(&self, signature: Option<&Signature>) -> Transaction {
        let call = Depository::processBatchCall {
            entity: word(&self.entity),
            expiry: self.expiry.0,
            operations: self.operations.clone().into(),
            signature: signature.map(|signature| signature.as_bytes().to_vec()).unwrap_or_default().into(),
        };
        Transaction::call(self.key.depository, call.abi_encode()).with_value(U256::from(self.value))
    }

    /// What became of each operation.
    ///
    /// # Errors
    /// [`ChainError::NoBatch`] if the receipt shows no such batch; [`ChainError::Decode`].
    pub fn outcome(&self, receipt: &Receipt) -> Result<BatchOutcome, ChainError> {
        let mut operations = vec![OperationOutcome::Done; self.list.len()];
        for log in receipt.logs.iter().filter(|log| log.address == self.key.depository) {
            let topics = log.data.topics();
            if topics.get(1) != Some(&word(&self.entity)) {
                continue;
            }
            match topics.first().copied().unwrap_or_default() {
                Depository::OperationSkipped::SIGNATURE_HASH => {
                    let event = Depository::OperationSkipped::decode_log_data_validate(&log.data)?;
                    let index = usize::try_from(event.index).map_err(|_| ChainError::OutOfRange)?;
                    let place = operations.get_mut(index).ok_or(ChainError::OutOfRange)?;
                    *place = OperationOutcome::Skipped { reason: revert_name(event.reason.as_slice()) };
                }
                Depository::BatchProcessed::SIGNATURE_HASH => {
                    let event = Depository::BatchProcessed::decode_log_data_validate(&log.data)?;
                    return Ok(BatchOutcome { next_nonce: event.nonce, operations, gas_used: receipt.gas_used });
                }
                _ => {}
            }
        }
        Err(ChainError::NoBatch)
    }
}

/// The EIP-712 domain of a Depository.
fn depository_domain(key: &SubchannelKey) -> Eip712Domain {
    Eip712Domain::new(
        Some("xln Depository".into()),
        Some("1".into()),
        Some(U256::from(key.chain.0)),
        Some(key.depository.into()),
        None,
    )
}

/// What became of one operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperationOutcome {
    /// It was done.
    Done,
    /// It failed for a reason that others can cause, and changed nothing.
    Skipped {
        /// Name of the Depository's error.
        reason: &'static str,
    },
}

/// What became of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchOutcome {
    /// The nonce of the entity's next signed batch.
    pub next_nonce: u64,
    /// In the batch's order.
    pub operations: Vec<OperationOutcome>,
    /// Gas of the whole transaction.
    pub gas_used: u64,
}

impl BatchOutcome {
    /// Whether nothing was skipped.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.operations.iter().all(|outcome| *outcome == OperationOutcome::Done)
    }
}

impl<C: Chain> DepositoryClient<C> {
    /// A batch for an entity in this Depository.
    #[must_use]
    pub const fn batch(&self, entity: EntityId) -> BatchBuilder {
        BatchBuilder::new(self.deployment, entity)
    }

    /// Sends a batch of the key's own account.
    ///
    /// # Errors
    /// As [`Chain::execute`], and [`Batch::outcome`].
    pub async fn send_as_self(&self, key: &LocalSigner, batch: &Batch) -> Result<BatchOutcome, ChainError> {
        batch.outcome(&self.chain.execute(key, batch.transaction(None)).await?)
    }

    /// Sends a batch of any entity by its signature over [`Batch::digest`].
    ///
    /// # Errors
    /// As [`Chain::execute`], and [`Batch::outcome`].
    pub async fn relay(
        &self,
        key: &LocalSigner,
        batch: &Batch,
        signature: &Signature,
    ) -> Result<BatchOutcome, ChainError> {
        batch.outcome(&self.chain.execute(key, batch.transaction(Some(signature))).await?)
    }
}
