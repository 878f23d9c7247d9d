//! Golden vectors for Solidity and other implementations: inputs and outputs in `tests/vectors`, numbers as decimal
//! strings, bytes as hex. `XLN_BLESS=1` writes the files anew; read the difference before committing it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests say what they expect by failing"
)]

use serde_json::{Value, json};
use xln_core::crypto::LocalSigner;
use xln_core::proof::{
    Allowance, Batch, Body, Clause, DepositoryDomain, Dispute, Fills, FillsGiven, Forgiven, PaymentItem,
    SettlementUpdate, SwapItem, TokenDiff, body_hash, channel_state_digest, fills_hash, path, resolve, root,
    state_leaf, subchannel_leaf,
};
use xln_core::types::{
    Address, ChainId, EntityId, Hash, HashKind, Nonce, Pair, Side, SubchannelKey, TokenFact, TokenId, UnixSeconds,
};

/// Compares with the file, or writes it.
fn golden(name: &str, about: &str, vectors: Vec<Value>) {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let found = json!({ "about": about, "vectors": vectors });
    if std::env::var_os("XLN_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&found).expect("JSON");
        std::fs::write(&path, text + "\n").expect("writable");
    }
    let text = std::fs::read_to_string(&path).expect("a golden file; XLN_BLESS=1 makes it");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(found, expected, "{name} has changed");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
}

fn side(side: Side) -> &'static str {
    if side.is_left() { "left" } else { "right" }
}

fn hash(byte: u8) -> Hash {
    Hash([byte; 32])
}

fn key(chain: u64, byte: u8) -> SubchannelKey {
    SubchannelKey { chain: ChainId(chain), depository: Address([byte; 20]) }
}

#[test]
fn signatures() {
    let vector = |(secret, digest): (u8, [u8; 32])| {
        let signer = LocalSigner::new(&[secret; 32]).expect("in range");
        let signature = signer.sign_digest(&Hash(digest)).expect("signs");
        json!({
            "secret": hex(&[secret; 32]), "digest": hex(&digest), "address": hex(&signer.address().0),
            "entity": hex(EntityId::account(signer.address()).expect("an account").as_bytes()),
            "signature": hex(signature.as_bytes()),
        })
    };
    let cases = [(1, [0; 32]), (1, [0xff; 32]), (2, [7; 32]), (3, [7; 32]), (4, [7; 32]), (0xab, [0x5a; 32])];
    let about = "Compact signatures (EIP-2098, RFC 6979): secret key and digest to address and signature";
    golden("signatures", about, cases.into_iter().map(vector).collect());
}

#[test]
fn commitments() {
    let vector = |subchannels: &[(SubchannelKey, u32)], nonce: u64| {
        let account = |byte| EntityId::account(Address([byte; 20])).expect("an account");
        let pair = Pair::new(account(0x22), account(0x11)).expect("two");
        let mut leaves = vec![state_leaf(&hash(0xaa))];
        leaves.extend(subchannels.iter().map(|(key, epoch)| subchannel_leaf(key, *epoch, &hash(0xbb))));
        let top = root(&leaves);
        let proofs = (0..leaves.len()).map(|index| {
            let path: Vec<String> = path(&leaves, index).iter().map(|sibling| hex(&sibling.0)).collect();
            json!({ "leaf": hex(&leaves[index].0), "path": path })
        });
        let listed = subchannels.iter().map(|(key, epoch)| {
            json!({ "chainId": key.chain.0.to_string(), "depository": hex(&key.depository.0), "epoch": epoch.to_string() })
        });
        json!({
            "left": hex(pair.left().as_bytes()), "right": hex(pair.right().as_bytes()),
            "channelKey": hex(&pair.channel_key().0), "stateHash": hex(&[0xaa; 32]), "bodyHash": hex(&[0xbb; 32]),
            "subchannels": listed.collect::<Vec<_>>(), "nonce": nonce.to_string(),
            "leaves": proofs.collect::<Vec<_>>(), "root": hex(&top.0),
            "digest": hex(&channel_state_digest(&pair.channel_key(), Nonce(nonce), &top).0),
        })
    };
    let keys = [(key(1, 0x10), 0), (key(1, 0x20), 7), (key(10, 0x05), 1), (key(u64::MAX, 0xff), u32::MAX)];
    let vectors = (0..=keys.len()).map(|n| vector(&keys[..n], [0, 2, 3, 84, u64::MAX][n])).collect();
    golden("commitments", "Leaves, paths, root and digest of a state; leaf 0 is the state's", vectors);
}

