//! Boards, delegations and their signatures, against the text of docs/encodings.md: bytes are built by hand here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "tests say what they expect by failing"
)]

use alloy_primitives::keccak256;
use proptest::prelude::*;
use xln_core::crypto::{LocalSigner, MAX_SIGNATURE_BYTES, SignOutcome, Signature, SignatureError, Signer};
use xln_core::entity::*;
use xln_core::types::*;

const STATES: Permission = Permission::States;
const DIGEST: Hash = Hash([0xd1; 32]);

fn key(i: u8) -> LocalSigner {
    LocalSigner::new(&[i; 32]).unwrap()
}

fn id(i: u8) -> EntityId {
    key(i).entity()
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    keccak256(parts.concat()).0
}

/// EIP-712 by hand.
fn typed(kind: &str, entity: &EntityId, word: [u8; 32]) -> Hash {
    let texts = ["EIP712Domain(string name,string version)", "xln entity", "1"];
    let domain = hash(&texts.map(|text| hash(&[text.as_bytes()])).each_ref().map(|word| &word[..]));
    let message = hash(&[&hash(&[kind.as_bytes()]), entity.as_bytes(), &word]);
    Hash(hash(&[&[0x19, 1], &domain, &message]))
}

fn approval(entity: &EntityId, digest: &Hash) -> Hash {
    typed("BoardApproval(bytes32 entity,bytes32 digest)", entity, digest.0)
}

fn board_bytes(threshold: u32, members: &[(EntityId, u32)]) -> Vec<u8> {
    let mut bytes = threshold.to_be_bytes().to_vec();
    bytes.push(members.len() as u8);
    for (member, weight) in members {
        bytes.extend_from_slice(member.as_bytes());
        bytes.extend_from_slice(&weight.to_be_bytes());
    }
    bytes
}

fn by_board(board: &[u8], signatures: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = [&[1], board].concat();
    for signature in signatures {
        bytes.extend_from_slice(&(signature.len() as u16).to_be_bytes());
        bytes.extend_from_slice(signature);
    }
    bytes
}

fn by_operator(delegation: &[u8], approved: &[u8], own: &[u8]) -> Vec<u8> {
    [&[2], delegation, &(approved.len() as u16).to_be_bytes(), approved, own].concat()
}

fn sign(i: u8, digest: &Hash) -> Vec<u8> {
    key(i).sign_digest(digest).unwrap().as_bytes().to_vec()
}

/// Keys 1 to `n` with these weights, ascending by id; the numbers in that order.
fn members(weights: &[u32]) -> (Vec<u8>, Vec<(EntityId, u32)>) {
    let mut numbers: Vec<u8> = (1..=weights.len() as u8).collect();
    numbers.sort_by_key(|i| id(*i));
    let members = numbers.iter().map(|i| (id(*i), weights[usize::from(*i) - 1])).collect();
    (numbers, members)
}

type Verdict = Result<Reliance, SignatureError>;

fn verdict(verifier: &mut Verifier, entity: &EntityId, digest: &Hash, bytes: &[u8]) -> Verdict {
    let signature = Signature::new(bytes.to_vec())?;
    verifier.verify(&Claim { entity, digest, signature: &signature, permission: STATES })
}

fn cold(entity: &EntityId, digest: &Hash, bytes: &[u8]) -> Verdict {
    verdict(&mut Verifier::default(), entity, digest, bytes)
}

fn refused(error: OrganisationError) -> Verdict {
    Err(SignatureError::Organisation(error))
}

#[test]
fn boards_and_ids() {
    let (_, list) = members(&[1, 2, 3]);
    let bytes = board_bytes(4, &list);
    let board = Board::new(4, &[list[2], list[0], list[1]]).unwrap();
    assert_eq!(board.encode(), bytes);
    assert_eq!(Board::decode(&bytes).unwrap(), board);
    let mut expected = hash(&[&bytes]);
    expected[0] = 2;
    assert_eq!(board.counterfactual().as_bytes(), &expected);
    let provider = Address([0xee; 20]);
    let registered = EntityId::registered(ChainId(0x0102), &provider, 7).unwrap();
    let prefix = hash(&[&provider.0]);
    let expected = [&[1, 0, 0, 0, 0, 0, 0, 1, 2], &prefix[..15], &[0, 0, 0, 0, 0, 0, 0, 7]].concat();
    assert_eq!(registered.as_bytes()[..], expected);
    assert_eq!(registered.home_chain(), Some(ChainId(0x0102)));
    assert!(registered.is_registered_at(ChainId(0x0102), &provider));
    assert!(!registered.is_registered_at(ChainId(0x0103), &provider));
    assert!(!registered.is_registered_at(ChainId(0x0102), &Address([0xef; 20])));
    assert!(EntityId::registered(ChainId(1), &provider, 0).is_err());
}

