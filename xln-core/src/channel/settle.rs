//! Signatures for settlements and closes: made only after the block that holds for them is agreed, bound to epoch,
//! settlement nonce and expiry, and sent in messages of their own (`docs/protocol.md` section 4).

use alloc::vec::Vec;

use super::env::Purpose;
use super::event::Rejection;
use super::{Channel, CommandError, Env, Event, SettlementSignatures, StageError};
use crate::chain::{ChainAction, ChainCall};
use crate::commitment::body_of;
use crate::crypto::Signature;
use crate::proof::{DepositoryDomain, SettlementUpdate};
use crate::state::{SettlementAction, Subchannel};
use crate::types::{Hash, Side, SubchannelKey, TokenId};
use crate::wire::Part;

impl Channel {
    /// Signs every open settlement of the tip that this side has not signed, and forgets those that ended.
    pub(super) fn sign_settlements(&mut self, env: &mut Env<'_>, submits: &[u64]) -> Result<(), StageError> {
        let tip = self.tip.clone();
        self.settlements.retain(|key, signatures| {
            let open = tip.state.subchannels.get(key).and_then(|s| s.settlement.as_ref());
            open.is_some_and(|open| open.id == signatures.id)
        });
        for (key, subchannel) in &tip.state.subchannels {
            let Some(open) = &subchannel.settlement else { continue };
            if self.settlements.contains_key(key) {
                continue;
            }
            let signatures = signatures_for(subchannel, submits.contains(&open.id))?;
            let Some(signatures) = signatures else { continue };
            let digest = signatures.digest(key, &self.pair().channel_key());
            let id = open.id;
            self.settlements.insert(*key, signatures);
            if let Some(mine) = env.sign(&digest, Purpose::Settlement { key: *key, id })? {
                self.add_settlement_signature(env, key, id, self.me, mine.clone());
                env.out.parts.push(Part::SettlementSignature { key: *key, id, signature: mine });
            }
        }
        Ok(())
    }

    pub(super) fn send_settlement_signatures(&mut self, env: &mut Env<'_>) {
        for (key, signatures) in &self.settlements {
            if let Some(mine) = signatures.signature(self.me) {
                env.out.parts.push(Part::SettlementSignature { key: *key, id: signatures.id, signature: mine.clone() });
            }
        }
    }

    pub(super) fn on_settlement_signature(
        &mut self,
        env: &mut Env<'_>,
        key: &SubchannelKey,
        id: u64,
        signature: Signature,
    ) {
        let (pair, peer) = (self.pair(), self.peer());
        let from = pair.entity(peer);
        let Some(open) = self.settlements.get(key).filter(|s| s.id == id) else {
            env.reject(from, Rejection::NotInFlight);
            return;
        };
        if open.signature(peer).is_some() {
            return;
        }
        match env.verify_settlement(&from, &open.digest(key, &pair.channel_key()), &signature, key) {
            Ok(()) => self.add_settlement_signature(env, key, id, peer, signature),
            Err(error) => env.reject(from, error),
        }
    }

    pub(super) fn add_settlement_signature(
        &mut self,
        env: &mut Env<'_>,
        key: &SubchannelKey,
        id: u64,
        side: Side,
        signature: Signature,
    ) {
        let (pair, peer) = (self.pair(), self.pair().entity(self.peer()));
        let Some(open) = self.settlements.get_mut(key).filter(|s| s.id == id) else { return };
        match side {
            Side::Left => open.left = Some(signature),
            Side::Right => open.right = Some(signature),
        }
        if let Some(call) = open.call() {
            env.out.events.push(Event::SettlementReady { peer, key: *key, id });
            if open.submit {
                env.out.actions.push(ChainAction { key: *key, pair, call });
            }
        }
    }

    /// Submits the open settlement or close, if both signatures are there.
    pub(crate) fn submit_settlement(&self, env: &mut Env<'_>, key: &SubchannelKey) -> Result<(), CommandError> {
        let call = self.settlements.get(key).and_then(SettlementSignatures::call).ok_or(CommandError::NothingToShow)?;
        env.out.actions.push(ChainAction { key: *key, pair: self.pair(), call });
        Ok(())
    }
}

fn signatures_for(subchannel: &Subchannel, submit: bool) -> Result<Option<SettlementSignatures>, StageError> {
    let Some(open) = &subchannel.settlement else { return Ok(None) };
    let (update, body) = match &open.action {
        SettlementAction::Update(update) => (Some(update.clone()), Vec::new()),
        SettlementAction::Close => {
            (None, body_of(subchannel)?.encode().map_err(crate::commitment::CommitmentError::from)?)
        }
    };
    Ok(Some(SettlementSignatures {
        id: open.id,
        epoch: subchannel.epoch,
        settlement_nonce: subchannel.settlement_nonce,
        expiry: open.expiry,
        update,
        body,
        left: None,
        right: None,
        submit,
    }))
}

impl SettlementSignatures {
    /// The signature of one side.
    #[must_use]
    pub const fn signature(&self, side: Side) -> Option<&Signature> {
        match side {
            Side::Left => self.left.as_ref(),
            Side::Right => self.right.as_ref(),
        }
    }

    /// What both sign: a message of the Depository's own domain.
    #[must_use]
    pub fn digest(&self, key: &SubchannelKey, channel_key: &Hash) -> Hash {
        let domain = DepositoryDomain::new(key.chain, key.depository);
        match &self.update {
            Some(update) => {
                let bytes = update.encode().unwrap_or_default();
                domain.cooperative_update(channel_key, self.epoch, self.settlement_nonce, self.expiry, &bytes)
            }
            None => domain.cooperative_close(channel_key, self.epoch, self.settlement_nonce, self.expiry, &self.body),
        }
    }

    /// The call that executes it, once both signatures are there.
    #[must_use]
    pub fn call(&self) -> Option<ChainCall> {
        let (left, right, expiry) = (self.left.clone()?, self.right.clone()?, self.expiry);
        Some(match &self.update {
            Some(update) => ChainCall::CooperativeUpdate { expiry, update: update.clone(), left, right },
            None => ChainCall::CooperativeClose { expiry, body: self.body.clone(), left, right },
        })
    }
}

/// A diff as a person writes it, with its collateral, checked to create and destroy nothing.
///
/// # Errors
/// [`CommandError::Unbalanced`] if `left + right + collateral` is not 0 for some token.
pub fn balanced(
    diffs: &[(TokenId, i128, i128, i128, i128)],
    forgiven: Vec<crate::proof::Forgiven>,
) -> Result<SettlementUpdate, CommandError> {
    let mut balanced = Vec::with_capacity(diffs.len());
    for (token, left, right, collateral, ondelta) in diffs {
        let diff = crate::proof::TokenDiff { token: *token, left: *left, right: *right, ondelta: *ondelta };
        if diff.collateral() != Some(*collateral) {
            return Err(CommandError::Unbalanced);
        }
        balanced.push(diff);
    }
    Ok(SettlementUpdate { diffs: balanced, forgiven })
}
