//! A wallet of several owners (ERC-1271) that has reserves and a channel.

use alloy_sol_types::{SolCall, SolConstructor};
use xln_chain::client::{Authority, GovernCall, Operation};
use xln_chain::contracts::test_multisig::TestMultisig;
use xln_chain::deploy::deploy_code;
use xln_chain::{Chain, Transaction, U256};
use xln_core::chain::ChainCall;
use xln_core::crypto::{LocalSigner, Signature};
use xln_core::entity::{Board, Permission};
use xln_core::proof::{Body, SettlementUpdate, TokenDiff};
use xln_core::types::{Address, DisputeFact, EntityId, Hash, Pair, Side, UnixSeconds};

use crate::common::*;
use crate::{ETH, refused};

/// Two of three owners.
struct Wallet {
    world: World,
    address: Address,
    owners: [LocalSigner; 3],
}

impl Wallet {
    fn new() -> Self {
        let world = World::new(1);
        let mut owners = [key(1), key(2), key(3)];
        owners.sort_by_key(LocalSigner::address);
        let list = owners.iter().map(|owner| owner.address().into()).collect();
        let arguments = TestMultisig::constructorCall { owners: list, threshold_: U256::from(2) }.abi_encode();
        let address = now(deploy_code(&world.chain, &key(9), &TestMultisig::BYTECODE, &arguments));
        Self { world, address, owners }
    }

    fn id(&self) -> EntityId {
        EntityId::account(self.address).unwrap()
    }

    fn ask(&self, call: &impl SolCall) -> Hash {
        let call = Transaction::call(self.address, call.abi_encode());
        let found = now(self.world.chain.call(Address::ZERO, &call));
        Hash(found[..32].try_into().unwrap())
    }

    /// r, s, v of the first two owners.
    fn owners_sign(&self, hash: &Hash) -> Vec<u8> {
        let one = |owner: &LocalSigner| {
            let mut bytes = owner.sign_digest(hash).unwrap().as_bytes().to_vec();
            bytes.push(27 + (bytes[32] >> 7));
            bytes[32] &= 0x7f;
            bytes
        };
        self.owners[..2].iter().flat_map(one).collect()
    }

    /// The wallet's ERC-1271 signature.
    fn sign(&self, digest: &Hash) -> Signature {
        let hash = self.ask(&TestMultisig::digestHashCall { digest: digest.0.into() });
        Signature::new(self.owners_sign(&hash)).unwrap()
    }

    fn execute(&self, to: Address, data: Vec<u8>) {
        let nonce = U256::from_be_bytes(self.ask(&TestMultisig::nonceCall {}).0);
        let (to, value, data) = (to.into(), U256::ZERO, xln_chain::Bytes::from(data));
        let hash = self.ask(&TestMultisig::callHashCall { to, value, data: data.clone(), nonce_: nonce });
        let call = TestMultisig::executeCall { to, value, data, signatures: self.owners_sign(&hash).into() };
        now(self.world.chain.execute(&key(9), Transaction::call(self.address, call.abi_encode())));
    }
}

#[test]
fn a_wallet_pays_by_its_own_call_and_by_a_signed_batch() {
    let wallet = Wallet::new();
    let world = &wallet.world;
    let us = wallet.id();
    world.give(us, 100);
    let own = Operation::ReserveToReserve { to: entity(&key(8)), token: ETH, amount: 30 };
    wallet.execute(world.deployment.depository, own.calldata(&world.deployment, &us).unwrap().to_vec());
    let operation = Operation::Withdraw { token: ETH, amount: 50, to: wallet.address };
    let batch = world.client.batch(us).then(&operation).unwrap().build(0, UnixSeconds(u64::MAX)).unwrap();
    let mut short = wallet.sign(&batch.digest()).as_bytes().to_vec();
    short.truncate(65);
    let short = Signature::new(short).unwrap();
    assert_eq!(refused(attempt(world.client.relay(&key(9), &batch, &short))), "InvalidSignature");
    now(world.client.relay(&key(9), &batch, &wallet.sign(&batch.digest())));
    assert_eq!((world.reserve(&us), now(world.chain.balance(wallet.address))), (20, U256::from(50)));
}

