//! What is said again, what is asked for, and when: duplicates, resending, positions, recovery (`docs/protocol.md` section 5).
//! Each test is about one edge of a rule.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests say what they expect by failing"
)]

mod common;
use common::*;
use xln_core::block::{Block, apply_block};
use xln_core::chain::ChangeKind;
use xln_core::channel::{CommandError, Event, Rejection};
use xln_core::commitment::Commitment;
use xln_core::limits::*;
use xln_core::machine::{Context, Input, Machine, Record};
use xln_core::state::ChannelState;
use xln_core::transition::{Transition, TransitionError as E};
use xln_core::types::*;
use xln_core::wire::{Message, Part, RejectReason};

fn net(limit: u128) -> Net {
    let mut net = two();
    net.with_credit(limit);
    net
}

fn memo(i: u8) -> Transition {
    Transition::Memo { data: vec![i] }
}

fn asks(parts: &[Part]) -> usize {
    parts.iter().filter(|p| matches!(p, Part::Reestablish { reply: true, .. })).count()
}

/// Where party `i` stands.
fn position(net: &Net, i: usize) -> Part {
    let tip = net.channel(i).tip();
    Part::Reestablish {
        height: tip.state.height,
        block_hash: tip.state.block_hash,
        state_hash: tip.commitment.state_hash,
        reply: false,
    }
}

/// A block whose depository nobody has pinned: the rules take it, policy refuses it for good.
fn foreign(i: u64) -> Transition {
    open(SubchannelKey { chain: ChainId(1000 + i), ..KEY })
}

/// Remote signatures of party `i`, given now.
fn sign(net: &mut Net, i: usize) -> usize {
    let requests = std::mem::take(&mut net.parties[i].requests);
    for (request, digest) in &requests {
        let signature = net.parties[i].signer.sign_digest(digest).unwrap();
        net.stage(i, vec![Input::Signed { request: *request, signature }]);
    }
    requests.len()
}

#[test]
fn only_a_block_from_ahead_makes_a_node_ask_where_the_peer_stands() {
    for author in 0..2 {
        let mut net = net(100);
        let height = net.state(0).height;
        for (of, asked) in [(height - 1, 0), (height, 0), (height + 1, 1), (height + 5, 1)] {
            let mut block = net.forge(author, vec![memo(1)]);
            (block.height, block.prev_block_hash) = (of, Hash([9; 32]));
            let answer = net.inject_block(author, block);
            assert_eq!((asks(&answer), answer.len()), (asked, asked), "{of} on {height}");
        }
    }
}

/// Each refusal of what breaks a rule is a signature: a peer gets sixteen on one parent, and again after a block is agreed.
#[test]
fn refusals_of_what_breaks_a_rule_are_counted_until_a_block_is_agreed() {
    let mut net = net(100);
    for _ in 0..2 {
        for i in 0..20 {
            let block = net.forge(0, vec![memo(i), pay(0)]);
            let answer = net.inject_block(0, block);
            assert_eq!(rejects(&answer).len(), usize::from(i < 16), "{i}");
        }
        let block = net.forge(0, vec![memo(99)]);
        assert_eq!(acks(&net.inject_block(0, block)), 1);
    }
}

/// A refusal must never be forgotten while its block could still be acknowledged: past what is remembered nothing is judged.
#[test]
fn past_the_refusals_that_are_remembered_no_block_is_judged() {
    let mut net = net(100);
    for i in 0..16 {
        let block = net.forge(0, vec![foreign(i)]);
        assert_eq!(rejects(&net.inject_block(0, block)), [RejectReason::Policy { index: 0 }]);
    }
    let good = net.forge(0, vec![memo(1)]);
    let before = net.channel(1).clone();
    assert!(net.inject_block(0, good).is_empty());
    assert_eq!(net.rejections(1).last(), Some(&Rejection::Busy));
    assert_eq!(net.channel(1), &before);
    // Anything that is agreed forgets them, since it outranks what was refused.
    net.run(1, memo(2));
    let good = net.forge(0, vec![memo(3)]);
    assert_eq!(acks(&net.inject_block(0, good)), 1);
}

/// While its own signature over a block is being made, a node judges no other block: it could end up signing both.
#[test]
fn a_block_that_waits_for_a_signature_keeps_others_out() {
    let mut net = net(100);
    net.parties[1].remote = true;
    let (first, second) = (net.forge(0, vec![pay(1)]), net.forge(0, vec![pay(2)]));
    assert!(net.inject_block(0, first.clone()).is_empty());
    let before = net.channel(1).clone();
    assert!(net.inject_block(0, second).is_empty());
    assert_eq!(net.rejections(1).last(), Some(&Rejection::Busy));
    assert_eq!(net.channel(1), &before);
    assert_eq!(sign(&mut net, 1), 1);
    assert_eq!(acks(&net.taken()), 1);
    assert_eq!(net.state(1).block_hash, first.hash().unwrap());
}

