//! The log is the machine: replayed at every length it gives the same, and a log or snapshot that does not say what it
//! should is refused by name. Nothing leaves a step that is not durable.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::needless_range_loop,
    clippy::cast_possible_wrap,
    reason = "tests say what they expect by failing"
)]

mod common;
use common::*;
use xln_core::chain::ChangeKind;
use xln_core::channel::StageError;
use xln_core::codec::CodecError;
use xln_core::crypto::Signer;
use xln_core::machine::{
    Action, Command, Context, Durable, Effect, Input, InputOutcome, Log, Machine, Record, RestoreError, Snapshot,
    WrongReceipt,
};
use xln_core::transition::Transition;
use xln_core::types::*;

/// A history with a bit of everything, and the roots of both machines after each of their records.
fn history() -> (Net, [Vec<Hash>; 2]) {
    let mut net = two();
    let mut roots: [Vec<Hash>; 2] = [Vec::new(), Vec::new()];
    let mut log = |net: &Net| {
        for i in 0..2 {
            while roots[i].len() < net.parties[i].log.records.len() {
                roots[i].push(net.parties[i].machine.root().unwrap());
            }
        }
    };
    log(&net);
    let far = net.now.plus(5000);
    let swap = Transition::OfferSwap {
        key: KEY,
        give_token: USD,
        give: 40,
        want_token: EUR,
        want: 7,
        min_fill: 3,
        expiry: far,
    };
    let steps = [
        (0, open(KEY)),
        (0, Transition::AddToken { key: KEY, token: USD }),
        (1, Transition::AddToken { key: KEY, token: EUR }),
        (0, Transition::SetCreditLimit { key: KEY, token: USD, limit: 500 }),
        (1, Transition::SetCreditLimit { key: KEY, token: USD, limit: 500 }),
        (0, Transition::SetCreditLimit { key: KEY, token: EUR, limit: 500 }),
        (0, lock(30, 1, far)),
        (0, swap),
        (1, pay(9)),
        (0, pay(3)),
        (1, Transition::CancelPayment { key: KEY, id: 1 }),
        (1, Transition::FillSwap { key: KEY, id: 2, fill: 5 }),
        (0, Transition::ProposeClose { key: KEY, expiry: far }),
        (0, pay(1_000_000)),
    ];
    for (i, transition) in steps {
        drop(net.submit(i, vec![transition]));
        log(&net);
        while net.deliver() {
            log(&net);
        }
    }
    // A collision, a loss, chain, time, a start: each alone in its record.
    net.submit(0, vec![Transition::Memo { data: vec![1] }]).remove(0).unwrap();
    log(&net);
    net.submit(1, vec![Transition::Memo { data: vec![2] }]).remove(0).unwrap();
    log(&net);
    net.wire.pop_front();
    let ids = [net.id(0), net.id(1)];
    for i in [0, 1] {
        net.stage(i, vec![Input::Connected { peer: ids[1 - i] }]);
        log(&net);
    }
    while net.deliver() {
        log(&net);
    }
    net.now = net.now.plus(30);
    net.block += 1;
    for i in [1, 0] {
        net.chain_for(
            &[i],
            vec![ChangeKind::Collateral(TokenFact { token: USD, collateral: 60, ondelta: 20 })],
            vec![],
        );
        log(&net);
    }
    while net.deliver() {
        log(&net);
    }
    let key = KEY;
    net.command(1, Action::StartDispute { key, arguments: Default::default() });
    log(&net);
    for i in 0..2 {
        net.stage(i, vec![Input::Tick]);
        log(&net);
    }
    (net, roots)
}

fn records(net: &Net, i: usize) -> Vec<Record> {
    net.parties[i].log.records.iter().map(|r| Record::decode(r).unwrap()).collect()
}

fn none() -> Vec<Record> {
    Vec::new()
}

