//! What a channel is handed for one step, and what it gives back.

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::ended::Ended;
use super::{ChannelConfig, Event, Rejection, StageError};
use crate::chain::{ChainAction, ChainView};
use crate::commitment::Evidence;
use crate::crypto::{SignError, SignOutcome, Signature, SignatureError};
use crate::entity::{Claim, Directory, OrganisationError, Permission, Place, Reliance, Standing, Verifier};
use crate::map::Map;
use crate::state::ChannelState;
use crate::subcontract::Instruments;
use crate::types::{Address, ChainId, EntityId, Hash, Nonce, Pair, SubchannelKey, UnixSeconds};
use crate::wire::{Part, RejectReason};

/// What a signature is for; a remote signer is asked with it.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
pub enum Purpose {
    /// My block in flight.
    Proposal,
    /// The peer's block that waits for it.
    Ack,
    /// A refusal.
    Reject {
        /// Height of the refused block.
        height: u64,
        /// Hash of the refused block.
        block_hash: Hash,
        /// Why.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serde_text::message"))]
        reason: RejectReason,
        /// The smallest height of a replacement.
        min_height: u64,
    },
    /// A settlement or close.
    Settlement {
        /// In which subchannel.
        key: SubchannelKey,
        /// Its id.
        id: u64,
    },
}

/// A state that was signed in this step; the store refuses it unless its nonce is greater than all before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SignedNonce {
    /// Of which channel.
    pub channel: Hash,
    /// The nonce.
    pub nonce: Nonce,
    /// The digest; the same bytes may be signed again.
    pub digest: Hash,
}

/// Why a subchannel is frozen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum Freeze {
    /// A start or close stands in a block, confirmed or not.
    Sighted,
    /// This node has signed a start.
    OwnStart,
    /// A confirmed fact vanished.
    Alarm,
}

/// Source of signatures; the machine records what it gave.
pub trait SignatureSource {
    /// Signs, or says that the signature comes later.
    ///
    /// # Errors
    /// [`SignError`] if it never will.
    fn sign(&mut self, digest: &Hash) -> Result<SignOutcome, SignError>;
}

/// What a channel is handed for one step.
pub struct Env<'a> {
    /// The time.
    pub now: UnixSeconds,
    /// The node's promises.
    pub config: &'a ChannelConfig,
    /// The number that the next command gets.
    pub next_command: &'a mut u64,
    /// Confirmed views of the chains.
    pub chains: &'a Map<ChainId, ChainView>,
    /// The instruments that this node knows.
    pub instruments: &'a Instruments,
    /// Verifies signatures.
    pub verifier: &'a mut Verifier,
    /// What the chains say about who signs for organisations.
    pub directory: &'a Directory,
    /// Signatures of this node's entity.
    pub signer: &'a mut dyn SignatureSource,
    /// What the step gives back.
    pub out: &'a mut Output,
}

/// What one step of one channel gives back.
#[derive(Default, Debug)]
pub struct Output {
    /// For the peer, in order.
    pub parts: Vec<Part>,
    /// For the application.
    pub events: Vec<Event>,
    /// For the chain.
    pub actions: Vec<ChainAction>,
    /// States that were signed.
    pub signed: Vec<SignedNonce>,
    /// Signatures that come later.
    pub requests: Vec<(Purpose, Hash)>,
    /// Evidence of states that became agreed, for the history.
    pub agreed: Vec<Evidence>,
    /// Bodies, by hash, that disputes are to be ended with and that the channel does not hold.
    pub wanted: Vec<(SubchannelKey, Hash)>,
    /// Payments that ended in agreed blocks.
    pub ended: Vec<Ended>,
    /// Locks with onions that this node may have answered for in records that it has lost.
    pub inherited: Vec<(SubchannelKey, u64)>,
}

