//! The rules of `docs/protocol.md` section 10 against a peer that keeps to nothing: its blocks are made by hand and signed
//! with its real key. Whatever it sends is refused by name, changes nothing, and the channel goes on.
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

mod common;
use common::*;
use xln_core::block::{Block, BlockError};
use xln_core::chain::{ChainView, ChangeKind, PointVerdict};
use xln_core::channel::{CommandError, Event, Rejection};
use xln_core::crypto::KeyCache;
use xln_core::limits::*;
use xln_core::machine::{Action, Input, InputOutcome, Machine, Record};
use xln_core::proof::{SettlementUpdate, TokenDiff, subchannel_leaf, verify_path};
use xln_core::transition::{Transition, TransitionError as E};
use xln_core::types::*;
use xln_core::wire::{Message, Part, RejectReason};

fn net(limit: u128) -> Net {
    let mut net = two();
    net.with_credit(limit);
    net
}

/// The honest party is `1 - i`; what was injected must not have moved it, and both can still agree.
fn goes_on(net: &mut Net, before: &xln_core::state::ChannelState) {
    assert_eq!(net.state(0), before);
    assert_eq!(net.state(1), before);
    net.wire.clear();
    net.connect();
    for i in 0..2 {
        net.run(i, Transition::Memo { data: vec![1] });
    }
    net.agreed();
}

fn settlement(diff: TokenDiff, expiry: UnixSeconds) -> Transition {
    Transition::ProposeSettlement { key: KEY, update: SettlementUpdate { diffs: vec![diff], forgiven: vec![] }, expiry }
}

const fn diff(left: i128, right: i128, ondelta: i128) -> TokenDiff {
    TokenDiff { token: USD, left, right, ondelta }
}

#[test]
fn rule_7_the_signature_is_over_the_new_state_and_leads_to_its_body() {
    let mut net = net(100);
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    let parts = net.taken();
    let Part::Proposal { block, signature } = &parts[0] else { panic!() };
    let (digest, left) = (net.digest(0, block), net.id(0));
    KeyCache::default().verify(&left, &digest, signature).unwrap();
    // The signature over the old state is none over the new one.
    let old = net.channel(0).tip().left.clone().unwrap();
    let before = net.state(1).clone();
    assert!(net.inject(0, Part::Proposal { block: block.clone(), signature: old }).is_empty());
    assert!(matches!(net.rejections(1).last(), Some(Rejection::Signature(_))));
    assert_eq!(net.state(1), &before);
    net.wire.clear();
    net.connect();
    net.agreed();
    for i in 0..2 {
        let evidence = net.channel(i).best_evidence(&KEY).unwrap();
        assert_eq!(evidence.nonce, net.state(i).nonce);
        let leaf = subchannel_leaf(&KEY, evidence.epoch, &evidence.body_hash());
        assert!(verify_path(&leaf, &evidence.path, &evidence.root));
        let digest = xln_core::proof::channel_state_digest(&net.pair().channel_key(), evidence.nonce, &evidence.root);
        for s in [Side::Left, Side::Right] {
            KeyCache::default().verify(&net.pair().entity(s), &digest, evidence.signature(s).unwrap()).unwrap();
        }
        let body = xln_core::proof::Body::parse(&evidence.body).unwrap();
        assert_eq!(body.tokens, [(USD, -10), (EUR, 0)]);
    }
}

#[test]
fn rule_12_what_breaks_a_rule_is_refused_on_receipt_with_the_same_error() {
    let far = UnixSeconds(1_000_000 + 900);
    let many = |n: usize, t: Transition| vec![t; n];
    let tokens =
        |n: u32| (0..n).map(|i| Transition::AddToken { key: KEY, token: TokenId(100 + i) }).collect::<Vec<_>>();
    let opens = |n: u64| (0..n).map(|i| open(SubchannelKey { chain: ChainId(100 + i), ..KEY })).collect::<Vec<_>>();
    let half = MAX_PENDING / 2;
    for author in 0..2 {
        for (transitions, index, error) in [
            (vec![pay(0)], 0, E::ZeroAmount),
            (vec![pay(60), pay(41)], 1, E::InsufficientCapacity { available: 40, needed: 41 }),
            (vec![lock(60, 1, far), lock(60, 2, far)], 1, E::InsufficientCapacity { available: 40, needed: 60 }),
            (many(half + 1, lock(1, 1, far)), half, E::LimitReached),
            (tokens(17), 15, E::LimitReached),
            (vec![Transition::SettlePayment { key: KEY, id: 9, secret: secret(1) }], 0, E::UnknownSubcontract),
            (vec![Transition::Memo { data: vec![0; MAX_MEMO_BYTES + 1] }], 0, E::TooLong),
            (vec![open(KEY)], 0, E::SubchannelExists),
            (vec![Transition::Memo { data: vec![] }, lock(1, 1, UnixSeconds(5))], 1, E::Expired),
        ] {
            let mut net = net(100);
            let before = net.state(0).clone();
            let block = net.forge(author, transitions);
            let answer = net.inject_block(author, block.clone());
            let index = index as u32;
            assert_eq!(rejects(&answer), [RejectReason::Transition { index, error }]);
            assert_eq!(acks(&answer), 0);
            assert_eq!(net.rejections(1 - author), [Rejection::Block(BlockError::Transition { index, error })]);
            // The same again is refused the same.
            assert_eq!(rejects(&net.inject_block(author, block)), [RejectReason::Transition { index, error }]);
            goes_on(&mut net, &before);
        }
        // Half of the subchannels; the ninth is one too many, before any policy is asked.
        let mut net = net(100);
        let block = net.forge(author, opens(9));
        let mine = if author == 0 { 7 } else { 8 };
        assert_eq!(
            rejects(&net.inject_block(author, block)),
            [RejectReason::Transition { index: mine, error: E::LimitReached }]
        );
        let block = net.forge(author, vec![Transition::Memo { data: vec![] }; MAX_BLOCK_TRANSITIONS + 1]);
        assert_eq!(rejects(&net.inject_block(author, block)), [RejectReason::Malformed]);
    }
}

