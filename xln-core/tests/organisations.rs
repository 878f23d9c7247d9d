//! Channels of organisations: boards that sign from elsewhere, operators that sign at once, signers that lapse.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs,
    reason = "tests say what they expect by failing"
)]

mod common;
#[path = "../../examples/own_instrument/price_option.rs"]
mod price_option;

use std::sync::Arc;

use common::*;
use price_option::{PriceOption, PriceOptionTerms};
use xln_core::chain::{ChainCall, ChainFact};
use xln_core::channel::{Event, Freeze, Rejection, StageError};
use xln_core::crypto::{LocalSigner, Signature, SignatureError, Signer};
use xln_core::entity::*;
use xln_core::machine::{Action, Context, Input, InputOutcome, Machine};
use xln_core::subcontract::Instruments;
use xln_core::transition::{Transition, TransitionError};
use xln_core::types::*;
use xln_core::wire::{Part, RejectReason};

const CHAIN: ChainId = KEY.chain;

fn key(i: u8) -> LocalSigner {
    LocalSigner::new(&[i; 32]).unwrap()
}

fn id(i: u8) -> EntityId {
    key(i).entity()
}

/// Keys 11 to 30 sign for boards; every one of these boards is known to the helpers.
struct Org {
    id: EntityId,
    boards: Vec<(EntityId, Board)>,
    keys: Vec<u8>,
}

impl Org {
    fn of(keys: &[u8], threshold: u32) -> Self {
        let board = Board::new(threshold, &keys.iter().map(|i| (id(*i), 1)).collect::<Vec<_>>()).unwrap();
        Self { id: board.counterfactual(), boards: vec![(board.counterfactual(), board)], keys: keys.to_vec() }
    }

    fn registered_as(mut self, number: u64) -> Self {
        self.id = EntityId::registered(CHAIN, &ENTITIES, number).unwrap();
        self.boards[0].0 = self.id;
        self
    }

    fn recorded_by(mut self, account: EntityId) -> Self {
        self.id = account;
        self.boards[0].0 = account;
        self
    }

    /// An organisation whose members are a key and another organisation.
    fn around(self, i: u8) -> Self {
        let board = Board::new(2, &[(self.id, 1), (id(i), 1)]).unwrap();
        let mut boards = vec![(board.counterfactual(), board)];
        boards.extend(self.boards);
        Self { id: boards[0].0, boards, keys: [&self.keys[..], &[i]].concat() }
    }

    fn board(&self) -> Hash {
        self.boards[0].1.hash()
    }

    /// Collected from members on machines of their own, in no particular order.
    fn sign(&self, digest: &Hash) -> Signature {
        let mut quorum = Quorum::new(self.id, *digest, Permission::States, self.boards.clone()).unwrap();
        let mut verifier = Verifier::default();
        let requests: Vec<QuorumRequest> = quorum.requests().collect();
        for request in requests.into_iter().rev() {
            if let Some(i) = self.keys.iter().find(|i| id(**i) == request.member) {
                let approval = MemberSigner::new(key(*i)).approve(&request.path, digest).unwrap();
                quorum.add(&mut verifier, approval).unwrap();
            }
        }
        quorum.signature().unwrap().unwrap()
    }

    fn operator(&self, i: u8, expiry: UnixSeconds, limits: Vec<Limit>) -> (Delegation, Box<dyn Signer>) {
        let permissions = Permissions::of(&[Permission::States, Permission::Withdraw]);
        let delegation = Delegation::new(key(i).address(), permissions, expiry, 1, limits).unwrap();
        let approval = self.sign(&delegation.digest(&self.id));
        let signer = OperatorSigner::new(key(i), self.id, delegation.clone(), approval).unwrap();
        (delegation, Box::new(signer))
    }
}

fn remote(org: &Org) -> Box<dyn Signer> {
    Box::new(Remote(org.id))
}

fn boxed(i: u8) -> Box<dyn Signer> {
    Box::new(key(i))
}

/// Answers what party `i` has asked its board.
fn answer(net: &mut Net, i: usize, org: &Org) -> usize {
    let requests = std::mem::take(&mut net.parties[i].requests);
    for (request, digest) in &requests {
        net.stage(i, vec![Input::Signed { request: *request, signature: org.sign(digest) }]);
    }
    requests.len()
}

/// Delivers and answers until nothing moves.
fn rest(net: &mut Net, orgs: &[&Org]) {
    loop {
        net.settle();
        let mut moved = 0;
        for i in 0..2 {
            if let Some(org) = orgs.iter().find(|org| org.id == net.id(i)) {
                moved += answer(net, i, org);
            }
        }
        if moved == 0 && net.wire.is_empty() {
            return;
        }
    }
}

fn run(net: &mut Net, orgs: &[&Org], i: usize, transition: Transition) {
    net.submit(i, vec![transition]).remove(0).unwrap();
    rest(net, orgs);
}