#[test]
fn depository_digests() {
    let vector = |chain, byte, epoch: u32, number: u32, bytes: &[u8]| {
        let domain = DepositoryDomain::from(&key(chain, byte));
        let (channel, body, expiry) = (hash(0x31), hash(0x32), UnixSeconds(1_800_000_000));
        let nonce = Nonce(u64::from(number) << 8);
        json!({
            "chainId": chain.to_string(), "depository": hex(&[byte; 20]), "separator": hex(&domain.separator().0),
            "channelKey": hex(&channel.0), "epoch": epoch.to_string(), "settlementNonce": number.to_string(),
            "nonce": nonce.0.to_string(), "expiry": expiry.0.to_string(), "bodyHash": hex(&body.0), "bytes": hex(bytes),
            "cooperativeUpdate": hex(&domain.cooperative_update(&channel, epoch, number, expiry, bytes).0),
            "cooperativeClose": hex(&domain.cooperative_close(&channel, epoch, number, expiry, bytes).0),
            "disputeStart": hex(&domain.dispute_start(&channel, epoch, nonce, &body, bytes, expiry).0),
            "disputeAnswer": hex(&domain.dispute_answer(&channel, epoch, nonce, &body, bytes).0),
        })
    };
    let vectors = vec![
        vector(1, 0x10, 0, 0, b""),
        vector(31337, 0x20, 3, 9, b"xln"),
        vector(u64::MAX, 0xfe, u32::MAX, u32::MAX, &[9; 100]),
    ];
    golden("depository_digests", "EIP-712 digests of one Depository; `bytes` is the update, body or fills", vectors);
}

fn payment(payer: Side, token_index: u8, amount: u128, kind: HashKind, byte: u8) -> PaymentItem {
    PaymentItem { payer, token_index, amount, expiry: UnixSeconds(1_700_000_000), kind, hash: hash(byte) }
}

fn offer(maker: Side, id: u64) -> SwapItem {
    let (give_index, want_index, expiry) = (0, 1, UnixSeconds(1_600_000_000));
    SwapItem {
        maker,
        id,
        give_index,
        want_index,
        give: 100,
        want: 7,
        remaining: 60,
        min_fill: 10,
        expiry,
        taker_limit: 3,
    }
}

fn clause(allowances: &[(u8, u128, u128)], batch: Batch) -> Clause {
    let allowance = |(token_index, right, left): &(u8, u128, u128)| Allowance {
        token_index: *token_index,
        right: *right,
        left: *left,
    };
    Clause { provider: Address([0x77; 20]), allowances: allowances.iter().map(allowance).collect(), batch }
}

fn sample_bodies() -> Vec<Body> {
    let payments = clause(
        &[(0, 20, 10), (1, 5, 0)],
        Batch::Payments(vec![
            payment(Side::Left, 0, 10, HashKind::Keccak256, 1),
            payment(Side::Right, 0, 20, HashKind::Sha256, 2),
            payment(Side::Right, 1, 5, HashKind::Keccak256, 3),
        ]),
    );
    let swaps = [(Side::Left, 5), (Side::Right, 6)].map(|(maker, id)| {
        let allowances = if maker.is_left() { [(0, 0, 60), (1, 5, 0)] } else { [(0, 60, 0), (1, 0, 5)] };
        clause(&allowances, Batch::Swap(offer(maker, id)))
    });
    let custom = clause(&[], Batch::Custom { instrument: 256, payload: vec![1, 2, 3] });
    let tokens = vec![(TokenId(0), -25), (TokenId(7), 40)];
    let ends = vec![(TokenId(0), i128::MAX), (TokenId(1), -i128::MAX), (TokenId(u32::MAX), 0)];
    vec![
        Body::default(),
        Body { tokens: ends, clauses: Vec::new() },
        Body { tokens: tokens.clone(), clauses: vec![payments.clone()] },
        Body { tokens: tokens.clone(), clauses: [vec![payments], swaps.to_vec()].concat() },
        Body { tokens, clauses: vec![custom] },
    ]
}