#[test]
fn what_is_no_board() {
    let (_, list) = members(&[1, 2, 3]);
    let bad = |threshold, list: &[(EntityId, u32)]| Board::decode(&board_bytes(threshold, list)).unwrap_err();
    assert_eq!(bad(0, &list), BoardError::Threshold { threshold: 0, weights: 6 });
    assert_eq!(bad(7, &list), BoardError::Threshold { threshold: 7, weights: 6 });
    assert!(Board::decode(&board_bytes(6, &list)).is_ok());
    assert_eq!(bad(1, &[list[1], list[0]]), BoardError::NotAscending);
    assert_eq!(bad(1, &[list[0], list[0]]), BoardError::NotAscending);
    assert_eq!(bad(1, &[(list[0].0, 0), list[1]]), BoardError::NoWeight);
    assert_eq!(bad(1, &[]), BoardError::MemberCount(0));
    let many: Vec<(EntityId, u32)> =
        (0..33_u8).map(|i| (EntityId::account(Address([i + 1; 20])).unwrap(), 1)).collect();
    assert!(Board::decode(&board_bytes(32, &many[..32])).is_ok());
    assert_eq!(bad(32, &many), BoardError::MemberCount(33));
    let bytes = board_bytes(1, &list);
    assert_eq!(Board::decode(&[&bytes[..], &[0]].concat()), Err(BoardError::Malformed));
    for end in 0..bytes.len() {
        assert!(Board::decode(&bytes[..end]).is_err());
    }
    // Weights do not wrap: two of them are more than 32 bits.
    let heavy = [(list[0].0, u32::MAX), (list[1].0, u32::MAX)];
    assert_eq!(Board::decode(&board_bytes(u32::MAX, &heavy)).unwrap().weights(), 2 * u64::from(u32::MAX));
}

#[test]
fn a_board_signs_with_exactly_what_it_needs() {
    let (numbers, list) = members(&[1, 1, 1]);
    let board = board_bytes(2, &list);
    let entity = Board::decode(&board).unwrap().counterfactual();
    let wrapped = approval(&entity, &DIGEST);
    let all: Vec<Vec<u8>> = numbers.iter().map(|i| sign(*i, &wrapped)).collect();
    let some = |which: [bool; 3]| {
        let signatures: Vec<_> = all.iter().zip(which).map(|(s, w)| if w { s.clone() } else { vec![] }).collect();
        by_board(&board, &signatures)
    };
    for which in [[true, true, false], [true, false, true], [false, true, true]] {
        assert_eq!(cold(&entity, &DIGEST, &some(which)), Ok(Reliance::default()));
    }
    assert_eq!(cold(&entity, &DIGEST, &some([true; 3])), refused(OrganisationError::Unused));
    let below = |weights| refused(OrganisationError::BelowThreshold { weights, threshold: 2 });
    assert_eq!(cold(&entity, &DIGEST, &some([false, true, false])), below(1));
    // Rule 17: an empty list of supporters approves nothing.
    assert_eq!(cold(&entity, &DIGEST, &some([false; 3])), below(0));
    // A member that signs twice, in another's place.
    let twice = by_board(&board, &[all[0].clone(), all[0].clone(), vec![]]);
    assert_eq!(cold(&entity, &DIGEST, &twice), Err(SignatureError::WrongSigner));
    // The bare digest is another thing: what a member signs in a channel of its own.
    let bare = by_board(&board, &[sign(numbers[0], &DIGEST), sign(numbers[1], &DIGEST), vec![]]);
    assert_eq!(cold(&entity, &DIGEST, &bare), Err(SignatureError::WrongSigner));
    let good = some([true, true, false]);
    assert_eq!(cold(&entity, &Hash([1; 32]), &good), Err(SignatureError::WrongSigner));
    // Another board is another organisation.
    let other = Board::new(1, &list).unwrap().encode();
    let forged = by_board(&other, &[all[0].clone(), vec![], vec![]]);
    assert_eq!(cold(&entity, &DIGEST, &forged), refused(OrganisationError::WrongBoard));
    assert_eq!(cold(&entity, &DIGEST, &[3, 0, 0, 0, 0, 0, 0, 0, 1]), refused(OrganisationError::Vote));
    assert_eq!(cold(&entity, &DIGEST, &all[0]), refused(OrganisationError::Malformed));
    assert_eq!(cold(&entity, &DIGEST, &[]), refused(OrganisationError::Malformed));
    // An account never gets another length through.
    let long = [&[0], &all[0][..]].concat();
    assert_eq!(cold(&id(1), &DIGEST, &long), Err(SignatureError::WrongLength { length: 65 }));
}