fn entities(net: &mut Net, who: &[usize], facts: Vec<EntityFact>) {
    net.block += 1;
    let point = net.point();
    for i in who {
        let (changes, reveals, empty) = (vec![], vec![], vec![]);
        let block = ChainFact::Block { point, changes, reveals, facts: empty, entities: facts.clone() };
        net.stage(*i, vec![Input::Chain(block)]);
    }
}

fn set(org: &Org, previous: Option<&Org>, until: UnixSeconds) -> EntityFact {
    EntityFact::Board {
        provider: ENTITIES,
        entity: org.id,
        board: org.board(),
        previous: previous.map_or(Hash::ZERO, Org::board),
        previous_valid_until: until,
    }
}

/// Opens `KEY` with one token and credit, whoever the two are.
fn open_with(net: &mut Net, orgs: &[&Org]) {
    run(net, orgs, 0, open(KEY));
    run(net, orgs, 0, Transition::AddToken { key: KEY, token: USD });
    for i in [0, 1] {
        run(net, orgs, i, Transition::SetCreditLimit { key: KEY, token: USD, limit: 1000 });
    }
    net.agreed();
}

fn index(net: &Net, entity: &EntityId) -> usize {
    (0..2).find(|i| net.id(*i) == *entity).unwrap()
}

fn lapsing(net: &Net, i: usize) -> Vec<UnixSeconds> {
    let events = net.parties[i].events.iter();
    events.filter_map(|e| if let Event::SignerLapsing { until, .. } = e { Some(*until) } else { None }).collect()
}

fn tick(net: &mut Net, seconds: u64) {
    net.now = net.now.plus(seconds);
    for i in 0..2 {
        net.stage(i, vec![Input::Tick]);
    }
}

fn refused(net: &Net, i: usize, reason: RejectReason) -> bool {
    net.rejections(i).contains(&Rejection::Refused(reason))
}

#[test]
fn boards_have_channels_with_keys_and_with_each_other() {
    let (two, nested) = (Org::of(&[11, 12], 2), Org::of(&[13, 14, 15], 2).around(16));
    for (signers, orgs) in [
        (vec![remote(&two), boxed(1)], vec![&two]),
        (vec![remote(&nested), boxed(1)], vec![&nested]),
        (vec![remote(&two), remote(&nested)], vec![&two, &nested]),
    ] {
        let mut net = Net::between(signers);
        open_with(&mut net, &orgs);
        for i in [0, 1, 1, 0] {
            run(&mut net, &orgs, i, pay(10));
        }
        net.agreed();
        for i in [0, 1] {
            let before = net.state(i).clone();
            net.restart(i);
            assert_eq!(*net.state(i), before);
        }
        net.connect();
        rest(&mut net, &orgs);
        run(&mut net, &orgs, 0, pay(3));
        net.agreed();
        assert!(net.rejections(0).is_empty() && net.rejections(1).is_empty());
        let snapshot = net.parties[0].machine.snapshot().unwrap();
        xln_core::machine::Machine::restore(net.id(0), Some(&snapshot), []).unwrap();
    }
}

#[test]
fn a_signature_may_come_late_wrong_or_after_a_restart() {
    let org = Org::of(&[11, 12], 2);
    let mut net = Net::between(vec![remote(&org), boxed(1)]);
    open_with(&mut net, &[&org]);
    let (me, peer) = (index(&net, &org.id), 1 - index(&net, &org.id));
    net.submit(me, vec![pay(10)]).remove(0).unwrap();
    assert!(net.wire.is_empty(), "nothing leaves without the board");
    net.parties[me].requests.clear();
    net.restart(me);
    // The request outlives the restart under its own name.
    let pending: Vec<_> = net.parties[me].machine.pending_effects().map(|(id, effect)| (id, effect.clone())).collect();
    let [(request, xln_core::machine::Effect::Sign { digest, .. })] = &pending[..] else { panic!("{pending:?}") };
    let now = net.now;
    let mut with = |signature: Signature| {
        let signer = Remote(org.id);
        let input = Input::Signed { request: *request, signature };
        let staged = net.parties[me].machine.stage(&Context { now, signer: &signer }, vec![input]);
        staged.map(|_| ()).unwrap_err()
    };
    let stranger = Org::of(&[11, 13], 2);
    let wrong = SignatureError::Organisation(OrganisationError::WrongBoard);
    assert_eq!(with(stranger.sign(digest)), StageError::BadOwnSignature(wrong));
    assert_eq!(with(org.sign(&Hash([1; 32]))), StageError::BadOwnSignature(SignatureError::WrongSigner));
    net.stage(me, vec![Input::Signed { request: *request, signature: org.sign(digest) }]);
    assert_eq!(net.wire.len(), 1);
    // A second answer changes nothing; the same bytes go out again on connection.
    net.stage(me, vec![Input::Signed { request: *request, signature: org.sign(digest) }]);
    let first = net.wire.pop_front().unwrap();
    net.connect();
    rest(&mut net, &[&org]);
    net.agreed();
    let height = net.state(peer).height;
    net.wire.push_back(first);
    rest(&mut net, &[&org]);
    assert_eq!(net.state(peer).height, height);
}