#[test]
fn blocks_that_do_not_follow_are_refused_by_name() {
    for author in 0..2 {
        let mut net = net(100);
        net.run(0, pay(1));
        let before = net.state(0).clone();
        let honest = 1 - author;
        let good = net.forge(author, vec![pay(1)]);
        let with = |change: &dyn Fn(&mut Block)| {
            let mut block = good.clone();
            change(&mut block);
            block
        };
        for (block, reason) in [
            (with(&|b| b.prev_block_hash.0[0] ^= 1), Rejection::StaleBlock),
            (with(&|b| b.prev_state_hash.0[0] ^= 1), Rejection::Block(BlockError::WrongParentState)),
            (with(&|b| b.height -= 1), Rejection::HeightOutOfRange),
            (with(&|b| b.height += MAX_HEIGHT_GAP), Rejection::HeightOutOfRange),
            (with(&|b| b.height = u64::MAX), Rejection::HeightOutOfRange),
            (with(&|b| b.proposer = b.proposer.other()), Rejection::WrongSide),
        ] {
            let count = net.rejections(honest).len();
            let answer = net.inject_block(author, block);
            assert_eq!((acks(&answer), rejects(&answer)), (0, vec![]));
            assert_eq!(net.rejections(honest)[count..], [reason]);
        }
        let back = with(&|b| b.timestamp = b.timestamp.minus(1));
        assert_eq!(rejects(&net.inject_block(author, back)), [RejectReason::Malformed]);
        // Signed by the wrong key, or by nobody.
        let signature = net.parties[honest].signer.sign_digest(&net.digest(author, &good)).unwrap();
        assert!(net.inject(author, Part::Proposal { block: good.clone().into(), signature }).is_empty());
        assert!(matches!(net.rejections(honest).last(), Some(Rejection::Signature(_))));
        let mut copy = Net { parties: vec![], now: net.now, wire: Default::default(), block: 0 };
        std::mem::swap(&mut copy, &mut net);
        goes_on(&mut copy, &before);
        // The greatest height that may follow.
        let mut block = copy.forge(author, vec![pay(1)]);
        block.height += MAX_HEIGHT_GAP - 1;
        assert_eq!(acks(&copy.inject_block(author, block)), 1);
    }
}

#[test]
fn a_block_from_too_far_ahead_waits_and_is_refused_before_the_peers_patience_ends() {
    let mut net = net(100);
    for (ahead, taken) in [(MAX_CLOCK_DRIFT_S, 1), (MAX_CLOCK_DRIFT_S + 1, 0)] {
        let mut block = net.forge(0, vec![pay(1)]);
        block.timestamp = net.now.plus(ahead);
        assert_eq!(acks(&net.inject_block(0, block)), taken);
        net.now = net.now.plus(1);
        net.stage(1, vec![Input::Tick]);
        assert_eq!(acks(&net.taken()), 1 - taken, "judged again when the clock has come");
        net.now = net.now.plus(60);
    }
    let mut block = net.forge(0, vec![pay(1)]);
    block.timestamp = net.now.plus(100_000);
    assert!(net.inject_block(0, block.clone()).is_empty());
    let patience = net.parties[1].machine.config().peer_timeout_s / 2;
    net.now = net.now.plus(patience);
    net.stage(1, vec![Input::Tick]);
    assert!(net.taken().is_empty());
    net.now = net.now.plus(1);
    assert!(net.parties[1].machine.poll_timeout().unwrap() <= net.now);
    net.stage(1, vec![Input::Tick]);
    assert_eq!(rejects(&net.taken()), [RejectReason::TimeAhead]);
    // Never acknowledged afterwards.
    net.now = net.now.plus(200_000);
    assert_eq!(rejects(&net.inject_block(0, block)), [RejectReason::TimeAhead]);
}

#[test]
fn rule_9_a_block_dated_back_is_judged_by_the_receivers_clock_with_the_same_boundary() {
    let start = UnixSeconds(1_000_000);
    let expiry = start.plus(500);
    let offer = |e| Transition::OfferSwap {
        key: KEY,
        give_token: USD,
        give: 10,
        want_token: EUR,
        want: 10,
        min_fill: 0,
        expiry: e,
    };
    let setups: [(Option<Transition>, Transition); 6] = [
        (None, lock(10, 1, expiry)),
        (None, offer(expiry)),
        (None, settlement(diff(0, -5, 0), expiry)),
        (None, Transition::ProposeClose { key: KEY, expiry }),
        (Some(lock(10, 1, expiry)), Transition::SettlePayment { key: KEY, id: 1, secret: secret(1) }),
        (Some(offer(expiry)), Transition::FillSwap { key: KEY, id: 1, fill: 10 }),
    ];
    for (first, late) in setups {
        for past in [0, 1] {
            let mut net = net(100);
            if let Some(first) = first.clone() {
                net.run(0, first);
            }
            let before = net.state(0).clone();
            let mut block = net.forge(1, vec![late.clone()]);
            block.timestamp = before.timestamp;
            net.now = expiry.plus(past);
            let answer = net.inject_block(1, block);
            if past == 0 {
                assert_eq!(acks(&answer), 1, "{late:?}");
            } else {
                assert_eq!(rejects(&answer), [RejectReason::Transition { index: 0, error: E::Expired }], "{late:?}");
                goes_on(&mut net, &before);
            }
        }
    }
}

#[test]
fn rule_9_the_margin_of_the_subchannel_counts_on_the_receivers_clock_too() {
    let mut net = two();
    net.run(0, Transition::OpenSubchannel { key: KEY, providers: vec![PROVIDER], settle_margin_s: 600 });
    net.run(0, Transition::AddToken { key: KEY, token: USD });
    net.run(1, Transition::SetCreditLimit { key: KEY, token: USD, limit: 100 });
    let expiry = net.now.plus(2000);
    net.run(0, lock(10, 1, expiry));
    let mut block = net.forge(1, vec![Transition::SettlePayment { key: KEY, id: 1, secret: secret(1) }]);
    block.timestamp = net.state(0).timestamp;
    net.now = expiry.minus(599);
    assert_eq!(rejects(&net.inject_block(1, block)), [RejectReason::Transition { index: 0, error: E::Expired }]);
    net.wire.clear();
    net.connect();
    let mut block = net.forge(0, vec![lock(10, 1, expiry)]);
    block.timestamp = net.state(1).timestamp;
    assert_eq!(rejects(&net.inject_block(0, block)), [RejectReason::Transition { index: 0, error: E::Expired }]);
}

#[test]
fn a_payer_never_takes_back_by_a_clock() {
    let mut net = net(100);
    let expiry = net.now.plus(100);
    net.run(0, lock(10, 1, expiry));
    net.now = expiry.plus(100_000);
    let before = net.state(0).clone();
    let block = net.forge(0, vec![Transition::CancelPayment { key: KEY, id: 1 }]);
    assert_eq!(
        rejects(&net.inject_block(0, block)),
        [RejectReason::Transition { index: 0, error: E::NotYetCancellable }]
    );
    goes_on(&mut net, &before);
}