impl Env<'_> {
    /// A signature over a channel state. The only place where one is made, and it refuses to go back.
    pub(super) fn sign_state(
        &mut self,
        pair: &Pair,
        nonce: Nonce,
        max_signed: &mut Nonce,
        digest: &Hash,
        purpose: Purpose,
    ) -> Result<Option<Signature>, StageError> {
        if nonce <= *max_signed {
            return Err(StageError::StaleNonce { nonce, signed: *max_signed });
        }
        let signature = self.sign(digest, purpose)?;
        *max_signed = nonce;
        self.out.signed.push(SignedNonce { channel: pair.channel_key(), nonce, digest: *digest });
        Ok(signature)
    }

    /// A signature over anything that is no channel state.
    pub(super) fn sign(&mut self, digest: &Hash, purpose: Purpose) -> Result<Option<Signature>, StageError> {
        match self.signer.sign(digest)? {
            SignOutcome::Signed(signature) => Ok(Some(signature)),
            SignOutcome::Pending => {
                self.out.requests.push((purpose, *digest));
                Ok(None)
            }
        }
    }

    /// Verifies a signature over a channel state, or over a refusal of one, where `state` can be enforced. The signer may
    /// have lapsed; whether that matters is for the caller.
    pub(super) fn verify_state(
        &mut self,
        entity: &EntityId,
        digest: &Hash,
        signature: &Signature,
        state: &ChannelState,
    ) -> Result<Standing, SignatureError> {
        let claim = Claim { entity, digest, signature, permission: Permission::States };
        let reliance = self.verifier.verify(&claim)?;
        self.standing(&reliance, state).map_err(SignatureError::from)
    }

    /// How what a signature relies on stands where `state` can be enforced.
    pub(super) fn standing(&self, reliance: &Reliance, state: &ChannelState) -> Result<Standing, OrganisationError> {
        if reliance.is_empty() {
            return Ok(Standing::default());
        }
        self.directory.standing_at(reliance, &self.config.places(state), self.now)
    }

    /// Verifies a signature over what the peer has signed already in effect, or what this side has: a signer that has lapsed
    /// is good as long as the chains take it.
    pub(super) fn verify_while_valid(
        &mut self,
        entity: &EntityId,
        digest: &Hash,
        signature: &Signature,
        state: &ChannelState,
    ) -> Result<(), SignatureError> {
        match self.verify_state(entity, digest, signature, state)?.lapses {
            Some(until) if until < self.now => Err(OrganisationError::Lapsed.into()),
            _ => Ok(()),
        }
    }

    /// Verifies a signature of a settlement or close: what is replaced, revoked or expired signs none.
    pub(super) fn verify_settlement(
        &mut self,
        entity: &EntityId,
        digest: &Hash,
        signature: &Signature,
        key: &SubchannelKey,
    ) -> Result<(), SignatureError> {
        let claim = Claim { entity, digest, signature, permission: Permission::Withdraw };
        let reliance = self.verifier.verify(&claim)?;
        let places: Vec<_> = self.config.place(key).into_iter().collect();
        if reliance.is_empty() || self.directory.standing_at(&reliance, &places, self.now)?.lapses.is_none() {
            Ok(())
        } else {
            Err(OrganisationError::Lapsed.into())
        }
    }

    /// [`ChannelConfig::accepts`], and both entities may have a subchannel there.
    pub(super) fn accepts(
        &self,
        pair: &Pair,
        key: &SubchannelKey,
        providers: &[Address],
        settle_margin_s: u64,
    ) -> bool {
        let allowed = |(place, _): (Place, u64)| {
            self.directory.allows(&pair.left(), &place) && self.directory.allows(&pair.right(), &place)
        };
        self.config.accepts(key, providers, settle_margin_s) && self.config.place(key).is_some_and(allowed)
    }

    pub(super) fn reject(&mut self, from: EntityId, reason: impl Into<Rejection>) {
        self.out.events.push(Event::Rejected { from, reason: reason.into() });
    }
}