/// The answer to the same refused block is the same bytes, also if its signature came from elsewhere and later.
#[test]
fn a_refusal_that_was_signed_later_is_said_again_too() {
    let mut net = net(100);
    net.parties[1].remote = true;
    let (one, two) = (net.forge(0, vec![foreign(1)]), net.forge(0, vec![foreign(2)]));
    for block in [&one, &two] {
        assert!(net.inject_block(0, block.clone()).is_empty());
    }
    assert_eq!(sign(&mut net, 1), 2);
    let said = net.taken();
    assert_eq!(rejects(&said).len(), 2);
    for (block, part) in [one, two].into_iter().zip(said) {
        assert_eq!(net.inject_block(0, block), [part]);
    }
    assert!(net.parties[1].requests.is_empty(), "nothing is signed twice");
}

#[test]
fn a_late_ack_of_what_is_agreed_is_no_error() {
    let mut net = net(100);
    let mut late = Vec::new();
    for amount in [1, 2] {
        net.run(0, pay(amount));
        let (height, block_hash) = (net.state(0).height, net.state(0).block_hash);
        late.push(Part::Ack { height, block_hash, signature: net.channel(0).tip().right.clone().unwrap() });
    }
    let before = net.channel(0).clone();
    for ack in late {
        assert!(net.inject(1, ack).is_empty());
    }
    assert_eq!(net.rejections(0), []);
    assert_eq!(net.channel(0), &before);
}

/// The height that a refusal asks for is one that would be signed, and the least: whatever this side has in flight, has
/// signed, or may have signed before a restore.
#[test]
fn the_least_height_of_a_refusal_is_taken_and_no_lower_one() {
    for (author, case) in [(0, "rest"), (1, "rest"), (0, "in flight"), (0, "restored"), (1, "restored")] {
        let mut net = net(100);
        let honest = 1 - author;
        match case {
            "in flight" => drop(net.submit(honest, vec![pay(7)])),
            "restored" => {
                net.stage(honest, vec![Input::RestoredFromBackup]);
                net.inject(author, position(&net, author));
                // What it signed at once is out of the way: the peer refuses it.
                assert!(net.channel(honest).is_in_flight());
            }
            _ => {}
        }
        let mut bad = net.forge(author, vec![foreign(1)]);
        if case == "restored" {
            bad.height += MAX_HEIGHT_GAP;
        }
        let answer = net.inject_block(author, bad);
        if author == 1 && case == "restored" {
            assert!(rejects(&answer).is_empty(), "left keeps its own");
            continue;
        }
        let least =
            answer.iter().find_map(|p| if let Part::Reject(r) = p { Some(r.min_height) } else { None }).unwrap();
        assert!(least > net.state(honest).height, "{case}: {least}");
        let mut good = net.forge(author, vec![pay(1)]);
        if least > good.height {
            good.height = least - 1;
            assert_eq!(rejects(&net.inject_block(author, good.clone())), [RejectReason::HeightTooLow], "{case}");
        }
        good.height = least;
        assert_eq!(acks(&net.inject_block(author, good)), 1, "{case}: {least}");
    }
}

/// Closed in its second epoch and opened again, a subchannel begins at epoch 0 until the chain's view is recorded. Until then
/// only the kept proof answers an old state of the epoch that runs on chain.
#[test]
fn the_proof_of_a_dropped_subchannel_outlives_its_opening_until_the_epoch_is_recorded() {
    let mut net = net(100);
    net.chain(vec![ChangeKind::Closed { epoch: 1, settlement_nonce: 0 }], vec![]);
    assert_eq!(net.state(1).subchannels[&KEY].epoch, 1);
    net.run(0, Transition::CloseSubchannel { key: KEY });
    net.run(0, memo(1));
    let last = net.channel(1).best_evidence(&KEY).unwrap();
    assert_eq!(last.epoch, 1);
    for transition in [open(KEY), memo(2), memo(3)] {
        let block = net.forge(0, vec![transition]);
        assert_eq!(acks(&net.inject_block(0, block)), 1);
        assert_eq!(net.state(1).subchannels[&KEY].epoch, 0, "not recorded yet");
        assert_eq!(net.channel(1).best_evidence(&KEY), Some(last.clone()));
    }
}

/// Recovery ends by a peer that stands where the backup stands: at the same block and the same state.
#[test]
fn a_half_known_position_ends_no_recovery() {
    let mut net = net(100);
    net.stage(1, vec![Input::RestoredFromBackup]);
    let Part::Reestablish { height, block_hash, state_hash, reply } = position(&net, 0) else { panic!() };
    for (block_hash, state_hash) in [(block_hash, Hash([1; 32])), (Hash([1; 32]), state_hash)] {
        net.inject(0, Part::Reestablish { height, block_hash, state_hash, reply });
        assert!(net.channel(1).is_recovering());
    }
    net.inject(0, Part::Reestablish { height, block_hash, state_hash, reply });
    assert!(!net.channel(1).is_recovering());
}

