//! What is asked of a channel: the transitions and their parts as `xln-core` has them.

use xln_core::{channel, commitment, proof, route, transition};

use crate::chain::{ChainPoint, RecordedFact, Reveal, SubchannelFacts};
use crate::types::*;

pub use channel::{Arguments, CrossLeg, CrossSum, CrossSwapConsent, CrossSwapOffer};
pub use commitment::Evidence;
pub use proof::{Forgiven, SettlementUpdate, TokenDiff};
pub use route::ExpectedPayment;
pub use transition::Transition;
pub use xln_node::wallet::{LockTerms, OfferTerms};

/// One change of channel state. Its author is the proposer of the block that it stands in.
#[uniffi::remote(Enum)]
pub enum Transition {
    /// Opens a subchannel. Nothing else in the block may touch it.
    OpenSubchannel {
        /// Chain and Depository.
        key: SubchannelKey,
        /// SubcontractProviders that both accept; the first serves payments and swaps.
        providers: Vec<Address>,
        /// How long before expiry payments must be settled off chain, in seconds.
        settle_margin_s: u64,
    },
    /// Closes a subchannel that is empty: an empty leaf remains, which the next block drops.
    CloseSubchannel {
        /// Which one.
        key: SubchannelKey,
    },
    /// Adds a token.
    AddToken {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which token.
        token: TokenId,
    },
    /// Removes a token that is empty.
    RemoveToken {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which token.
        token: TokenId,
    },
    /// Sets how far the other side may owe the author.
    SetCreditLimit {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which token.
        token: TokenId,
        /// The new limit, in the token's base unit.
        limit: Amount,
    },
    /// The author pays.
    DirectPayment {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which token.
        token: TokenId,
        /// How much, in the token's base unit.
        amount: Amount,
    },
    /// The author offers a payment that a secret settles.
    AddPayment {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which token.
        token: TokenId,
        /// How much, in the token's base unit.
        amount: Amount,
        /// Hash function of the lock.
        kind: HashKind,
        /// Hash of the secret.
        hash: Hash,
        /// Last second at which it can be settled.
        expiry: UnixSeconds,
        /// Opaque routing layers.
        onion: Vec<u8>,
    },
    /// The beneficiary takes a payment with its secret.
    SettlePayment {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which payment.
        id: u64,
        /// Its secret.
        secret: Secret,
    },
    /// The beneficiary gives a payment up, or the payer takes it back after its expiry.
    CancelPayment {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which payment.
        id: u64,
    },
    /// The author offers a swap.
    OfferSwap {
        /// In which subchannel.
        key: SubchannelKey,
        /// What the author gives.
        give_token: TokenId,
        /// How much in all.
        give: Amount,
        /// What the author wants.
        want_token: TokenId,
        /// How much for all of it.
        want: Amount,
        /// The smallest fill, in units of `give`.
        min_fill: Amount,
        /// Last second at which it can be filled.
        expiry: UnixSeconds,
    },
    /// The other side takes a part of an offer.
    FillSwap {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which offer.
        id: u64,
        /// How much of the maker's give it takes.
        fill: Amount,
    },
    /// The maker takes an offer back.
    CancelSwap {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which offer.
        id: u64,
    },
    /// Records what the chain says. Both sides check it against their own view before they sign.
    SyncChain {
        /// Which subchannel.
        key: SubchannelKey,
        /// At which block.
        point: ChainPoint,
        /// All facts there, for exactly the tokens that were added.
        facts: SubchannelFacts,
        /// Secrets of pending payments that were revealed in time.
        reveals: Vec<Reveal>,
        /// Facts that pending subcontracts wait for, recorded in time.
        recorded: Vec<RecordedFact>,
    },
    /// Proposes a co-signed diff on chain and holds for it.
    ProposeSettlement {
        /// In which subchannel.
        key: SubchannelKey,
        /// The diff.
        update: SettlementUpdate,
        /// Last second at which it can be submitted.
        expiry: UnixSeconds,
    },
    /// Proposes a co-signed close at the present offdeltas and freezes the subchannel.
    ProposeClose {
        /// Which subchannel.
        key: SubchannelKey,
        /// Last second at which it can be submitted.
        expiry: UnixSeconds,
    },
    /// Opaque bytes for the application.
    Memo {
        /// At most `MAX_MEMO_BYTES`.
        data: Vec<u8>,
    },
    /// Adds a subcontract of any registered instrument and takes its holds of both sides.
    AddSubcontract {
        /// In which subchannel.
        key: SubchannelKey,
        /// One of the subchannel's SubcontractProviders.
        provider: Address,
        /// The instrument's number there.
        instrument: u16,
        /// The tokens that it may move, in the instrument's order.
        tokens: Vec<TokenId>,
        /// At most `MAX_TERMS_BYTES`, as the contract on chain reads them.
        terms: Vec<u8>,
    },
    /// Pays what a subcontract has come to; by either side.
    SettleSubcontract {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which subcontract.
        id: u64,
    },
    /// Ends a subcontract as its instrument allows the author to.
    CancelSubcontract {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which subcontract.
        id: u64,
    },
    /// The beneficiary gives a payment up and says why, in a way that only the payment's sender can read.
    FailPayment {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which payment.
        id: u64,
        /// At most `FAILURE_BYTES`, opaque.
        reason: Vec<u8>,
    },
}