#[test]
fn rule_10_replay_at_every_length_gives_the_same_root_and_effects() {
    let (net, roots) = history();
    for i in 0..2 {
        let all = records(&net, i);
        assert_eq!(all.len(), roots[i].len());
        assert!(all.len() > 30);
        for (length, root) in roots[i].iter().enumerate() {
            let machine = Machine::restore(net.id(i), None, all[..=length].to_vec()).unwrap();
            assert_eq!(
                (machine.seq(), machine.root().unwrap()),
                (length as u64 + 1, *root),
                "party {i}, {} records",
                length + 1
            );
        }
        // The inputs alone, signed anew: the same records, byte for byte.
        let mut again = Machine::new(net.id(i));
        let mut log = MemoryLog::default();
        for record in &all {
            let cx = Context { now: record.now, signer: &net.parties[i].signer };
            let staged = again.stage(&cx, record.inputs.clone()).unwrap();
            let effects = staged.commit(&mut log).unwrap();
            assert_eq!(effects.seq(), record.seq);
        }
        assert_eq!(log.records, net.parties[i].log.records);
    }
}

#[test]
fn a_snapshot_and_the_records_after_it_equal_the_whole_log() {
    let (net, roots) = history();
    for i in 0..2 {
        let all = records(&net, i);
        for cut in 0..all.len() {
            let snapshot = Machine::restore(net.id(i), None, all[..=cut].to_vec()).unwrap().snapshot().unwrap();
            assert_eq!(snapshot.seq, cut as u64 + 1);
            let machine = Machine::restore(net.id(i), Some(&snapshot), all[cut + 1..].to_vec()).unwrap();
            assert_eq!(machine.root().unwrap(), *roots[i].last().unwrap(), "party {i}, snapshot after {}", cut + 1);
            assert_eq!(machine.snapshot().unwrap(), net.parties[i].machine.snapshot().unwrap());
            let pending: Vec<_> = machine.pending_effects().map(|(id, e)| (id, e.clone())).collect();
            let expected: Vec<_> = net.parties[i].machine.pending_effects().map(|(id, e)| (id, e.clone())).collect();
            assert_eq!(pending, expected);
        }
    }
    assert!(
        net.parties[1].machine.pending_effects().any(|(_, e)| matches!(e, Effect::Submit(_))),
        "the start is still to be sent"
    );
}

#[test]
fn a_log_that_does_not_say_what_it_should_is_refused_by_name() {
    let (net, _) = history();
    let all = records(&net, 0);
    let id = net.id(0);
    let restore = |records: Vec<Record>| Machine::restore(id, None, records).err();
    let mut gap = all.clone();
    gap.remove(4);
    assert_eq!(restore(gap), Some(RestoreError::Gap { last: 4, found: 6 }));
    let mut twice = all.clone();
    twice.insert(4, all[4].clone());
    twice.remove(5);
    twice.insert(5, all[4].clone());
    assert_eq!(restore(twice), Some(RestoreError::Gap { last: 5, found: 5 }));
    assert_eq!(restore(all[1..].to_vec()), Some(RestoreError::Gap { last: 0, found: 2 }));
    let snapshot = net.parties[0].machine.snapshot().unwrap();
    let last = all.len() as u64;
    assert_eq!(
        Machine::restore(id, Some(&snapshot), vec![all[0].clone()]).err(),
        Some(RestoreError::Gap { last, found: 1 })
    );
    // Each field of each record, changed a little: never the same machine.
    let damaged = |at: usize, change: &dyn Fn(&mut Record)| {
        let mut records = all.clone();
        change(&mut records[at]);
        restore(records)
    };
    let signing = all.iter().position(|r| !r.signed.is_empty()).unwrap();
    let seq = all[signing].seq;
    assert_eq!(damaged(signing, &|r| r.effects_hash.0[0] ^= 1), Some(RestoreError::Diverged { seq }));
    assert_eq!(damaged(signing, &|r| r.signed[0].nonce.0 += 2), Some(RestoreError::Diverged { seq }));
    assert_eq!(damaged(signing, &|r| r.signed.clear()), Some(RestoreError::Diverged { seq }));
    assert_eq!(damaged(signing, &|r| r.signatures.clear()), Some(RestoreError::Diverged { seq }));
    assert_eq!(
        damaged(signing, &|r| r.signatures.push(None)),
        Some(RestoreError::Diverged { seq }),
        "a signature that nobody asked for"
    );
    assert!(matches!(damaged(signing, &|r| r.now = r.now.plus(1)), Some(RestoreError::Diverged { .. })));
    assert!(matches!(damaged(signing, &|r| r.inputs.clear()), Some(RestoreError::Diverged { .. })));
    for (version, bytes) in [(0, 0u8), (2, 2)] {
        let mut stored = net.parties[0].log.records[0].clone();
        stored[0] = bytes;
        assert_eq!(Record::decode(&stored), Err(CodecError::UnknownVersion(version)));
    }
    assert_eq!(Record::decode(&[]), Err(CodecError::Malformed));
}