/// The last Ack goes out again to a peer that is behind, and to no other.
#[test]
fn the_last_ack_is_for_a_peer_that_is_behind() {
    let mut net = net(100);
    net.run(0, pay(1));
    let Part::Reestablish { height, state_hash, .. } = position(&net, 0) else { panic!() };
    let claim = |height| Part::Reestablish { height, block_hash: Hash([1; 32]), state_hash, reply: false };
    let behind = net.inject(0, claim(height - 1));
    assert_eq!((acks(&behind), asks(&behind)), (1, 0), "and asks for nothing");
    assert_eq!(acks(&net.inject(0, claim(height))), 0);
}

/// Who made the block of a state that is taken over whole is told by its nonce.
#[test]
fn a_state_that_is_taken_over_is_reported_with_its_proposer() {
    for author in 0..2 {
        let mut net = net(100);
        let backup = net.parties[0].log.records.len();
        net.run(author, pay(1));
        let records = net.parties[0].log.records[..backup].iter().map(|r| Record::decode(r).unwrap());
        net.parties[0].machine = Machine::restore(net.id(0), None, records.collect::<Vec<_>>()).unwrap();
        net.parties[0].log = MemoryLog::default();
        net.parties[0].events.clear();
        net.stage(0, vec![Input::RestoredFromBackup]);
        let height = net.state(1).height;
        net.connect();
        let told = net.parties[0].events.iter().find_map(|event| match event {
            Event::Committed { height: h, proposer, .. } if *h == height => Some(*proposer),
            _ => None,
        });
        assert_eq!(told, Some(side(author)));
    }
}

/// A block in flight is said again when its time has come, not before, not twice for one wait, and not without a connection;
/// the machine says when.
#[test]
fn what_is_in_flight_is_said_again_in_its_time() {
    let mut net = net(100);
    net.connect();
    let (resend, start) = (net.parties[0].machine.config().resend_s, net.now);
    net.submit(0, vec![pay(1)]).remove(0).unwrap();
    net.taken();
    let said = |net: &mut Net, at: u64| {
        net.now = start.plus(at);
        net.stage(0, vec![Input::Tick]);
        proposals(&net.taken()).len()
    };
    assert_eq!(net.parties[0].machine.poll_timeout(), Some(start.plus(resend)));
    assert_eq!([resend - 1, resend, resend + 1, 2 * resend - 1].map(|at| said(&mut net, at)), [0, 1, 0, 0]);
    assert_eq!(
        net.parties[0].machine.poll_timeout(),
        Some(start.plus(2 * resend)),
        "a new wait from what was said last"
    );
    assert_eq!(said(&mut net, 2 * resend), 1);
    let peer = net.id(1);
    net.stage(0, vec![Input::Disconnected { peer }]);
    assert_eq!(net.parties[0].machine.poll_timeout(), None, "nothing to wait for");
    assert_eq!(said(&mut net, 5 * resend), 0);
}

/// Silence is reported once, at the first time the block is said after the peer's patience should have ended.
#[test]
fn silence_is_reported_once() {
    let mut net = net(100);
    net.connect();
    let config = net.parties[0].machine.config().clone();
    let (resend, patience, start) = (config.resend_s, config.peer_timeout_s, net.now);
    assert_eq!(patience % resend, 0, "or the times below are others");
    net.submit(0, vec![pay(1)]).remove(0).unwrap();
    let mut reports = Vec::new();
    for at in (resend..=patience + 3 * resend).step_by(resend as usize) {
        net.now = start.plus(at);
        net.stage(0, vec![Input::Tick]);
        let events = std::mem::take(&mut net.parties[0].events);
        reports.extend(events.iter().filter(|e| matches!(e, Event::Unresponsive { .. })).map(|_| at));
    }
    assert_eq!(reports, [patience]);
}

/// A block that waits for the clock and for the chain is judged when its clock has come; then the clock wakes nobody any more.
#[test]
fn a_clock_that_has_come_is_no_deadline() {
    let mut net = net(100);
    net.block += 1;
    let point = ChainPoint { number: net.block + 5, ..net.point() };
    let facts = facts(0, 0, (0, 0));
    let sync = Transition::SyncChain { key: KEY, point, facts, reveals: vec![], recorded: vec![] };
    let mut block = net.forge(0, vec![sync]);
    block.timestamp = net.now.plus(MAX_CLOCK_DRIFT_S + 7);
    assert!(net.inject_block(0, block).is_empty());
    let come = net.now.plus(7);
    assert_eq!(net.parties[1].machine.poll_timeout(), Some(come));
    net.now = come;
    net.stage(1, vec![Input::Tick]);
    assert!(net.taken().is_empty(), "the chain is not there yet");
    assert!(net.parties[1].machine.poll_timeout().unwrap() > net.now);
    net.now = come.plus(1);
    net.stage(1, vec![Input::Tick]);
    assert!(net.parties[1].machine.poll_timeout().unwrap() > net.now);
}

