//! What the sender must not forget, and where it keeps it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use wincode::{SchemaRead, SchemaWrite};
use xln_core::types::{Address, Hash};

use crate::chain::Transaction;
use crate::mempool::{Fees, Signed};

/// Durable memory of a sender. Bytes are opaque; names are the caller's ids of its actions.
pub trait Outbox {
    /// Why it failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Everything that is kept.
    ///
    /// # Errors
    /// As the store says.
    fn load(&self) -> Result<Vec<(u64, Vec<u8>)>, Self::Error>;

    /// Keeps bytes under a name, in the place of earlier ones. Durable on return.
    ///
    /// # Errors
    /// As the store says.
    fn put(&mut self, id: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Forgets a name. Durable on return.
    ///
    /// # Errors
    /// As the store says.
    fn delete(&mut self, id: u64) -> Result<(), Self::Error>;
}

/// An outbox that lives as long as its handles: for tests, and for processes whose actions are stored elsewhere.
#[derive(Clone, Debug, Default)]
pub struct MemoryOutbox(Arc<Mutex<BTreeMap<u64, Vec<u8>>>>);

impl Outbox for MemoryOutbox {
    type Error = std::convert::Infallible;

    fn load(&self) -> Result<Vec<(u64, Vec<u8>)>, Self::Error> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.iter().map(|(id, bytes)| (*id, bytes.clone())).collect())
    }

    fn put(&mut self, id: u64, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, bytes.to_vec());
        Ok(())
    }

    fn delete(&mut self, id: u64) -> Result<(), Self::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(())
    }
}

/// One action on its way.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(super) struct Entry {
    to: Option<Address>,
    value: [u8; 32],
    data: Vec<u8>,
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    /// Everything that was signed for this nonce, the cheapest first. Any of them may end up in a block.
    pub(super) attempts: Vec<Attempt>,
    /// Head when the last attempt was made.
    pub(super) since: u64,
}

/// One signed transaction.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(super) struct Attempt {
    pub(super) hash: Hash,
    raw: Vec<u8>,
    max_fee: u128,
    priority_fee: u128,
}

impl Entry {
    pub(super) fn new(transaction: &Transaction, nonce: u64, gas_limit: u64, since: u64) -> Self {
        let (to, value) = (transaction.to, transaction.value.to_be_bytes());
        Self { to, value, data: transaction.data.to_vec(), nonce, gas_limit, attempts: Vec::new(), since }
    }

    pub(super) fn transaction(&self) -> Transaction {
        Transaction {
            to: self.to,
            value: alloy_primitives::U256::from_be_bytes(self.value),
            data: self.data.clone().into(),
            gas_limit: Some(self.gas_limit),
        }
    }

    pub(super) fn add(&mut self, signed: Signed, fees: Fees) {
        self.attempts.push(Attempt {
            hash: signed.hash,
            raw: signed.raw,
            max_fee: fees.max,
            priority_fee: fees.priority,
        });
    }
}

impl Attempt {
    pub(super) fn signed(&self) -> Signed {
        Signed { hash: self.hash, raw: self.raw.clone() }
    }

    pub(super) const fn fees(&self) -> Fees {
        Fees { max: self.max_fee, priority: self.priority_fee }
    }
}
