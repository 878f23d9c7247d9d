//! What enters as bytes: any bytes at all, damaged ones, lengths that lie, encodings that are not the shortest. Runs the
//! functions of `fuzz/` on its corpora and on damaged copies (`scripts/fuzz.sh` runs them for a long time), and pins the bytes of the wire and of
//! the log by golden vectors (`XLN_BLESS=1` writes them anew; read the difference).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "tests say what they expect by failing"
)]
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(unreachable_pub, dead_code, reason = "parts of a crate elsewhere")]

mod common;
#[path = "../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../fuzz/src/decoders.rs"]
mod fuzz;
#[path = "../../fuzz/src/machine/mod.rs"]
mod machine;
#[path = "../../fuzz/src/memory.rs"]
mod memory;

use common::*;
use memory::peak;
use proptest::prelude::*;
use serde_json::{Value, json};
use xln_core::codec::CodecError;
use xln_core::crypto::{LocalSigner, Signature, Signer};
use xln_core::machine::{Input, Machine, Record, Snapshot};
use xln_core::transition::{Transition, TransitionError};
use xln_core::types::*;
use xln_core::wire::{Message, Part, Reject, RejectReason};

/// What a target runs.
type Run = fn(&[u8]);

const ALL: [(&str, Run); 6] = [
    ("message_decode", message_bounded),
    ("record_decode", fuzz::record_decode),
    ("snapshot_restore", fuzz::snapshot_restore),
    ("proof_decode", |bytes| memory::bounded(bytes, fuzz::proof_decode)),
    ("identity_and_terms", |bytes| memory::bounded(bytes, fuzz::identity_and_terms)),
    ("machine_inputs", machine::machine_inputs),
];

fn message_bounded(bytes: &[u8]) {
    memory::bounded(bytes, fuzz::message_decode);
}

/// Real bytes of every kind: messages of two parties with everything pending, their records, a snapshot, a body.
struct Samples {
    messages: Vec<Vec<u8>>,
    records: Vec<Vec<u8>>,
    snapshot: Vec<u8>,
    body: Vec<u8>,
}

fn samples() -> Samples {
    let mut net = two();
    let mut messages = Vec::new();
    net.with_credit(1000);
    net.collateral(300, 100);
    let far = net.now.plus(5000);
    let update = xln_core::proof::SettlementUpdate {
        diffs: vec![xln_core::proof::TokenDiff { token: USD, left: 5, right: 0, ondelta: -5 }],
        forgiven: vec![xln_core::proof::Forgiven { token: USD, debtor: Side::Left, index: 3 }],
    };
    let all = [
        lock(300, 1, far),
        Transition::OfferSwap {
            key: KEY,
            give_token: USD,
            give: 400,
            want_token: EUR,
            want: 7,
            min_fill: 3,
            expiry: far,
        },
        Transition::ProposeSettlement { key: KEY, update, expiry: far },
        Transition::Memo { data: vec![9; 300] },
        pay(270),
    ];
    for transition in all {
        for i in 0..2 {
            drop(net.submit(i, vec![transition.clone()]));
            while let Some((_, _, bytes)) = net.wire.front() {
                messages.push(bytes.clone());
                net.deliver();
            }
        }
    }
    let body = net.channel(0).best_evidence(&KEY).unwrap().body;
    let snapshot = net.parties[0].machine.snapshot().unwrap().bytes;
    Samples { messages, records: net.parties[0].log.records.clone(), snapshot, body }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), version in any::<bool>()) {
        let mut bytes = bytes;
        if let (true, Some(first)) = (version, bytes.first_mut()) {
            *first = 1;
        }
        for (target, run) in ALL {
            // Machines take longer, and have a test of their own.
            if target != "machine_inputs" {
                run(&bytes);
            }
        }
    }
}

#[test]
fn machines_survive_and_agree_whatever_bytes_choose() {
    let runs = std::env::var("XLN_RUNS").ok().map_or(60, |v| v.parse().unwrap());
    for seed in 0..runs {
        let mut state = seed ^ 0x9e37_79b9_7f4a_7c15_u64;
        let bytes: Vec<u8> = (0..600)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        if std::panic::catch_unwind(|| machine::machine_inputs(&bytes)).is_err() {
            panic!("seed {seed}");
        }
    }
}

#[test]
fn corpora_and_damaged_copies_break_nothing() {
    for (target, run) in ALL {
        let damaged = if target == "machine_inputs" { 100 } else { 3_000 };
        corpus::replay(target, damaged, run);
    }
}

