//! Who signs: two accounts, the second one in the middle, and the operator of an organisation of three.

use std::cell::RefCell;
use std::collections::BTreeMap;

use xln_core::crypto::{LocalSigner, SignError, SignOutcome, Signer};
use xln_core::entity::{Board, Delegation, MemberSigner, OperatorSigner, Permission, Permissions, Quorum, Verifier};
use xln_core::route::{OnionKey, OnionPublicKey};
use xln_core::types::{EntityId, Hash, UnixSeconds};

use super::N;

/// A signer that signs nothing twice: inputs that share a beginning share its signatures, and those are most of the work.
struct Remembering {
    signer: Box<dyn Signer>,
    signed: RefCell<BTreeMap<Hash, SignOutcome>>,
}

/// Signatures that are remembered at most.
const REMEMBERED: usize = 1 << 15;

impl Signer for Remembering {
    fn entity(&self) -> EntityId {
        self.signer.entity()
    }

    fn sign(&self, digest: &Hash) -> Result<SignOutcome, SignError> {
        if let Some(known) = self.signed.borrow().get(digest) {
            return Ok(known.clone());
        }
        let outcome = self.signer.sign(digest)?;
        let mut signed = self.signed.borrow_mut();
        if signed.len() >= REMEMBERED {
            signed.clear();
        }
        signed.insert(*digest, outcome.clone());
        Ok(outcome)
    }
}

fn account(byte: u8) -> LocalSigner {
    LocalSigner::new(&[byte; 32]).expect("a key")
}

pub(super) fn signers() -> [Box<dyn Signer>; N] {
    let members = [11, 12, 13].map(account);
    let board = Board::new(2, &members.each_ref().map(|key| (key.entity(), 1))).expect("a board");
    let entity = board.counterfactual();
    let (permissions, late) = (Permissions::of(&[Permission::States]), UnixSeconds(1 << 39));
    let delegation = Delegation::new(account(21).address(), permissions, late, 1, Vec::new()).expect("an operator");
    let digest = delegation.digest(&entity);
    let mut quorum = Quorum::new(entity, digest, Permission::States, vec![(entity, board)]).expect("two of three");
    for request in quorum.requests().collect::<Vec<_>>().into_iter().take(2) {
        let member = members.iter().find(|key| key.entity() == request.member).expect("a member");
        let approval = MemberSigner::new(member.clone()).approve(&request.path, &digest).expect("it signs");
        quorum.add(&mut Verifier::default(), approval).expect("a member's");
    }
    let approval = quorum.signature().expect("two of three").expect("two of three");
    let operator = OperatorSigner::new(account(21), entity, delegation, approval).expect("approved");
    let all: [Box<dyn Signer>; N] = [Box::new(account(1)), Box::new(account(2)), Box::new(operator)];
    all.map(|signer| Box::new(Remembering { signer, signed: RefCell::default() }) as Box<dyn Signer>)
}

pub(super) fn onion_key(i: usize) -> OnionKey {
    OnionKey::derive(&[1 + i as u8; 32]).expect("a key")
}

/// What senders know of [`onion_key`].
pub(super) fn onion_public(i: usize) -> OnionPublicKey {
    thread_local! {
        static PUBLIC: [OnionPublicKey; N] = [0, 1, 2].map(|i| onion_key(i).public().expect("a key"));
    }
    PUBLIC.with(|keys| keys[i])
}
