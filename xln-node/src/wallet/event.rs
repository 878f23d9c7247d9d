//! What a wallet tells its app.

use xln_core::chain::ChainAction;
use xln_core::channel::{CommandError, CommandId, Event};
use xln_core::machine::EffectId;
use xln_core::types::{Address, ChainId, EntityId};

use super::host::{HostError, SignRequest};

/// What happened. Everything but the failures of the host itself is durable when it is told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "few exist at a time, and a box would be in every caller's way")]
pub enum WalletEvent {
    /// What the machine reports of its channels.
    Channel(Event),
    /// Something is to be done on chain, with any account unless `by_entity`. Report its end with
    /// [`Wallet::completed`](super::Wallet::completed). It is told again after a restart, under the same name.
    Submit {
        /// Its name.
        effect: EffectId,
        /// What is to be done, as the rules name it.
        action: ChainAction,
        /// The same as calldata; none if the depository is not one of the config's, or the action lacks something.
        call: Option<CallRequest>,
    },
    /// A remote signer was asked.
    SignRequested {
        /// Its name.
        effect: EffectId,
        /// What it was asked.
        request: SignRequest,
    },
    /// A remote signer did not sign, or not well; it is asked again at the next tick.
    SignFailed {
        /// Which request.
        effect: EffectId,
        /// Why.
        reason: HostError,
    },
    /// A message did not leave.
    SendFailed {
        /// To whom.
        to: EntityId,
        /// Why.
        reason: HostError,
    },
    /// The store failed: the wallet does nothing any more and must be opened anew.
    Poisoned {
        /// Why.
        reason: HostError,
    },
    /// So many older events were dropped, since nobody took them.
    Missed {
        /// How many.
        count: u64,
    },
}

/// A transaction to be sent: what `eth_sendTransaction` takes, without fees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallRequest {
    /// On which chain.
    pub chain: ChainId,
    /// The contract.
    pub to: Address,
    /// Wei that go with it.
    pub value: u128,
    /// Calldata.
    pub data: Vec<u8>,
    /// Whether only the entity's own account may send it: a start or an answer, whose sender says who acts.
    pub by_entity: bool,
}

/// A command that stands in an agreed block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// Which one.
    pub command: CommandId,
    /// The id of the payment, swap, settlement or close that it made; none for others.
    pub id: Option<u64>,
}

/// What became of a command.
pub(super) type Verdict = Result<Agreed, CommandError>;