/// Writes real encodings into the corpora, if asked to.
#[test]
fn seeds() {
    let samples = samples();
    for (i, message) in samples.messages.iter().enumerate() {
        corpus::seed("message_decode", &format!("sample{i}"), message);
    }
    for (name, part) in parts() {
        let message = Message { channel: Hash([3; 32]), parts: vec![part] }.encode().unwrap();
        assert!(Message::decode(&message).is_ok());
        corpus::seed("message_decode", &name.replace(' ', "_"), &message);
    }
    for (i, record) in samples.records.iter().enumerate() {
        corpus::seed("record_decode", &format!("sample{i}"), record);
    }
    corpus::seed("snapshot_restore", "sample", &samples.snapshot);
    for (i, bytes) in proofs(&samples).iter().enumerate() {
        corpus::seed("proof_decode", &format!("sample{i}"), bytes);
    }
    for (i, bytes) in identities().iter().enumerate() {
        corpus::seed("identity_and_terms", &format!("sample{i}"), bytes);
    }
}

fn proofs(samples: &Samples) -> Vec<Vec<u8>> {
    let fills = xln_core::proof::Fills(vec![(1, 5), (7, u128::MAX)]).encode().unwrap();
    let update = xln_core::proof::SettlementUpdate {
        diffs: vec![xln_core::proof::TokenDiff { token: USD, left: 5, right: 0, ondelta: -5 }],
        forgiven: vec![xln_core::proof::Forgiven { token: USD, debtor: Side::Left, index: 3 }],
    };
    [(0, samples.body.clone()), (1, fills), (2, update.encode().unwrap())]
        .map(|(kind, bytes)| [&[kind], &bytes[..]].concat())
        .to_vec()
}

/// A board's signature, an operator's, a quorum with one signature gathered, an onion, a failure, terms.
fn identities() -> Vec<Vec<u8>> {
    use xln_core::entity::*;
    use xln_core::subcontract::{ConditionTerms, CreditDefaultSwapTerms, ScheduleTerms};
    let signers = [11, 12, 13].map(|i: u8| LocalSigner::new(&[i; 32]).unwrap());
    let board = Board::new(2, &signers.each_ref().map(|key| (key.entity(), 1))).unwrap();
    let (id, digest) = (board.counterfactual(), Hash([7; 32]));
    let gather = |digest: Hash, count: usize| {
        let mut quorum = Quorum::new(id, digest, Permission::States, vec![(id, board.clone())]).unwrap();
        for request in quorum.requests().collect::<Vec<_>>().into_iter().take(count) {
            let key = signers.iter().find(|key| key.entity() == request.member).unwrap();
            let approval = MemberSigner::new(key.clone()).approve(&request.path, &digest).unwrap();
            quorum.add(&mut Verifier::default(), approval).unwrap();
        }
        quorum
    };
    let signed = gather(digest, 2).signature().unwrap().unwrap();
    let limits = vec![Limit { key: KEY, token: USD, amount: 500 }];
    let permissions = Permissions::of(&[Permission::States]);
    let delegation = Delegation::new(signers[0].address(), permissions, T0.plus(9_000), 1, limits).unwrap();
    let approval = gather(delegation.digest(&id), 2).signature().unwrap().unwrap();
    let operator = OperatorSigner::new(signers[0].clone(), id, delegation.clone(), approval).unwrap();
    let by_operator = operator.sign(&digest).unwrap();
    let xln_core::crypto::SignOutcome::Signed(by_operator) = by_operator else { panic!("it signs at once") };
    let (onion, failure) = fuzz::onion_of_two();
    let (payer, amount, expiry, not_before) = (Side::Left, 900, UnixSeconds(1_800_000_000), UnixSeconds(1_600_000_000));
    let swap = CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference: [3; 32], debt_token: USD };
    let (start, duration_s, cliff_s, steps) = (not_before, 40_000_000, 1_000, 7);
    let schedule = ScheduleTerms { payer, cancellable: true, amount, paid: 9, start, duration_s, cliff_s, steps };
    let (fallback, target, calldata) = (40, Address([9; 20]), vec![1, 2, 3]);
    let condition = ConditionTerms { payer, amount, fallback, expiry, not_before, target, calldata };
    let terms = [swap.encode().unwrap(), schedule.encode().unwrap(), condition.encode().unwrap()];
    let mut all: Vec<(u8, Vec<u8>)> = vec![
        (0, board.encode()),
        (1, delegation.encode()),
        (2, signed.as_bytes().to_vec()),
        (2, by_operator.as_bytes().to_vec()),
        (2, signers[0].sign_digest(&digest).unwrap().as_bytes().to_vec()),
        (3, gather(digest, 1).encode().unwrap()),
        (3, gather(digest, 2).encode().unwrap()),
        (4, onion),
        (5, failure),
    ];
    all.extend((0_u8..).zip(terms).map(|(number, terms)| (6, [&[number], &terms[..]].concat())));
    all.into_iter().map(|(kind, bytes)| [&[kind], &bytes[..]].concat()).collect()
}