/// Right's block waits for its board while left's arrives: left's is taken, and the late signature lands nowhere.
#[test]
fn a_signature_for_what_was_abandoned() {
    let org = (11..40_u8).map(|i| Org::of(&[i, i + 1], 2)).find(|org| org.id > id(1)).unwrap();
    let mut net = Net::between(vec![remote(&org), boxed(1)]);
    open_with(&mut net, &[&org]);
    net.submit(1, vec![pay(10)]).remove(0).unwrap();
    let (request, digest) = net.parties[1].requests.pop().unwrap();
    net.submit(0, vec![pay(7)]).remove(0).unwrap();
    net.settle();
    let (ack, _) = net.parties[1].requests[0];
    assert_ne!(ack, request);
    net.stage(1, vec![Input::Signed { request, signature: org.sign(&digest) }]);
    net.settle();
    assert!(net.channel(0).is_in_flight(), "left waits for the answer to its own block");
    rest(&mut net, &[&org]);
    net.agreed();
    assert_eq!(net.token(0).offdelta, 3);
    assert!(net.rejections(0).is_empty() && net.rejections(1).is_empty());
}

#[test]
fn rejects_and_settlements_carry_a_boards_signature() {
    let (a, b) = (Org::of(&[11, 12], 2), Org::of(&[13, 14], 1));
    let orgs = [&a, &b];
    let mut net = Net::between(vec![remote(&a), remote(&b)]);
    open_with(&mut net, &orgs);
    // What party 1 does not accept, it refuses by its board.
    net.configure(1, |config| config.depositories.retain(|d| d.key == KEY));
    run(&mut net, &orgs, 0, open(KEY2));
    assert!(
        net.parties[0].events.iter().any(|e| matches!(e, Event::Refused { reason: RejectReason::Policy { .. }, .. }))
    );
    run(&mut net, &orgs, 0, pay(1));
    net.agreed();
    net.collateral(500, 250);
    rest(&mut net, &orgs);
    let update = xln_core::channel::balanced(&[(USD, 10, 10, -20, -10)], vec![]).unwrap();
    let expiry = net.now.plus(1000);
    run(&mut net, &orgs, 0, Transition::ProposeSettlement { key: KEY, update, expiry });
    for i in [0, 1] {
        let ready = |e: &Event| matches!(e, Event::SettlementReady { .. });
        assert!(net.parties[i].events.iter().any(ready), "party {i}");
        let open = net.channel(i).settlement(&KEY).unwrap();
        let digest = open.digest(&KEY, &net.pair().channel_key());
        let org = orgs.iter().find(|org| org.id == net.pair().left()).unwrap();
        assert_eq!(open.left, Some(org.sign(&digest)));
    }
}

#[test]
fn an_operator_signs_at_once() {
    let org = Org::of(&[11, 12], 2);
    let (_, signer) = org.operator(21, UnixSeconds(2_000_000), vec![]);
    let mut net = Net::between(vec![signer, boxed(1)]);
    open_with(&mut net, &[]);
    run(&mut net, &[], 0, pay(5));
    run(&mut net, &[], 1, pay(6));
    net.agreed();
    assert!(net.parties.iter().all(|p| p.requests.is_empty()));
}

#[test]
fn a_registered_organisation_is_known_from_the_chain() {
    let org = Org::of(&[11, 12], 2).registered_as(1);
    let mut net = Net::between(vec![remote(&org), boxed(1)]);
    let (me, peer) = (index(&net, &org.id), 1 - index(&net, &org.id));
    // The organisation's own node is ahead: what the peer cannot judge yet it names, and takes when it comes again.
    entities(&mut net, &[me], vec![set(&org, None, UnixSeconds(0))]);
    run(&mut net, &[&org], me, open(KEY));
    assert_eq!(net.rejections(peer), [SignatureError::Organisation(OrganisationError::UnknownBoard).into()]);
    net.block -= 1;
    entities(&mut net, &[peer], vec![set(&org, None, UnixSeconds(0))]);
    net.connect();
    rest(&mut net, &[&org]);
    net.agreed();
    assert_eq!(net.state(0).height, 1);
    // It has subchannels on its own chain only, by rule, for both.
    for side in [Side::Left, Side::Right] {
        let state = net.state(0);
        assert_eq!(one(state, side, state.timestamp, &open(KEY2)).unwrap_err(), TransitionError::ForeignChain);
        let mut loaded = state.clone();
        let subchannel = loaded.subchannels[&KEY].clone();
        loaded.subchannels.insert(KEY2, subchannel);
        assert!(state.check().is_ok() && loaded.check().is_err());
    }
}

