//! Everything that is decoded from bytes in xln-core: what a peer sends, what the store holds, what a chain shows.

use xln_core::crypto::{LocalSigner, Signature, Signer};
use xln_core::entity::{Board, Claim, Delegation, OrganisationSignature, Permission, Quorum, Reliance, Verifier};
use xln_core::machine::{Machine, Record, RestoreError, Snapshot};
use xln_core::proof::{Body, Fills, SettlementUpdate};
use xln_core::route::{OnionKey, SharedSecret, is_onion, open_failure, peel};
use xln_core::subcontract::{Answer, Clock, Instruments, Outcome, Terms};
use xln_core::types::{Address, ChainId, EntityId, Hash, HashKind, Side, SubchannelKey, TokenId, UnixSeconds};
use xln_core::wire::Message;

/// What decodes is canonical: it encodes to the same bytes.
pub fn message_decode(bytes: &[u8]) {
    if let Ok(message) = Message::decode(bytes) {
        assert_eq!(message.encode().expect("decoded"), bytes);
    }
}

/// What decodes is canonical.
pub fn record_decode(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode().expect("decoded"), bytes);
    }
}

/// What is restored from any bytes has no impossible state, and can be written again.
pub fn snapshot_restore(bytes: &[u8]) {
    let entity = owner();
    let restore = |seq| {
        let snapshot = Snapshot { seq, bytes: bytes.to_vec() };
        Machine::restore(entity, Some(&snapshot), Vec::<Record>::new())
    };
    // It goes by its own number only, which a refusal tells.
    let restored = match restore(u64::MAX) {
        Err(RestoreError::Gap { last, .. }) => restore(last),
        other => other,
    };
    if let Ok(machine) = restored {
        assert_eq!(machine.snapshot().expect("restored").bytes, bytes);
        for (_, channel) in machine.channels() {
            channel.state().check().expect("checked when it was loaded");
        }
    }
}

/// Whose snapshots [`snapshot_restore`] takes: the smaller of two entities.
pub fn owner() -> EntityId {
    thread_local! {
        static OWNER: EntityId = {
            let ids = [[1; 32], [2; 32]].map(|key| LocalSigner::new(&key).expect("a key").entity());
            ids.into_iter().min().expect("two")
        };
    }
    OWNER.with(|owner| *owner)
}

/// What the Depository hashes: bodies, fills, settlements. The first byte says which.
pub fn proof_decode(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => body_parse(bytes),
        1 => fills_parse(bytes),
        _ => settlement_parse(bytes),
    }
}

/// What parses is canonical.
pub fn body_parse(bytes: &[u8]) {
    if let Ok(body) = Body::parse(bytes) {
        assert_eq!(body.encode().expect("parsed"), bytes);
    }
}

fn fills_parse(bytes: &[u8]) {
    if let Ok(fills) = Fills::parse(bytes) {
        assert_eq!(fills.encode().expect("parsed"), bytes);
    }
}

fn settlement_parse(bytes: &[u8]) {
    if let Ok(update) = SettlementUpdate::parse(bytes) {
        assert_eq!(update.encode().expect("parsed"), bytes);
    }
}

/// Organisations, onions and instruments. The first byte says which.
pub fn identity_and_terms(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 8 {
        0 => board(bytes),
        1 => delegation(bytes),
        2 => organisation_signature(bytes),
        3 => quorum(bytes),
        4 => onion(bytes),
        5 => failure(bytes),
        _ => terms(bytes),
    }
}

fn board(bytes: &[u8]) {
    if let Ok(board) = Board::decode(bytes) {
        assert_eq!(board.encode(), bytes);
        assert!(board.weights() >= u64::from(board.threshold()));
    }
}

fn delegation(bytes: &[u8]) {
    if let Ok(delegation) = Delegation::decode(bytes) {
        assert_eq!(delegation.encode(), bytes);
    }
}

/// The work of verifying is bounded by bytes, and what was verified before relies on the same.
fn organisation_signature(bytes: &[u8]) {
    if let Ok(parsed) = OrganisationSignature::parse(bytes) {
        assert_eq!(parsed.encode().expect("parsed").as_bytes(), bytes);
    }
    let Ok(signature) = Signature::new(bytes.to_vec()) else { return };
    let account = owner();
    let organisation = match OrganisationSignature::parse(bytes) {
        Ok(OrganisationSignature::Board { board, .. }) => board.counterfactual(),
        _ => EntityId::registered(ChainId(1), &Address([0xee; 20]), 1).expect("an organisation"),
    };
    for entity in [&account, &organisation] {
        let claim = Claim { entity, digest: &Hash([7; 32]), signature: &signature, permission: Permission::States };
        let mut verifier = Verifier::default();
        if let Ok(reliance) = verifier.verify(&claim) {
            assert_eq!(Reliance::of(entity, &signature), Ok(reliance.clone()));
            assert_eq!(verifier.verify(&claim), Ok(reliance), "what is remembered changes no verdict");
        }
    }
}