/// Every way to damage bytes a little: flip, drop, repeat, cut, insert.
fn damaged(bytes: &[u8], seed: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let stride = (bytes.len() / 150).max(1);
    for at in (seed % stride..bytes.len()).step_by(stride) {
        for bit in [1, 0x80, 0xff] {
            let mut b = bytes.to_vec();
            b[at] ^= bit;
            all.push(b);
        }
        let mut b = bytes.to_vec();
        b.remove(at);
        all.push(b);
        let mut b = bytes.to_vec();
        b.insert(at, b[at]);
        all.push(b);
        all.push(bytes[..at].to_vec());
    }
    all.push([bytes, &[0]].concat());
    all
}

#[test]
fn damaged_bytes_are_decoded_canonically_or_refused() {
    let samples = samples();
    for (i, message) in samples.messages.iter().enumerate() {
        message_bounded(message);
        assert!(Message::decode(message).is_ok());
        damaged(message, i).iter().for_each(|b| message_bounded(b));
    }
    for (i, record) in samples.records.iter().enumerate() {
        assert!(Record::decode(record).is_ok());
        damaged(record, i).iter().for_each(|b| fuzz::record_decode(b));
    }
    assert!(xln_core::proof::Body::parse(&samples.body).is_ok());
    damaged(&samples.body, 0).iter().for_each(|b| fuzz::body_parse(b));
    for bytes in damaged(&samples.snapshot, 0) {
        fuzz::snapshot_restore(&bytes);
    }
}

#[test]
fn no_length_that_lies_takes_memory() {
    let samples = samples();
    // Every byte in turn becomes the start of a length of 2^16, 2^32 and 2^64, with and without much behind it.
    let lies = |bytes: &[u8], tail: usize| -> Vec<Vec<u8>> {
        let stride = (bytes.len() / 200).max(1);
        let prefixes: [&[u8]; 3] = [
            &[251, 0xff, 0xff],
            &[252, 0xff, 0xff, 0xff, 0xff],
            &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ];
        let make = |at: usize, p: &[u8]| [&bytes[..at], p, &bytes[at + 1..], &vec![0; tail]].concat();
        (1..bytes.len()).step_by(stride).flat_map(|at| prefixes.map(|p| make(at, p))).collect()
    };
    let longest = samples.messages.iter().max_by_key(|m| m.len()).unwrap();
    for tail in [0, 4000] {
        for bytes in lies(longest, tail) {
            let held = peak(|| drop(Message::decode(&bytes)));
            assert!(held < (2 << 20), "{held} bytes of memory for {} bytes", bytes.len());
        }
        for bytes in lies(&samples.body, tail) {
            assert!(peak(|| drop(xln_core::proof::Body::parse(&bytes))) < (1 << 16));
        }
    }
    let long = vec![1; 2 << 20];
    assert!(peak(|| drop(Message::decode(&long))) < 4096, "what is too long is not looked at");
}

#[test]
fn a_message_takes_memory_in_proportion_to_its_length() {
    // The smallest transitions, as many as fit a message, in one block and in many.
    let message = |blocks: usize, count: usize| {
        let transitions = vec![Transition::Memo { data: vec![] }; count];
        let block = xln_core::block::Block {
            height: 9,
            prev_block_hash: Hash([5; 32]),
            prev_state_hash: Hash([6; 32]),
            proposer: Side::Left,
            timestamp: T0,
            transitions,
        };
        let proposal = Part::Proposal { block: block.into(), signature: signature() };
        Message { channel: Hash([3; 32]), parts: vec![proposal; blocks] }.encode().unwrap()
    };
    let mut worst = 0;
    for (blocks, count) in [(1, 1024), (1, 4000), (1, 500_000), (64, 1024), (64, 4000), (200, 2000)] {
        let bytes = message(blocks, count);
        let held = peak(|| drop(Message::decode(&bytes)));
        println!("{blocks} blocks of {count}: {} bytes take {held}", bytes.len());
        assert!((blocks, count) != (1, 1024) || Message::decode(&bytes).is_ok());
        worst = worst.max(held);
    }
    assert!(worst < (40 << 20), "{worst} bytes of memory for one message");
}