#[test]
fn a_contract_account_uses_the_board_that_it_recorded() {
    let account = EntityId::account(Address([0x77; 20])).unwrap();
    let org = Org::of(&[11, 12], 2).recorded_by(account);
    let mut net = Net::between(vec![remote(&org), boxed(1)]);
    entities(&mut net, &[0, 1], vec![set(&org, None, UnixSeconds(0))]);
    open_with(&mut net, &[&org]);
    run(&mut net, &[&org], 0, pay(5));
    net.agreed();
    for i in [0, 1] {
        assert_eq!(net.refused(i, open(KEY2)), xln_core::channel::CommandError::UnknownDepository);
    }
}

/// A replaced board: at once both sign anew, the new board's signature stands under the next state, and no dispute comes.
#[test]
fn a_replaced_board_has_the_channel_signed_anew() {
    let (old, new) = (Org::of(&[11, 12], 2).registered_as(1), Org::of(&[13, 14], 2).registered_as(1));
    let mut net = Net::between(vec![remote(&old), boxed(1)]);
    let (me, peer) = (index(&net, &old.id), 1 - index(&net, &old.id));
    entities(&mut net, &[0, 1], vec![set(&old, None, UnixSeconds(0))]);
    open_with(&mut net, &[&old]);
    let height = net.state(0).height;
    let until = net.now.plus(GRACE_S);
    entities(&mut net, &[0, 1], vec![set(&new, Some(&old), until)]);
    assert_eq!((lapsing(&net, me), lapsing(&net, peer)), (vec![until], vec![until]));
    // What the old board still signs is refused by its own machine.
    net.settle();
    let (request, digest) = *net.parties[me].requests.last().unwrap();
    let (now, signer) = (net.now, Remote(old.id));
    let input = Input::Signed { request, signature: old.sign(&digest) };
    let staged = net.parties[me].machine.stage(&Context { now, signer: &signer }, vec![input]);
    let lapsed = SignatureError::Organisation(OrganisationError::Lapsed);
    assert_eq!(staged.map(|_| ()).unwrap_err(), StageError::BadOwnSignature(lapsed));
    rest(&mut net, &[&new]);
    net.agreed();
    assert!(net.state(0).height > height);
    let signature = net.channel(peer).tip().signature(net.channel(me).side()).unwrap();
    assert_eq!(*signature, new.sign(&net.channel(peer).tip().commitment.digest));
    assert_eq!((lapsing(&net, me).len(), lapsing(&net, peer).len()), (1, 1));
    assert_eq!(net.parties[peer].machine.poll_timeout(), None);
    let quiet = net.state(0).height;
    tick(&mut net, GRACE_S + 1);
    rest(&mut net, &[&new]);
    assert_eq!(net.state(0).height, quiet, "renewed once");
    run(&mut net, &[&new], me, pay(5));
    net.agreed();
    net.restart(peer);
}

/// A peer whose machine does not see it, or does not care: the old board's block is refused for good, and at a third of the
/// grace a vigilant node disputes, while the chain still takes what it holds.
#[test]
fn rule_27_a_signer_that_lapses_is_refused_and_disputed_in_time() {
    for (vigilant, is_left) in [(true, true), (true, false), (false, true), (false, false)] {
        let account = EntityId::account(Address([1; 20])).unwrap();
        let as_kind = |org: Org| if is_left { org.recorded_by(account) } else { org.registered_as(1) };
        let (old, new) = (as_kind(Org::of(&[11, 12], 2)), as_kind(Org::of(&[13, 14], 2)));
        let mut net = Net::between(vec![remote(&old), boxed(1)]);
        let (me, peer) = (index(&net, &old.id), 1 - index(&net, &old.id));
        entities(&mut net, &[0, 1], vec![set(&old, None, UnixSeconds(0))]);
        open_with(&mut net, &[&old]);
        net.configure(peer, |config| config.vigilant = vigilant);
        let until = net.now.plus(GRACE_S);
        entities(&mut net, &[peer], vec![set(&new, Some(&old), until)]);
        let before = net.state(peer).clone();
        net.wire.clear();
        // The old board goes on signing for its machine, which knows nothing.
        net.submit(me, vec![pay(900)]).remove(0).unwrap();
        answer(&mut net, me, &old);
        while net.deliver() {}
        assert_eq!(*net.state(peer), before);
        // Left has a block of its own under way and looks at no other; right looks, and refuses.
        assert_eq!(net.channel(me).side().is_left(), is_left);
        assert_eq!(refused(&net, peer, RejectReason::SignerLapsed), is_left, "{:?}", net.rejections(peer));
        let due = until.minus(GRACE_S / 3);
        net.now = due.minus(1);
        net.stage(peer, vec![Input::Tick]);
        assert!(net.calls(peer).is_empty());
        net.wire.clear();
        assert!(net.parties[peer].machine.poll_timeout().is_some_and(|at| at <= due));
        net.now = due;
        net.stage(peer, vec![Input::Tick]);
        let calls = net.calls(peer);
        let reported =
            net.parties[peer].events.iter().any(|e| matches!(e, Event::DisputeDue { until: u, .. } if *u == until));
        if vigilant {
            let [ChainCall::StartDispute { evidence, .. }] = &calls[..] else { panic!("{calls:?}") };
            assert_eq!(evidence.nonce, before.nonce);
            assert_eq!(net.channel(peer).frozen(&KEY), Some(Freeze::OwnStart));
            assert!(!reported);
        } else {
            assert!(calls.is_empty() && reported);
        }
        // Once.
        net.now = due.plus(600);
        net.stage(peer, vec![Input::Tick]);
        assert!(net.calls(peer).is_empty());
    }
}