/// Other things wake a node too: a block in flight waits for its own time all the same.
#[test]
fn a_tick_for_something_else_says_nothing_early() {
    let mut net = net(100);
    net.connect();
    net.block += 1;
    let point = ChainPoint { number: net.block + 5, ..net.point() };
    net.submit(1, vec![pay(1)]).remove(0).unwrap();
    let facts = facts(0, 0, (0, 0));
    let sync = Transition::SyncChain { key: KEY, point, facts, reveals: vec![], recorded: vec![] };
    let mut block = net.forge(0, vec![sync]);
    block.timestamp = net.now.plus(MAX_CLOCK_DRIFT_S + 2);
    assert!(net.inject_block(0, block).is_empty());
    net.now = net.now.plus(2);
    assert_eq!(net.parties[1].machine.poll_timeout(), Some(net.now), "the deferred block's clock");
    net.stage(1, vec![Input::Tick]);
    assert!(net.channel(1).is_in_flight());
    assert!(net.taken().is_empty());
}

/// The peer says a block again that was acknowledged: it lacks the Ack, and then also what came after it.
#[test]
fn an_answer_that_is_said_again_brings_what_is_in_flight_too() {
    let mut net = net(100);
    net.submit(0, vec![pay(1)]).remove(0).unwrap();
    let block = proposals(&net.taken()).remove(0);
    let signature = net.parties[0].signer.sign_digest(&net.digest(0, &block)).unwrap();
    let part = Part::Proposal { block: block.into(), signature };
    assert_eq!(acks(&net.inject(0, part.clone())), 1);
    net.submit(1, vec![pay(2)]).remove(0).unwrap();
    let mine = net.taken();
    let answer = net.inject(0, part);
    assert_eq!(acks(&answer), 1);
    assert_eq!(proposals(&answer), proposals(&mine));
}

/// Ends of what was agreed are known for a while: a late answer to something older is one to nothing.
#[test]
fn late_acks_are_known_for_sixteen_blocks() {
    let mut net = net(100);
    let signature = net.channel(0).tip().right.clone().unwrap();
    let mut agreed = vec![(net.state(0).height, net.state(0).block_hash)];
    for i in 0..20 {
        net.run(0, memo(i));
        agreed.push((net.state(0).height, net.state(0).block_hash));
    }
    for (age, (height, block_hash)) in agreed.into_iter().rev().enumerate() {
        let count = net.rejections(0).len();
        net.inject(1, Part::Ack { height, block_hash, signature: signature.clone() });
        assert_eq!(net.rejections(0).len() - count, usize::from(age > 16), "{age} blocks ago");
    }
}

/// Both sides report what was agreed and by whom, and give out the evidence of every subchannel for whoever keeps it.
#[test]
fn what_is_agreed_is_reported_with_its_evidence() {
    for author in 0..2 {
        let mut net = net(100);
        let block = net.forge(author, vec![pay(1)]);
        let signature = net.parties[author].signer.sign_digest(&net.digest(author, &block)).unwrap();
        let part = Part::Proposal { block: block.clone().into(), signature };
        let bytes = Message { channel: net.pair().channel_key(), parts: vec![part] }.encode().unwrap();
        let (from, now) = (net.id(author), net.now);
        let party = &mut net.parties[1 - author];
        let cx = Context { now, signer: &party.signer };
        let staged = party.machine.stage(&cx, vec![Input::Message { from, bytes }]).unwrap();
        let effects = staged.commit(&mut party.log).unwrap();
        let told = Event::Committed { peer: from, height: block.height, proposer: side(author) };
        assert!(effects.events().contains(&told));
        let evidence = party.machine.channel(&from).unwrap().tip().evidence(&KEY).unwrap();
        assert_eq!(effects.agreed(), [(from, evidence)]);
    }
}

/// What is no good answer to the block in flight is reported by name.
#[test]
fn a_wrong_ack_is_reported() {
    let mut net = net(100);
    net.submit(0, vec![pay(3)]).remove(0).unwrap();
    let block = proposals(&net.taken()).remove(0);
    let (height, block_hash) = (block.height, block.hash().unwrap());
    let good = net.parties[1].signer.sign_digest(&net.digest(0, &block)).unwrap();
    let wrong = net.parties[1].signer.sign_digest(&Hash([1; 32])).unwrap();
    net.inject(1, Part::Ack { height: height + 1, block_hash, signature: good });
    assert_eq!(net.rejections(0), [Rejection::NotInFlight]);
    net.inject(1, Part::Ack { height, block_hash, signature: wrong });
    assert!(matches!(net.rejections(0)[1..], [Rejection::Signature(_)]));
}

/// A block of mine that the peer ignored while its own was in flight is said again with the refusal of that one.
#[test]
fn a_refusal_brings_what_is_in_flight_too() {
    let mut net = net(100);
    net.submit(1, vec![pay(1)]).remove(0).unwrap();
    let mine = proposals(&net.taken());
    let block = net.forge(0, vec![foreign(1)]);
    let answer = net.inject_block(0, block);
    assert_eq!((rejects(&answer), proposals(&answer)), (vec![RejectReason::Policy { index: 0 }], mine));
}

