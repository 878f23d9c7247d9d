//! Who may sign: the EntityProvider's bytecode against `xln-core`. Random organisations, nested, replaced, with operators whose
//! delegations expire or are revoked, sign and mis-sign; both must say the same, for every permission and second.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "modules of one test")]

#[path = "../common/mod.rs"]
mod common;
mod crowd;
#[allow(dead_code, reason = "shared with another test")]
#[path = "../differential/random.rs"]
mod random;

use std::collections::BTreeSet;

use common::*;
use crowd::Crowd;
use random::Random;
use xln_core::crypto::Signature;
use xln_core::entity::{Claim, Permission, Place};
use xln_core::types::{EntityId, Hash, UnixSeconds};

const PERMISSIONS: [Permission; 4] =
    [Permission::States, Permission::Dispute, Permission::Withdraw, Permission::Govern];

/// Histories of one run; `XLN_DIFFERENTIAL_SIGNERS` asks for more.
fn histories() -> u64 {
    std::env::var("XLN_DIFFERENTIAL_SIGNERS").ok().and_then(|n| n.parse().ok()).unwrap_or(16)
}

/// Verdicts by what they were, so that it cannot become a test of nothing.
#[derive(Default, Debug)]
struct Tally {
    good: u64,
    bad: u64,
    states_only: u64,
    some_permissions: u64,
    lapsed: u64,
}

struct Signed {
    entity: EntityId,
    digest: Hash,
    signature: Signature,
    before: Option<[bool; 4]>,
}

#[test]
fn both_say_the_same_of_every_signature() {
    let mut tally = Tally::default();
    for seed in 0..histories() {
        let mut random = Random::new(seed);
        let mut crowd = Crowd::new(&mut random);
        let mut signed = Vec::new();
        for _ in 0..4 {
            for _ in 0..4 {
                signed.extend(sign(&mut random, &mut crowd));
            }
            crowd.event(&mut random);
            compare(&mut crowd, &mut signed, &mut tally);
        }
        let mut times: BTreeSet<UnixSeconds> = crowd.boundaries().into_iter().collect();
        times.retain(|time| *time > crowd.world.chain.now());
        for time in times {
            crowd.world.chain.set_time(time);
            compare(&mut crowd, &mut signed, &mut tally);
        }
    }
    println!("{tally:?}");
    let met = [tally.good, tally.bad, tally.states_only, tally.some_permissions, tally.lapsed];
    assert!(met.iter().all(|count| count * 2 > histories()), "{tally:?}");
}

fn sign(random: &mut Random, crowd: &mut Crowd) -> Option<Signed> {
    let entity = random.pick(&crowd.entities);
    let digest = Hash(random.bytes());
    let signature = crowd.sign(random, &entity, &digest, 0)?;
    let mut bytes = signature.as_bytes().to_vec();
    let length = bytes.len() as u64;
    match random.below(10) {
        // Near the front, where threshold, members, permissions and times are.
        0 => bytes[random.below(length.min(80)) as usize] ^= 1 << random.below(8),
        1 => bytes[random.below(length) as usize] ^= 1 << random.below(8),
        2 => bytes.truncate(random.below(length) as usize),
        3 => bytes.push(random.below(256) as u8),
        _ => {}
    }
    let entity = if random.chance(4) { random.pick(&crowd.entities) } else { entity };
    Some(Signed { entity, digest, signature: Signature::new(bytes).ok()?, before: None })
}

fn compare(crowd: &mut Crowd, signed: &mut [Signed], tally: &mut Tally) {
    crowd.catch_up();
    let d = crowd.world.deployment;
    let place = Place { chain: d.chain, provider: d.entity_provider };
    let client = crowd.world.client.entities();
    let at = crowd.world.chain.now();
    for signed in signed {
        let Signed { entity, digest, signature, before } = signed;
        let verdicts = PERMISSIONS.map(|permission| {
            let claim = Claim { entity, digest, signature, permission };
            let relied = crowd.verifier.verify(&claim);
            let fresh = xln_core::entity::Verifier::default().verify(&claim);
            assert_eq!(relied, fresh, "what a verifier remembers changes no verdict");
            let standing = relied.ok().and_then(|r| crowd.directory.standing(&r, &place, d.grace_s, at).ok());
            let ours = standing.is_some_and(|standing| match (permission, standing.lapses) {
                (_, None) => true,
                (Permission::States, Some(until)) => at <= until,
                (_, Some(_)) => false,
            });
            let theirs = now(client.is_valid(entity, digest, signature, permission));
            assert_eq!(ours, theirs, "{permission:?} of {entity} at {at:?}: {signature:?}");
            ours
        });
        match verdicts {
            [true, true, true, true] => tally.good += 1,
            [false, false, false, false] => tally.bad += 1,
            [true, false, false, false] => tally.states_only += 1,
            _ => tally.some_permissions += 1,
        }
        tally.lapsed += u64::from(before.is_some_and(|before| before != verdicts));
        *before = Some(verdicts);
    }
}