#[test]
fn rule_31_a_sync_that_lies_or_leaves_something_out_is_refused() {
    let make = || {
        let mut net = net(100);
        net.run(0, lock(10, 1, UnixSeconds(1_000_000 + 50)));
        net.now = net.now.plus(40);
        net.block += 1;
        let point = net.point();
        let shown = Reveal { provider: PROVIDER, kind: HashKind::Keccak256, secret: secret(1), at: net.now };
        let fact = ChangeKind::Collateral(TokenFact { token: USD, collateral: 50, ondelta: 50 });
        net.chain_for(&[1], vec![fact], vec![shown]);
        net.wire.clear();
        net.now = net.now.plus(40);
        net.block += 1;
        let second = net.point();
        net.chain_for(&[1], vec![], vec![]);
        net.wire.clear();
        (net, point, second, shown)
    };
    let sync = |point, facts, reveals| Transition::SyncChain { key: KEY, point, facts, reveals, recorded: vec![] };
    let true_facts = facts(0, 0, (50, 50));
    {
        let (mut net, point, second, shown) = make();
        for p in [point, second] {
            let block = net.forge(0, vec![sync(p, true_facts.clone(), if p == point { vec![shown] } else { vec![] })]);
            assert_eq!(acks(&net.inject_block(0, block)), 1, "the truth is taken");
        }
        assert_eq!(net.token(1).collateral, 50);
    }
    let other = |change: &dyn Fn(&mut SubchannelFacts)| {
        let mut f = true_facts.clone();
        change(&mut f);
        f
    };
    let (_, point, second, shown) = make();
    let differ = RejectReason::FactsDiffer { index: 0 };
    let lies = [
        sync(point, true_facts.clone(), vec![]),
        sync(second, true_facts.clone(), vec![]),
        sync(point, other(&|f| f.tokens[0].collateral = 51), vec![shown]),
        sync(point, other(&|f| f.tokens[0].ondelta = 49), vec![shown]),
        sync(point, other(&|f| f.settlement_nonce = 1), vec![shown]),
        sync(point, other(&|f| f.epoch = 1), vec![]),
        sync(
            point,
            other(&|f| f.dispute = Some(dispute(Side::Left, 0, f.dispute.map_or(UnixSeconds(0), |d| d.started_at)))),
            vec![shown],
        ),
        sync(ChainPoint { hash: Hash([1; 32]), ..point }, true_facts.clone(), vec![shown]),
        sync(ChainPoint { timestamp: point.timestamp.plus(1), ..point }, true_facts.clone(), vec![shown]),
        sync(point, true_facts.clone(), vec![Reveal { at: shown.at.minus(1), ..shown }]),
    ];
    for lie in lies {
        let (mut net, ..) = make();
        let before = net.state(1).clone();
        let block = net.forge(0, vec![lie.clone()]);
        let answer = net.inject_block(0, block.clone());
        assert_eq!((acks(&answer), rejects(&answer)), (0, vec![differ]), "{lie:?}");
        assert_eq!(net.state(1), &before);
        assert_eq!(rejects(&net.inject_block(0, block)), [differ], "for good");
    }
    // An invented reveal of a lock that nobody opened: only the view knows.
    let (mut net, ..) = make();
    net.submit(0, vec![lock(5, 2, UnixSeconds(1_000_000 + 5000))]).remove(0).unwrap();
    net.settle();
    let invented = Reveal { provider: PROVIDER, kind: HashKind::Keccak256, secret: secret(2), at: point.timestamp };
    let block = net.forge(0, vec![sync(second, true_facts, vec![shown, invented])]);
    assert_eq!(rejects(&net.inject_block(0, block)), [differ]);
}

#[test]
fn a_sync_from_ahead_waits_for_the_view_and_for_nothing_else() {
    let mut net = net(100);
    net.block += 1;
    let point = net.point();
    let block = net.forge(
        0,
        vec![Transition::SyncChain {
            key: KEY,
            point,
            facts: facts(0, 0, (50, 50)),
            reveals: vec![],
            recorded: vec![],
        }],
    );
    assert!(net.inject_block(0, block).is_empty());
    assert_eq!(net.token(1).collateral, 0);
    net.chain_for(&[1], vec![ChangeKind::Collateral(TokenFact { token: USD, collateral: 50, ondelta: 50 })], vec![]);
    assert_eq!(acks(&net.taken()), 1);
    assert_eq!(net.token(1).collateral, 50);
    // A view that never comes so far: refused in time.
    net.block += 1;
    let point = net.point();
    let block = net.forge(
        0,
        vec![Transition::SyncChain {
            key: KEY,
            point,
            facts: facts(0, 0, (50, 50)),
            reveals: vec![],
            recorded: vec![],
        }],
    );
    assert!(net.inject_block(0, block).is_empty());
    net.now = net.now.plus(61);
    net.stage(1, vec![Input::Tick]);
    assert_eq!(rejects(&net.taken()), [RejectReason::FactsDiffer { index: 0 }]);
}

#[test]
fn rule_32_an_epoch_raised_together_with_a_payment_is_refused() {
    let mut net = net(100);
    net.run(0, pay(50));
    net.block += 1;
    let point = net.point();
    net.chain_for(&[1], vec![ChangeKind::Closed { epoch: 1, settlement_nonce: 0 }], vec![]);
    net.wire.clear();
    let before = net.state(1).clone();
    let raise =
        Transition::SyncChain { key: KEY, point, facts: facts(1, 0, (0, 0)), reveals: vec![], recorded: vec![] };
    let grant = Transition::SetCreditLimit { key: KEY, token: USD, limit: 100 };
    for (transitions, index) in
        [(vec![raise.clone(), grant.clone()], 1), (vec![grant, raise.clone()], 1), (vec![pay(1), raise.clone()], 1)]
    {
        let block = net.forge(0, transitions);
        assert_eq!(rejects(&net.inject_block(0, block)), [RejectReason::Transition { index, error: E::NotAlone }]);
    }
    assert_eq!(net.state(1), &before);
    let block = net.forge(0, vec![raise]);
    assert_eq!(acks(&net.inject_block(0, block)), 1);
    assert_eq!((net.token(1).left_limit, net.token(1).right_limit, net.token(1).offdelta), (0, 0, 0));
}

