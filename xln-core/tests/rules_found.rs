//! Defects that tests of the rules have found. Each stays here as a test under the name of what must hold.
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
use xln_core::chain::{ChainCall, ChangeKind};
use xln_core::channel::{Arguments, CommandError, Event};
use xln_core::machine::{Action, Context, Input, InputOutcome, Machine, Record, Snapshot};
use xln_core::transition::Transition;
use xln_core::types::*;
use xln_core::wire::{Part, RejectReason};

/// An oversized message is the peer's fault: it is refused by name, and the log can still be written and read.
#[test]
fn an_oversized_message_cannot_stop_the_node() {
    let mut net = two();
    net.with_credit(100);
    let from = net.id(0);
    net.stage(1, vec![Input::Message { from, bytes: vec![1; (1 << 20) + 1] }]);
    net.run(1, pay(5));
    net.restart(1);
    net.agreed();
}

/// One step with many inputs is one record, and a record that was written can be read.
#[test]
fn a_record_of_many_inputs_can_be_read_again() {
    let mut net = two();
    net.stage(0, vec![Input::Tick; 10_000]);
    net.restart(0);
}

/// Commands that wait while a block is in flight may be longer together than a message: they go into several blocks.
#[test]
fn queued_commands_never_make_a_block_that_is_too_long_to_send() {
    let mut net = two();
    net.with_credit(100);
    net.submit(0, vec![pay(1)]).remove(0).unwrap();
    for _ in 0..300 {
        net.submit(0, vec![Transition::Memo { data: vec![7; 4096] }]).remove(0).unwrap();
    }
    net.settle();
    net.agreed();
    assert_eq!(net.channel(0).queued(), 0);
}

/// A deferral ends in an Ack or a Reject before the peer's timeout, also when the peer sends its block again and again.
#[test]
fn a_deferral_ends_although_the_block_is_sent_again() {
    let mut net = two();
    net.with_credit(100);
    net.connect();
    net.block += 1;
    let fact = ChangeKind::Collateral(TokenFact { token: USD, collateral: 50, ondelta: 50 });
    net.chain_for(&[0], vec![fact], vec![]);
    net.settle();
    assert!(net.channel(0).is_in_flight(), "right cannot judge it yet");
    let timeout = net.parties[0].machine.config().peer_timeout_s;
    for _ in 0..timeout / 5 - 1 {
        net.now = net.now.plus(5);
        for i in 0..2 {
            net.stage(i, vec![Input::Tick]);
        }
        net.settle();
    }
    assert!(
        net.parties[0].events.iter().any(|e| matches!(e, Event::Refused { .. })),
        "refused before left gives right up"
    );
    assert!(!net.parties[0].events.iter().any(|e| matches!(e, Event::Unresponsive { .. })));
}

