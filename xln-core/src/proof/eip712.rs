//! The EIP-712 digests that entities sign: channel states, and the messages of one Depository (`docs/encodings.md`). Type
//! hashes are constants, domains are hashed once, nothing allocates.

use alloy_primitives::hex;
use xln_merkle::{Keccak256, keccak256};

use crate::types::{Address, ChainId, Hash, Nonce, SubchannelKey, UnixSeconds};

/// keccak256 of `ChannelState(bytes32 channelKey,uint64 nonce,bytes32 root)`.
pub(super) const CHANNEL_STATE_TYPE: [u8; 32] =
    hex!("53e5029a5695faa7a4671e6fd098a71b8ac6c194a0ddac9864ffc7ce29eaadec");
/// Hash of the domain `{"xln", "1"}`.
pub(super) const XLN_DOMAIN: [u8; 32] = hex!("f59d0883aa41b326e5e398407babe8d82ff7b4c5ec6baff9cd248197b66e9480");
/// keccak256 of `EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)`.
pub(super) const DOMAIN_TYPE: [u8; 32] = hex!("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f");
/// keccak256 of `xln Depository`.
pub(super) const DEPOSITORY_NAME: [u8; 32] = hex!("bb953d90f8c50f318bc645bdd264c96d007824b10d1b60f3ee384c9eb0c139e5");
/// keccak256 of `1`.
pub(super) const VERSION: [u8; 32] = hex!("c89efdaa54c0f20c7adf612882df0950f5a951637e0307cdcb4c672f298b8bc6");
/// keccak256 of `CooperativeUpdate(bytes32 channelKey,uint32 epoch,uint32 settlementNonce,uint64 expiry,bytes update)`.
pub(super) const COOPERATIVE_UPDATE_TYPE: [u8; 32] =
    hex!("6b7646d49e95eef16c9e85f01105ad5bb766ed69f9aad71cbce7914b229c201e");
/// keccak256 of `CooperativeClose(bytes32 channelKey,uint32 epoch,uint32 settlementNonce,uint64 expiry,bytes body)`.
pub(super) const COOPERATIVE_CLOSE_TYPE: [u8; 32] =
    hex!("b6124fb54e42951e95419e1a29e9fe6768640dfcb219853a95f8f30658e84a19");
/// keccak256 of `DisputeStart(bytes32 channelKey,uint32 epoch,uint64 nonce,bytes32 bodyHash,bytes fills,uint64 expiry)`.
pub(super) const DISPUTE_START_TYPE: [u8; 32] =
    hex!("b799b9b065413aa9df82a4bfd5361b461e28967601873190d68ed88d72302f88");
/// keccak256 of `DisputeAnswer(bytes32 channelKey,uint32 epoch,uint64 nonce,bytes32 bodyHash,bytes fills)`.
pub(super) const DISPUTE_ANSWER_TYPE: [u8; 32] =
    hex!("fe430afc6374e601830a903989ef429449052931840aced25569d7a52691c70c");

type Word = [u8; 32];

/// What both sides of a channel sign for each state: one digest for all chains.
#[must_use]
pub fn channel_state_digest(channel_key: &Hash, nonce: Nonce, root: &Hash) -> Hash {
    let message = words_hash(&[CHANNEL_STATE_TYPE, channel_key.0, number_word(nonce.0), root.0]);
    typed_digest(&XLN_DOMAIN, &message)
}

/// The signing domain of one Depository on one chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DepositoryDomain {
    key: SubchannelKey,
    separator: Word,
}

impl DepositoryDomain {
    /// Hashes the domain `{"xln Depository", "1", chain, depository}` once.
    #[must_use]
    pub fn new(chain: ChainId, depository: Address) -> Self {
        let separator =
            words_hash(&[DOMAIN_TYPE, DEPOSITORY_NAME, VERSION, number_word(chain.0), address_word(&depository)]);
        Self { key: SubchannelKey { chain, depository }, separator }
    }

    /// The chain and the Depository.
    #[must_use]
    pub const fn key(&self) -> SubchannelKey {
        self.key
    }

    /// EIP-712's domain separator.
    #[must_use]
    pub const fn separator(&self) -> Hash {
        Hash(self.separator)
    }

    /// The digest of a settlement: `update` as [`SettlementUpdate::encode`](super::SettlementUpdate::encode) gives it,
    /// `expiry` the last second of chain time at which it counts.
    #[must_use]
    pub fn cooperative_update(
        &self,
        channel_key: &Hash,
        epoch: u32,
        settlement_nonce: u32,
        expiry: UnixSeconds,
        update: &[u8],
    ) -> Hash {
        self.cooperative(COOPERATIVE_UPDATE_TYPE, channel_key, epoch, settlement_nonce, expiry, update)
    }