#[test]
fn rule_22_a_refused_command_never_halts_the_node() {
    let mut net = net(100);
    let verdicts = net.submit(
        0,
        vec![
            pay(0),
            pay(101),
            pay(5),
            open(KEY),
            open(SubchannelKey { chain: ChainId(77), ..KEY }),
            pay(6),
            Transition::SyncChain {
                key: KEY,
                point: point(1, T0),
                facts: facts(0, 0, (9, 9)),
                reveals: vec![],
                recorded: vec![],
            },
        ],
    );
    assert_eq!(verdicts[0], Err(CommandError::Transition(E::ZeroAmount)));
    assert_eq!(verdicts[1], Err(CommandError::Transition(E::InsufficientCapacity { available: 100, needed: 101 })));
    assert!(verdicts[2].is_ok() && verdicts[5].is_ok());
    assert_eq!(verdicts[3], Err(CommandError::Transition(E::SubchannelExists)));
    assert_eq!(verdicts[4], Err(CommandError::UnknownDepository));
    assert_eq!(verdicts[6], Err(CommandError::Reserved), "no one adds collateral by word alone");
    net.settle();
    net.agreed();
    assert_eq!(net.token(1).offdelta, -11);
    // What fits when it is queued and not when its turn comes is reported, and what follows it goes on.
    net.submit(0, vec![pay(1)]).remove(0).unwrap();
    net.submit(1, vec![pay(50)]).remove(0).unwrap();
    net.submit(1, vec![Transition::SetCreditLimit { key: KEY, token: USD, limit: 0 }]).remove(0).unwrap();
    let victim = net.submit(0, vec![pay(80)]).remove(0).unwrap();
    net.submit(0, vec![Transition::Memo { data: vec![4] }]).remove(0).unwrap();
    net.settle();
    net.agreed();
    let failed =
        net.parties[0].events.iter().any(|e| matches!(e, Event::CommandFailed { command, .. } if *command == victim));
    let done =
        net.parties[0].events.iter().any(|e| matches!(e, Event::CommandDone { command, .. } if *command == victim));
    assert!(failed ^ done);
    // Strangers, oneself, malformed names.
    let me = net.id(0);
    for peer in [me, xln_core::codec::decode(&[9; 32]).unwrap()] {
        let command =
            xln_core::machine::Command { peer, action: Action::Propose { transition: pay(1), submit: false } };
        assert_eq!(net.stage(0, vec![Input::Command(command)]), [InputOutcome::Refused(CommandError::UnknownPeer)]);
        net.stage(0, vec![Input::Message { from: peer, bytes: vec![1, 2] }, Input::Connected { peer }]);
    }
    net.run(0, pay(1));
    net.agreed();
}

#[test]
fn policy_refuses_a_depository_that_is_not_pinned() {
    let mut net = net(100);
    let block = net.forge(0, vec![open(SubchannelKey { chain: ChainId(77), ..KEY })]);
    assert_eq!(rejects(&net.inject_block(0, block)), [RejectReason::Policy { index: 0 }]);
    assert!(!net.state(1).subchannels.contains_key(&SubchannelKey { chain: ChainId(77), ..KEY }));
}

#[test]
fn right_gives_up_its_block_only_for_one_of_left_that_has_verified() {
    let mut net = net(100);
    net.submit(1, vec![pay(7)]).remove(0).unwrap();
    let before = net.channel(1).clone();
    net.wire.clear();
    let block = net.forge(0, vec![pay(10)]);
    let wrong = net.parties[0].signer.sign_digest(&Hash([1; 32])).unwrap();
    net.inject(0, Part::Proposal { block: block.clone().into(), signature: wrong });
    assert_eq!(net.channel(1), &before, "a block without its signature moves nothing");
    let bad = net.forge(0, vec![pay(0)]);
    net.inject_block(0, bad);
    assert!(net.channel(1).is_in_flight() && net.channel(1).queued() == 0, "a block that breaks a rule moves nothing");
    let mut ahead = net.forge(0, vec![pay(10)]);
    ahead.timestamp = net.now.plus(500);
    net.inject_block(0, ahead);
    assert!(net.channel(1).is_in_flight() && net.channel(1).queued() == 0, "a block that waits moves nothing");
    // One that fits does, in one record, and right's commands come next.
    let answer = net.inject_block(0, block);
    assert_eq!(acks(&answer), 1);
    assert_eq!(proposals(&answer).len(), 1);
    assert_eq!(proposals(&answer)[0].transitions, [pay(7)]);
}

#[test]
fn left_keeps_its_block_and_says_it_again() {
    let mut net = net(100);
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    let mine = net.taken();
    let before = net.channel(0).clone();
    let block = net.forge(1, vec![pay(7)]);
    assert_eq!(net.inject_block(1, block), mine, "the same bytes, no answer to right's block");
    assert_eq!(net.channel(0), &before);
}

#[test]
fn rule_30_a_refused_block_stays_live_and_its_command_is_not_repeated() {
    let mut net = net(100);
    let id = net.submit(0, vec![Transition::Memo { data: vec![1] }, pay(10), Transition::Memo { data: vec![2] }])[1]
        .unwrap();
    let refused = proposals(&net.taken()).remove(0);
    let signature = net.parties[1].signer.sign_digest(&net.digest(0, &refused)).unwrap();
    let late_ack = Part::Ack { height: refused.height, block_hash: refused.hash().unwrap(), signature };
    let hash = net.channel(0).tip().commitment.subchannels[0].body_hash;
    // Forged by anybody else, or with a height beyond the gap, a refusal is nothing.
    let mut forged = net.reject_of(1, &refused, RejectReason::Policy { index: 1 }, refused.height + 1);
    if let Part::Reject(reject) = &mut forged {
        reject.signature = net.parties[0].signer.sign_digest(&Hash([3; 32])).unwrap();
    }
    let far = net.reject_of(1, &refused, RejectReason::Policy { index: 1 }, refused.height + MAX_HEIGHT_GAP + 1);
    for bad in [forged, far] {
        let before = net.channel(0).clone();
        assert!(net.inject(1, bad).is_empty());
        assert_eq!(net.channel(0), &before);
    }
    let reject = net.reject_of(1, &refused, RejectReason::Policy { index: 1 }, refused.height + 3);
    let replacement = proposals(&net.inject(1, reject.clone())).remove(0);
    assert_eq!((replacement.height, replacement.prev_block_hash), (refused.height + 3, refused.prev_block_hash));
    assert_eq!(
        replacement.transitions,
        [Transition::Memo { data: vec![1] }, Transition::Memo { data: vec![2] }],
        "what was refused is not said again"
    );
    assert_eq!(net.channel(0).queued(), 0);
    let failed = |net: &Net| {
        net.parties[0].events.iter().any(|e| matches!(e, Event::CommandFailed { command, .. } if *command == id))
    };
    assert!(!failed(&net));
    // The peer may show the refused one on chain: its body is still here.
    let parent = net.state(1).clone();
    let after = xln_core::block::apply_block(&parent, &parent.hash().unwrap(), &refused).unwrap();
    let body = &xln_core::commitment::Commitment::of(&after).unwrap().subchannels[0];
    assert_ne!(body.body_hash, hash);
    assert_eq!(net.channel(0).body(&KEY, &body.body_hash).as_ref(), Some(&body.body));
    // Acknowledged after its refusal: not agreed any more. The same refusal again: no error.
    let count = net.rejections(0).len();
    net.inject(1, late_ack);
    assert_eq!(net.rejections(0)[count..], [Rejection::NotInFlight]);
    net.inject(1, reject);
    assert_eq!(net.rejections(0).len(), count + 1);
    assert!(!failed(&net) && net.state(0) == &parent);
    // Outranked at last.
    let signature = net.parties[1].signer.sign_digest(&net.digest(0, &replacement)).unwrap();
    net.inject(1, Part::Ack { height: replacement.height, block_hash: replacement.hash().unwrap(), signature });
    assert!(failed(&net));
    assert_eq!(net.channel(0).body(&KEY, &body.body_hash), None);
}

