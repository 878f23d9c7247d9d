//! What a wallet tells its app.

use xln_core::channel;
use xln_node::wallet;

use crate::chain::ChainAction;
use crate::error::XlnError;
use crate::hosts::SignRequest;
use crate::reasons::{CommandError, CrossSwapError, RejectReason};
use crate::types::*;

pub use channel::{End, Ended, Event as ChannelEvent, Rejection};
pub use wallet::{Agreed, CallRequest};

uniffi::custom_type!(
    /// Why something that a peer sent was refused, for people. It only goes out.
    Rejection, String, {
    remote,
    lower: |rejection| rejection.to_string(),
    try_lift: |text| Err(XlnError::invalid("rejection", &text).into()),
});

/// What became durable and the application wants to know.
#[uniffi::remote(Enum)]
pub enum ChannelEvent {
    /// A block was agreed.
    Committed {
        /// With whom.
        peer: EntityId,
        /// Its height.
        height: u64,
        /// Who proposed it.
        proposer: Side,
    },
    /// A command stands in an agreed block.
    CommandDone {
        /// Which one.
        command: CommandId,
        /// The id of the payment, swap, settlement or close that it made.
        subcontract: Option<u64>,
    },
    /// A command can never take effect any more.
    CommandFailed {
        /// Which one.
        command: CommandId,
        /// Why.
        error: CommandError,
    },
    /// Something from a peer was refused by name; nothing changed.
    Rejected {
        /// From whom.
        from: EntityId,
        /// Why.
        reason: Rejection,
    },
    /// The peer refused a block of mine for good.
    Refused {
        /// Which peer.
        peer: EntityId,
        /// Why.
        reason: RejectReason,
    },
    /// The peer has not answered in time: its signed states stay live, so think of a dispute.
    Unresponsive {
        /// Which peer.
        peer: EntityId,
    },
    /// The chain shows a dispute that this node must, or may, react to.
    DisputeSeen {
        /// With whom.
        peer: EntityId,
        /// In which subchannel.
        key: SubchannelKey,
        /// Nonce that is shown.
        shown: Nonce,
        /// The best nonce that this node can show.
        best: Nonce,
    },
    /// A confirmed fact vanished from the chain: the subchannel is frozen until someone looks.
    Alarm {
        /// With whom.
        peer: EntityId,
        /// In which subchannel.
        key: SubchannelKey,
    },
    /// Who signed the last agreed state, for this side or the peer, is replaced, revoked or expired. Both sides sign anew at
    /// once if they can.
    SignerLapsing {
        /// With whom.
        peer: EntityId,
        /// Last second at which the chains take the signature.
        until: UnixSeconds,
    },
    /// A third of the grace is left and the peer has not signed anew: a node that is not vigilant must start the dispute.
    DisputeDue {
        /// With whom.
        peer: EntityId,
        /// In which subchannel.
        key: SubchannelKey,
        /// Last second at which the chain takes the peer's signature.
        until: UnixSeconds,
    },
    /// Both signatures of a settlement or close are there.
    SettlementReady {
        /// With whom.
        peer: EntityId,
        /// In which subchannel.
        key: SubchannelKey,
        /// Its id.
        id: u64,
    },
    /// Both legs of a cross-chain swap have moved.
    CrossSwapDone {
        /// With whom.
        peer: EntityId,
        /// The hash that locked both.
        hash: Hash,
    },
    /// No leg of a cross-chain swap has moved, and none can any more.
    CrossSwapUnwound {
        /// With whom.
        peer: EntityId,
        /// The hash that locked both.
        hash: Hash,
        /// Why.
        reason: CrossSwapError,
    },
    /// One leg of a cross-chain swap has moved without the other: someone let a deadline pass. Or this node has lost the
    /// blocks that would say, after a restore from a backup.
    CrossSwapTorn {
        /// With whom.
        peer: EntityId,
        /// The hash that locked both.
        hash: Hash,
        /// Whether the initiator's leg has moved, if that is known.
        first: Option<bool>,
        /// Whether the responder's leg has moved, if that is known.
        second: Option<bool>,
    },
    /// A payment of this node's own has ended: one that it sent, or one that was sent to it.
    PaymentEnded {
        /// With whom.
        peer: EntityId,
        /// Which, and how.
        payment: Ended,
    },
}

/// How a payment ended.
#[uniffi::remote(Enum)]
pub enum End {
    /// Its beneficiary took it with the secret.
    Settled(Secret),
    /// Its beneficiary gave it up, with what it says to the sender, or nothing.
    Failed(Vec<u8>),
    /// Its payer took it back after the expiry.
    TakenBack,
}

/// A payment that has left a channel by an agreed block. One that a close on chain ended is not among them: the registry says
/// what became of it.
#[uniffi::remote(Record)]
pub struct Ended {
    /// In which subchannel.
    pub key: SubchannelKey,
    /// Its id.
    pub id: u64,
    /// Whether this node was to pay it.
    pub outgoing: bool,
    /// How much, in the token's base unit.
    pub amount: Amount,
    /// Hash function of its lock.
    pub kind: HashKind,
    /// Hash of its secret.
    pub hash: Hash,
    /// How it ended.
    pub end: End,
}

/// What happened. Everything but the failures of the app's own side is durable when it is told.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Enum)]
#[expect(clippy::large_enum_variant, reason = "few exist at a time, and the bindings have no boxes")]
pub enum WalletEvent {
    /// Something in a channel.
    Channel {
        /// What.
        event: ChannelEvent,
    },
    /// Something is to be done on chain, with any account unless `call.byEntity`. Report its end with `Wallet.completed`. It is
    /// told again after a restart, under the same name.
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
        reason: String,
    },
    /// A message did not leave.
    SendFailed {
        /// To whom.
        to: EntityId,
        /// Why.
        reason: String,
    },
    /// The store failed: the wallet does nothing any more and must be opened anew.
    Poisoned {
        /// Why.
        reason: String,
    },
    /// So many older events were dropped, since nobody took them.
    Missed {
        /// How many.
        count: u64,
    },
}

impl From<wallet::WalletEvent> for WalletEvent {
    fn from(event: wallet::WalletEvent) -> Self {
        match event {
            wallet::WalletEvent::Channel(event) => Self::Channel { event },
            wallet::WalletEvent::Submit { effect, action, call } => Self::Submit { effect, action, call },
            wallet::WalletEvent::SignRequested { effect, request } => {
                Self::SignRequested { effect, request: request.into() }
            }
            wallet::WalletEvent::SignFailed { effect, reason } => Self::SignFailed { effect, reason: reason.0 },
            wallet::WalletEvent::SendFailed { to, reason } => Self::SendFailed { to, reason: reason.0 },
            wallet::WalletEvent::Poisoned { reason } => Self::Poisoned { reason: reason.0 },
            wallet::WalletEvent::Missed { count } => Self::Missed { count },
        }
    }
}

/// A transaction to be sent: what `eth_sendTransaction` takes, without fees.
#[uniffi::remote(Record)]
pub struct CallRequest {
    /// On which chain.
    pub chain: ChainId,
    /// The contract.
    pub to: Address,
    /// Wei that go with it.
    pub value: Amount,
    /// Calldata.
    pub data: Vec<u8>,
    /// Whether only the entity's own account may send it: a start or an answer, whose sender says who acts.
    pub by_entity: bool,
}

/// A command that stands in an agreed block.
#[uniffi::remote(Record)]
pub struct Agreed {
    /// Which one.
    pub command: CommandId,
    /// The id of the payment, swap, settlement or close that it made; none for others.
    pub id: Option<u64>,
}
