//! What a third party can check: that both entities signed a state in which a subchannel has a given body. It needs the
//! evidence, the two ids, and nothing else of the channel: limits, heights and other subchannels stay private.
#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that shows something")]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "the amounts of a story are small, and a debug build would stop at an overflow"
)]

use xln_core::commitment::Evidence;
use xln_core::crypto::{KeyCache, LocalSigner, Signer};
use xln_core::proof::{self, Body, channel_state_digest, subchannel_leaf, verify_path};
use xln_core::types::{Address, ChainId, Hash, Nonce, Pair, Side, SubchannelKey, TokenId};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let (alice, bob) = (LocalSigner::new(&[1; 32])?, LocalSigner::new(&[2; 32])?);
    let pair = Pair::new(alice.entity(), bob.entity())?;
    let evidence = signed_by_both(&pair, [&alice, &bob])?;
    verify(&pair, &evidence)?;
    println!("both signed nonce {} with these offdeltas: {:?}", evidence.nonce.0, Body::parse(&evidence.body)?.tokens);

    let mut forged = evidence;
    if let Some(last) = forged.body.get_mut(20) {
        *last ^= 1;
    }
    match verify(&pair, &forged) {
        Ok(()) => Err("a forged body was believed".into()),
        Err(error) => {
            println!("one bit changed: {error}");
            Ok(())
        }
    }
}

/// The check, the same that a Depository makes.
fn verify(pair: &Pair, evidence: &Evidence) -> Result<(), Failure> {
    let leaf = subchannel_leaf(&evidence.key, evidence.epoch, &evidence.body_hash());
    if !verify_path(&leaf, &evidence.path, &evidence.root) {
        return Err("the body is not in the state that was signed".into());
    }
    let digest = channel_state_digest(&pair.channel_key(), evidence.nonce, &evidence.root);
    let mut keys = KeyCache::default();
    for side in [Side::Left, Side::Right] {
        let signature = evidence.signature(side).ok_or("a signature is missing")?;
        keys.verify(&pair.entity(side), &digest, signature)?;
    }
    Ok(())
}

/// What the two keep of every agreed block.
fn signed_by_both(pair: &Pair, signers: [&LocalSigner; 2]) -> Result<Evidence, Failure> {
    let key = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
    let body = Body { tokens: vec![(TokenId(1), -250)], clauses: Vec::new() }.encode()?;
    let leaves = [proof::state_leaf(&Hash([7; 32])), subchannel_leaf(&key, 0, &proof::body_hash(&body))];
    let (root, nonce) = (proof::root(&leaves), Nonce(11));
    let digest = channel_state_digest(&pair.channel_key(), nonce, &root);
    let signature = |side| {
        let signer = signers.iter().find(|s| s.entity() == pair.entity(side)).ok_or("no key")?;
        Ok::<_, Failure>(Some(signer.sign_digest(&digest)?))
    };
    let (left, right) = (signature(Side::Left)?, signature(Side::Right)?);
    Ok(Evidence { key, epoch: 0, nonce, body, path: proof::path(&leaves, 1), root, left, right })
}