#[test]
fn rule_24_no_settlement_signature_without_its_agreed_hold() {
    let mut net = net(100);
    net.collateral(50, 50);
    let expiry = net.now.plus(100);
    net.submit(0, vec![settlement(diff(20, 0, -20), expiry)]).remove(0).unwrap();
    let is_signature = |p: &Part| matches!(p, Part::SettlementSignature { .. });
    let first = net.taken();
    assert!(!first.iter().any(is_signature));
    assert!(net.channel(0).settlement(&KEY).is_none());
    // A signature for what is not agreed is refused.
    let early = net.parties[1].signer.sign_digest(&Hash([1; 32])).unwrap();
    let id = net.state(0).next_id;
    net.inject(1, Part::SettlementSignature { key: KEY, id, signature: early.clone() });
    assert_eq!(net.rejections(0).last(), Some(&Rejection::NotInFlight));
    let block = proposals(&first).remove(0);
    let answer = net.inject_block(0, block);
    assert!(answer.iter().any(is_signature) && acks(&answer) == 1);
    net.inject(1, answer.iter().find(|p| !is_signature(p)).unwrap().clone());
    assert_eq!(net.token(0).left_hold, 20);
    // A wrong signature is refused and the right one still taken.
    net.inject(1, Part::SettlementSignature { key: KEY, id, signature: early });
    assert!(matches!(net.rejections(0).last(), Some(Rejection::Signature(_))));
    assert!(net.channel(0).settlement(&KEY).unwrap().right.is_none());
    net.inject(1, answer.into_iter().find(is_signature).unwrap());
    assert!(net.parties[0].events.iter().any(|e| matches!(e, Event::SettlementReady { .. })));
    let outcome = net.command(0, Action::SubmitSettlement { key: KEY });
    assert!(matches!(outcome, InputOutcome::Accepted(_)));
    // Its end: the holds go and the signatures with them.
    net.chain(
        vec![
            ChangeKind::Settled { epoch: 0, settlement_nonce: 1 },
            ChangeKind::Collateral(TokenFact { token: USD, collateral: 30, ondelta: 30 }),
        ],
        vec![],
    );
    net.wire.clear();
    net.connect();
    net.agreed();
    assert_eq!((net.token(0).left_hold, net.token(0).collateral, net.token(0).ondelta), (0, 30, 30));
    assert!(net.channel(0).settlement(&KEY).is_none() && net.channel(1).settlement(&KEY).is_none());
    assert_eq!(
        net.command(0, Action::SubmitSettlement { key: KEY }),
        InputOutcome::Refused(CommandError::NothingToShow)
    );
}

#[test]
fn rule_26_only_my_own_signature_proves_that_the_peer_is_ahead() {
    let mut net = net(100);
    net.run(0, pay(10));
    let older = net.state(0).clone();
    let old = (net.channel(0).tip().left.clone().unwrap(), net.channel(0).tip().right.clone().unwrap());
    net.run(0, pay(1));
    let before = net.channel(0).clone();
    // Older, the same, another channel's, with the peer's signature twice, invented.
    let reply =
        |state: &xln_core::state::ChannelState, left, right| Part::StateReply { state: state.clone(), left, right };
    let mut later = net.state(0).clone();
    later.height += 5;
    later.nonce = Nonce(later.height * 2);
    later.subchannels.get_mut(&KEY).unwrap().tokens.get_mut(&USD).unwrap().offdelta = 99;
    let digest = xln_core::commitment::Commitment::of(&later).unwrap().digest;
    let by = |i: usize| net.parties[i].signer.sign_digest(&digest).unwrap();
    let (l, r) = (by(0), by(1));
    let mut impossible = later.clone();
    impossible.subchannels.get_mut(&KEY).unwrap().tokens.get_mut(&USD).unwrap().left_hold = 5;
    let tip = (net.channel(0).tip().left.clone().unwrap(), net.channel(0).tip().right.clone().unwrap());
    let current = net.state(0).clone();
    for bad in [
        reply(&older, old.0, old.1),
        reply(&current, tip.0.clone(), tip.1),
        reply(&later, r.clone(), r.clone()),
        reply(&later, tip.0, r.clone()),
        reply(&impossible, l.clone(), r.clone()),
    ] {
        let count = net.rejections(0).len();
        net.inject(1, bad);
        assert_eq!(net.channel(0), &before);
        assert_eq!(net.rejections(0).len(), count + 1);
    }
    // With both it is the truth, whatever it says; and rule 27: what was signed binds.
    net.inject(1, reply(&later, l, r));
    assert_eq!(net.state(0), &later);
    assert!(net.channel(0).max_signed() >= later.nonce);
}

#[test]
fn a_recovering_node_signs_nothing_and_then_only_above_what_it_may_have_signed() {
    let mut net = net(100);
    net.stage(1, vec![Input::RestoredFromBackup]);
    let block = net.forge(0, vec![pay(1)]);
    let before = net.channel(1).clone();
    assert!(net.inject_block(0, block.clone()).is_empty());
    assert_eq!(net.rejections(1).last(), Some(&Rejection::Recovering));
    assert_eq!(net.channel(1), &before);
    // An answer that does not know my tip is no answer.
    net.inject(0, Part::Reestablish { height: 1, block_hash: Hash([1; 32]), state_hash: Hash([2; 32]), reply: false });
    assert!(net.channel(1).is_recovering());
    let tip = net.channel(0).tip();
    let level = Part::Reestablish {
        height: tip.state.height,
        block_hash: tip.state.block_hash,
        state_hash: tip.commitment.state_hash,
        reply: false,
    };
    let (parent, tipped) = (net.state(1).height, tip.state.timestamp);
    net.inject(0, level);
    assert!(!net.channel(1).is_recovering());
    // At once it signs a block that outranks all that the lost log can have signed on this parent.
    let floor = net.channel(1).max_signed();
    let elapsed = (net.now.0 - tipped.0) % RESTORE_PERIOD_S;
    let jump = RESTORE_STEP * (elapsed + 1) + 1;
    assert_eq!(floor, Nonce((parent + jump) * 2));
    let mut same = block.clone();
    same.height = parent + jump - 1;
    assert!(same.nonce().unwrap() < floor);
    let answer = net.inject_block(0, same);
    assert_eq!((acks(&answer), rejects(&answer)), (0, vec![RejectReason::HeightTooLow]));
    let mut next = block;
    next.height = parent + jump;
    assert_eq!(acks(&net.inject_block(0, next)), 1);
    assert!(net.channel(1).max_signed() > floor);
}