/// The one invariant, and rule 22: whatever later state of mine a peer shows, the next own block outranks all that I signed.
#[test]
fn a_peer_that_shows_a_refused_state_cannot_stop_the_node() {
    let mut net = two();
    net.with_credit(100);
    let paid = net.submit(0, vec![pay(10)]).remove(0).unwrap();
    let refused = proposals(&net.taken()).remove(0);
    let min = refused.height + 1;
    let reject = net.reject_of(1, &refused, RejectReason::Policy { index: 0 }, min);
    let replacement = proposals(&net.inject(1, reject)).remove(0);
    assert_eq!(replacement.height, min, "left has signed two states above its tip");
    // Right signs the one that it refused and shows it as the last that both signed.
    let state = xln_core::block::apply_block(net.state(1), &net.state(1).hash().unwrap(), &refused).unwrap();
    let digest = net.digest(0, &refused);
    let (left, right) =
        (net.parties[0].signer.sign_digest(&digest).unwrap(), net.parties[1].signer.sign_digest(&digest).unwrap());
    net.inject(1, Part::StateReply { state, left, right });
    // The payment stands in the state that was taken over: what was refused by name has not failed.
    let told = net.parties[0].events.iter().filter_map(|e| match e {
        Event::CommandFailed { command, error } if *command == paid => Some(*error),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [CommandError::FateUnknown]);
    let peer = net.id(1);
    let signer = net.parties[0].signer.clone();
    let command = xln_core::machine::Command {
        peer,
        action: xln_core::machine::Action::Propose { transition: Transition::Memo { data: vec![1] }, submit: false },
    };
    let before = net.channel(0).max_signed();
    let cx = Context { now: net.now, signer: &signer };
    let party = &mut net.parties[0];
    let staged = party.machine.stage(&cx, vec![Input::Command(command)]).map(|s| s.commit(&mut party.log).unwrap());
    assert!(staged.is_ok(), "{:?}", staged.err());
    assert!(net.channel(0).max_signed() > before);
}

/// A late answer of a remote signer is for what it was asked for and for nothing else.
#[test]
fn a_late_remote_signature_never_lands_on_another_state() {
    let mut net = two();
    net.with_credit(100);
    net.parties[1].remote = true;
    net.submit(1, vec![pay(7)]).remove(0).unwrap();
    let late = net.parties[1].requests.remove(0);
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    net.deliver();
    let sign = |net: &mut Net, (request, digest): (xln_core::machine::EffectId, Hash)| {
        let signature = net.parties[1].signer.sign_digest(&digest).unwrap();
        net.stage(1, vec![Input::Signed { request, signature }]);
    };
    let ack = net.parties[1].requests.remove(0);
    sign(&mut net, ack);
    let again = net.parties[1].requests.remove(0);
    sign(&mut net, again);
    sign(&mut net, late);
    net.settle();
    net.agreed();
    assert_eq!(net.token(0).offdelta, -3);
    let (entity, snapshot) = (net.id(1), net.parties[1].machine.snapshot().unwrap());
    Machine::restore(entity, Some(&snapshot), Vec::<Record>::new()).unwrap();
}

/// A beneficiary whose settlement is not acknowledged when the margin begins reveals on chain, refused or not.
#[test]
fn a_settlement_that_the_payer_refuses_is_still_revealed_in_time() {
    let mut net = two();
    net.with_credit(100);
    net.configure(1, |c| c.vigilant = true);
    let expiry = net.now.plus(5000);
    net.run(0, lock(10, 1, expiry));
    net.submit(1, vec![Transition::SettlePayment { key: KEY, id: 1, secret: secret(1) }]).remove(0).unwrap();
    let block = proposals(&net.taken()).remove(0);
    let reject = net.reject_of(0, &block, RejectReason::Policy { index: 0 }, block.height + 1);
    net.inject(0, reject);
    // The payer says nothing more.
    net.now = expiry.minus(600);
    net.stage(1, vec![Input::Tick]);
    let revealed = net.calls(1).into_iter().any(|c| matches!(c, ChainCall::Reveal { secret: s, .. } if s == secret(1)));
    assert!(revealed, "the secret is known and the payment is not settled");
}

/// Rule 13: a snapshot that lets a node act as the other side is refused.
#[test]
fn a_snapshot_with_the_wrong_side_is_refused() {
    let mut net = two();
    net.with_credit(100);
    let (entity, peer) = (net.id(0), net.id(1));
    let snapshot = net.parties[0].machine.snapshot().unwrap();
    let at = snapshot.bytes.windows(32).position(|w| w == peer.as_bytes()).unwrap() + 32;
    let mut bytes = snapshot.bytes.clone();
    assert_eq!(bytes[at], 0, "left");
    bytes[at] = 1;
    let restored = Machine::restore(entity, Some(&Snapshot { seq: snapshot.seq, bytes }), Vec::<Record>::new());
    assert!(restored.is_err());
}

/// Rule 9 on both clocks: a lock that its payer could take back at once is no lock.
#[test]
fn a_lock_that_has_expired_on_chain_is_not_admitted() {
    let state = base(100);
    let state = one(&state, Side::Left, T0, &sync(1, T0.plus(20), facts(0, 0, (0, 0)), vec![])).unwrap();
    let admitted = one(&state, Side::Left, T0, &lock(10, 1, T0.plus(10)));
    let taken_back = admitted.map(|s| one(&s, Side::Left, T0, &Transition::CancelPayment { key: KEY, id: 1 }));
    assert!(!matches!(taken_back, Ok(Ok(_))), "locked and taken back in one breath");
}

/// What the chain has shown of a subchannel unfreezes it also when its new epoch comes with a state that is taken over.
#[test]
fn a_state_that_is_taken_over_ends_the_freeze_that_it_records() {
    let mut net = two();
    net.with_credit(100);
    let backup = net.parties[1].log.records.len();
    net.chain(vec![ChangeKind::Closed { epoch: 1, settlement_nonce: 0 }], vec![]);
    net.agreed();
    assert_eq!(net.channel(0).frozen(&KEY), None);
    // Right loses its log, sees the chain again, and takes over what both had agreed.
    let records: Vec<Record> =
        net.parties[1].log.records[..backup].iter().map(|r| Record::decode(r).unwrap()).collect();
    let entity = net.id(1);
    net.parties[1].machine = Machine::restore(entity, None, records).unwrap();
    net.parties[1].log = MemoryLog::default();
    net.stage(1, vec![Input::RestoredFromBackup]);
    net.chain_for(&[1], vec![ChangeKind::Closed { epoch: 1, settlement_nonce: 0 }], vec![]);
    assert!(net.channel(1).frozen(&KEY).is_some());
    let state = net.state(0).clone();
    let (left, right) = (net.channel(0).tip().left.clone().unwrap(), net.channel(0).tip().right.clone().unwrap());
    net.inject(0, Part::StateReply { state, left, right });
    assert_eq!(net.channel(1).frozen(&KEY), None, "the epoch that froze it is recorded");
}

/// Rule 4 to its end: a refused transition changes nothing, also when the numbers of a channel run out.
#[test]
fn a_lock_without_a_number_takes_no_hold() {
    let mut state = base(100);
    state.next_id = u64::MAX;
    assert!(one(&state, Side::Left, T0, &lock(10, 1, T0.plus(1000))).is_err());
    let swap =
        Transition::OfferSwap { key: KEY, give_token: USD, give: 1, want_token: EUR, want: 1, min_fill: 0, expiry: T0 };
    assert!(one(&state, Side::Left, T0, &swap).is_err());
}

/// Vigilance does not depend on collateral, nor on a peer that records the dispute: where only credit is at stake the
/// dispute is finalized too.
#[test]
fn a_dispute_over_credit_alone_is_finalized_by_itself() {
    let mut net = two();
    net.with_credit(100);
    net.configure(0, |c| c.vigilant = true);
    net.run(1, pay(10));
    let evidence = net.channel(0).best_evidence(&KEY).unwrap();
    let at = net.now;
    let fact = DisputeFact { body_hash: evidence.body_hash(), ..dispute(Side::Right, evidence.nonce.0, at) };
    net.block += 1;
    net.chain_for(&[0], vec![ChangeKind::Dispute { epoch: 0, dispute: fact, fills: vec![], body: vec![] }], vec![]);
    net.now = at.plus(3601);
    for _ in 0..2 {
        net.block += 1;
        net.chain_for(&[0], vec![], vec![]);
        net.stage(0, vec![Input::Tick]);
    }
    assert!(matches!(net.calls(0)[..], [ChainCall::FinalizeDispute { .. }]));
}

/// Rule 13 to its end: `ChannelState::check` promises everything that the rules guarantee of a state that they made.
#[test]
fn rule_13_everything_that_the_rules_guarantee_is_checked() {
    use xln_core::proof::{SettlementUpdate, TokenDiff};
    use xln_core::state::{ChannelState, Pending, SettlementAction, Subchannel};
    let rich = one(&base(100), Side::Left, T0, &sync(1, T0, facts(0, 0, (50, 50)), vec![])).unwrap();
    let swap = Transition::OfferSwap {
        key: KEY,
        give_token: USD,
        give: 10,
        want_token: EUR,
        want: 10,
        min_fill: 5,
        expiry: T0,
    };
    let diff = TokenDiff { token: USD, left: 20, right: 0, ondelta: -20 };
    let update = SettlementUpdate { diffs: vec![diff], forgiven: vec![] };
    let mut state = rich;
    for t in [lock(10, 1, T0.plus(900)), swap, Transition::ProposeSettlement { key: KEY, update, expiry: T0 }] {
        state = one(&state, Side::Left, T0, &t).unwrap();
    }
    state.check().unwrap();
    fn sub(s: &mut ChannelState) -> &mut Subchannel {
        s.subchannels.get_mut(&KEY).unwrap()
    }
    fn diffs(s: &mut ChannelState) -> &mut Vec<TokenDiff> {
        match &mut sub(s).settlement.as_mut().unwrap().action {
            SettlementAction::Update(update) => &mut update.diffs,
            SettlementAction::Close => panic!(),
        }
    }
    type Change = (&'static str, fn(&mut ChannelState));
    let changes: [Change; 13] = [
        ("a settlement of a token that is not there", |s| {
            diffs(s).push(TokenDiff { token: TokenId(9), left: 0, right: 0, ondelta: -1 })
        }),
        ("a settlement out of order", |s| {
            diffs(s).push(TokenDiff { token: EUR, left: 0, right: 0, ondelta: 0 });
            diffs(s).reverse();
        }),
        ("a close with something pending", |s| sub(s).settlement.as_mut().unwrap().action = SettlementAction::Close),
        ("closed and not empty", |s| sub(s).closed = true),
        ("no provider", |s| sub(s).providers.clear()),
        ("a provider twice", |s| sub(s).providers.push(PROVIDER)),
        ("a margin beyond every lock", |s| sub(s).settle_margin_s = u64::MAX),
        ("a point of another chain", |s| sub(s).point.as_mut().unwrap().chain = ChainId(9)),
        ("more subchannels than one side may open", |s| {
            let empty = Subchannel {
                tokens: Default::default(),
                pending: Default::default(),
                settlement: None,
                point: None,
                ..sub(s).clone()
            };
            s.subchannels.extend((100..110).map(|i| (SubchannelKey { chain: ChainId(i), ..KEY }, empty.clone())));
        }),
        ("a swap of a token for itself", |s| {
            if let Some(Pending::Swap(swap)) = sub(s).pending.get_mut(&2) {
                swap.want_token = USD;
            }
        }),
        ("a smallest fill above the offer", |s| {
            if let Some(Pending::Swap(swap)) = sub(s).pending.get_mut(&2) {
                swap.min_fill = 11;
            }
        }),
        ("a reveal after its expiry", |s| {
            if let Some(Pending::Payment(payment)) = sub(s).pending.get_mut(&1) {
                payment.revealed_at = Some(payment.expiry.plus(1));
            }
        }),
        ("a nonce of another height", |s| s.nonce = Nonce(99)),
    ];
    let mut missed = Vec::new();
    for (what, change) in changes {
        let mut corrupt = state.clone();
        change(&mut corrupt);
        if corrupt.check().is_ok() {
            missed.push(what);
        }
    }
    assert!(missed.is_empty(), "accepted: {missed:#?}");
}

/// A peer has frozen a subchannel by a start that stands in no block yet. What this node would end there by itself is refused,
/// and tried again after a while, not at once: the two would exchange refusals as fast as the network carries them.
#[test]
fn what_a_frozen_peer_refuses_is_not_tried_again_at_once() {
    let mut net = two();
    net.with_credit(100);
    net.configure(1, |c| c.vigilant = true);
    let expiry = net.now.plus(5000);
    net.run(0, lock(10, 1, expiry));
    let action = Action::StartDispute { key: KEY, arguments: Arguments::default() };
    assert!(matches!(net.command(0, action), InputOutcome::Accepted(_)));
    let reveal = Reveal { provider: PROVIDER, kind: HashKind::Keccak256, secret: secret(1), at: net.now };
    net.chain(vec![], vec![reveal]);
    let refused = |net: &Net| {
        let frozen = |e: &&Event| matches!(e, Event::Refused { reason: RejectReason::Frozen { .. }, .. });
        net.parties[1].events.iter().filter(frozen).count()
    };
    assert_eq!(refused(&net), 1, "the secret is public, so it settles, and is refused");
    for tries in 2..5 {
        let at = net.parties[1].machine.poll_timeout().unwrap();
        assert_eq!(at, net.now.plus(10));
        net.now = at;
        net.stage(1, vec![Input::Tick]);
        net.settle();
        assert_eq!(refused(&net), tries, "once in resend_s");
    }
}
