//! From a state to what is signed: proof bodies, leaves, root, digest (`docs/protocol.md` sections 6 and 8).

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use crate::codec::CodecError;
use crate::crypto::Signature;
use crate::proof::{self, Allowance, Batch, Body, BodyError, Clause, PaymentItem, SwapItem};
use crate::state::{ChannelState, Payment, Pending, Subchannel, Subcontract, Swap};
use crate::types::{Address, Hash, Nonce, Side, SubchannelKey, TokenId};

/// Why a state cannot be committed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommitmentError {
    /// The state has no encoding.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A subchannel has no proof body.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A token that something pending needs is missing, or a sum leaves the range.
    #[error("pending subcontracts do not fit their tokens")]
    Inconsistent,
}

/// What one signature over a state commits to.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Commitment {
    /// Hash of the whole state.
    pub state_hash: Hash,
    /// Per subchannel, in order of the keys.
    pub subchannels: Vec<SubchannelCommitment>,
    /// Root over the state's leaf and the subchannels' leaves.
    pub root: Hash,
    /// What both parties sign.
    pub digest: Hash,
}

/// One subchannel's part of a commitment.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SubchannelCommitment {
    /// Which one.
    pub key: SubchannelKey,
    /// Epoch that the leaf is good for.
    pub epoch: u32,
    /// The encoded proof body.
    pub body: Vec<u8>,
    /// Its hash.
    pub body_hash: Hash,
}

/// All that a Depository needs to know of a signed state: what a party keeps to defend itself.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct Evidence {
    /// Which subchannel.
    pub key: SubchannelKey,
    /// Epoch that it is good for.
    pub epoch: u32,
    /// Nonce of the state.
    pub nonce: Nonce,
    /// The encoded proof body.
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
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

impl Evidence {
    /// The signature of one side.
    #[must_use]
    pub const fn signature(&self, side: Side) -> Option<&Signature> {
        match side {
            Side::Left => self.left.as_ref(),
            Side::Right => self.right.as_ref(),
        }
    }

    /// Hash of the body.
    #[must_use]
    pub fn body_hash(&self) -> Hash {
        proof::body_hash(&self.body)
    }
}

impl Commitment {
    /// Computes everything that is signed for a state.
    ///
    /// # Errors
    /// None for a state within the limits; [`CommitmentError`] for one that was not made by this crate's rules.
    pub fn of(state: &ChannelState) -> Result<Self, CommitmentError> {
        let state_hash = state.hash()?;
        let mut subchannels = Vec::with_capacity(state.subchannels.len());
        for (key, subchannel) in &state.subchannels {
            let body = body_of(subchannel)?.encode()?;
            let body_hash = proof::body_hash(&body);
            subchannels.push(SubchannelCommitment { key: *key, epoch: subchannel.epoch, body, body_hash });
        }
        let root = proof::root(&leaves(&state_hash, &subchannels));
        let digest = proof::channel_state_digest(&state.pair.channel_key(), state.nonce, &root);
        Ok(Self { state_hash, subchannels, root, digest })
    }

    /// The evidence for one subchannel, without signatures.
    #[must_use]
    pub fn evidence(&self, key: &SubchannelKey, nonce: Nonce) -> Option<Evidence> {
        let index = self.subchannels.iter().position(|s| s.key == *key)?;
        let found = self.subchannels.get(index)?;
        let path = proof::path(&leaves(&self.state_hash, &self.subchannels), index.checked_add(1)?);
        let (epoch, body) = (found.epoch, found.body.clone());
        Some(Evidence { key: *key, epoch, nonce, body, path, root: self.root, left: None, right: None })
    }
}

fn leaves(state_hash: &Hash, subchannels: &[SubchannelCommitment]) -> Vec<Hash> {
    let mut leaves = Vec::with_capacity(subchannels.len().saturating_add(1));
    leaves.push(proof::state_leaf(state_hash));
    leaves.extend(subchannels.iter().map(|s| proof::subchannel_leaf(&s.key, s.epoch, &s.body_hash)));
    leaves
}