/// Restored again and again, from one backup or from a backup of the life before, with nothing agreed in between: no two lives
/// sign at one nonce, and the last one goes on although the peer saw none of the others' blocks.
#[test]
fn no_two_restores_sign_at_one_nonce() {
    for again in [false, true] {
        let mut net = net(100);
        let (entity, peer) = (net.id(1), net.id(0));
        let mut backup = net.parties[1].log.records.clone();
        let mut signed = std::collections::BTreeSet::new();
        for life in 0..20 {
            net.now = net.now.plus(1);
            let records: Vec<_> = backup.iter().map(|r| Record::decode(r).unwrap()).collect();
            net.parties[1].machine = Machine::restore(entity, None, records).unwrap();
            net.parties[1].log.records = backup.clone();
            net.stage(1, vec![Input::RestoredFromBackup]);
            net.wire.clear();
            net.stage(1, vec![Input::Connected { peer }]);
            while net.channel(1).is_recovering() {
                assert!(net.deliver(), "life {life} hears where its peer stands");
            }
            // What it proposes never arrives.
            net.wire.clear();
            assert!(signed.insert(net.channel(1).max_signed()), "life {life} signs where another one has: {signed:?}");
            if again {
                backup = net.parties[1].log.records.clone();
            }
        }
        net.connect();
        net.run(1, pay(1));
        net.agreed();
    }
}

fn start(nonce: u64, starter: Side) -> ChangeKind {
    ChangeKind::Dispute { epoch: 0, dispute: dispute(starter, nonce, T0), fills: vec![], body: vec![] }
}

fn sighted(net: &mut Net, i: usize, kind: ChangeKind) {
    let change = xln_core::chain::ChainChange { key: KEY, pair: net.pair(), kind };
    net.stage(i, vec![Input::Chain(xln_core::chain::ChainFact::Sighted { change })]);
}

fn vanished(net: &mut Net, i: usize) {
    let pair = net.pair();
    net.stage(i, vec![Input::Chain(xln_core::chain::ChainFact::Vanished { key: KEY, pair })]);
}

#[test]
fn a_sighted_start_or_close_freezes_its_subchannel_and_nothing_else() {
    for kind in [start(0, Side::Left), ChangeKind::Closed { epoch: 1, settlement_nonce: 0 }] {
        let mut net = net(100);
        net.run(0, open(KEY2));
        net.run(0, Transition::AddToken { key: KEY2, token: USD });
        net.run(1, Transition::SetCreditLimit { key: KEY2, token: USD, limit: 50 });
        sighted(&mut net, 1, kind);
        assert!(net.channel(1).frozen(&KEY).is_some() && net.channel(1).frozen(&KEY2).is_none());
        assert!(matches!(net.refused(1, pay(1)), CommandError::Frozen(_)));
        let before = net.state(1).clone();
        for t in [
            pay(1),
            lock(1, 1, net.now.plus(900)),
            Transition::SetCreditLimit { key: KEY, token: USD, limit: 1 },
            Transition::AddToken { key: KEY, token: TokenId(9) },
        ] {
            let block = net.forge(0, vec![Transition::Memo { data: vec![] }, t]);
            assert_eq!(rejects(&net.inject_block(0, block)), [RejectReason::Frozen { index: 1 }]);
        }
        assert_eq!(net.state(1), &before);
        // The rest of the channel, and what ends it.
        let mut height = net.state(1).height + 20;
        let mut take = |net: &mut Net, t: Transition| {
            let mut block = net.forge(0, vec![t]);
            height = net.state(1).height + 10;
            block.height = height;
            acks(&net.inject_block(0, block))
        };
        let elsewhere = Transition::DirectPayment { key: KEY2, token: USD, amount: 5 };
        assert_eq!(take(&mut net, elsewhere), 1);
        net.block += 1;
        net.chain_for(&[1], vec![], vec![]);
        let point = net.point();
        assert_eq!(
            take(
                &mut net,
                Transition::SyncChain {
                    key: KEY,
                    point,
                    facts: facts(0, 0, (0, 0)),
                    reveals: vec![],
                    recorded: vec![]
                }
            ),
            1
        );
        let expiry = net.now.plus(50);
        let close = Transition::ProposeClose { key: KEY, expiry };
        assert_eq!(take(&mut net, close), 1);
    }
}

#[test]
fn a_freeze_ends_when_its_cause_vanishes_or_its_epoch_is_over() {
    let mut net = net(100);
    sighted(&mut net, 0, start(0, Side::Right));
    assert!(net.channel(0).frozen(&KEY).is_some());
    vanished(&mut net, 0);
    assert_eq!(net.channel(0).frozen(&KEY), None);
    net.run(0, pay(1));
    // By an own start, from the signature on, before anything stands in a block.
    let key = KEY;
    assert!(matches!(
        net.command(0, Action::StartDispute { key, arguments: Default::default() }),
        InputOutcome::Accepted(_)
    ));
    assert_eq!(net.channel(0).frozen(&KEY), Some(xln_core::channel::Freeze::OwnStart));
    assert!(matches!(net.refused(0, pay(1)), CommandError::Frozen(_)));
    let block = net.forge(1, vec![pay(1)]);
    assert_eq!(rejects(&net.inject_block(1, block)), [RejectReason::Frozen { index: 0 }]);
    // The start failed for good.
    let effect = net.parties[0].actions.last().unwrap().0;
    net.stage(0, vec![Input::Completed { effect, success: false }]);
    assert_eq!(net.channel(0).frozen(&KEY), None);
    net.wire.clear();
    net.connect();
    // Confirmed, finalized, recorded.
    net.chain(vec![start(0, Side::Left)], vec![]);
    assert!(net.channel(0).frozen(&KEY).is_some() && net.channel(1).frozen(&KEY).is_some());
    assert!(net.state(0).subchannels[&KEY].dispute.is_some());
    net.chain(vec![ChangeKind::Closed { epoch: 1, settlement_nonce: 0 }], vec![]);
    net.agreed();
    assert_eq!((net.channel(0).frozen(&KEY), net.channel(1).frozen(&KEY)), (None, None));
    net.run(0, Transition::SetCreditLimit { key: KEY, token: USD, limit: 3 });
    net.run(1, pay(3));
}