#[test]
fn rule_13_a_snapshot_that_was_tampered_with_is_refused_by_name() {
    let (net, _) = history();
    let (id, peer) = (net.id(0), net.id(1));
    let snapshot = net.parties[0].machine.snapshot().unwrap();
    let found = Machine::restore(peer, Some(&snapshot), none()).err();
    assert_eq!(found, Some(RestoreError::WrongEntity { expected: peer, found: id }));
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = snapshot.bytes.clone();
        change(&mut bytes);
        Machine::restore(id, Some(&Snapshot { seq: snapshot.seq, bytes }), none()).err()
    };
    assert_eq!(with(&|b| b[0] = 9), Some(RestoreError::Codec(CodecError::UnknownVersion(9))));
    assert_eq!(with(&|b| b.push(0)), Some(RestoreError::Codec(CodecError::Malformed)));
    assert_eq!(with(&|b| b.truncate(b.len() / 2)), Some(RestoreError::Codec(CodecError::Malformed)));
    assert_eq!(with(&|b| b.clear()), Some(RestoreError::Codec(CodecError::Malformed)));
    // Under another number it would hide records, or let those stay that it holds already.
    let last = snapshot.seq;
    for seq in [0, last - 1, last + 1] {
        let named = Snapshot { seq, bytes: snapshot.bytes.clone() };
        assert_eq!(Machine::restore(id, Some(&named), none()).err(), Some(RestoreError::Gap { last, found: seq }));
    }
    let tip = net.channel(0).tip();
    let at = |needle: &[u8]| snapshot.bytes.windows(needle.len()).position(|w| w == needle).unwrap();
    for signature in [tip.left.clone().unwrap(), tip.right.clone().unwrap()] {
        let at = at(signature.as_bytes());
        for byte in [0, 20, 40, 63] {
            assert!(matches!(with(&|b| b[at + byte] ^= 1), Some(RestoreError::Signature(_))), "byte {byte}");
        }
    }
    // A state with more money in it: its commitment is another one, and one that was computed anew is not signed.
    let state = xln_core::codec::encode(&tip.state).unwrap();
    let offset = at(&state);
    let mut richer = tip.state.clone();
    let token = richer.subchannels.get_mut(&KEY).unwrap().tokens.get_mut(&USD).unwrap();
    token.offdelta += 1;
    let put = |b: &mut Vec<u8>, state: &xln_core::state::ChannelState| {
        drop(b.splice(
            offset..offset + xln_core::codec::encode(&tip.state).unwrap().len(),
            xln_core::codec::encode(state).unwrap(),
        ));
    };
    assert_eq!(with(&|b| put(b, &richer)), Some(RestoreError::WrongCommitment));
    let forged = |b: &mut Vec<u8>| {
        let old = xln_core::codec::encode(&tip.commitment).unwrap();
        let at = b.windows(old.len()).position(|w| w == old).unwrap();
        let new = xln_core::codec::encode(&xln_core::commitment::Commitment::of(&richer).unwrap()).unwrap();
        drop(b.splice(at..at + old.len(), new));
        put(b, &richer);
    };
    assert!(matches!(with(&forged), Some(RestoreError::Signature(_))));
    let mut held = tip.state.clone();
    held.subchannels.get_mut(&KEY).unwrap().tokens.get_mut(&USD).unwrap().left_hold += 1;
    assert!(matches!(with(&|b| put(b, &held)), Some(RestoreError::State(_))));
}