fn quorum(bytes: &[u8]) {
    let mut verifier = Verifier::default();
    if let Ok(quorum) = Quorum::decode(&mut verifier, bytes) {
        assert_eq!(quorum.encode().expect("decoded"), bytes);
        assert!(quorum.requests().count() < 2048);
        if let Ok(Some(signature)) = quorum.signature() {
            let (entity, digest) = (quorum.entity(), quorum.digest());
            let claim = |permission| Claim { entity: &entity, digest: &digest, signature: &signature, permission };
            let verdict = verifier.verify(&claim(Permission::States));
            assert!(verdict.is_ok(), "gathered and wrong: {verdict:?}");
        }
    }
}

/// The key of the onions in the corpus, and the lock that they were wrapped for.
pub fn onion_key() -> OnionKey {
    OnionKey::derive(&[1; 32]).expect("a key")
}

fn onion(bytes: &[u8]) {
    let peeled = peel(bytes, &onion_key(), (HashKind::Sha256, &Hash([4; 32])));
    if let Ok(peeled) = peeled {
        assert!(is_onion(bytes) && is_onion(&peeled.next), "an onion within an onion");
    }
}

fn failure(bytes: &[u8]) {
    thread_local! {
        static SHARED: SharedSecret = {
            let (sent, _) = onion_of_two();
            peel(&sent, &onion_key(), (HashKind::Sha256, &Hash([4; 32]))).expect("a true onion").shared
        };
    }
    if let Some((hop, _)) = SHARED.with(|shared| open_failure(core::slice::from_ref(shared), bytes)) {
        assert_eq!(hop, 0);
    }
}

/// A true onion over two hops, and a failure of the first.
pub fn onion_of_two() -> (Vec<u8>, Vec<u8>) {
    use xln_core::route::{FailureCode, Layer, fail, wrap};
    let next = OnionKey::derive(&[2; 32]).expect("a key");
    let key = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
    let expiry = UnixSeconds(1_800_000_000);
    let forward = Layer::Forward { next: owner(), key, token: TokenId(1), amount: 77, expiry };
    let receive = Layer::Receive { amount: 70, expiry };
    let layers = [(onion_key(), forward), (next, receive)].map(|(key, layer)| (key.public().expect("a key"), layer));
    let (onion, shared) = wrap(&layers, (HashKind::Sha256, &Hash([4; 32])), &[9; 32]).expect("two hops");
    let failure = shared.first().map(|shared| fail(shared, FailureCode::UnknownLayer));
    (onion, failure.unwrap_or_default())
}

/// One of the built-in instruments: what it quotes bounds what it pays, and its terms have one encoding.
fn terms(bytes: &[u8]) {
    let Some((choice, data)) = bytes.split_first() else { return };
    let key = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
    let tokens = [TokenId(1), TokenId(2)];
    let terms = Terms { key, tokens: tokens.get(..usize::from(choice / 128) + 1).unwrap_or_default(), data };
    let number = 3 + u16::from(choice % 3);
    let instruments = Instruments::built_in();
    let instrument = instruments.get(key.chain, &Address([0x5c; 20]), number).expect("built in");
    let Ok(quote) = instrument.quote(&terms) else { return };
    assert_eq!(instrument.canonical(&terms).expect("quoted"), data);
    let answered = (choice / 8 % 2 == 0).then_some(Answer { at: UnixSeconds(1_700_000_000), value: 1 });
    let answers = vec![answered; quote.questions.len()];
    let begun = UnixSeconds(1_750_000_000);
    for hours in [0, 24, 24 * 400] {
        let (at, late) = (begun.plus(hours * 3600), UnixSeconds(u64::MAX));
        let clock = Clock { at, facts_until: if choice / 16 % 2 == 0 { late } else { begun }, seen: at };
        let mut outcomes = vec![instrument.outcome(&terms, &answers, &clock)];
        outcomes.extend([Side::Left, Side::Right].map(|side| instrument.cancel(&terms, &answers, &clock, side)));
        for outcome in outcomes {
            let Ok(Outcome::Pays { moves, rest }) = outcome else { continue };
            assert_eq!(moves.len(), quote.holds.len());
            for (moved, hold) in moves.iter().zip(&quote.holds) {
                let most = if *moved < 0 { hold.left } else { hold.right };
                assert!(moved.unsigned_abs() <= most, "it pays {moved} of at most {most}");
            }
            if let Some(rest) = rest {
                let rest = Terms { data: &rest, ..terms };
                assert!(instrument.quote(&rest).is_ok(), "what is left over are no terms");
            }
        }
    }
}