#[test]
fn boards_within_boards_four_deep_and_no_deeper() {
    let mut entity = id(1);
    let mut boards = Vec::new();
    for depth in 1..=5 {
        let board = Board::new(1, &[(entity, 1), (id(2), 1)]).unwrap();
        entity = board.counterfactual();
        boards.push((entity, board));
        // From the outermost to the key, whose signature wraps them all.
        let path: Vec<EntityId> = boards.iter().rev().map(|(e, _)| *e).collect();
        let digest = path.iter().fold(DIGEST, |digest, outer| approval(outer, &digest));
        let mut signature = sign(1, &digest);
        for (i, (_, board)) in boards.iter().enumerate() {
            let inner = if i == 0 { id(1) } else { boards[i - 1].0 };
            let place = |m: &Member| if m.entity == inner { signature.clone() } else { vec![] };
            signature = by_board(&board.encode(), &board.members().iter().map(place).collect::<Vec<_>>());
        }
        let quorum = Quorum::new(entity, DIGEST, STATES, boards.clone());
        if depth > 4 {
            assert_eq!(cold(&entity, &DIGEST, &signature), refused(OrganisationError::TooDeep));
            assert_eq!(quorum.unwrap_err(), QuorumError::Organisation(OrganisationError::TooDeep));
            continue;
        }
        assert_eq!(cold(&entity, &DIGEST, &signature), Ok(Reliance::default()), "depth {depth}");
        let mut quorum = quorum.unwrap();
        let request = quorum.requests().find(|request| request.member == id(1)).unwrap();
        assert_eq!((&request.path, request.digest), (&path, digest));
        let approval = MemberSigner::new(key(1)).approve(&path, &DIGEST).unwrap();
        quorum.add(&mut Verifier::default(), approval).unwrap();
        assert_eq!(quorum.signature().unwrap().unwrap().as_bytes(), signature, "depth {depth}");
    }
}

/// A cycle is refused, not counted as yes. Only registered boards can make one.
#[test]
fn rule_16_an_organisation_does_not_sign_for_itself() {
    let registered = |n| EntityId::registered(ChainId(1), &Address([0xee; 20]), n).unwrap();
    let (a, b) = (registered(1), registered(2));
    let (of_a, of_b) = (board_bytes(1, &[(b, 1)]), board_bytes(1, &[(a, 1)]));
    let inner = by_board(&of_a, &[vec![1; 64]]);
    let signature = by_board(&of_a, &[by_board(&of_b, &[inner])]);
    assert_eq!(cold(&a, &DIGEST, &signature), refused(OrganisationError::Cycle));
    let boards = [(a, Board::decode(&of_a).unwrap()), (b, Board::decode(&of_b).unwrap())];
    let quorum = Quorum::new(a, DIGEST, STATES, boards);
    assert_eq!(quorum.unwrap_err(), QuorumError::Organisation(OrganisationError::Cycle));
}

fn delegation_bytes(permissions: u8, limits: &[(u64, u8, u32, u128)]) -> Vec<u8> {
    let mut bytes = [&key(3).address().0[..], &[permissions], &[0, 0, 0, 0, 99], &[0, 0, 0, 5]].concat();
    bytes.push(limits.len() as u8);
    for (chain, depository, token, amount) in limits {
        bytes.extend_from_slice(&chain.to_be_bytes());
        bytes.extend_from_slice(&[*depository; 20]);
        bytes.extend_from_slice(&token.to_be_bytes());
        bytes.extend_from_slice(&amount.to_be_bytes());
    }
    bytes
}