/// The proof body of a subchannel: its offdeltas, one clause for all payments, one for each subcontract of another
/// instrument by id, one for each swap. Swaps come last and alone, so that no fill can spoil anything else.
///
/// # Errors
/// None for a subchannel that this crate's rules made.
pub fn body_of(subchannel: &Subchannel) -> Result<Body, CommitmentError> {
    let tokens: Vec<(TokenId, i128)> = subchannel.tokens.iter().map(|(id, t)| (*id, t.offdelta)).collect();
    let provider = subchannel.providers.first().copied().ok_or(CommitmentError::Inconsistent)?;
    let mut payments = PaymentsClause::default();
    let (mut others, mut swaps) = (Vec::new(), Vec::new());
    for (id, pending) in &subchannel.pending {
        match pending {
            Pending::Payment(p) => payments.add(index_of(&tokens, p.token)?, p)?,
            Pending::Swap(s) => swaps.push(swap_clause(provider, &tokens, subchannel, *id, s)?),
            Pending::Subcontract(s) => others.push(subcontract_clause(&tokens, s)?),
        }
    }
    let mut clauses = Vec::with_capacity(swaps.len().saturating_add(others.len()).saturating_add(1));
    clauses.extend(payments.finish(provider));
    clauses.extend(others);
    clauses.extend(swaps);
    Ok(Body { tokens, clauses })
}

fn index_of(tokens: &[(TokenId, i128)], token: TokenId) -> Result<u8, CommitmentError> {
    let index = tokens.iter().position(|(t, _)| *t == token).ok_or(CommitmentError::Inconsistent)?;
    u8::try_from(index).map_err(|_| CommitmentError::Inconsistent)
}

#[derive(Default)]
struct PaymentsClause {
    items: Vec<PaymentItem>,
    allowances: crate::map::Map<u8, (u128, u128)>,
}

impl PaymentsClause {
    fn add(&mut self, token_index: u8, p: &Payment) -> Result<(), CommitmentError> {
        let (right, left) = self.allowances.entry(token_index).or_default();
        let sum = match p.payer {
            Side::Left => left,
            Side::Right => right,
        };
        *sum = sum.checked_add(p.amount).ok_or(CommitmentError::Inconsistent)?;
        let (payer, amount, expiry, kind, hash) = (p.payer, p.amount, p.expiry, p.kind, p.hash);
        self.items.push(PaymentItem { payer, token_index, amount, expiry, kind, hash });
        Ok(())
    }

    fn finish(self, provider: Address) -> Option<Clause> {
        if self.items.is_empty() {
            return None;
        }
        let allowances =
            self.allowances.iter().map(|(i, (r, l))| Allowance { token_index: *i, right: *r, left: *l }).collect();
        Some(Clause { provider, allowances, batch: Batch::Payments(self.items) })
    }
}

/// `u8 n || n * u8 tokenIndex || terms`, allowed to move what is held.
fn subcontract_clause(tokens: &[(TokenId, i128)], subcontract: &Subcontract) -> Result<Clause, CommitmentError> {
    let count = u8::try_from(subcontract.tokens.len()).map_err(|_| CommitmentError::Inconsistent)?;
    let mut payload = alloc::vec![count];
    let mut allowances = Vec::with_capacity(subcontract.tokens.len());
    for (token, hold) in subcontract.tokens.iter().zip(&subcontract.holds) {
        let token_index = index_of(tokens, *token)?;
        payload.push(token_index);
        // There are few: sorting them by other means is 1 kB of what a page downloads.
        let at = allowances.partition_point(|a: &Allowance| a.token_index < token_index);
        allowances.insert(at, Allowance { token_index, right: hold.right, left: hold.left });
    }
    payload.extend_from_slice(&subcontract.terms);
    let batch = Batch::Custom { instrument: subcontract.instrument, payload };
    Ok(Clause { provider: subcontract.provider, allowances, batch })
}

fn swap_clause(
    provider: Address,
    tokens: &[(TokenId, i128)],
    subchannel: &Subchannel,
    id: u64,
    swap: &Swap,
) -> Result<Clause, CommitmentError> {
    let (give_index, want_index) = (index_of(tokens, swap.give_token)?, index_of(tokens, swap.want_token)?);
    let taker = subchannel.tokens.get(&swap.want_token).ok_or(CommitmentError::Inconsistent)?;
    let (left_limit, right_limit) = taker.effective_limits();
    let price = swap.price(swap.remaining).ok_or(CommitmentError::Inconsistent)?;
    let (give, want, taker_limit) = match swap.maker {
        Side::Left => (
            Allowance { token_index: give_index, right: 0, left: swap.remaining },
            Allowance { token_index: want_index, right: price, left: 0 },
            right_limit,
        ),
        Side::Right => (
            Allowance { token_index: give_index, right: swap.remaining, left: 0 },
            Allowance { token_index: want_index, right: 0, left: price },
            left_limit,
        ),
    };
    let allowances = if give_index < want_index { alloc::vec![give, want] } else { alloc::vec![want, give] };
    let item = SwapItem {
        maker: swap.maker,
        id,
        give_index,
        want_index,
        give: swap.give,
        want: swap.want,
        remaining: swap.remaining,
        min_fill: swap.min_fill,
        expiry: swap.expiry,
        taker_limit,
    };
    Ok(Clause { provider, allowances, batch: Batch::Swap(item) })
}