/// A block that waits gives way to the one that the peer says later, also if that is refused.
#[test]
fn a_deferred_block_gives_way_to_a_later_one() {
    let mut net = net(100);
    let mut ahead = net.forge(0, vec![pay(1)]);
    ahead.timestamp = net.now.plus(MAX_CLOCK_DRIFT_S + 5);
    assert!(net.inject_block(0, ahead).is_empty());
    assert!(net.parties[1].machine.poll_timeout().is_some());
    let block = net.forge(0, vec![foreign(1)]);
    assert_eq!(rejects(&net.inject_block(0, block)).len(), 1);
    assert_eq!(net.parties[1].machine.poll_timeout(), None);
    net.now = net.now.plus(6);
    net.stage(1, vec![Input::Tick]);
    assert!(net.taken().is_empty());
}

/// What waits for the chain is given up when half of the peer's patience is over, and not looked at before.
#[test]
fn a_block_that_waits_for_the_chain_has_half_of_the_peers_patience() {
    let mut net = net(100);
    net.block += 1;
    let (facts, point) = (facts(0, 0, (0, 0)), ChainPoint { number: net.block + 5, ..net.point() });
    let block = net.forge(0, vec![Transition::SyncChain { key: KEY, point, facts, reveals: vec![], recorded: vec![] }]);
    assert!(net.inject_block(0, block).is_empty());
    let patience = net.parties[1].machine.config().peer_timeout_s / 2;
    let until = net.now.plus(patience + 1);
    assert_eq!(net.parties[1].machine.poll_timeout(), Some(until));
    net.now = until;
    net.stage(1, vec![Input::Tick]);
    assert_eq!(rejects(&net.taken()), [RejectReason::FactsDiffer { index: 0 }]);
}

/// Once a lower block of the peer's is agreed, the heights that its refused ones used up are free again.
#[test]
fn heights_of_refused_blocks_are_free_after_the_next_agreed_one() {
    let mut net = net(100);
    let height = net.state(1).height;
    let mut bad = net.forge(0, vec![foreign(1)]);
    bad.height += 10;
    assert_eq!(rejects(&net.inject_block(0, bad)).len(), 1);
    let good = net.forge(0, vec![memo(1)]);
    assert_eq!(acks(&net.inject_block(0, good)), 1);
    net.submit(1, vec![pay(1)]).remove(0).unwrap();
    assert_eq!(proposals(&net.taken())[0].height, height + 2);
}

/// A refusal that is not by the peer, or asks for more than the gap, is reported by name.
#[test]
fn a_wrong_refusal_is_reported() {
    let mut net = net(100);
    net.submit(0, vec![pay(3)]).remove(0).unwrap();
    let block = proposals(&net.taken()).remove(0);
    let far = net.reject_of(1, &block, RejectReason::HeightTooLow, block.height + MAX_HEIGHT_GAP + 1);
    let mut forged = net.reject_of(1, &block, RejectReason::HeightTooLow, block.height + 1);
    if let Part::Reject(reject) = &mut forged {
        reject.signature = net.parties[0].signer.sign_digest(&Hash([3; 32])).unwrap();
    }
    net.inject(1, far);
    assert_eq!(net.rejections(0), [Rejection::HeightOutOfRange]);
    net.inject(1, forged);
    assert!(matches!(net.rejections(0)[1..], [Rejection::Signature(_)]));
}

/// Whoever was refused without end needs no block of its own once the peer's has outranked everything.
#[test]
fn what_the_peer_outranks_needs_no_replacement() {
    for i in 0..2 {
        let mut net = net(1000);
        net.submit(i, vec![pay(5)]).remove(0).unwrap();
        let mut height = 0;
        let mut index = Some(0);
        while let Some(block) = proposals(&net.taken()).pop() {
            height = block.height;
            let reason = index.take().map_or(RejectReason::Malformed, |index| RejectReason::Policy { index });
            let reject = net.reject_of(1 - i, &block, reason, block.height);
            let message = Message { channel: net.pair().channel_key(), parts: vec![reject] };
            let from = net.id(1 - i);
            net.stage(i, vec![Input::Message { from, bytes: message.encode().unwrap() }]);
        }
        let mut block = net.forge(1 - i, vec![memo(1)]);
        block.height = height + 1;
        let answer = net.inject_block(1 - i, block);
        assert_eq!((acks(&answer), proposals(&answer)), (1, vec![]));
    }
}

/// A restored node has no connection until it is told of one: what it signs at once waits for none.
#[test]
fn a_restored_node_has_no_connection() {
    let mut net = net(100);
    net.connect();
    net.stage(1, vec![Input::RestoredFromBackup]);
    let here = position(&net, 0);
    net.inject(0, here);
    assert!(net.channel(1).is_in_flight());
    assert_eq!(net.parties[1].machine.poll_timeout(), None);
}

