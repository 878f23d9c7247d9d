//! What members and operators sign (`docs/encodings.md`): never a digest itself, or a member's signature in a channel of
//! its own could be taken for its board's.

use alloy_primitives::hex;
use xln_merkle::{Keccak256, keccak256};

use crate::types::{EntityId, Hash};

/// keccak256 of `BoardApproval(bytes32 entity,bytes32 digest)`.
const BOARD_APPROVAL_TYPE: [u8; 32] = hex!("9f8e384251aeb0633dc3194180523c12574a84fa8e0abf6dde82408ec753ffa1");
/// keccak256 of `Delegation(bytes32 entity,bytes delegation)`.
const DELEGATION_TYPE: [u8; 32] = hex!("d66c40b40e576f6d3ff3cdbccd012be3966df3b7fada5d7c8eee118b5a4d43c7");
/// Hash of the domain `{"xln entity", "1"}`.
const ENTITY_DOMAIN: [u8; 32] = hex!("362efeb45e9bd131ace2f346809bb90eb6077af785b4708eafc644b51b86ed0e");

/// What a member of `entity`'s board, or its operator, signs for `digest`. In a nested board `digest` is the outer one of
/// these.
#[must_use]
pub fn approval_digest(entity: &EntityId, digest: &Hash) -> Hash {
    typed(&BOARD_APPROVAL_TYPE, entity, &digest.0)
}

/// What `entity`'s board signs, through [`approval_digest`], to delegate.
pub(super) fn delegation_digest(entity: &EntityId, delegation: &[u8]) -> Hash {
    typed(&DELEGATION_TYPE, entity, &keccak256(delegation))
}

fn typed(kind: &[u8; 32], entity: &EntityId, word: &[u8; 32]) -> Hash {
    let mut message = Keccak256::new();
    message.update(kind);
    message.update(entity.as_bytes());
    message.update(word);
    let mut digest = Keccak256::new();
    digest.update(&[0x19, 0x01]);
    digest.update(&ENTITY_DOMAIN);
    digest.update(&message.finalize());
    Hash(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_the_hashes_of_their_texts() {
        assert_eq!(keccak256(b"BoardApproval(bytes32 entity,bytes32 digest)"), BOARD_APPROVAL_TYPE);
        assert_eq!(keccak256(b"Delegation(bytes32 entity,bytes delegation)"), DELEGATION_TYPE);
        let mut domain = Keccak256::new();
        for text in ["EIP712Domain(string name,string version)", "xln entity", "1"] {
            domain.update(&keccak256(text.as_bytes()));
        }
        assert_eq!(domain.finalize(), ENTITY_DOMAIN);
    }
}