#[test]
fn a_reorganisation_freezes_and_alerts_until_someone_looks() {
    let mut net = net(100);
    net.collateral(50, 50);
    let number = net.block;
    for gone in [number + 1, number] {
        let fact = xln_core::chain::ChainFact::Reorganised { chain: KEY.chain, number: gone };
        net.stage(0, vec![Input::Chain(fact)]);
        assert_eq!(net.channel(0).frozen(&KEY).is_some(), gone == number);
    }
    let alarms = net.parties[0].events.iter().filter(|e| matches!(e, Event::Alarm { .. })).count();
    assert_eq!(alarms, 1);
    assert!(matches!(net.refused(0, pay(1)), CommandError::Frozen(_)));
    let peer = net.id(1);
    net.stage(0, vec![Input::ClearAlarm { peer, key: KEY }]);
    net.run(0, pay(1));
}

#[test]
fn commands_that_wait_when_a_freeze_comes_keep_waiting() {
    let mut net = net(100);
    net.submit(0, vec![Transition::Memo { data: vec![1] }]).remove(0).unwrap();
    net.submit(0, vec![pay(5)]).remove(0).unwrap();
    sighted(&mut net, 0, start(0, Side::Right));
    net.settle();
    assert_eq!((net.channel(0).queued(), net.token(0).offdelta), (1, 0));
    vanished(&mut net, 0);
    net.settle();
    net.agreed();
    assert_eq!(net.token(1).offdelta, -5);
}

#[test]
fn rule_29_there_is_a_way_out_without_any_signature_of_the_peer() {
    let mut net = two();
    // Nothing was ever agreed.
    let tokens = vec![EUR, USD, EUR];
    let outcome = net.command(0, Action::StartEmptyDispute { key: KEY, tokens });
    assert!(matches!(outcome, InputOutcome::Accepted(_)));
    let calls = net.calls(0);
    assert!(
        matches!(&calls[..], [xln_core::chain::ChainCall::StartEmptyDispute { starter: Side::Left, tokens }] if *tokens == [USD, EUR]),
        "{calls:?}"
    );
    assert_eq!(
        net.command(1, Action::StartDispute { key: KEY, arguments: Default::default() }),
        InputOutcome::Refused(CommandError::NothingToShow)
    );
    assert_eq!(
        net.command(1, Action::CounterDispute { key: KEY, arguments: Default::default() }),
        InputOutcome::Refused(CommandError::NothingToShow)
    );
}

#[test]
fn rule_15_the_first_reveal_wins_and_views_never_go_back() {
    let mut view = ChainView::default();
    let shown =
        |at: u64, i: u8| Reveal { provider: PROVIDER, kind: HashKind::Sha256, secret: secret(i), at: UnixSeconds(at) };
    let lock = |i: u8| secret(i).hash(HashKind::Sha256);
    let p = |n: u64| point(n, UnixSeconds(n * 10));
    assert!(view.advance(p(5), &[shown(50, 0)], &[]));
    assert!(view.advance(p(6), &[shown(60, 0), shown(60, 1)], &[]));
    assert_eq!(view.secret(&PROVIDER, HashKind::Sha256, &lock(0)).unwrap().at, UnixSeconds(50), "the zero secret too");
    for old in [p(6), p(5), p(1)] {
        assert!(!view.advance(old, &[shown(1, 2)], &[]));
    }
    assert_eq!(view.head(), Some(&p(6)));
    assert!(view.secret(&PROVIDER, HashKind::Sha256, &lock(2)).is_none());
    assert!(
        view.reveal(&PROVIDER, HashKind::Sha256, &lock(1), 5).is_none()
            && view.reveal(&PROVIDER, HashKind::Sha256, &lock(1), 6).is_some()
    );
    assert!(
        view.secret(&PROVIDER, HashKind::Keccak256, &lock(0)).is_none()
            && view.secret(&Address([0; 20]), HashKind::Sha256, &lock(0)).is_none()
    );
    assert_eq!(
        (view.judge(&p(5)), view.judge(&p(7)), view.judge(&p(4))),
        (PointVerdict::Known, PointVerdict::Ahead, PointVerdict::Unknown)
    );
    assert_eq!(view.judge(&ChainPoint { hash: Hash([8; 32]), ..p(5) }), PointVerdict::Unknown);
}

#[test]
fn the_last_proof_of_a_dropped_subchannel_is_kept_until_its_epoch_has_risen() {
    let mut net = net(100);
    net.run(0, pay(5));
    net.run(1, pay(5));
    net.run(0, Transition::CloseSubchannel { key: KEY });
    let last = net.channel(1).best_evidence(&KEY).unwrap();
    assert_eq!(last.nonce, net.state(1).nonce);
    assert!(xln_core::proof::Body::parse(&last.body).unwrap().tokens.is_empty());
    net.run(0, Transition::Memo { data: vec![1] });
    assert!(net.state(0).subchannels.is_empty());
    for i in 0..2 {
        assert_eq!(net.channel(i).best_nonce(&KEY), Some(last.nonce), "the empty leaf outranks what came before");
    }
    net.restart(1);
    assert_eq!(net.channel(1).best_evidence(&KEY).unwrap().body, last.body);
    // Opened again: the new leaf is newer. After the epoch has risen the old one is good for nothing.
    net.run(1, open(KEY));
    assert!(net.channel(0).best_nonce(&KEY).unwrap() > last.nonce);
    net.chain(vec![ChangeKind::Closed { epoch: 1, settlement_nonce: 0 }], vec![]);
    net.agreed();
    assert_eq!(net.channel(0).best_evidence(&KEY).unwrap().epoch, 1);
}

#[test]
fn messages_of_another_version_channel_or_size_are_refused() {
    let mut net = net(100);
    let channel = net.pair().channel_key();
    let good = Message { channel, parts: vec![Part::StateRequest] }.encode().unwrap();
    let mut version = good.clone();
    version[0] = 2;
    let other = Message { channel: Hash([1; 32]), parts: vec![Part::StateRequest] }.encode().unwrap();
    let many = Message { channel, parts: vec![Part::StateRequest; 65] }.encode().unwrap();
    let mut tail = good.clone();
    tail.push(0);
    let before = net.channel(1).clone();
    for bytes in [version, other, many, tail, vec![], vec![1]] {
        let count = net.rejections(1).len();
        net.wire.push_back((0, 1, bytes));
        net.deliver();
        assert!(net.wire.is_empty());
        assert_eq!(net.rejections(1).len(), count + 1);
    }
    assert_eq!(net.channel(1), &before);
    net.wire.push_back((0, 1, good));
    net.deliver();
    assert!(matches!(net.taken()[..], [Part::StateReply { .. }]));
}