/// Two that were both restored: the one that is behind takes over what the other has, and then both know that they are level.
#[test]
fn two_restored_nodes_find_each_other() {
    let mut net = two();
    for transition in [open(KEY), Transition::AddToken { key: KEY, token: USD }, memo(1)] {
        net.run(1, transition);
    }
    let backup = net.parties[0].log.records.len();
    net.run(1, memo(2));
    let records = net.parties[0].log.records[..backup].iter().map(|r| Record::decode(r).unwrap());
    net.parties[0].machine = Machine::restore(net.id(0), None, records.collect::<Vec<_>>()).unwrap();
    net.parties[0].log = MemoryLog::default();
    for i in 0..2 {
        net.stage(i, vec![Input::RestoredFromBackup]);
    }
    let peer = net.id(1);
    net.stage(0, vec![Input::Connected { peer }]);
    net.settle();
    assert!(!net.channel(0).is_recovering() && !net.channel(1).is_recovering());
    net.run(0, memo(3));
    net.agreed();
}

/// A later state of the peer's with both signatures, as it replies to a node that is behind.
fn reply(net: &Net, state: &ChannelState) -> Part {
    let digest = Commitment::of(state).unwrap().digest;
    let [left, right] = [0, 1].map(|i: usize| net.parties[i].signer.sign_digest(&digest).unwrap());
    Part::StateReply { state: state.clone(), left, right }
}

/// What counted on the old parent is over with a state that is taken over: refusals, a block that waited, the last Ack.
#[test]
fn a_state_that_is_taken_over_is_a_new_parent() {
    let mut net = net(100);
    net.run(1, memo(1));
    for i in 0..16 {
        let block = net.forge(1, vec![foreign(i)]);
        assert_eq!(rejects(&net.inject_block(1, block)).len(), 1);
    }
    for i in 0..20 {
        let block = net.forge(1, vec![memo(i), pay(0)]);
        net.inject_block(1, block);
    }
    let state = step(net.state(0), Side::Right, net.now, vec![pay(7)]).unwrap();
    let part = reply(&net, &state);
    net.inject(1, part);
    assert_eq!(net.state(0), &state);
    let claim = Part::Reestablish { height: 1, block_hash: Hash([1; 32]), state_hash: Hash([1; 32]), reply: false };
    assert_eq!(acks(&net.inject(1, claim)), 0, "its Ack is none of this state");
    let after = |state: &ChannelState, transition| block_on(state, Side::Right, T0, vec![transition]);
    let sent = |net: &mut Net, block: Block| {
        let next = apply_block(&state, &state.hash().unwrap(), &block);
        let digest = Commitment::of(next.as_ref().unwrap_or(&state)).unwrap().digest;
        let signature = net.parties[1].signer.sign_digest(&digest).unwrap();
        rejects(&net.inject(1, Part::Proposal { block: block.into(), signature }))
    };
    assert_eq!(sent(&mut net, after(&state, pay(0))).len(), 1, "what breaks a rule is answered again");
    assert_eq!(sent(&mut net, after(&state, foreign(1))), [RejectReason::Policy { index: 0 }]);
}

#[test]
fn a_state_that_is_taken_over_ends_the_wait_of_a_block_on_the_old_one() {
    let mut net = net(100);
    let mut ahead = net.forge(1, vec![pay(1)]);
    ahead.timestamp = net.now.plus(MAX_CLOCK_DRIFT_S + 5);
    assert!(net.inject_block(1, ahead).is_empty());
    assert!(net.parties[0].machine.poll_timeout().is_some());
    let state = step(net.state(0), Side::Right, net.now, vec![pay(7)]).unwrap();
    let part = reply(&net, &state);
    net.inject(1, part);
    assert_eq!(net.parties[0].machine.poll_timeout(), None);
}

/// The first own block on a state that was taken over stands above it, whoever made that one.
#[test]
fn the_first_block_on_a_state_that_was_taken_over_stands_above_it() {
    let mut net = net(100);
    let mut state = step(net.state(0), Side::Right, net.now, vec![pay(7)]).unwrap();
    (state.height, state.nonce) = (state.height + 3, Nonce::of(state.height + 3, Side::Right).unwrap());
    let part = reply(&net, &state);
    net.inject(1, part);
    assert_eq!(net.state(0), &state);
    net.submit(0, vec![memo(1)]).remove(0).unwrap();
    assert_eq!(proposals(&net.taken())[0].height, state.height + 1);
}

/// A subchannel that a state taken over has no more leaves its last proof behind.
#[test]
fn a_state_that_is_taken_over_leaves_the_proofs_of_what_it_dropped() {
    let mut net = net(100);
    let last = net.channel(0).best_evidence(&KEY).unwrap();
    let closed = step(net.state(0), Side::Right, net.now, vec![Transition::CloseSubchannel { key: KEY }]).unwrap();
    let state = step(&closed, Side::Right, net.now, vec![memo(1)]).unwrap();
    assert!(state.subchannels.is_empty());
    let part = reply(&net, &state);
    net.inject(1, part);
    assert_eq!(net.state(0), &state);
    assert_eq!(net.channel(0).best_evidence(&KEY), Some(last));
}