/// A peer that goes on with its old board, which the chain still takes: both sign anew once, and again only after its patience.
#[test]
fn a_lapsing_signer_that_goes_on_is_asked_again_in_time() {
    let (old, new) = (Org::of(&[11, 12], 2).registered_as(1), Org::of(&[13, 14], 2).registered_as(1));
    let mut net = Net::between(vec![remote(&old), boxed(1)]);
    let (me, peer) = (index(&net, &old.id), 1 - index(&net, &old.id));
    entities(&mut net, &[0, 1], vec![set(&old, None, UnixSeconds(0))]);
    open_with(&mut net, &[&old]);
    let until = net.now.plus(GRACE_S);
    entities(&mut net, &[peer], vec![set(&new, Some(&old), until)]);
    let patience = net.parties[peer].machine.config().peer_timeout_s;
    for _ in 0..2 {
        let height = net.state(peer).height;
        assert!(net.channel(peer).is_in_flight());
        while net.deliver() {}
        answer(&mut net, me, &old);
        while net.deliver() {}
        assert_eq!(net.state(peer).height, height + 1);
        assert!(!net.channel(peer).is_in_flight(), "not at once again");
        net.now = net.now.plus(patience);
        net.stage(peer, vec![Input::Tick]);
    }
}

/// A contract account records boards until the peer could have lost the one that its last signature shows.
#[test]
fn rule_27_boards_without_end_hide_no_lapse() {
    for count in [1, 40, 2000] {
        let account = EntityId::account(Address([1; 20])).unwrap();
        let org = Org::of(&[11, 12], 2).recorded_by(account);
        let mut net = Net::between(vec![remote(&org), boxed(1)]);
        let peer = 1 - index(&net, &org.id);
        entities(&mut net, &[0, 1], vec![set(&org, None, UnixSeconds(0))]);
        open_with(&mut net, &[&org]);
        net.configure(peer, |config| config.vigilant = true);
        let before = net.state(peer).nonce;
        let until = net.now.plus(GRACE_S);
        let mut previous = org.board();
        let facts = (1..=count).map(|n: u32| {
            let mut board = Hash([0xbb; 32]);
            board.0[..4].copy_from_slice(&n.to_be_bytes());
            let previous = std::mem::replace(&mut previous, board);
            EntityFact::Board { provider: ENTITIES, entity: account, board, previous, previous_valid_until: until }
        });
        let facts = facts.collect();
        entities(&mut net, &[peer], facts);
        assert_eq!(lapsing(&net, peer).len(), 1, "{count} boards");
        assert!(net.channel(peer).is_in_flight(), "both are to sign anew at once");
        // What is remembered says how much time there is; of what is not nobody knows.
        assert_eq!(net.parties[peer].actions.len(), usize::from(count == 2000));
        // What fails is tried again, but not without a pause.
        if let Some((effect, _)) = net.parties[peer].actions.pop() {
            net.stage(peer, vec![Input::Completed { effect, success: false }]);
            assert!(net.calls(peer).is_empty());
        }
        let mut calls = vec![];
        for now in [until.minus(GRACE_S / 3), until, until.plus(1), until.plus(GRACE_S)] {
            net.now = now;
            net.stage(peer, vec![Input::Tick]);
            calls.extend(net.calls(peer));
        }
        let [ChainCall::StartDispute { evidence, .. }] = &calls[..] else { panic!("{count} boards: {calls:?}") };
        assert_eq!(evidence.nonce, before);
        assert_eq!(lapsing(&net, peer).len(), 1);
    }
}