/// The peer's signature over its commitment would make the state agreed that stands beside it.
#[test]
fn rule_13_a_snapshot_with_another_state_in_flight_is_refused_by_name() {
    let mut net = two();
    net.with_credit(100);
    drop(net.submit(0, vec![pay(5)]));
    let (id, snapshot) = (net.id(0), net.parties[0].machine.snapshot().unwrap());
    assert!(Machine::restore(id, Some(&snapshot), none()).is_ok());
    let in_flight = &net.channel(0).live().nth(1).unwrap().state;
    let mut richer = in_flight.clone();
    richer.subchannels.get_mut(&KEY).unwrap().tokens.get_mut(&USD).unwrap().offdelta += 1;
    let [old, new] = [in_flight, &richer].map(|state| xln_core::codec::encode(state).unwrap());
    let mut bytes = snapshot.bytes.clone();
    let at = bytes.windows(old.len()).position(|w| w == old).unwrap();
    drop(bytes.splice(at..at + old.len(), new));
    let found = Machine::restore(id, Some(&Snapshot { seq: snapshot.seq, bytes }), none()).err();
    assert_eq!(found, Some(RestoreError::WrongCommitment));
}

fn command(net: &Net, transition: Transition) -> Vec<Input> {
    vec![Input::Command(Command { peer: net.id(1), action: Action::Propose { transition, submit: false } })]
}

#[test]
fn a_dropped_step_never_was() {
    let mut net = two();
    net.with_credit(100);
    let before = net.parties[0].machine.root().unwrap();
    let signer = net.parties[0].signer.clone();
    let (now, inputs) = (net.now, command(&net, pay(10)));
    let cx = Context { now, signer: &signer };
    let machine = &mut net.parties[0].machine;
    let staged = machine.stage(&cx, inputs.clone()).unwrap();
    assert!(matches!(staged.outcomes(), [InputOutcome::Accepted(_)]));
    drop(staged);
    assert_eq!(machine.root().unwrap(), before);
    // And can be made again, the same.
    net.stage(0, inputs);
    net.settle();
    net.agreed();
    assert_eq!(net.token(1).offdelta, -10);
}

struct Broken {
    writes: bool,
    inner: MemoryLog,
}

impl Log for Broken {
    type Error = &'static str;
    fn append(&mut self, record: &Record) -> Result<(), &'static str> {
        if self.writes {
            self.inner.append(record).unwrap();
        }
        Err("disk")
    }
}

#[test]
fn a_write_that_failed_leaves_the_machine_in_doubt_until_it_is_restored() {
    for writes in [false, true] {
        let mut net = two();
        net.with_credit(100);
        let signer = net.parties[0].signer.clone();
        let (now, inputs) = (net.now, command(&net, pay(10)));
        let cx = Context { now, signer: &signer };
        let party = &mut net.parties[0];
        let mut broken = Broken { writes, inner: party.log.clone() };
        assert_eq!(party.machine.stage(&cx, inputs.clone()).unwrap().commit(&mut broken).err(), Some("disk"));
        for inputs in [inputs, vec![Input::Tick], vec![]] {
            assert!(matches!(party.machine.stage(&cx, inputs), Err(StageError::InDoubt)));
        }
        // What the store really holds decides; nothing of the step came out.
        party.log = broken.inner;
        let records: Vec<Record> = party.log.records.iter().map(|r| Record::decode(r).unwrap()).collect();
        party.machine = Machine::restore(signer.entity(), None, records).unwrap();
        net.stage(0, vec![Input::Restarted]);
        assert_eq!(net.channel(0).is_in_flight(), writes);
        net.connect();
        net.agreed();
        assert_eq!(net.token(1).offdelta, if writes { -10 } else { 0 });
        net.run(0, pay(1));
    }
}