/// The content of a co-signed update.
#[uniffi::remote(Record)]
pub struct SettlementUpdate {
    /// What moves, tokens strictly ascending.
    pub diffs: Vec<TokenDiff>,
    /// Debts between the two that are forgiven, strictly ascending by `(token, debtor is left, index)`.
    pub forgiven: Vec<Forgiven>,
}

/// What moves in one token, in its base unit, each below `2^127` in absolute value.
#[uniffi::remote(Record)]
pub struct TokenDiff {
    /// The token.
    pub token: TokenId,
    /// Change of left's reserve.
    pub left: SignedAmount,
    /// Change of right's reserve.
    pub right: SignedAmount,
    /// Change of ondelta.
    pub ondelta: SignedAmount,
}

/// A debt between the two that is forgiven.
#[uniffi::remote(Record)]
pub struct Forgiven {
    /// The token.
    pub token: TokenId,
    /// Who owes.
    pub debtor: Side,
    /// The debt's place in the debtor's queue.
    pub index: u64,
}

/// What a party gives with its start or answer: the encoded fills of the peer's swap offers, or nothing.
#[uniffi::remote(Record)]
pub struct Arguments {
    /// A state to show instead of the latest one.
    pub evidence: Option<Evidence>,
    /// Encoded fills, at most `MAX_FILLS`.
    pub fills: Vec<u8>,
    /// The body to reveal, if this node does not hold it.
    pub body: Option<Vec<u8>>,
}

/// All that a Depository needs to know of a signed state: what a party keeps to defend itself.
#[uniffi::remote(Record)]
pub struct Evidence {
    /// Which subchannel.
    pub key: SubchannelKey,
    /// Epoch that it is good for.
    pub epoch: u32,
    /// Nonce of the state.
    pub nonce: Nonce,
    /// The encoded proof body.
    pub body: Vec<u8>,
    /// Merkle path from the subchannel's leaf to the root.
    pub path: Vec<Hash>,
    /// The root.
    pub root: Hash,
    /// Left's signature, if known.
    pub left: Option<Signature>,
    /// Right's signature, if known.
    pub right: Option<Signature>,
}

/// An amount of a token in one subchannel.
#[uniffi::remote(Record)]
pub struct CrossSum {
    /// Which subchannel.
    pub key: SubchannelKey,
    /// Which token.
    pub token: TokenId,
    /// How much, in its base unit, `1 .. 2^127`.
    pub amount: Amount,
}

/// One lock of a cross-chain swap.
#[uniffi::remote(Record)]
pub struct CrossLeg {
    /// What is locked.
    pub sum: CrossSum,
    /// Last second at which it can be settled.
    pub expiry: UnixSeconds,
}

/// What the initiator of a cross-chain swap asks for.
#[uniffi::remote(Record)]
pub struct CrossSwapOffer {
    /// The initiator's lock. It expires later than the other by the gap at least.
    pub give: CrossLeg,
    /// The responder's lock.
    pub want: CrossLeg,
    /// Which hash function locks both.
    pub kind: HashKind,
    /// What opens both: random, and never used before.
    pub secret: Secret,
}

/// What a responder lets its peer begin, once.
#[uniffi::remote(Record)]
pub struct CrossSwapConsent {
    /// What the peer gives.
    pub receive: CrossSum,
    /// What this side gives.
    pub pay: CrossSum,
    /// Last second at which this side locks.
    pub until: UnixSeconds,
    /// The latest expiry of its own lock: until then the peer may choose whether to take it.
    pub pay_expiry: UnixSeconds,
}

/// A payment that a node expects and settles by itself when it arrives: the recipient's side of an invoice.
#[uniffi::remote(Record)]
pub struct ExpectedPayment {
    /// Where: the subchannel, of whatever channel.
    pub key: SubchannelKey,
    /// In which token.
    pub token: TokenId,
    /// How much at least, in the token's base unit.
    pub amount: Amount,
    /// Hash function of the lock.
    pub kind: HashKind,
    /// Its secret.
    pub secret: Secret,
    /// After this it is forgotten.
    pub until: UnixSeconds,
}

/// Bytes that a wallet keeps for its app, under a name.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct Kept {
    /// The name.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A payment that a secret settles.
#[uniffi::remote(Record)]
pub struct LockTerms {
    /// In which token.
    pub token: TokenId,
    /// How much, in the token's base unit.
    pub amount: Amount,
    /// Hash function of the lock.
    pub kind: HashKind,
    /// Hash of the secret.
    pub hash: Hash,
    /// Last second at which it can be settled.
    pub expiry: UnixSeconds,
    /// Opaque routing layers; empty for a direct peer.
    pub onion: Vec<u8>,
}

/// A swap that the peer may fill.
#[uniffi::remote(Record)]
pub struct OfferTerms {
    /// What this side gives.
    pub give_token: TokenId,
    /// How much in all, in that token's base unit.
    pub give: Amount,
    /// What this side wants.
    pub want_token: TokenId,
    /// How much for all of it, in that token's base unit.
    pub want: Amount,
    /// The smallest fill, in units of `give`.
    pub min_fill: Amount,
    /// Last second at which it can be filled.
    pub expiry: UnixSeconds,
}