/// A block that the old board signed before anybody knew: refused by name, and its commands travel again, signed anew.
#[test]
fn what_the_old_board_proposed_is_replaced() {
    let (old, new) = (Org::of(&[11, 12], 2).registered_as(1), Org::of(&[13, 14], 2).registered_as(1));
    let mut net = Net::between(vec![remote(&old), boxed(1)]);
    let (me, peer) = (index(&net, &old.id), 1 - index(&net, &old.id));
    entities(&mut net, &[0, 1], vec![set(&old, None, UnixSeconds(0))]);
    open_with(&mut net, &[&old]);
    let before = net.token(0).offdelta;
    net.submit(me, vec![pay(10)]).remove(0).unwrap();
    answer(&mut net, me, &old);
    let sent = net.wire.pop_back().unwrap();
    let until = net.now.plus(GRACE_S);
    entities(&mut net, &[0, 1], vec![set(&new, Some(&old), until)]);
    net.wire.clear();
    net.wire.push_back(sent);
    for _ in 0..4 {
        net.connect();
        rest(&mut net, &[&new]);
    }
    net.agreed();
    assert_eq!(net.token(0).offdelta.abs_diff(before), 10);
    let signature = net.channel(peer).tip().signature(net.channel(me).side()).unwrap();
    assert_eq!(*signature, new.sign(&net.channel(peer).tip().commitment.digest));
}

#[test]
fn a_revoked_delegation_and_an_expired_one() {
    for revoked in [true, false] {
        let org = Org::of(&[11, 12], 2);
        let expiry = UnixSeconds(1_000_500);
        let (delegation, signer) = org.operator(21, expiry, vec![]);
        let mut net = Net::between(vec![signer, boxed(1)]);
        let (me, peer) = (index(&net, &org.id), 1 - index(&net, &org.id));
        open_with(&mut net, &[]);
        assert_eq!(net.parties[peer].machine.poll_timeout(), Some(expiry.plus(1)));
        let until = if revoked { net.now.plus(GRACE_S) } else { expiry.plus(GRACE_S) };
        // From now on the board signs itself.
        net.parties[me].instead = Some(remote(&org));
        if revoked {
            let delegation = delegation.hash();
            let fact = EntityFact::Revoked { provider: ENTITIES, entity: org.id, delegation, valid_until: until };
            entities(&mut net, &[0, 1], vec![fact]);
        } else {
            let height = net.state(0).height;
            net.now = expiry;
            tick(&mut net, 0);
            rest(&mut net, &[&org]);
            assert_eq!(net.state(0).height, height, "good until its last second");
            tick(&mut net, 1);
        }
        assert_eq!(lapsing(&net, peer), [until]);
        rest(&mut net, &[&org]);
        net.agreed();
        let signature = net.channel(peer).tip().signature(net.channel(me).side()).unwrap();
        assert_eq!(*signature, org.sign(&net.channel(peer).tip().commitment.digest));
        // The operator signs no more.
        let (_, again) = org.operator(21, expiry, vec![]);
        net.parties[me].instead = Some(again);
        let before = net.state(peer).clone();
        net.submit(me, vec![pay(5)]).remove(0).unwrap();
        for _ in 0..50 {
            net.deliver();
        }
        assert!(refused(&net, peer, RejectReason::SignerLapsed));
        assert_eq!(*net.state(peer), before);
        let refusals = net.rejections(peer).len();
        assert!(refusals <= 2, "an operator that goes on does not fill the line: {refusals}");
        net.parties[me].instead = Some(remote(&org));
        tick(&mut net, 121);
        rest(&mut net, &[&org]);
        net.agreed();
    }
}

/// What an operator pays counts against its delegation in all, holds when they are taken, and only what it pays itself.
#[test]
fn an_operator_pays_no_more_than_it_may() {
    let org = Org::of(&[11, 12], 2);
    let limit = |amount| vec![Limit { key: KEY, token: USD, amount }];
    let (_, signer) = org.operator(21, UnixSeconds(2_000_000), limit(100));
    let mut net = Net::between(vec![signer, boxed(1)]);
    let (me, peer) = (index(&net, &org.id), 1 - index(&net, &org.id));
    open_with(&mut net, &[]);
    run(&mut net, &[], me, pay(40));
    run(&mut net, &[], peer, pay(500));
    let expiry = net.now.plus(5000);
    run(&mut net, &[], me, lock(60, 1, expiry));
    let id = *net.state(0).subchannels[&KEY].pending.keys().next().unwrap();
    // Settling what was held is no second payment.
    run(&mut net, &[], peer, Transition::SettlePayment { key: KEY, id, secret: secret(1) });
    let before = net.token(0).offdelta;
    let command = net.submit(me, vec![Transition::Memo { data: vec![] }, pay(1)])[1].unwrap();
    net.settle();
    let refusal = RejectReason::DelegationLimit { index: 1 };
    assert!(refused(&net, peer, refusal));
    let error = xln_core::channel::CommandError::RefusedByPeer(refusal);
    assert!(net.parties[me].events.contains(&Event::CommandFailed { command, error }));
    net.agreed();
    assert_eq!(net.token(0).offdelta, before);
    net.restart(peer);
    // A new delegation has a new limit; a token that it does not list has none to spend.
    let (_, signer) = org.operator(22, UnixSeconds(2_000_000), vec![Limit { key: KEY, token: EUR, amount: 5 }]);
    net.parties[me].instead = Some(signer);
    net.submit(me, vec![pay(1)]).remove(0).unwrap();
    net.settle();
    assert!(refused(&net, peer, RejectReason::DelegationLimit { index: 0 }));
    let (_, signer) = org.operator(23, UnixSeconds(2_000_000), limit(1));
    net.parties[me].instead = Some(signer);
    run(&mut net, &[], me, pay(1));
    net.agreed();
    assert_eq!(net.token(0).offdelta.abs_diff(before), 1);
}