#[test]
fn what_is_no_delegation() {
    let limits = [(1, 2, 3, 4), (1, 2, 4, 0), (2, 1, 0, u128::MAX)];
    let bytes = delegation_bytes(0x0f, &limits);
    let delegation = Delegation::decode(&bytes).unwrap();
    assert_eq!(delegation.encode(), bytes);
    assert_eq!((delegation.operator(), delegation.expiry(), delegation.serial()), (id(3), UnixSeconds(99), 5));
    let place = SubchannelKey { chain: ChainId(1), depository: Address([2; 20]) };
    let of = |token| delegation.limit(&place, TokenId(token));
    assert_eq!((of(3), of(4), of(5)), (Some(4), Some(0), Some(0)));
    assert_eq!(Delegation::decode(&delegation_bytes(1, &[])).unwrap().limit(&place, TokenId(3)), None);
    let bad = |bytes: Vec<u8>| Delegation::decode(&bytes).unwrap_err();
    assert_eq!(bad(delegation_bytes(0, &[])), DelegationError::Permissions(0));
    assert_eq!(bad(delegation_bytes(0x10, &[])), DelegationError::Permissions(0x10));
    assert_eq!(bad(delegation_bytes(1, &[limits[1], limits[0]])), DelegationError::Limits);
    assert_eq!(bad(delegation_bytes(1, &[limits[0], limits[0]])), DelegationError::Limits);
    assert_eq!(bad([&bytes[..], &[0]].concat()), DelegationError::Malformed);
    let mut nobody = bytes.clone();
    nobody[..20].fill(0);
    assert!(matches!(bad(nobody), DelegationError::Operator(_)));
    for end in 0..bytes.len() {
        assert!(Delegation::decode(&bytes[..end]).is_err());
    }
    let late = Delegation::new(key(3).address(), Permissions::of(&[STATES]), UnixSeconds(1 << 40), 0, vec![]);
    assert_eq!(late.unwrap_err(), DelegationError::Expiry);
}

/// A board of keys 1 and 2 that has delegated to key 3, and the operator's signature over `DIGEST`.
fn operator() -> (EntityId, Vec<u8>, Vec<u8>, Vec<u8>) {
    let (numbers, list) = members(&[1, 1]);
    let board = board_bytes(2, &list);
    let entity = Board::decode(&board).unwrap().counterfactual();
    let delegation = delegation_bytes(1, &[]);
    let digest = typed("Delegation(bytes32 entity,bytes delegation)", &entity, hash(&[&delegation]));
    let wrapped = approval(&entity, &digest);
    let approved = by_board(&board, &[sign(numbers[0], &wrapped), sign(numbers[1], &wrapped)]);
    let own = sign(3, &approval(&entity, &DIGEST));
    (entity, delegation, approved, own)
}

#[test]
fn an_operator_signs_for_what_it_may() {
    let (entity, delegation, approved, own) = operator();
    let bytes = by_operator(&delegation, &approved, &own);
    let relied = cold(&entity, &DIGEST, &bytes).unwrap();
    assert_eq!(relied.delegations, [(entity, Hash(hash(&[&delegation])), UnixSeconds(99))]);
    assert!(relied.boards.is_empty());
    let signature = Signature::new(bytes.clone()).unwrap();
    for permission in [Permission::Dispute, Permission::Withdraw, Permission::Govern] {
        let claim = Claim { entity: &entity, digest: &DIGEST, signature: &signature, permission };
        assert_eq!(Verifier::default().verify(&claim), refused(OrganisationError::NotPermitted));
    }
    // The approval covers every byte of the delegation.
    let mut wider = delegation.clone();
    wider[20] = 0x0f;
    assert_eq!(cold(&entity, &DIGEST, &by_operator(&wider, &approved, &own)), Err(SignatureError::WrongSigner));
    // A delegation is signed by the board, not by another operator.
    let chained = by_operator(&delegation, &bytes, &own);
    assert_eq!(cold(&entity, &DIGEST, &chained), refused(OrganisationError::NotByBoard));
    // The operator signs what is wrapped for this organisation.
    let bare = by_operator(&delegation, &approved, &sign(3, &DIGEST));
    assert_eq!(cold(&entity, &DIGEST, &bare), Err(SignatureError::WrongSigner));
    let other = Board::new(1, &[(id(1), 1)]).unwrap().counterfactual();
    assert!(cold(&other, &DIGEST, &bytes).is_err());
    assert_eq!(cold(&entity, &DIGEST, &[&bytes[..], &[0]].concat()), refused(OrganisationError::Malformed));
}