/// A signature that comes too late for its block takes nothing else away.
#[test]
fn a_late_signature_leaves_a_block_that_waits() {
    let mut net = net(100);
    net.parties[0].remote = true;
    let block = net.forge(1, vec![pay(1)]);
    assert!(net.inject_block(1, block).is_empty());
    let late = std::mem::take(&mut net.parties[0].requests).remove(0);
    let state = step(net.state(0), Side::Right, net.now, vec![pay(7)]).unwrap();
    let mut state = state;
    (state.height, state.nonce) = (state.height + 3, Nonce::of(state.height + 3, Side::Right).unwrap());
    let part = reply(&net, &state);
    net.inject(1, part);
    let mut ahead = block_on(&state, Side::Right, net.now.plus(MAX_CLOCK_DRIFT_S + 5), vec![memo(1)]);
    ahead.height = state.height + 1;
    let next = apply_block(&state, &state.hash().unwrap(), &ahead).unwrap();
    let signature = net.parties[1].signer.sign_digest(&Commitment::of(&next).unwrap().digest).unwrap();
    assert!(net.inject(1, Part::Proposal { block: ahead.into(), signature }).is_empty());
    let clock = Some(net.now.plus(5));
    assert_eq!(net.parties[0].machine.poll_timeout(), clock);
    let signature = net.parties[0].signer.sign_digest(&late.1).unwrap();
    net.stage(0, vec![Input::Signed { request: late.0, signature }]);
    assert_eq!(net.parties[0].machine.poll_timeout(), clock);
}

/// Refused twice for its signer, party `i` has paused.
fn paused(net: &mut Net, i: usize, transition: Transition) {
    net.submit(i, vec![transition]).remove(0).unwrap();
    for _ in 0..2 {
        let block = proposals(&net.taken()).remove(0);
        let reject = net.reject_of(1 - i, &block, RejectReason::SignerLapsed, block.height);
        let message = Message { channel: net.pair().channel_key(), parts: vec![reject] };
        let from = net.id(1 - i);
        net.stage(i, vec![Input::Message { from, bytes: message.encode().unwrap() }]);
    }
    assert!(net.taken().is_empty() && !net.channel(i).is_in_flight());
}

/// Who is refused for a lapsed signer a second time pauses; whatever is agreed or taken over ends that, and the count.
#[test]
fn a_pause_ends_with_the_next_agreed_state() {
    for taken_over in [false, true] {
        for i in 0..2 {
            let mut net = net(100);
            for amount in [1, 2] {
                paused(&mut net, i, pay(amount));
                let said = if taken_over {
                    let mut state = step(net.state(i), side(1 - i), net.now, vec![memo(1)]).unwrap();
                    (state.height, state.nonce) = (state.height + 5, Nonce::of(state.height + 5, side(1 - i)).unwrap());
                    let part = reply(&net, &state);
                    net.inject(1 - i, part)
                } else {
                    let mut block = net.forge(1 - i, vec![memo(1)]);
                    block.height += 5;
                    net.inject_block(1 - i, block)
                };
                let block = proposals(&said).into_iter().next().expect("it says something at once");
                // What stood in a state that was taken over, or did not, is not said again.
                assert_eq!(block.transitions, if taken_over { vec![] } else { vec![pay(amount)] });
                let state = apply_block(net.state(i), &net.state(i).hash().unwrap(), &block).unwrap();
                let digest = Commitment::of(&state).unwrap().digest;
                let signature = net.parties[1 - i].signer.sign_digest(&digest).unwrap();
                net.inject(1 - i, Part::Ack { height: block.height, block_hash: block.hash().unwrap(), signature });
                assert_eq!(net.state(i).block_hash, block.hash().unwrap());
            }
        }
    }
}

/// A restored node that says nothing for a while is bound all the same: it acknowledges only what outranks all that its lost
/// log may have signed, and asks for the least such height.
#[test]
fn a_restored_node_that_pauses_is_bound_by_what_it_may_have_signed() {
    for i in 0..2 {
        let mut net = net(100);
        paused(&mut net, i, pay(1));
        net.stage(i, vec![Input::RestoredFromBackup]);
        let here = position(&net, 1 - i);
        net.inject(1 - i, here);
        assert!(!net.channel(i).is_recovering() && !net.channel(i).is_in_flight());
        let height = net.state(i).height;
        let mut block = net.forge(1 - i, vec![memo(1)]);
        block.height = height + MAX_HEIGHT_GAP - 1;
        let answer = net.inject_block(1 - i, block.clone());
        let least = answer.iter().find_map(|p| if let Part::Reject(r) = p { Some(r.min_height) } else { None });
        assert_eq!((rejects(&answer), least), (vec![RejectReason::HeightTooLow], Some(height + MAX_HEIGHT_GAP)));
        block.height = height + MAX_HEIGHT_GAP;
        assert_eq!(acks(&net.inject_block(1 - i, block)), 1);
    }
}