/// A delegation by which nothing was paid leaves nothing behind, and no more than 64 that pay are counted at a time.
#[test]
fn delegations_without_end_leave_nothing_behind() {
    let org = Org::of(&[11, 12], 2);
    let limits = || vec![Limit { key: KEY, token: USD, amount: 1 }];
    let (_, signer) = org.operator(21, UnixSeconds(1_000_100), limits());
    let mut net = Net::between(vec![signer, boxed(1)]);
    let (me, peer) = (index(&net, &org.id), 1 - index(&net, &org.id));
    open_with(&mut net, &[]);
    let with = |net: &mut Net, expiry: u64, transition: Transition| {
        net.parties[me].instead = Some(org.operator(21, UnixSeconds(expiry), limits()).1);
        net.submit(me, vec![transition]).remove(0).unwrap();
        net.settle();
        net.agreed();
        net.parties[peer].machine.snapshot().unwrap().bytes.len()
    };
    let size = with(&mut net, 2_000_000, Transition::Memo { data: vec![] });
    let size =
        (1..40).fold(size, |first, n| first.max(with(&mut net, 2_000_000 + n, Transition::Memo { data: vec![] })));
    assert_eq!(size, with(&mut net, 2_000_050, Transition::Memo { data: vec![] }));
    let paid = |net: &Net| net.token(0).offdelta.abs_diff(0);
    with(&mut net, 1_000_100, pay(1));
    for n in 1..64 {
        with(&mut net, 3_000_000 + n, pay(1));
    }
    assert_eq!((paid(&net), net.rejections(peer).len()), (64, 0));
    with(&mut net, 3_000_064, pay(1));
    assert_eq!(paid(&net), 64);
    assert!(refused(&net, peer, RejectReason::DelegationLimit { index: 0 }));
    // What takes nothing needs no place; what has expired takes none.
    let count = net.rejections(peer).len();
    with(&mut net, 3_000_064, Transition::Memo { data: vec![] });
    net.now = UnixSeconds(1_000_101);
    with(&mut net, 3_000_064, pay(1));
    assert_eq!((paid(&net), net.rejections(peer).len()), (65, count));
}

/// What an operator agrees to counts like what it proposes; the answer itself is taken.
#[test]
fn what_an_operator_acknowledges_counts() {
    for (amount, good) in [(40, true), (41, false)] {
        let org = Org::of(&[11, 12], 2);
        let (_, signer) = org.operator(21, UnixSeconds(2_000_000), vec![Limit { key: KEY, token: USD, amount: 100 }]);
        let mut net = Net::between(vec![signer, boxed(1)]);
        let (me, peer) = (index(&net, &org.id), 1 - index(&net, &org.id));
        open_with(&mut net, &[]);
        net.collateral(500, 250);
        // 60 of the organisation's, to the peer's reserve.
        let change = if me == 0 { (0, 60, -60, -60) } else { (60, 0, -60, 0) };
        let update = xln_core::channel::balanced(&[(USD, change.0, change.1, change.2, change.3)], vec![]).unwrap();
        net.command(me, Action::Consent { key: KEY, update: update.clone() });
        let expiry = net.now.plus(1000);
        run(&mut net, &[], peer, Transition::ProposeSettlement { key: KEY, update, expiry });
        net.agreed();
        assert!(net.state(0).subchannels[&KEY].settlement.is_some());
        let before = net.token(0).offdelta;
        net.submit(me, vec![pay(amount)]).remove(0).unwrap();
        net.settle();
        net.agreed();
        assert_eq!(net.token(0).offdelta != before, good);
        assert_eq!(refused(&net, peer, RejectReason::DelegationLimit { index: 0 }), !good);
    }
}

/// The transition that passes a limit is named rightly, also behind one of an instrument that is not built in.
#[test]
fn a_limit_is_judged_with_the_nodes_own_instruments() {
    let org = Org::of(&[11, 12], 2);
    let (_, signer) = org.operator(21, UnixSeconds(2_000_000), vec![Limit { key: KEY, token: USD, amount: 60 }]);
    let mut net = Net::between(vec![signer, boxed(1)]);
    let mut instruments = Instruments::built_in();
    instruments.register(CHAIN, PROVIDER, 256, Arc::new(PriceOption)).unwrap();
    let instruments = Arc::new(instruments);
    for i in 0..2 {
        net.parties[i].machine = Machine::new_with(net.id(i), instruments.clone());
        net.parties[i].log = MemoryLog::default();
        net.stage(i, vec![Input::Configure(config())]);
    }
    let (me, peer) = (index(&net, &org.id), 1 - index(&net, &org.id));
    open_with(&mut net, &[]);
    net.chain(vec![], vec![]);
    net.now = net.now.plus(10);
    let call = PriceOptionTerms::call(net.channel(me).side(), 1, 100_000_000, 50);
    let terms = PriceOptionTerms { expiry: net.now.plus(100), not_before: net.now, ..call }.encode().unwrap();
    let option = Transition::AddSubcontract { key: KEY, provider: PROVIDER, instrument: 256, tokens: vec![USD], terms };
    net.submit(me, vec![option, pay(20)]);
    net.settle();
    assert_eq!(net.state(0), net.state(1));
    assert!(refused(&net, peer, RejectReason::DelegationLimit { index: 1 }), "{:?}", net.rejections(peer));
    assert_eq!(net.state(0).subchannels[&KEY].pending.len(), 1);
}

