//! What a quorum of endpoints bears, and how it says that it cannot agree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use xln_chain::client::{DepositoryClient, Operation};
use xln_chain::quorum::QuorumError;
use xln_chain::{Chain, ChainError, EmbeddedChain, LogFilter, Mempool, QuorumChain, Transaction, U256};
use xln_core::types::{ChainId, TokenId};

/// Two honest endpoints, one of them a little behind if it can be, and one that always has this fault.
fn quorum(chain: &EmbeddedChain, fault: Fault, place: usize) -> QuorumChain<Faulty> {
    let mut endpoints = vec![Faulty::new(chain, []), Faulty::new(chain, [])];
    endpoints.insert(place, Faulty::new(chain, [fault; 64]));
    QuorumChain::new(endpoints, 2).unwrap()
}

#[test]
fn one_of_three_may_do_anything() {
    let world = World::new(1);
    let (chain, me) = (&world.chain, key(1));
    chain.fund(me.address(), U256::from(1_000));
    let deposit = now(world.client.deposit_eth(&me, &entity(&me), 10));
    chain.mine_blocks(3);
    let filter = LogFilter {
        addresses: vec![world.deployment.depository],
        events: deposit.logs.iter().map(|log| log.data.topics()[0]).collect(),
    };
    assert!(!deposit.logs.is_empty());
    for fault in Fault::LIES.into_iter().chain(Fault::HONEST) {
        for place in 0..3 {
            let quorum = quorum(chain, fault, place);
            assert_eq!(now(quorum.head()), chain.newest(), "{fault:?}");
            assert_eq!(now(quorum.header(deposit.number)), now(chain.header(deposit.number)), "{fault:?}");
            assert_eq!(now(quorum.header(1_000_000)), None, "{fault:?}");
            assert_eq!(now(quorum.logs(deposit.block, &filter)), deposit.logs, "{fault:?}");
            let (first, last) = (deposit.number - 1, deposit.number + 1);
            assert_eq!(now(quorum.logs_between(first, last, &filter)), deposit.logs, "{fault:?}");
            assert_eq!(now(quorum.receipt(&deposit.transaction)), Some(deposit.clone()), "{fault:?}");
            assert_eq!(now(quorum.balance(me.address())), U256::from(990), "{fault:?}");
            assert_eq!(now(quorum.identify()), ChainId(1), "{fault:?}");
            assert_eq!(now(quorum.fees()).max, 100, "{fault:?}: the middle one");
            let client = DepositoryClient::new(quorum.clone(), world.deployment).unwrap();
            assert_eq!(now(client.reserve(&entity(&me), TokenId(0))), 10, "{fault:?}");
            // A refusal is an answer, too.
            let early = Operation::Withdraw { token: TokenId(0), amount: 11, to: me.address() };
            let call = Transaction::call(
                world.deployment.depository,
                early.calldata(&world.deployment, &entity(&me)).unwrap(),
            );
            let refused = attempt(quorum.call(me.address(), &call)).unwrap_err();
            assert_eq!(refused.revert_name(), Some("InsufficientReserve"), "{fault:?}");
        }
    }
}

#[test]
fn a_head_is_what_enough_of_them_have() {
    let world = World::new(1);
    world.chain.mine_blocks(10);
    let head = world.chain.newest().number;
    let of = |faults: [Fault; 3]| {
        let endpoints = faults.map(|fault| Faulty::new(&world.chain, [fault; 8]));
        now(QuorumChain::new(endpoints.to_vec(), 2).unwrap().head()).number
    };
    use Fault::{Behind, Fine, Forged, Lofty};
    assert_eq!(of([Fine, Fine, Lofty]), head);
    assert_eq!(of([Fine, Behind(1), Behind(3)]), head - 1);
    assert_eq!(of([Lofty, Behind(3), Behind(1)]), head - 1, "of that even the liar tells the truth");
    assert_eq!(of([Behind(1), Fine, Forged]), head - 1);
}

#[test]
fn a_disagreement_says_who_said_what() {
    let world = World::new(1);
    let endpoints = vec![
        Faulty::new(&world.chain, []),
        Faulty::new(&world.chain, [Fault::Forged; 9]),
        Faulty::new(&world.chain, [Fault::Unplugged; 9]),
    ];
    let quorum = QuorumChain::new(endpoints, 2).unwrap();
    let error = attempt(quorum.header(2)).unwrap_err();
    assert!(error.is_transient());
    let ChainError::Disagreement(found) = error else { panic!("{error:?}") };
    assert_eq!((found.question.as_str(), found.required), ("block 2", 2));
    let honest = format!("{:?}", now(world.chain.header(2)));
    assert!(honest.starts_with(found.answers[0].trim_end_matches('…')), "{found}");
    assert!(found.answers[1].starts_with("Some(Header") && found.answers[1] != found.answers[0]);
    assert!(found.answers[2].contains("cannot be reached"));
    let head = attempt(quorum.head()).unwrap_err();
    assert!(matches!(head, ChainError::Disagreement(found) if found.question == "the newest block"));
}

#[test]
fn camps_make_no_quorum() {
    let (a, b) = (World::new(1), World::new(2));
    let endpoints = |n: usize| vec![Faulty::new(&a.chain, []); n];
    for (required, count) in [(0, 1), (1, 2), (2, 4), (3, 2), (1, 0)] {
        let error = QuorumChain::new(endpoints(count), required).unwrap_err();
        assert_eq!(error, QuorumError::NoMajority { required, endpoints: count });
    }
    assert!(QuorumChain::new(endpoints(1), 1).is_ok() && QuorumChain::new(endpoints(5), 3).is_ok());
    let mixed = vec![Faulty::new(&a.chain, []), Faulty::new(&b.chain, [])];
    let error = QuorumChain::new(mixed, 2).unwrap_err();
    assert_eq!(error, QuorumError::DifferentChains { first: ChainId(1), other: ChainId(2) });
}