/// The evidence of a state that is taken over is given out like that of an agreed block.
#[test]
fn a_state_that_is_taken_over_gives_out_its_evidence() {
    let mut net = net(100);
    let state = step(net.state(0), Side::Right, net.now, vec![pay(7)]).unwrap();
    let bytes = Message { channel: net.pair().channel_key(), parts: vec![reply(&net, &state)] }.encode().unwrap();
    let (from, now) = (net.id(1), net.now);
    let party = &mut net.parties[0];
    let cx = Context { now, signer: &party.signer };
    let staged = party.machine.stage(&cx, vec![Input::Message { from, bytes }]).unwrap();
    let effects = staged.commit(&mut party.log).unwrap();
    let evidence = party.machine.channel(&from).unwrap().tip().evidence(&KEY).unwrap();
    assert_eq!(effects.agreed(), [(from, evidence)]);
}

/// A state with both signatures is taken over also while a block of mine is in flight that outranks it: the peer may still
/// show mine, so that it stays live.
#[test]
fn what_a_state_that_is_taken_over_does_not_outrank_stays_live() {
    let mut net = net(100);
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    let (mine, signed) = (proposals(&net.taken()).remove(0), net.channel(0).max_signed());
    let mut state = step(net.state(1), Side::Right, net.now, vec![pay(7)]).unwrap();
    assert!(state.nonce < signed);
    state.height = mine.height;
    let digest = Commitment::of(&state).unwrap().digest;
    let [left, right] = [0, 1].map(|i: usize| net.parties[i].signer.sign_digest(&digest).unwrap());
    net.inject(1, Part::StateReply { state: state.clone(), left, right });
    assert_eq!(net.state(0), &state);
    assert!(net.channel(0).live().any(|live| live.state.nonce == signed));
    assert_eq!(net.channel(0).max_signed(), signed);
}

/// A command is checked at the time that its block would have: never before the last agreed one, also if this side's clock
/// is behind the peer's.
#[test]
fn a_slow_clock_takes_no_lock_that_its_block_could_not_hold() {
    let mut net = net(100);
    let slow = net.now;
    net.now = slow.plus(20);
    net.run(1, memo(1));
    net.now = slow;
    assert_eq!(net.refused(0, lock(1, 1, slow.plus(10))), CommandError::Transition(E::Expired));
    net.run(0, lock(1, 1, slow.plus(20)));
    net.agreed();
}

/// A frozen subchannel can still be closed by agreement.
#[test]
fn a_close_is_the_command_that_a_frozen_subchannel_takes() {
    let mut net = net(100);
    let kind = ChangeKind::Dispute { epoch: 0, dispute: dispute(Side::Left, 0, T0), fills: vec![], body: vec![] };
    let change = xln_core::chain::ChainChange { key: KEY, pair: net.pair(), kind };
    net.stage(0, vec![Input::Chain(xln_core::chain::ChainFact::Sighted { change })]);
    assert!(matches!(net.refused(0, pay(1)), CommandError::Frozen(_)));
    net.run(0, Transition::ProposeClose { key: KEY, expiry: net.now.plus(50) });
    for i in 0..2 {
        assert!(net.state(i).subchannels[&KEY].settlement.is_some());
    }
}

/// What must stand alone in its block makes later commands of its own subchannel wait, and of no other.
#[test]
fn what_waits_for_its_turn_holds_back_its_own_subchannel_only() {
    let mut net = net(100);
    let queue = vec![open(KEY2), Transition::AddToken { key: KEY2, token: USD }, pay(3)];
    net.submit(0, vec![memo(1)]).remove(0).unwrap();
    let held = net.submit(0, queue.clone());
    assert!(held.iter().all(Result::is_ok), "{held:?}");
    let mut blocks = Vec::new();
    while let Some((_, _, bytes)) = net.wire.front() {
        blocks.extend(proposals(&xln_core::wire::Message::decode(bytes).unwrap().parts));
        net.deliver();
    }
    let made: Vec<_> = blocks.into_iter().map(|b| b.transitions).collect();
    assert_eq!(made, [vec![memo(1)], vec![queue[0].clone(), queue[2].clone()], vec![queue[1].clone()]]);
}

/// After a restore nothing that was accepted before is said again: each command is reported, queued or in flight.
#[test]
fn a_restore_gives_up_every_command_and_says_so() {
    let mut net = net(100);
    let mut commands = vec![net.submit(0, vec![pay(1)]).remove(0).unwrap()];
    commands.extend(net.submit(0, vec![pay(2), pay(3)]).into_iter().map(Result::unwrap));
    net.wire.clear();
    assert_eq!(net.channel(0).queued(), 2);
    let signed = net.channel(0).max_signed();
    net.stage(0, vec![Input::RestoredFromBackup]);
    assert_eq!(net.channel(0).queued(), 0);
    assert!(net.channel(0).live().any(|live| live.state.nonce == signed), "the peer may show what was in flight");
    let events = net.parties[0].events.iter();
    let told: Vec<_> = events
        .filter_map(|e| match e {
            Event::CommandFailed { command, error: CommandError::FateUnknown } => Some(*command),
            _ => None,
        })
        .collect();
    assert_eq!(told, commands);
    net.connect();
    net.agreed();
    assert_eq!(net.token(0).offdelta, 0);
}
