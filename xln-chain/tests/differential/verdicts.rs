//! One state, shown with something wrong: the contract must accept exactly what the rules accept.

use xln_chain::ChainError;
use xln_chain::client::{Authority, action_transaction};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::commitment::Evidence;
use xln_core::crypto::{KeyCache, Signature, recover_address};
use xln_core::proof;
use xln_core::types::{Hash, Nonce, Pair, Side};

use crate::random::Random;
use crate::round::Stage;

/// What the rules say of evidence for the running epoch that a starter shows: is it signed by the other side?
fn is_good(evidence: &Evidence, epoch: u32, pair: &Pair, starter: Side, keys: &mut KeyCache) -> bool {
    let peer = pair.entity(starter.other());
    let leaf = proof::subchannel_leaf(&evidence.key, epoch, &evidence.body_hash());
    let root = evidence.path.iter().fold(leaf.0, |node, sibling| xln_merkle::pair_hash(&node, &sibling.0));
    assert!(proof::verify_path(&leaf, &evidence.path, &Hash(root)));
    let digest = proof::channel_state_digest(&pair.channel_key(), evidence.nonce, &Hash(root));
    let signature = evidence.signature(starter.other()).unwrap();
    let recovered = recover_address(&digest, signature).is_ok_and(|address| Some(address) == peer.address());
    assert_eq!(recovered, keys.verify(&peer, &digest, signature).is_ok(), "a known key changes no verdict");
    recovered && evidence.nonce.0 != 0
}

/// Spoils evidence, or leaves it as it is.
fn spoil(evidence: &mut Evidence, random: &mut Random, starter: Side) -> u64 {
    let signer = starter.other();
    let other = evidence.signature(starter).unwrap().clone();
    let mut bytes = evidence.signature(signer).unwrap().as_bytes().to_vec();
    let kind = random.below(14);
    match kind {
        0 => {}
        1 => bytes[random.below(64) as usize] ^= 1 << random.below(8),
        2 => bytes[32] ^= 0x80,
        3 => bytes = other.as_bytes().to_vec(),
        4 => bytes.truncate(random.below(64) as usize),
        5 => bytes.push(random.below(256) as u8),
        6 => bytes[..32].fill(if random.chance(50) { 0 } else { 0xff }),
        7 => bytes[32..].fill(if random.chance(50) { 0 } else { 0x80 }),
        // The same signature with the other s: n - s, and the other parity.
        8 => high_s(&mut bytes),
        9 => evidence.nonce = Nonce(random.pick(&[0, 1, evidence.nonce.0 ^ 1, evidence.nonce.0.wrapping_add(2)])),
        10 => evidence.path.push(Hash(random.bytes())),
        11 => drop(evidence.path.pop()),
        12 => evidence.body.push(0),
        _ => bytes = random.bytes::<64>().to_vec(),
    }
    let signature = Some(Signature::new(bytes).unwrap());
    match signer {
        Side::Left => evidence.left = signature,
        Side::Right => evidence.right = signature,
    }
    kind
}

fn high_s(bytes: &mut [u8]) {
    const ORDER: [u8; 32] = alloy_primitives::hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let parity = bytes[32] & 0x80;
    bytes[32] &= 0x7f;
    let s = alloy_primitives::U256::from_be_slice(&bytes[32..]);
    let flipped = alloy_primitives::U256::from_be_bytes(ORDER) - s;
    bytes[32..].copy_from_slice(&flipped.to_be_bytes::<32>());
    // Above half the order the top bit is taken: it is the number's, or the parity's, and wrong either way.
    bytes[32] |= parity ^ 0x80;
}

impl Stage {
    /// Shows spoiled evidence of this epoch to the contract without leaving a trace.
    pub fn compare_verdict(
        &mut self,
        random: &mut Random,
        pair: &Pair,
        starter: Side,
        evidence: &Evidence,
        epoch: u32,
    ) -> bool {
        let mut shown = evidence.clone();
        let kind = spoil(&mut shown, random, starter);
        let good = is_good(&shown, epoch, pair, starter, &mut self.keys);
        let sender = pair.entity(starter).address().unwrap();
        let call = ChainCall::StartDispute { starter, evidence: shown, fills: Vec::new() };
        let action = ChainAction { key: self.world.deployment.key(), pair: *pair, call };
        let call = action_transaction(&self.world.deployment, &action, &Authority::Sender).unwrap();
        let verdict = self.world.chain.simulate(sender, &call);
        match &verdict {
            Ok(_) => assert!(good, "the contract accepts what the rules refuse, kind {kind}"),
            Err(ChainError::Reverted { name: "InvalidSignature" | "NonceNotNewer", .. }) => {
                assert!(!good, "the contract refuses what the rules accept, kind {kind}");
            }
            Err(other) => panic!("{other}"),
        }
        good
    }
}