#[test]
fn numbers_have_one_encoding() {
    let samples = samples();
    let longest = samples.messages.iter().max_by_key(|m| m.len()).unwrap();
    let mut named = 0;
    for bytes in [longest, samples.records.last().unwrap()] {
        for at in 1..bytes.len() {
            if bytes[at] >= 251 {
                continue;
            }
            for long in
                [vec![251, bytes[at], 0], vec![252, bytes[at], 0, 0, 0], vec![253, bytes[at], 0, 0, 0, 0, 0, 0, 0]]
            {
                let over = [&bytes[..at], &long[..], &bytes[at + 1..]].concat();
                for error in [Message::decode(&over).err(), Record::decode(&over).err()] {
                    assert!(error.is_some(), "byte {at} may be written longer");
                    named += u32::from(error == Some(CodecError::NotCanonical));
                }
            }
        }
    }
    assert!(named > 30, "refused for what it is: {named}");
}

#[test]
fn damaged_messages_into_a_machine_are_refused_and_it_goes_on() {
    let samples = samples();
    let mut net = two();
    net.with_credit(100);
    for (i, message) in samples.messages.iter().enumerate().step_by(3) {
        let inputs: Vec<Input> =
            damaged(message, i).into_iter().step_by(7).map(|bytes| Input::Message { from: net.id(0), bytes }).collect();
        net.stage(1, inputs);
        net.wire.clear();
    }
    net.connect();
    net.run(0, pay(5));
    net.run(1, pay(3));
    net.agreed();
    assert_eq!(net.token(0).offdelta, -2);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
}