#[test]
fn a_known_delegation_is_not_verified_again_and_changes_no_verdict() {
    let (entity, delegation, approved, own) = operator();
    let good = by_operator(&delegation, &approved, &own);
    let mut warm = Verifier::default();
    let relied = verdict(&mut warm, &entity, &DIGEST, &good);
    assert_eq!((relied.is_ok(), warm.remembered()), (true, (3, 1)));
    assert_eq!(verdict(&mut warm, &entity, &DIGEST, &good), relied);
    assert_eq!(warm.remembered(), (3, 1));
    let mut spoilt = approved.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    let spoilt = by_operator(&delegation, &spoilt, &own);
    assert_eq!(verdict(&mut warm, &entity, &DIGEST, &spoilt), Err(SignatureError::WrongSigner));
    let mut wider = delegation;
    wider[20] = 0x03;
    let wider = by_operator(&wider, &approved, &own);
    assert_eq!(verdict(&mut warm, &entity, &DIGEST, &wider), Err(SignatureError::WrongSigner));
    let signature = Signature::new(good).unwrap();
    let claim = Claim { entity: &entity, digest: &DIGEST, signature: &signature, permission: Permission::Withdraw };
    assert_eq!(warm.verify(&claim), refused(OrganisationError::NotPermitted));
}

#[test]
fn operators_and_members_through_the_api() {
    let (entity, delegation, approved, own) = operator();
    let parsed = Delegation::decode(&delegation).unwrap();
    let (_, list) = members(&[1, 1]);
    let board = Board::new(2, &list).unwrap();
    let mut quorum = Quorum::new(entity, parsed.digest(&entity), Permission::Govern, [(entity, board)]).unwrap();
    for i in [2, 1] {
        let approval = MemberSigner::new(key(i)).approve(&[entity], &parsed.digest(&entity)).unwrap();
        assert_eq!(quorum.signature().unwrap(), None);
        quorum.add(&mut Verifier::default(), approval).unwrap();
    }
    let approval = quorum.signature().unwrap().unwrap();
    assert_eq!(approval.as_bytes(), approved);
    let wrong = OperatorSigner::new(key(4), entity, parsed.clone(), approval.clone());
    assert_eq!(wrong.unwrap_err(), OperatorSignerError::WrongOperator);
    let signer = OperatorSigner::new(key(3), entity, parsed, approval).unwrap();
    let SignOutcome::Signed(signature) = signer.sign(&DIGEST).unwrap() else { panic!("signs at once") };
    assert_eq!(signature.as_bytes(), by_operator(&delegation, &approved, &own));
}

#[test]
fn a_quorum_names_what_it_does_not_take() {
    let (_, list) = members(&[1, 1, 1]);
    let board = Board::new(3, &list).unwrap();
    let entity = board.counterfactual();
    let mut quorum = Quorum::new(entity, DIGEST, STATES, [(entity, board)]).unwrap();
    let verifier = &mut Verifier::default();
    let by = |i, digest| MemberSigner::new(key(i)).approve(&[entity], digest).unwrap();
    assert_eq!(quorum.add(verifier, by(9, &DIGEST)), Err(QuorumError::Stranger(id(9))));
    let wrong = QuorumError::Wrong { member: id(1), error: SignatureError::WrongSigner };
    assert_eq!(quorum.add(verifier, by(1, &Hash([5; 32]))), Err(wrong));
    quorum.add(verifier, by(1, &DIGEST)).unwrap();
    assert_eq!(quorum.add(verifier, by(1, &DIGEST)), Err(QuorumError::Duplicate(id(1))));
    quorum.add(verifier, by(2, &DIGEST)).unwrap();
    // A restart keeps what there is, and believes nothing that is stored.
    let stored = quorum.encode().unwrap();
    assert_eq!(Quorum::decode(&mut Verifier::default(), &stored).unwrap(), quorum);
    for at in 0..stored.len() {
        let mut bytes = stored.clone();
        bytes[at] ^= 1;
        // Only the purpose, behind version, entity and digest, is not covered by a signature.
        assert_eq!(Quorum::decode(&mut Verifier::default(), &bytes).is_ok(), at == 65, "byte {at}");
        assert!(Quorum::decode(&mut Verifier::default(), &stored[..at]).is_err());
    }
    let mut quorum = Quorum::decode(verifier, &stored).unwrap();
    assert_eq!(quorum.requests().map(|r| r.member).collect::<Vec<_>>(), [id(3)]);
    quorum.add(verifier, by(3, &DIGEST)).unwrap();
    assert!(cold(&entity, &DIGEST, quorum.signature().unwrap().unwrap().as_bytes()).is_ok());
    let other = Board::new(1, &list).unwrap();
    assert!(matches!(Quorum::new(entity, DIGEST, STATES, [(entity, other)]), Err(QuorumError::Organisation(_))));
    assert_eq!(Quorum::new(entity, DIGEST, STATES, []).unwrap_err(), QuorumError::NoBoard);
}