fn batch_json(batch: &Batch) -> Value {
    match batch {
        Batch::Payments(items) => {
            let item = |item: &PaymentItem| {
                json!({
                    "payer": side(item.payer), "tokenIndex": item.token_index, "amount": item.amount.to_string(),
                    "expiry": item.expiry.0.to_string(), "kind": item.kind.index(), "hash": hex(&item.hash.0),
                })
            };
            json!({ "instrument": 1, "payments": items.iter().map(item).collect::<Vec<_>>() })
        }
        Batch::Swap(item) => json!({
            "instrument": 2, "maker": side(item.maker), "id": item.id.to_string(), "giveIndex": item.give_index,
            "wantIndex": item.want_index, "give": item.give.to_string(), "want": item.want.to_string(),
            "remaining": item.remaining.to_string(), "minFill": item.min_fill.to_string(),
            "expiry": item.expiry.0.to_string(), "takerLimit": item.taker_limit.to_string(),
        }),
        Batch::Custom { instrument, payload } => json!({ "instrument": instrument, "payload": hex(payload) }),
    }
}

fn body_json(body: &Body) -> Value {
    let clause = |clause: &Clause| {
        let allowance = |allowance: &Allowance| {
            json!({
                "tokenIndex": allowance.token_index, "right": allowance.right.to_string(),
                "left": allowance.left.to_string(),
            })
        };
        json!({
            "provider": hex(&clause.provider.0),
            "allowances": clause.allowances.iter().map(allowance).collect::<Vec<_>>(),
            "batch": batch_json(&clause.batch),
        })
    };
    let token =
        |(token, delta): &(TokenId, i128)| json!({ "token": token.0.to_string(), "offdelta": delta.to_string() });
    json!({
        "tokens": body.tokens.iter().map(token).collect::<Vec<_>>(),
        "clauses": body.clauses.iter().map(clause).collect::<Vec<_>>(),
    })
}

#[test]
fn bodies() {
    let vector = |body: Body| {
        let bytes = body.encode().expect("valid");
        json!({ "body": body_json(&body), "encoded": hex(&bytes), "hash": hex(&body_hash(&bytes).0) })
    };
    golden("bodies", "Proof bodies and their bytes", sample_bodies().into_iter().map(vector).collect());
}

#[test]
fn settlements_and_fills() {
    let diff = |token, left, right, ondelta| TokenDiff { token: TokenId(token), left, right, ondelta };
    let debt = |token, debtor, index| Forgiven { token: TokenId(token), debtor, index };
    let updates = [
        SettlementUpdate::default(),
        SettlementUpdate { diffs: vec![diff(0, 5, -7, -3), diff(9, -i128::MAX, 0, i128::MAX)], forgiven: Vec::new() },
        SettlementUpdate {
            diffs: vec![diff(1, 1, 0, 0)],
            forgiven: vec![debt(1, Side::Right, 4), debt(1, Side::Left, 0), debt(u32::MAX, Side::Left, u64::MAX)],
        },
    ];
    let update = |update: &SettlementUpdate| {
        let diff = |diff: &TokenDiff| {
            json!({
                "token": diff.token.0.to_string(), "left": diff.left.to_string(), "right": diff.right.to_string(),
                "collateral": diff.collateral().expect("in range").to_string(), "ondelta": diff.ondelta.to_string(),
            })
        };
        let debt = |debt: &Forgiven| json!({ "token": debt.token.0.to_string(), "debtor": side(debt.debtor), "index": debt.index.to_string() });
        json!({
            "diffs": update.diffs.iter().map(diff).collect::<Vec<_>>(),
            "forgiven": update.forgiven.iter().map(debt).collect::<Vec<_>>(),
            "encoded": hex(&update.encode().expect("valid")),
        })
    };
    golden("settlements", "Co-signed updates and their bytes", updates.iter().map(update).collect());

    let fills = |fills: Fills| {
        let bytes = fills.encode().expect("valid");
        let listed = fills.0.iter().map(|(id, amount)| json!({ "id": id.to_string(), "amount": amount.to_string() }));
        json!({ "fills": listed.collect::<Vec<_>>(), "encoded": hex(&bytes), "hash": hex(&fills_hash(&bytes).0) })
    };
    let lists = [Vec::new(), vec![(5, 20)], vec![(0, 0), (6, u128::MAX), (u64::MAX, 1)]];
    golden("fills", "Fills, their bytes, and the hash that a dispute stores", lists.map(Fills).map(fills).to_vec());
}

