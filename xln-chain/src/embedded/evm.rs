//! One execution: revm by mainnet's rules of Prague, without fees, so that balances show only what was meant.

use alloy_primitives::{Bytes, Log as EvmLog, TxKind, U256};
use revm::context::result::{EVMError, ExecutionResult, InvalidTransaction};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::database_interface::WrapDatabaseRef;
use revm::primitives::hardfork::SpecId;
use revm::state::EvmState;
use revm::{ExecuteEvm, MainBuilder, MainContext};
use xln_core::types::{Address, ChainId, Hash, UnixSeconds};

use super::state::State;
use crate::chain::Transaction;
use crate::error::ChainError;

/// The most gas that a transaction may use (EIP-7825), and what one gets that names no limit.
pub const TRANSACTION_GAS: u64 = 1 << 24;

/// When and where something is executed.
pub(super) struct Moment {
    pub(super) chain: ChainId,
    pub(super) number: u64,
    pub(super) timestamp: UnixSeconds,
    pub(super) parent: Hash,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) success: bool,
    pub(super) gas_used: u64,
    /// Return data, or revert data; `None` if it halted.
    pub(super) output: Option<Bytes>,
    pub(super) deployed: Option<Address>,
    pub(super) logs: Vec<EvmLog>,
    pub(super) changes: EvmState,
}

/// Executes upon a state without changing it.
pub(super) fn run(state: &State, moment: &Moment, from: Address, tx: &Transaction) -> Result<Outcome, ChainError> {
    execute(state, moment, from, tx, false)
}

/// The same in the name of any address, also a contract's, as `eth_call` does.
pub(super) fn simulate(state: &State, moment: &Moment, from: Address, tx: &Transaction) -> Result<Outcome, ChainError> {
    execute(state, moment, from, tx, true)
}

fn execute(
    state: &State,
    moment: &Moment,
    from: Address,
    tx: &Transaction,
    by_anyone: bool,
) -> Result<Outcome, ChainError> {
    let caller = from.into();
    let environment = TxEnv {
        caller,
        gas_limit: tx.gas_limit.unwrap_or(TRANSACTION_GAS).min(TRANSACTION_GAS),
        kind: tx.to.map_or(TxKind::Create, |to| TxKind::Call(to.into())),
        value: tx.value,
        data: tx.data.clone(),
        nonce: state.nonce(&caller),
        chain_id: Some(moment.chain.0),
        ..TxEnv::default()
    };
    let block = BlockEnv {
        number: U256::from(moment.number),
        timestamp: U256::from(moment.timestamp.0),
        gas_limit: TRANSACTION_GAS.saturating_mul(2),
        basefee: 0,
        prevrandao: Some(moment.parent.0.into()),
        ..BlockEnv::default()
    };
    let mut config = CfgEnv::new_with_spec(SpecId::PRAGUE).with_chain_id(moment.chain.0);
    config.disable_eip3607 = by_anyone;
    let mut evm = Context::mainnet().with_db(WrapDatabaseRef(state)).with_block(block).with_cfg(config).build_mainnet();
    let done = evm.transact(environment).map_err(unacceptable)?;
    let (success, gas_used) = (done.result.is_success(), done.result.tx_gas_used());
    let deployed = done.result.created_address().filter(|_| success).map(Address::from);
    let output = match &done.result {
        ExecutionResult::Success { output, .. } => Some(output.data().clone()),
        ExecutionResult::Revert { output, .. } => Some(output.clone()),
        ExecutionResult::Halt { .. } => None,
    };
    let logs = if success { done.result.into_logs() } else { Vec::new() };
    Ok(Outcome { success, gas_used, output, deployed, logs, changes: done.state })
}

fn unacceptable(error: EVMError<std::convert::Infallible, InvalidTransaction>) -> ChainError {
    ChainError::Unacceptable(Box::new(error))
}