/// Forty payments past an operator's limit are refused one by one, and the channel goes on.
#[test]
fn payments_past_a_limit_stop_no_channel() {
    for i in 11..19 {
        let org = Org::of(&[i], 1);
        let (_, signer) = org.operator(21, UnixSeconds(2_000_000), vec![Limit { key: KEY, token: USD, amount: 3 }]);
        let mut net = Net::between(vec![signer, boxed(1)]);
        let me = index(&net, &org.id);
        open_with(&mut net, &[]);
        net.submit(me, vec![pay(5); 40]);
        net.submit(1 - me, vec![pay(2); 3]);
        net.settle();
        net.agreed();
        run(&mut net, &[], me, pay(3));
        net.agreed();
        assert_eq!(net.token(0).offdelta.abs_diff(0), 3);
        assert_eq!(net.channel(me).queued(), 0);
    }
}

/// Confirmed blocks that vanish take their boards along.
#[test]
fn a_reorganisation_gives_the_old_board_back() {
    let (old, new) = (Org::of(&[11, 12], 2).registered_as(1), Org::of(&[13, 14], 2).registered_as(1));
    let mut net = Net::between(vec![remote(&old), boxed(1)]);
    entities(&mut net, &[0, 1], vec![set(&old, None, UnixSeconds(0))]);
    let until = net.now.plus(GRACE_S);
    entities(&mut net, &[0, 1], vec![set(&new, Some(&old), until)]);
    for i in [0, 1] {
        net.stage(i, vec![Input::Chain(ChainFact::Reorganised { chain: CHAIN, number: net.block })]);
    }
    open_with(&mut net, &[&old]);
    let place = Place { chain: CHAIN, provider: ENTITIES };
    assert_eq!(net.parties[0].machine.directory().board(&old.id, &place), Some(old.board()));
    net.restart(0);
    assert_eq!(net.parties[0].machine.directory().board(&old.id, &place), Some(old.board()));
}

/// A made-up board of a registered organisation is nobody's signature, on a state that is offered for take-over too.
#[test]
fn a_made_up_board_is_not_believed() {
    let (real, forged) = (Org::of(&[11, 12], 2).registered_as(1), Org::of(&[13, 14], 2).registered_as(1));
    let mut net = Net::between(vec![remote(&real), boxed(1)]);
    let (me, peer) = (index(&net, &real.id), 1 - index(&net, &real.id));
    entities(&mut net, &[0, 1], vec![set(&real, None, UnixSeconds(0))]);
    open_with(&mut net, &[&real]);
    let before = net.state(peer).clone();
    let side = net.channel(me).side();
    let state = step(&before, side, net.now, vec![pay(5)]).unwrap();
    let digest = xln_core::commitment::Commitment::of(&state).unwrap().digest;
    let block = block_on(&before, side, net.now, vec![pay(5)]);
    let proposal = Part::Proposal { block: block.into(), signature: forged.sign(&digest) };
    let (a, b) = (forged.sign(&digest), key(1).sign_digest(&digest).unwrap());
    let (left, right) = if side == Side::Left { (a, b) } else { (b, a) };
    for part in [proposal, Part::StateReply { state, left, right }] {
        let message = xln_core::wire::Message { channel: net.pair().channel_key(), parts: vec![part] };
        let (from, bytes) = (net.id(me), message.encode().unwrap());
        assert_eq!(net.stage(peer, vec![Input::Message { from, bytes }]), [InputOutcome::Taken]);
    }
    let unknown = Rejection::Signature(SignatureError::Organisation(OrganisationError::UnknownBoard));
    assert_eq!(net.rejections(peer), [unknown, unknown]);
    assert_eq!(*net.state(peer), before);
}

/// A Depository whose window does not fit twice into the grace is not accepted.
#[test]
fn the_grace_fits_the_window() {
    let accepts = |grace_s| {
        let mut config = config();
        config.depositories[0].grace_s = grace_s;
        config.accepts(&KEY, &[PROVIDER], 0)
    };
    assert!(accepts(3600 * 2 + 3600) && !accepts(3600 * 2 + 3599));
}