#[test]
fn thirty_two_keys_fit_into_a_signature() {
    let list: Vec<(EntityId, u32)> = (1..=32_u8).map(|i| (id(i), 1)).collect();
    let board = Board::new(32, &list).unwrap();
    let entity = board.counterfactual();
    let mut quorum = Quorum::new(entity, DIGEST, STATES, [(entity, board)]).unwrap();
    let verifier = &mut Verifier::default();
    for i in 1..=32 {
        quorum.add(verifier, MemberSigner::new(key(i)).approve(&[entity], &DIGEST).unwrap()).unwrap();
    }
    let signature = quorum.signature().unwrap().unwrap();
    assert_eq!(signature.as_bytes().len(), 1 + 5 + 32 * 36 + 32 * (2 + 64));
    assert!(signature.as_bytes().len() <= MAX_SIGNATURE_BYTES);
    assert!(cold(&entity, &DIGEST, signature.as_bytes()).is_ok());
}

#[test]
fn the_directory_knows_now_and_before() {
    let provider = Address([0xee; 20]);
    let place = Place { chain: ChainId(1), provider };
    let entity = EntityId::registered(ChainId(1), &provider, 1).unwrap();
    let point = |number| ChainPoint {
        chain: ChainId(1),
        number,
        hash: Hash([number as u8; 32]),
        timestamp: UnixSeconds(number),
    };
    let set = |board: u8, previous: u8, until| EntityFact::Board {
        provider,
        entity,
        board: Hash([board; 32]),
        previous: Hash([previous; 32]),
        previous_valid_until: UnixSeconds(until),
    };
    let relied = |board: u8| Reliance { boards: vec![(entity, Hash([board; 32]))], delegations: vec![] };
    let lapses = |d: &Directory, board| d.standing(&relied(board), &place, 100, UnixSeconds(50)).map(|s| s.lapses);
    let (good, until) = (Ok(None), |s| Ok(Some(UnixSeconds(s))));
    let mut directory = Directory::default();
    assert_eq!(lapses(&directory, 1), Err(OrganisationError::UnknownBoard));
    directory.advance(&point(10), &[set(1, 0, 0)]);
    assert_eq!(lapses(&directory, 1), good);
    directory.advance(&point(20), &[set(2, 1, 120)]);
    assert_eq!((lapses(&directory, 1), lapses(&directory, 2)), (until(120), good));
    // Two in one block, back to the first one.
    directory.advance(&point(30), &[set(3, 2, 130), set(1, 3, 130)]);
    assert_eq!((lapses(&directory, 1), lapses(&directory, 2)), (good, until(130)));
    assert_eq!(directory.board(&entity, &place), Some(Hash([1; 32])));
    let mut late = Directory::default();
    late.advance(&point(20), &[set(2, 1, 120)]);
    assert_eq!((lapses(&late, 1), lapses(&late, 2)), (until(120), good));
    directory.roll_back(ChainId(2), 1);
    directory.roll_back(ChainId(1), 21);
    assert_eq!((lapses(&directory, 1), lapses(&directory, 2)), (until(120), good));
    directory.roll_back(ChainId(1), 20);
    assert_eq!((lapses(&directory, 1), lapses(&directory, 2)), (good, Err(OrganisationError::UnknownBoard)));
    // Delegations: until their last second, then for the grace; a revocation may end that earlier.
    let delegation = Hash([7; 32]);
    let relied = Reliance { boards: vec![], delegations: vec![(entity, delegation, UnixSeconds(50))] };
    let standing = |d: &Directory, now| d.standing(&relied, &place, 100, UnixSeconds(now)).unwrap();
    assert_eq!(standing(&directory, 50), Standing { lapses: None, expires: Some(UnixSeconds(50)) });
    assert_eq!(standing(&directory, 51), Standing { lapses: Some(UnixSeconds(150)), expires: None });
    let revoked = EntityFact::Revoked { provider, entity, delegation, valid_until: UnixSeconds(140) };
    directory.advance(&point(20), &[revoked]);
    assert_eq!(standing(&directory, 50).lapses, Some(UnixSeconds(140)));
    assert_eq!(standing(&directory, 51).lapses, Some(UnixSeconds(140)));
    directory.roll_back(ChainId(1), 20);
    assert_eq!(standing(&directory, 50).lapses, None);
    // As many boards as come in a grace are remembered, those that no chain takes any more are not, and not without end.
    let chain_of = |count: u8| {
        let mut many = Directory::default();
        many.advance(&point(10), &(1..=count).map(|n| set(n, n - 1, 200)).collect::<Vec<_>>());
        many
    };
    let mut many = chain_of(200);
    assert_eq!((lapses(&many, 1), lapses(&many, 199), lapses(&many, 200)), (until(200), until(200), good));
    many.advance(&point(200), &[set(201, 200, 300)]);
    assert_eq!(lapses(&many, 1), until(200), "in the last second");
    many.advance(&point(201), &[set(202, 201, 301)]);
    assert_eq!((lapses(&many, 1), lapses(&many, 200)), (Err(OrganisationError::UnknownBoard), until(300)));
    many.roll_back(ChainId(1), 201);
    assert_eq!((lapses(&many, 200), lapses(&many, 201)), (until(300), good));
    // Nobody else's EntityProvider speaks for it.
    let foreign = Place { chain: ChainId(2), provider };
    directory.advance(&ChainPoint { chain: ChainId(2), ..point(1) }, &[set(9, 0, 0)]);
    let relied = Reliance { boards: vec![(entity, Hash([9; 32]))], delegations: vec![] };
    assert_eq!(directory.standing(&relied, &foreign, 100, UnixSeconds(1)), Err(OrganisationError::UnknownBoard));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Any members, in any order, through the quorum: a signature exactly if their weights suffice, always the same one,
    /// valid, and without anybody who could be missed.
    #[test]
    fn a_quorum_signs_exactly_if_the_weights_suffice(
        weights in proptest::collection::vec(1_u32..6, 1..7), part in 0_u64..100, order in any::<[u8; 12]>(), who in any::<u8>(),
    ) {
        let (_, list) = members(&weights);
        let sum: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        let threshold = (1 + part * sum / 100) as u32;
        let board = Board::new(threshold, &list).unwrap();
        let entity = board.counterfactual();
        let mut signing: Vec<u8> = (1..=weights.len() as u8).filter(|i| who >> i & 1 == 1).collect();
        signing.sort_by_key(|i| order[usize::from(*i)]);
        let weight: u64 = signing.iter().map(|i| u64::from(weights[usize::from(*i) - 1])).sum();
        let run = |signing: &[u8]| {
            let mut quorum = Quorum::new(entity, DIGEST, STATES, [(entity, board.clone())]).unwrap();
            for i in signing {
                let approval = MemberSigner::new(key(*i)).approve(&[entity], &DIGEST).unwrap();
                quorum.add(&mut Verifier::default(), approval).unwrap();
            }
            quorum.signature().unwrap()
        };
        let signature = run(&signing);
        prop_assert_eq!(signature.is_some(), weight >= u64::from(threshold));
        signing.reverse();
        prop_assert_eq!(run(&signing), signature.clone());
        let Some(signature) = signature else { return Ok(()) };
        prop_assert!(cold(&entity, &DIGEST, signature.as_bytes()).is_ok());
        let parsed = OrganisationSignature::parse(signature.as_bytes());
        let Ok(OrganisationSignature::Board { signatures, .. }) = parsed else { panic!("by the board") };
        let taken = list.iter().zip(&signatures).filter(|(_, s)| s.is_some()).map(|((_, w), _)| u64::from(*w));
        let taken: Vec<u64> = taken.collect();
        for one in &taken {
            prop_assert!(taken.iter().sum::<u64>() - one < u64::from(threshold), "one could be missed");
        }
    }

    /// No byte of a board's or operator's signature may change.
    #[test]
    fn every_byte_counts(operated in any::<bool>(), place in any::<proptest::sample::Index>(), flip in 1_u8..=255) {
        let (entity, delegation, approved, own) = operator();
        let (numbers, list) = members(&[1, 1]);
        let wrapped = approval(&entity, &DIGEST);
        let signed = by_board(&board_bytes(2, &list), &[sign(numbers[0], &wrapped), sign(numbers[1], &wrapped)]);
        let mut bytes = if operated { by_operator(&delegation, &approved, &own) } else { signed };
        let mut warm = Verifier::default();
        prop_assert!(verdict(&mut warm, &entity, &DIGEST, &bytes).is_ok());
        let at = place.index(bytes.len());
        bytes[at] ^= flip;
        let verdicts = (cold(&entity, &DIGEST, &bytes), verdict(&mut warm, &entity, &DIGEST, &bytes));
        prop_assert!(verdicts.0.is_err(), "byte {}", at);
        prop_assert_eq!(verdicts.0.is_err(), verdicts.1.is_err());
    }

    /// Hostile bytes: no panic, one form per meaning.
    #[test]
    fn noise_is_refused_or_encodes_again(tag in 0_u8..4, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [&[tag], &bytes[..]].concat();
        if let Ok(parsed) = OrganisationSignature::parse(&bytes) {
            prop_assert_eq!(parsed.encode().unwrap().as_bytes().to_vec(), bytes.clone());
        }
        prop_assert!(cold(&EntityId::parse([2; 32]).unwrap(), &DIGEST, &bytes).is_err());
        let _ = Quorum::decode(&mut Verifier::default(), &bytes);
    }
}