#[test]
fn effects_come_out_only_for_the_right_receipt() {
    let mut net = two();
    net.with_credit(100);
    let signer = net.parties[0].signer.clone();
    let (now, inputs) = (net.now, command(&net, pay(10)));
    let cx = Context { now, signer: &signer };
    let machine = &mut net.parties[0].machine;
    let seq = machine.seq() + 1;
    let mut staged = machine.stage(&cx, inputs.clone()).unwrap();
    assert_eq!(staged.record().seq, seq);
    assert_eq!(staged.release(Durable::record(seq + 1)).err(), Some(WrongReceipt { expected: seq, found: seq + 1 }));
    assert!(matches!(machine.stage(&cx, inputs.clone()), Err(StageError::InDoubt)), "its record may be stored");
    // Someone has seen the record and the frame is dropped: in doubt as well.
    let mut net = two();
    net.with_credit(100);
    let machine = &mut net.parties[0].machine;
    let mut staged = machine.stage(&cx, inputs.clone()).unwrap();
    let _ = staged.record();
    drop(staged);
    assert!(matches!(machine.stage(&cx, inputs.clone()), Err(StageError::InDoubt)));
    // The right one.
    let mut net = two();
    net.with_credit(100);
    let machine = &mut net.parties[0].machine;
    let mut staged = machine.stage(&cx, inputs).unwrap();
    let record = staged.record().clone();
    let effects = staged.release(Durable::record(record.seq)).unwrap();
    assert!(matches!(effects.effects(), [(_, Effect::Send { .. })]));
    assert_eq!(effects.seq(), machine.seq());
    assert_eq!(
        machine.stage(&cx, vec![Input::Tick]).unwrap().commit(&mut MemoryLog::default()).unwrap().seq(),
        record.seq + 1
    );
}

#[test]
fn rule_25_the_log_refuses_an_equal_and_a_lower_nonce_and_takes_the_same_bytes_again() {
    let mut net = two();
    net.with_credit(100);
    let records = records(&net, 0);
    let signed: Vec<&Record> = records.iter().filter(|r| !r.signed.is_empty()).collect();
    let (earlier, last) = (signed[signed.len() - 2], signed[signed.len() - 1]);
    let other = |r: &Record| {
        let mut r = r.clone();
        r.signed[0].digest.0[0] ^= 1;
        r
    };
    let log = &mut net.parties[0].log;
    assert!(log.append(&other(last)).is_err(), "equal");
    assert!(log.append(&other(earlier)).is_err(), "lower");
    assert!(log.append(last).is_ok(), "the same bytes");
    // All that a machine signs rises, over its whole life.
    let nonces: Vec<Nonce> = records.iter().flat_map(|r| &r.signed).map(|s| s.nonce).collect();
    assert!(nonces.len() > 5 && nonces.is_sorted_by(|a, b| a < b));
}

#[test]
fn a_signer_that_fails_or_lies_undoes_the_step() {
    struct Bad;
    impl Signer for Bad {
        fn entity(&self) -> EntityId {
            keys()[0].entity()
        }
        fn sign(&self, _: &Hash) -> Result<xln_core::crypto::SignOutcome, xln_core::crypto::SignError> {
            Err(xln_core::crypto::SignError::Refused)
        }
    }
    let mut net = two();
    net.with_credit(100);
    let before = net.parties[0].machine.root().unwrap();
    let inputs = command(&net, pay(10));
    let cx = Context { now: net.now, signer: &Bad };
    assert!(matches!(net.parties[0].machine.stage(&cx, inputs), Err(StageError::Signer(_))));
    assert_eq!(net.parties[0].machine.root().unwrap(), before);
    // A remote answer that is not this entity's.
    net.parties[0].remote = true;
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    let (request, digest) = net.parties[0].requests[0];
    let signature = net.parties[1].signer.sign_digest(&digest).unwrap();
    let signer = net.parties[0].signer.clone();
    let cx = Context { now: net.now, signer: &signer };
    let staged = net.parties[0].machine.stage(&cx, vec![Input::Signed { request, signature }]);
    assert!(matches!(staged, Err(StageError::BadOwnSignature(_))));
    drop(staged);
    let signature = signer.sign_digest(&digest).unwrap();
    net.stage(0, vec![Input::Signed { request, signature }]);
    assert!(!net.wire.is_empty());
}
