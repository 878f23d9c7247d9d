//! Accounts, code and storage of an embedded chain, with what each block overwrote, so that blocks can be taken back
//! without copies of the whole state.

use std::collections::HashMap;
use std::convert::Infallible;

use alloy_primitives::{Address, B256, U256};
use revm::DatabaseRef;
use revm::bytecode::Bytecode;
use revm::state::{AccountInfo, EvmState};

/// The state of a chain after its newest block.
#[derive(Default)]
pub(super) struct State {
    accounts: HashMap<Address, AccountInfo>,
    storage: HashMap<(Address, U256), U256>,
    code: HashMap<B256, Bytecode>,
    hashes: Vec<B256>,
}

/// What one block overwrote, in order.
#[derive(Default)]
pub(super) struct Undo {
    accounts: Vec<(Address, Option<AccountInfo>)>,
    storage: Vec<((Address, U256), Option<U256>)>,
}

impl State {
    /// Takes what a transaction changed and notes what was there.
    pub(super) fn commit(&mut self, changes: EvmState, undo: &mut Undo) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            let gone = account.is_selfdestructed() || account.is_empty();
            if !gone {
                for (slot, value) in account.changed_storage_slots() {
                    let key = (address, *slot);
                    undo.storage.push((key, self.storage.insert(key, value.present_value())));
                }
            }
            if let Some(code) = &account.info.code {
                self.code.entry(account.info.code_hash).or_insert_with(|| code.clone());
            }
            let info = (!gone).then_some(account.info);
            undo.accounts.push((address, self.set_account(address, info)));
        }
    }

    fn set_account(&mut self, address: Address, info: Option<AccountInfo>) -> Option<AccountInfo> {
        match info {
            Some(info) => self.accounts.insert(address, info),
            None => self.accounts.remove(&address),
        }
    }

    /// Gives an account a balance.
    pub(super) fn fund(&mut self, address: Address, balance: U256, undo: &mut Undo) {
        let mut info = self.accounts.get(&address).cloned().unwrap_or_default();
        info.balance = balance;
        undo.accounts.push((address, self.accounts.insert(address, info)));
    }

    /// Takes a block back.
    pub(super) fn revert(&mut self, undo: Undo) {
        for (key, value) in undo.storage.into_iter().rev() {
            match value {
                Some(value) => self.storage.insert(key, value),
                None => self.storage.remove(&key),
            };
        }
        for (address, info) in undo.accounts.into_iter().rev() {
            self.set_account(address, info);
        }
        self.hashes.pop();
    }

    /// Notes the hash of a new block.
    pub(super) fn push_hash(&mut self, hash: B256) {
        self.hashes.push(hash);
    }

    pub(super) fn nonce(&self, address: &Address) -> u64 {
        self.accounts.get(address).map_or(0, |info| info.nonce)
    }

    pub(super) fn balance(&self, address: &Address) -> U256 {
        self.accounts.get(address).map_or(U256::ZERO, |info| info.balance)
    }
}

impl DatabaseRef for State {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.accounts.get(&address).cloned())
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.code.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Infallible> {
        Ok(self.storage.get(&(address, index)).copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        let hash = usize::try_from(number).ok().and_then(|number| self.hashes.get(number));
        Ok(hash.copied().unwrap_or_default())
    }
}