fn golden(name: &str, about: &str, vectors: Vec<Value>) {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let found = json!({ "about": about, "vectors": vectors });
    if std::env::var_os("XLN_BLESS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).expect("a golden file; XLN_BLESS=1 makes it");
    assert_eq!(found, serde_json::from_str::<Value>(&text).unwrap(), "{name} has changed");
}

fn signature() -> Signature {
    Signature::compact([0x11; 64])
}

/// One of each transition, with numbers of every length.
fn transitions() -> Vec<Transition> {
    let expiry = UnixSeconds(1_700_000_000);
    let (token, id) = (TokenId(70_000), 300);
    let reveal = Reveal { provider: PROVIDER, kind: HashKind::Sha256, secret: secret(1), at: UnixSeconds(12) };
    let fact = RecordedFact { provider: PROVIDER, key: Hash([3; 32]), at: UnixSeconds(13), value: 251 };
    let diff = xln_core::proof::TokenDiff { token, left: -5, right: 5, ondelta: i128::MAX };
    let update = xln_core::proof::SettlementUpdate {
        diffs: vec![diff],
        forgiven: vec![xln_core::proof::Forgiven { token, debtor: Side::Right, index: 1 }],
    };
    let disputed =
        SubchannelFacts { dispute: Some(dispute(Side::Right, 7, T0)), ..facts(1, 2, (1 << 100, -(1 << 100))) };
    vec![
        Transition::OpenSubchannel { key: KEY, providers: vec![PROVIDER, Address([1; 20])], settle_margin_s: 600 },
        Transition::CloseSubchannel { key: KEY },
        Transition::AddToken { key: KEY, token },
        Transition::RemoveToken { key: KEY, token },
        Transition::SetCreditLimit { key: KEY, token, limit: (1 << 127) - 1 },
        Transition::DirectPayment { key: KEY, token, amount: 250 },
        Transition::AddPayment {
            key: KEY,
            token,
            amount: 251,
            kind: HashKind::Keccak256,
            hash: Hash([2; 32]),
            expiry,
            onion: vec![1, 2, 3],
        },
        Transition::SettlePayment { key: KEY, id, secret: secret(4) },
        Transition::CancelPayment { key: KEY, id },
        Transition::OfferSwap {
            key: KEY,
            give_token: token,
            give: 65_535,
            want_token: USD,
            want: 65_536,
            min_fill: 0,
            expiry,
        },
        Transition::FillSwap { key: KEY, id, fill: u128::from(u64::MAX) },
        Transition::CancelSwap { key: KEY, id },
        Transition::SyncChain {
            key: KEY,
            point: point(5, expiry),
            facts: disputed,
            reveals: vec![reveal],
            recorded: vec![fact],
        },
        Transition::ProposeSettlement { key: KEY, update, expiry },
        Transition::ProposeClose { key: KEY, expiry },
        Transition::Memo { data: b"memo".to_vec() },
        Transition::AddSubcontract {
            key: KEY,
            provider: PROVIDER,
            instrument: 300,
            tokens: vec![token, USD],
            terms: vec![1, 2, 3],
        },
        Transition::SettleSubcontract { key: KEY, id },
        Transition::CancelSubcontract { key: KEY, id },
    ]
}

fn parts() -> Vec<(&'static str, Part)> {
    let block = |transitions| {
        xln_core::block::Block {
            height: 9,
            prev_block_hash: Hash([5; 32]),
            prev_state_hash: Hash([6; 32]),
            proposer: Side::Left,
            timestamp: T0,
            transitions,
        }
        .into()
    };
    let reasons = [
        RejectReason::Transition { index: 1, error: TransitionError::InsufficientCapacity { available: 1, needed: 2 } },
        RejectReason::Frozen { index: 2 },
        RejectReason::FactsDiffer { index: 3 },
        RejectReason::Policy { index: 4 },
        RejectReason::HeightTooLow,
        RejectReason::TimeAhead,
        RejectReason::Malformed,
        RejectReason::SignerLapsed,
        RejectReason::DelegationLimit { index: 5 },
    ];
    let reject = |reason| {
        Part::Reject(Reject { height: 9, block_hash: Hash([7; 32]), reason, min_height: 11, signature: signature() })
    };
    let mut parts = vec![
        ("proposal", Part::Proposal { block: block(transitions()), signature: signature() }),
        ("empty proposal", Part::Proposal { block: block(vec![]), signature: Signature::new(vec![]).unwrap() }),
        ("ack", Part::Ack { height: 9, block_hash: Hash([7; 32]), signature: signature() }),
    ];
    parts.extend(reasons.map(|r| ("reject", reject(r))));
    let full = base(100);
    parts.extend([
        (
            "reestablish",
            Part::Reestablish { height: u64::MAX, block_hash: Hash([7; 32]), state_hash: Hash([8; 32]), reply: true },
        ),
        ("state request", Part::StateRequest),
        ("state reply", Part::StateReply { state: full, left: signature(), right: signature() }),
        ("settlement signature", Part::SettlementSignature { key: KEY, id: 3, signature: signature() }),
    ]);
    parts
}

#[test]
fn golden_wire() {
    let vectors = parts().into_iter().map(|(name, part)| {
        let message = Message { channel: Hash([3; 32]), parts: vec![part] };
        let bytes = message.encode().unwrap();
        assert_eq!(Message::decode(&bytes).unwrap(), message);
        json!({ "part": name, "bytes": hex(&bytes) })
    });
    golden("wire", "One message for each part: version, then bincode", vectors.collect());
}

#[test]
fn golden_record() {
    let mut net = two();
    net.with_credit(100);
    net.collateral(50, 20);
    net.run(0, lock(10, 1, UnixSeconds(1_000_000 + 900)));
    let mut vectors: Vec<Value> = Vec::new();
    for (i, name) in [(0, "left"), (1, "right")] {
        let records = &net.parties[i].log.records;
        vectors.extend(records.iter().map(|r| json!({ "log": name, "bytes": hex(r) })));
        vectors.push(json!({ "log": name, "root": net.parties[i].machine.root().unwrap().to_string() }));
        // The stored bytes alone make the machine again, today and after every later change of the code.
        let stored: Vec<Record> = records.iter().map(|r| Record::decode(r).unwrap()).collect();
        let machine = Machine::restore(net.id(i), None, stored).unwrap();
        assert_eq!(machine.root().unwrap(), net.parties[i].machine.root().unwrap());
    }
    golden("record", "The logs of two machines that open a channel and lock a payment, and their roots", vectors);
}

#[test]
fn versions_that_are_not_known_are_named() {
    let samples = samples();
    for version in [0, 2, 255] {
        let change = |bytes: &[u8]| {
            let mut b = bytes.to_vec();
            b[0] = version;
            b
        };
        assert_eq!(Message::decode(&change(&samples.messages[0])), Err(CodecError::UnknownVersion(version)));
        assert_eq!(Record::decode(&change(&samples.records[0])), Err(CodecError::UnknownVersion(version)));
        let snapshot = Snapshot { seq: 0, bytes: change(&samples.snapshot) };
        let entity = two().id(0);
        let error = Machine::restore(entity, Some(&snapshot), Vec::<Record>::new()).err();
        assert_eq!(error, Some(xln_core::machine::RestoreError::Codec(CodecError::UnknownVersion(version))));
    }
}