/// Vectors that were made without this code, for the contracts as well.
#[test]
fn known_answers() {
    let file: serde_json::Value = serde_json::from_str(include_str!("vectors/organisations.json")).unwrap();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    let bytes = |v: &serde_json::Value| alloy_primitives::hex::decode(text(v)).unwrap();
    let word = |v: &serde_json::Value| <[u8; 32]>::try_from(bytes(v)).unwrap();
    let address = |v: &serde_json::Value| Address(bytes(v).try_into().unwrap());
    let number = |v: &serde_json::Value| text(v).parse::<u128>().unwrap();
    let entity = |v: &serde_json::Value| EntityId::parse(word(v)).unwrap();
    for v in file["registered"].as_array().unwrap() {
        let (chain, number) = (ChainId(number(&v["chainId"]) as u64), number(&v["number"]) as u64);
        assert_eq!(EntityId::registered(chain, &address(&v["provider"]), number), Ok(entity(&v["entity"])));
    }
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 4);
    for v in vectors {
        let list = v["members"].as_array().unwrap().iter();
        let list: Vec<_> = list.map(|m| (entity(&m["entity"]), number(&m["weight"]) as u32)).collect();
        let board = Board::new(number(&v["threshold"]) as u32, &list).unwrap();
        assert_eq!(board.encode(), bytes(&v["board"]));
        assert_eq!(board.hash(), Hash(word(&v["boardHash"])));
        let id = board.counterfactual();
        assert_eq!(id, entity(&v["counterfactual"]));
        let digest = Hash(word(&v["digest"]));
        assert_eq!(approval_digest(&id, &digest), Hash(word(&v["approval"])));
        if let Some(nested) = v.get("nestedApproval") {
            let outer = approval_digest(&entity(&nested["outer"]), &digest);
            assert_eq!(approval_digest(&id, &outer), Hash(word(&nested["approval"])));
        }
        let Some(d) = v.get("delegation") else { continue };
        let all = [Permission::States, Permission::Dispute, Permission::Withdraw, Permission::Govern];
        let bits = number(&d["permissions"]) as usize;
        let permissions: Vec<_> = (0..4).filter(|i| bits >> i & 1 == 1).map(|i| all[i]).collect();
        let limit = |l: &serde_json::Value| Limit {
            key: SubchannelKey { chain: ChainId(number(&l["chainId"]) as u64), depository: address(&l["depository"]) },
            token: TokenId(number(&l["token"]) as u32),
            amount: number(&l["limit"]),
        };
        let delegation = Delegation::new(
            address(&d["operator"]),
            Permissions::of(&permissions),
            UnixSeconds(number(&d["expiry"]) as u64),
            number(&d["serial"]) as u32,
            d["limits"].as_array().unwrap().iter().map(limit).collect(),
        );
        let delegation = delegation.unwrap();
        assert_eq!(delegation.encode(), bytes(&d["bytes"]));
        assert_eq!(delegation.hash(), Hash(word(&d["hash"])));
        assert_eq!(delegation.digest(&id), Hash(word(&d["digest"])));
        assert_eq!(approval_digest(&id, &delegation.digest(&id)), Hash(word(&d["approval"])));
    }
}