    /// The digest of a close by agreement: `body` encoded, without clauses.
    #[must_use]
    pub fn cooperative_close(
        &self,
        channel_key: &Hash,
        epoch: u32,
        settlement_nonce: u32,
        expiry: UnixSeconds,
        body: &[u8],
    ) -> Hash {
        self.cooperative(COOPERATIVE_CLOSE_TYPE, channel_key, epoch, settlement_nonce, expiry, body)
    }

    fn cooperative(&self, kind: Word, key: &Hash, epoch: u32, nonce: u32, expiry: UnixSeconds, bytes: &[u8]) -> Hash {
        let words = [
            kind,
            key.0,
            number_word(u64::from(epoch)),
            number_word(u64::from(nonce)),
            number_word(expiry.0),
            keccak256(bytes),
        ];
        typed_digest(&self.separator, &words_hash(&words))
    }

    /// The digest by which an entity starts a dispute through somebody else's transaction. The empty state has nonce 0.
    #[must_use]
    pub fn dispute_start(
        &self,
        channel_key: &Hash,
        epoch: u32,
        nonce: Nonce,
        body_hash: &Hash,
        fills: &[u8],
        expiry: UnixSeconds,
    ) -> Hash {
        let words = [
            DISPUTE_START_TYPE,
            channel_key.0,
            number_word(u64::from(epoch)),
            number_word(nonce.0),
            body_hash.0,
            keccak256(fills),
            number_word(expiry.0),
        ];
        typed_digest(&self.separator, &words_hash(&words))
    }

    /// The digest by which the non-starter accepts the shown state, or counters with its own, through somebody else's
    /// transaction. It binds the state that is left standing.
    #[must_use]
    pub fn dispute_answer(&self, channel_key: &Hash, epoch: u32, nonce: Nonce, body_hash: &Hash, fills: &[u8]) -> Hash {
        let words = [
            DISPUTE_ANSWER_TYPE,
            channel_key.0,
            number_word(u64::from(epoch)),
            number_word(nonce.0),
            body_hash.0,
            keccak256(fills),
        ];
        typed_digest(&self.separator, &words_hash(&words))
    }
}

impl From<&SubchannelKey> for DepositoryDomain {
    fn from(key: &SubchannelKey) -> Self {
        Self::new(key.chain, key.depository)
    }
}

/// keccak256 of words one after the other: `abi.encode` of static values.
pub(super) fn words_hash(words: &[Word]) -> Word {
    let mut hasher = Keccak256::new();
    for word in words {
        hasher.update(word);
    }
    hasher.finalize()
}

fn typed_digest(domain: &Word, message: &Word) -> Hash {
    let mut hasher = Keccak256::new();
    hasher.update(&[0x19, 0x01]);
    hasher.update(domain);
    hasher.update(message);
    Hash(hasher.finalize())
}

/// A number as a word.
pub(super) const fn number_word(number: u64) -> Word {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d, e, f, g, h]
}

/// An address as a word.
pub(super) fn address_word(address: &Address) -> Word {
    let mut word = [0; 32];
    let (_, tail) = word.split_at_mut(12);
    tail.copy_from_slice(&address.0);
    word
}

#[cfg(test)]
mod tests {
    use super::super::commitment::{STATE_LEAF_TYPE, SUBCHANNEL_LEAF_TYPE};
    use super::*;

    #[test]
    fn constants_are_the_hashes_of_their_texts() {
        let texts: [(&str, Word); 10] = [
            ("StateLeaf(bytes32 stateHash)", STATE_LEAF_TYPE),
            ("SubchannelLeaf(uint256 chainId,address depository,uint32 epoch,bytes32 bodyHash)", SUBCHANNEL_LEAF_TYPE),
            ("ChannelState(bytes32 channelKey,uint64 nonce,bytes32 root)", CHANNEL_STATE_TYPE),
            ("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)", DOMAIN_TYPE),
            ("xln Depository", DEPOSITORY_NAME),
            ("1", VERSION),
            (
                "CooperativeUpdate(bytes32 channelKey,uint32 epoch,uint32 settlementNonce,uint64 expiry,bytes update)",
                COOPERATIVE_UPDATE_TYPE,
            ),
            (
                "CooperativeClose(bytes32 channelKey,uint32 epoch,uint32 settlementNonce,uint64 expiry,bytes body)",
                COOPERATIVE_CLOSE_TYPE,
            ),
            (
                "DisputeStart(bytes32 channelKey,uint32 epoch,uint64 nonce,bytes32 bodyHash,bytes fills,uint64 expiry)",
                DISPUTE_START_TYPE,
            ),
            (
                "DisputeAnswer(bytes32 channelKey,uint32 epoch,uint64 nonce,bytes32 bodyHash,bytes fills)",
                DISPUTE_ANSWER_TYPE,
            ),
        ];
        for (text, constant) in texts {
            assert_eq!(Hash(keccak256(text.as_bytes())), Hash(constant), "{text}");
        }
        let domain = [keccak256(b"EIP712Domain(string name,string version)"), keccak256(b"xln"), VERSION];
        assert_eq!(Hash(words_hash(&domain)), Hash(XLN_DOMAIN));
    }
}
