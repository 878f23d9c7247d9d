//! From what a machine asks for to calldata.
#![expect(non_snake_case, reason = "variables are named as the contracts' parameters, to fill the calls' fields")]

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall;
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::commitment::Evidence;
use xln_core::crypto::Signature;
use xln_core::types::{DisputeFact, HashKind, Secret, Side, UnixSeconds};

use super::{Question, record_call, word};
use crate::chain::Transaction;
use crate::codec;
use crate::contracts::depository::{Depository, IDepository};
use crate::contracts::subcontract_provider::SubcontractProvider;
use crate::deploy::Deployment;
use crate::error::{ActionError, ChainError};

/// By what right a dispute is started or answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authority {
    /// The transaction's sender is the entity.
    Sender,
    /// The entity signed, and anybody may send: the digest is `DepositoryDomain::dispute_start` or `dispute_answer`.
    Signed {
        /// The entity's signature.
        signature: Signature,
        /// Last second of chain time at which a start counts; answers have none.
        expiry: UnixSeconds,
    },
}

impl Authority {
    fn signature(&self) -> Bytes {
        match self {
            Self::Sender => Bytes::new(),
            Self::Signed { signature, .. } => bytes(signature),
        }
    }

    const fn expiry(&self) -> u64 {
        match self {
            Self::Sender => 0,
            Self::Signed { expiry, .. } => expiry.0,
        }
    }
}

/// The transaction for an action. `authority` matters to starts and answers only.
///
/// # Errors
/// [`ActionError`] if the action is for another Depository or its evidence lacks what the call needs.
pub fn action_transaction(
    deployment: &Deployment,
    action: &ChainAction,
    authority: &Authority,
) -> Result<Transaction, ChainError> {
    if action.key != deployment.key() {
        return Err(ActionError::WrongDepository.into());
    }
    let (left, right) = (word(&action.pair.left()), word(&action.pair.right()));
    let ends = |starter: Side| if starter.is_left() { (left, right) } else { (right, left) };
    let data = match &action.call {
        ChainCall::Reveal { provider, kind, secret } => {
            return Ok(Transaction::call(*provider, reveal(*kind, secret)));
        }
        ChainCall::Record { provider, instrument, not_before, question } => {
            let (instrument, not_before, question) = (*instrument, *not_before, question.clone());
            let call = record_call(&[Question { instrument, not_before, question }])?;
            return Ok(Transaction::call(*provider, call.abi_encode()));
        }
        ChainCall::CooperativeUpdate { expiry, update, left: by_left, right: by_right } => {
            let update = update.encode().map_err(ActionError::Settlement)?.into();
            let (leftSignature, rightSignature) = (bytes(by_left), bytes(by_right));
            let expiry = expiry.0;
            Depository::cooperativeUpdateCall { left, right, expiry, update, leftSignature, rightSignature }
                .abi_encode()
        }
        ChainCall::CooperativeClose { expiry, body, left: by_left, right: by_right } => {
            let (leftSignature, rightSignature) = (bytes(by_left), bytes(by_right));
            let (expiry, body) = (expiry.0, body.clone().into());
            Depository::cooperativeCloseCall { left, right, expiry, body, leftSignature, rightSignature }.abi_encode()
        }
        ChainCall::StartDispute { starter: side, evidence, fills } => {
            let (starter, peer) = ends(*side);
            let proof = proof(evidence, side.other())?;
            let (fills, expiry) = (fills.clone().into(), authority.expiry());
            let starterSignature = authority.signature();
            Depository::startDisputeCall { starter, peer, proof, fills, expiry, starterSignature }.abi_encode()
        }
        ChainCall::StartEmptyDispute { starter: side, tokens } => {
            let (starter, peer) = ends(*side);
            let tokens = tokens.iter().map(|token| token.0).collect();
            let (expiry, starterSignature) = (authority.expiry(), authority.signature());
            Depository::startEmptyDisputeCall { starter, peer, tokens, expiry, starterSignature }.abi_encode()
        }
        ChainCall::AcceptDispute { dispute, fills } => {
            let (dispute, fills) = (dispute_bytes(dispute)?, fills.clone().into());
            let answererSignature = authority.signature();
            Depository::acceptDisputeCall { left, right, dispute, fills, answererSignature }.abi_encode()
        }
        ChainCall::CounterDispute { dispute, evidence, both: true, .. } => {
            let rightSignature = evidence.right.as_ref().map(bytes).ok_or(ActionError::MissingSignature)?;
            let (dispute, proof) = (dispute_bytes(dispute)?, proof(evidence, Side::Left)?);
            Depository::counterDisputeWithBothCall { left, right, dispute, proof, rightSignature }.abi_encode()
        }
        ChainCall::CounterDispute { dispute: shown, evidence, fills, both: false } => {
            let (dispute, proof) = (dispute_bytes(shown)?, proof(evidence, shown.starter)?);
            let (fills, answererSignature) = (fills.clone().into(), authority.signature());
            Depository::counterDisputeCall { left, right, dispute, proof, fills, answererSignature }.abi_encode()
        }
        ChainCall::FinalizeDispute { dispute, body, starter_fills, answerer_fills } => {
            let (dispute, body) = (dispute_bytes(dispute)?, body.clone().into());
            let (starterFills, answererFills) = (starter_fills.clone().into(), answerer_fills.clone().into());
            Depository::finalizeDisputeCall { left, right, dispute, body, starterFills, answererFills }.abi_encode()
        }
    };
    Ok(Transaction::call(deployment.depository, data))
}

fn reveal(kind: HashKind, secret: &Secret) -> Vec<u8> {
    SubcontractProvider::revealCall { kind: kind.index(), secrets: vec![secret.0.into()] }.abi_encode()
}

fn bytes(signature: &Signature) -> Bytes {
    Bytes::copy_from_slice(signature.as_bytes())
}

fn proof(evidence: &Evidence, signer: Side) -> Result<IDepository::StateProof, ActionError> {
    Ok(IDepository::StateProof {
        nonce: evidence.nonce.0,
        bodyHash: evidence.body_hash().0.into(),
        path: evidence.path.iter().map(|hash| B256::from(hash.0)).collect(),
        signature: evidence.signature(signer).map(bytes).ok_or(ActionError::MissingSignature)?,
    })
}

fn dispute_bytes(dispute: &DisputeFact) -> Result<Bytes, ActionError> {
    Ok(codec::encode_dispute(dispute)?.into())
}