/// The outcome of one of the sample bodies, with reveals and fills by name.
fn outcome(name: &str, body: &Body, now: u64, revealed: &[(u8, u64)], fills: (&Fills, &Fills)) -> Value {
    let facts = [(TokenId(0), 100, 60), (TokenId(7), 50, -10)].map(|(token, collateral, ondelta)| TokenFact {
        token,
        collateral,
        ondelta,
    });
    let (left, right) = (fills.0.encode().expect("valid"), fills.1.encode().expect("valid"));
    let (started_at, answered_at) = (UnixSeconds(1_599_999_000), UnixSeconds(1_600_000_000));
    let dispute = Dispute {
        body,
        facts: &facts,
        now: UnixSeconds(now),
        started_at,
        window_s: 86_400,
        left_fills: FillsGiven { bytes: &left, at: started_at },
        right_fills: FillsGiven { bytes: &right, at: answered_at },
    };
    let registry = |_: &Address, _: HashKind, hash: &Hash| {
        revealed.iter().find(|(byte, _)| [*byte; 32] == hash.0).map(|(_, at)| UnixSeconds(*at))
    };
    let result = match resolve(&dispute, &registry) {
        Ok(splits) => json!(
            splits
                .iter()
                .map(|split| json!({
                    "token": split.token.0.to_string(), "leftReserve": split.left_reserve.to_string(),
                    "rightReserve": split.right_reserve.to_string(),
                    "debtor": split.debt.map(|(debtor, _)| side(debtor)),
                    "debt": split.debt.map_or(0, |(_, owed)| owed).to_string(),
                }))
                .collect::<Vec<_>>()
        ),
        Err(error) => json!({ "error": format!("{error:?}") }),
    };
    let times = |(byte, at): &(u8, u64)| json!({ "hash": hex(&[*byte; 32]), "at": at.to_string() });
    let fact = |fact: &TokenFact| {
        json!({
            "token": fact.token.0.to_string(), "collateral": fact.collateral.to_string(),
            "ondelta": fact.ondelta.to_string(),
        })
    };
    json!({
        "name": name, "body": hex(&body.encode().expect("valid")), "facts": facts.iter().map(fact).collect::<Vec<_>>(),
        "starter": "left", "startedAt": started_at.0.to_string(), "answeredAt": answered_at.0.to_string(),
        "windowS": "86400", "now": now.to_string(), "revealed": revealed.iter().map(times).collect::<Vec<_>>(),
        "leftFills": hex(&left), "rightFills": hex(&right), "result": result,
    })
}

#[test]
fn outcomes() {
    let bodies = sample_bodies();
    let (none, expiry) = (Fills::default(), 1_700_000_000);
    let (left, right) = (Fills(vec![(6, 30)]), Fills(vec![(5, 60)]));
    let case =
        |name, body: usize, now, revealed: &[(u8, u64)], fills| outcome(name, &bodies[body], now, revealed, fills);
    let mut poor = bodies[3].clone();
    poor.tokens[1].1 = 60;
    let vectors = vec![
        case("no clauses", 1, expiry, &[], (&none, &none)),
        case("pending", 2, 1_600_100_000, &[], (&none, &none)),
        case("pending no longer", 2, 1_700_000_001, &[], (&none, &none)),
        case("all revealed in time", 2, expiry, &[(1, expiry), (2, expiry), (3, 5)], (&none, &none)),
        case("one too late", 2, expiry + 9, &[(1, expiry + 1), (2, expiry), (3, expiry)], (&none, &none)),
        case("left fills", 3, expiry + 1, &[], (&left, &none)),
        case("right fills", 3, expiry + 1, &[(2, 9)], (&none, &right)),
        case("both fill", 3, expiry + 1, &[(1, 9)], (&left, &right)),
        case("fill of the own offer", 3, expiry + 1, &[], (&right, &left)),
        outcome("right fills what it can pay", &poor, expiry + 1, &[], (&none, &right)),
    ];
    golden("outcomes", "Disputes at their finalize: what each side gets and owes", vectors);
}