#[test]
fn answers_to_nothing_are_refused_and_move_nothing() {
    let mut net = net(100);
    let signature = net.parties[1].signer.sign_digest(&Hash([1; 32])).unwrap();
    let before = net.channel(0).clone();
    let block = net.forge(0, vec![pay(1)]);
    let reject = net.reject_of(1, &block, RejectReason::Malformed, 1);
    for part in [
        Part::Ack { height: 99, block_hash: Hash([5; 32]), signature: signature.clone() },
        reject,
        Part::SettlementSignature { key: KEY, id: 1, signature: signature.clone() },
    ] {
        let count = net.rejections(0).len();
        assert!(net.inject(1, part).is_empty());
        assert_eq!(net.rejections(0)[count..], [Rejection::NotInFlight]);
    }
    assert_eq!(net.channel(0), &before);
    // In flight: a wrong height or signature agrees to nothing.
    net.submit(0, vec![pay(3)]).remove(0).unwrap();
    let block = proposals(&net.taken()).remove(0);
    let before = net.channel(0).clone();
    let (height, block_hash) = (block.height, block.hash().unwrap());
    let good = net.parties[1].signer.sign_digest(&net.digest(0, &block)).unwrap();
    net.inject(1, Part::Ack { height: height + 1, block_hash, signature: good.clone() });
    net.inject(1, Part::Ack { height, block_hash, signature });
    assert_eq!(net.channel(0), &before);
    net.inject(1, Part::Ack { height, block_hash, signature: good });
    assert_eq!(net.token(0).offdelta, -3);
}

/// A peer that refuses every block, also the empty ones: each refused state stays live and is kept, so there is an end to it.
/// What outranks them all is taken, and the channel goes on.
#[test]
fn a_peer_that_refuses_everything_makes_no_endless_list() {
    for i in 0..2 {
        let mut net = net(1000);
        net.submit(i, vec![pay(5)]).remove(0).unwrap();
        let mut last = None;
        let mut refused = 0;
        while let Some(block) = proposals(&net.taken()).pop() {
            refused += 1;
            assert!(refused < 200, "it signs without end");
            // Nothing is to blame, so that the command is never given up; least heights rise as fast as they may.
            let reject = net.reject_of(1 - i, &block, RejectReason::Malformed, block.height + refused % 3);
            last = Some(block);
            let message = Message { channel: net.pair().channel_key(), parts: vec![reject] };
            let from = net.id(1 - i);
            net.stage(i, vec![Input::Message { from, bytes: message.encode().unwrap() }]);
        }
        assert_eq!(refused, 64);
        assert!(net.rejections(i).is_empty(), "each refusal was a good one: {:?}", net.rejections(i));
        let mut block = net.forge(1 - i, vec![pay(7)]);
        block.height = last.unwrap().height + 4;
        let answer = net.inject_block(1 - i, block);
        assert_eq!(acks(&answer), 1, "{answer:?}");
        assert_eq!(proposals(&answer).len(), 1, "the command goes on: {answer:?}");
    }
}

/// A refusal that blames what the block does not have could be made of anything, and again of the next block: it is none.
#[test]
fn a_refusal_of_no_transition_refuses_nothing() {
    for i in 0..2 {
        let mut net = net(1000);
        net.submit(i, vec![pay(5)]).remove(0).unwrap();
        let block = proposals(&net.taken()).remove(0);
        let reasons = [
            RejectReason::Policy { index: 1 },
            RejectReason::Frozen { index: u32::MAX },
            RejectReason::FactsDiffer { index: 1 },
            RejectReason::DelegationLimit { index: 1 },
            RejectReason::Transition { index: 1, error: E::Expired },
        ];
        for reason in reasons {
            let reject = net.reject_of(1 - i, &block, reason, block.height);
            assert!(proposals(&net.inject(1 - i, reject)).is_empty());
        }
        assert_eq!(net.rejections(i), [Rejection::NoSuchTransition; 5]);
        assert!(net.channel(i).is_in_flight());
        let signature = net.parties[1 - i].signer.sign_digest(&net.digest(1 - i, &block)).unwrap();
        net.inject(1 - i, Part::Ack { height: block.height, block_hash: block.hash().unwrap(), signature });
        assert_eq!(net.state(i).block_hash, block.hash().unwrap());
    }
}

/// A peer that refuses without blaming anything, and acknowledges the empty block that follows, brings this side no further.
/// Once it may have to: what it has lost is outranked then. After that there is no hurry to say the same again.
#[test]
fn whoever_is_refused_for_nothing_takes_its_time() {
    for i in 0..2 {
        let mut net = net(1000);
        let wait = net.parties[i].machine.config().resend_s;
        net.submit(i, vec![pay(5)]).remove(0).unwrap();
        let mut said = proposals(&net.taken());
        for round in 0..4 {
            let next = in_vain(&mut net, i, &said[0]);
            if round == 0 {
                said = next;
                continue;
            }
            assert!(next.is_empty());
            assert_eq!(net.parties[i].machine.poll_timeout(), Some(net.now.plus(wait)));
            net.now = net.now.plus(wait - 1);
            net.stage(i, vec![Input::Tick]);
            assert!(net.taken().is_empty());
            net.now = net.now.plus(1);
            net.stage(i, vec![Input::Tick]);
            said = proposals(&net.taken());
        }
        // Any other block ends the wait, and it is forgotten.
        assert!(in_vain(&mut net, i, &said[0]).is_empty());
        let block = net.forge(1 - i, vec![pay(7)]);
        said = proposals(&net.inject_block(1 - i, block));
        assert_eq!(in_vain(&mut net, i, &said[0]).len(), 1);
    }
}

/// Party `1 - i` refuses a block without a reason, and acknowledges the empty one that follows; what party `i` says then.
fn in_vain(net: &mut Net, i: usize, block: &Block) -> Vec<Block> {
    assert_eq!(block.transitions, [pay(5)]);
    // One refusal is enough to use the heights up.
    let reject = net.reject_of(1 - i, block, RejectReason::Malformed, block.height + 8);
    let empty = proposals(&net.inject(1 - i, reject)).remove(0);
    assert!(empty.transitions.is_empty());
    let signature = net.parties[1 - i].signer.sign_digest(&net.digest(1 - i, &empty)).unwrap();
    let said = net.inject(1 - i, Part::Ack { height: empty.height, block_hash: empty.hash().unwrap(), signature });
    assert_eq!(net.state(i).block_hash, empty.hash().unwrap());
    proposals(&said)
}