#[test]
fn a_wallet_has_a_channel_by_a_recorded_board_and_disputes_it_by_erc1271() {
    let wallet = Wallet::new();
    let (world, peer, anybody) = (&wallet.world, key(5), key(9));
    let us = wallet.id();
    let pair = Pair::new(us, entity(&peer)).unwrap();
    let side = pair.side(&us).unwrap();
    world.lock(us, entity(&peer), 500);
    let board = Board::new(2, &[(entity(&key(1)), 1), (entity(&key(2)), 1)]).unwrap();
    wallet.execute(world.deployment.entity_provider, GovernCall::RecordBoard(Some(board.hash())).calldata().to_vec());
    assert_eq!(now(world.client.entities().board(&us)), Some(board.hash()));

    let body = Body { tokens: vec![(ETH, if side.is_left() { -200 } else { 200 })], clauses: vec![] };
    let by_board = |digest: &Hash| by_board(&us, &board, digest, &[&key(1), &key(2)]);
    let by_peer = |digest: &Hash| peer.sign_digest(digest).unwrap();
    let by_wallet = |digest: &Hash| wallet.sign(digest);
    let evidence = |nonce, ours: &dyn Fn(&Hash) -> Signature| {
        let sign: [&dyn Fn(&Hash) -> Signature; 2] = if side.is_left() { [ours, &by_peer] } else { [&by_peer, ours] };
        evidence_by(&world.deployment, &pair, 0, nonce, &body, sign)
    };
    // A state by ERC-1271 is none: what a wallet says today it may deny tomorrow.
    let start = |evidence| ChainCall::StartDispute { starter: side.other(), evidence, fills: vec![] };
    let no_state = world.act(&peer, pair, start(evidence(2, &by_wallet)), &Authority::Sender);
    assert_eq!(refused(no_state), "InvalidSignature");
    world.act(&peer, pair, start(evidence(2, &by_board)), &Authority::Sender).unwrap();
    let dispute = DisputeFact {
        nonce: 2,
        started_at: world.chain.now(),
        starter: side.other(),
        answered: false,
        answered_at: UnixSeconds(0),
        body_hash: evidence(2, &by_board).body_hash(),
        starter_fills_hash: Hash::ZERO,
        answerer_fills_hash: Hash::ZERO,
    };
    // The answer is the wallet's own action: ERC-1271 will do, through anybody.
    let newer = evidence(4, &by_board);
    let digest = world.domain().dispute_answer(&pair.channel_key(), 0, newer.nonce, &dispute.body_hash, &[]);
    let counter = ChainCall::CounterDispute { dispute, evidence: newer, fills: vec![], both: false };
    let signed = |signature| Authority::Signed { signature, expiry: UnixSeconds(0) };
    let stranger = signed(key(8).sign_digest(&digest).unwrap());
    assert_eq!(refused(world.act(&anybody, pair, counter.clone(), &stranger)), "InvalidSignature");
    world.act(&anybody, pair, counter, &signed(wallet.sign(&digest))).unwrap();
    let dispute = DisputeFact { nonce: 4, answered: true, answered_at: world.chain.now(), ..dispute };
    let finalize = ChainCall::FinalizeDispute {
        dispute,
        body: body.encode().unwrap(),
        starter_fills: vec![],
        answerer_fills: vec![],
    };
    world.act(&anybody, pair, finalize, &Authority::Sender).unwrap();
    assert_eq!((world.reserve(&us), world.reserve(&entity(&peer))), (300, 200));
}

#[test]
fn a_wallet_starts_with_the_empty_state_and_agrees_to_an_update() {
    let wallet = Wallet::new();
    let (world, peer, anybody) = (&wallet.world, key(5), key(9));
    let us = wallet.id();
    let pair = Pair::new(us, entity(&peer)).unwrap();
    let side = pair.side(&us).unwrap();
    world.lock(us, entity(&peer), 500);
    let (left, right, ondelta) = if side.is_left() { (100, 0, -100) } else { (0, 100, 0) };
    let update = SettlementUpdate { diffs: vec![TokenDiff { token: ETH, left, right, ondelta }], forgiven: vec![] };
    let expiry = world.chain.now();
    let digest = world.domain().cooperative_update(&pair.channel_key(), 0, 0, expiry, &update.encode().unwrap());
    let (ours, theirs) = (wallet.sign(&digest), peer.sign_digest(&digest).unwrap());
    let (left, right) = if side == Side::Left { (ours, theirs) } else { (theirs, ours) };
    let call = ChainCall::CooperativeUpdate { expiry, update, left, right };
    world.act(&anybody, pair, call, &Authority::Sender).unwrap();
    assert_eq!((world.reserve(&us), world.collateral(&pair).0), (100, 400));

    let body = Body { tokens: vec![(ETH, 0)], clauses: vec![] };
    let hash = xln_core::proof::body_hash(&body.encode().unwrap());
    let digest = world.domain().dispute_start(&pair.channel_key(), 0, xln_core::types::Nonce(0), &hash, &[], expiry);
    assert!(!now(world.client.entities().is_valid(&us, &digest, &wallet.sign(&digest), Permission::States)));
    let start = ChainCall::StartEmptyDispute { starter: side, tokens: vec![ETH] };
    let signed = Authority::Signed { signature: wallet.sign(&digest), expiry };
    world.chain.advance(1);
    assert_eq!(refused(world.act(&anybody, pair, start.clone(), &signed)), "Expired");
    let expiry = world.chain.now();
    let digest = world.domain().dispute_start(&pair.channel_key(), 0, xln_core::types::Nonce(0), &hash, &[], expiry);
    let signed = Authority::Signed { signature: wallet.sign(&digest), expiry };
    world.act(&anybody, pair, start, &signed).unwrap();
    assert!(now(world.client.channel(&pair)).dispute.is_some());
}
