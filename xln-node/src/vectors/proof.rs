//! Vectors of what Solidity also computes: bodies, commitments, digests, signatures, settlements, fills, outcomes.

use serde_json::{Value, json};
use xln_core::crypto::LocalSigner;
use xln_core::proof::{
    Allowance, Batch, Body, Clause, DepositoryDomain, Dispute, Fills, FillsGiven, Forgiven, PaymentItem,
    SettlementUpdate, TokenDiff, body_hash, channel_state_digest, fills_hash, path, resolve, root, state_leaf,
    subchannel_leaf,
};
use xln_core::types::{
    Address, ChainId, EntityId, Hash, HashKind, Nonce, Pair, SubchannelKey, TokenFact, TokenId, UnixSeconds,
};

use super::fields::{VectorError, address, bytes, entity, field, hash, hexed, list, number, side};

fn bad(name: &'static str) -> impl Fn() -> VectorError {
    move || VectorError::BadField(name.to_owned())
}

pub(super) fn body(vector: &Value) -> Result<Value, VectorError> {
    let body = Body::parse(&bytes(vector, "encoded")?).map_err(|_| bad("encoded")())?;
    let again = body.encode().map_err(|_| bad("encoded")())?;
    Ok(json!({ "body": shown_body(&body), "encoded": hexed(&again), "hash": hexed(&body_hash(&again).0) }))
}

fn shown_body(body: &Body) -> Value {
    let token =
        |(token, delta): &(TokenId, i128)| json!({ "token": token.0.to_string(), "offdelta": delta.to_string() });
    let clause = |clause: &Clause| {
        let allowance = |a: &Allowance| json!({ "tokenIndex": a.token_index, "right": a.right.to_string(), "left": a.left.to_string() });
        let allowances: Vec<Value> = clause.allowances.iter().map(allowance).collect();
        json!({ "provider": hexed(&clause.provider.0), "allowances": allowances, "batch": shown_batch(&clause.batch) })
    };
    let tokens: Vec<Value> = body.tokens.iter().map(token).collect();
    json!({ "tokens": tokens, "clauses": body.clauses.iter().map(clause).collect::<Vec<_>>() })
}

fn shown_batch(batch: &Batch) -> Value {
    match batch {
        Batch::Payments(items) => {
            let item = |item: &PaymentItem| {
                json!({
                    "payer": side(item.payer), "tokenIndex": item.token_index, "amount": item.amount.to_string(),
                    "expiry": item.expiry.0.to_string(), "kind": item.kind.index(), "hash": hexed(&item.hash.0),
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
        Batch::Custom { instrument, payload } => json!({ "instrument": instrument, "payload": hexed(payload) }),
    }
}

pub(super) fn settlement(vector: &Value) -> Result<Value, VectorError> {
    let update = SettlementUpdate::parse(&bytes(vector, "encoded")?).map_err(|_| bad("encoded")())?;
    let again = update.encode().map_err(|_| bad("encoded")())?;
    let diff = |diff: &TokenDiff| {
        let collateral = diff.collateral().map(|c| c.to_string());
        json!({
            "token": diff.token.0.to_string(), "left": diff.left.to_string(), "right": diff.right.to_string(),
            "collateral": collateral, "ondelta": diff.ondelta.to_string(),
        })
    };
    let debt = |debt: &Forgiven| json!({ "token": debt.token.0.to_string(), "debtor": side(debt.debtor), "index": debt.index.to_string() });
    Ok(json!({
        "diffs": update.diffs.iter().map(diff).collect::<Vec<_>>(),
        "forgiven": update.forgiven.iter().map(debt).collect::<Vec<_>>(),
        "encoded": hexed(&again),
    }))
}

pub(super) fn fills(vector: &Value) -> Result<Value, VectorError> {
    let fills = Fills::parse(&bytes(vector, "encoded")?).map_err(|_| bad("encoded")())?;
    let again = fills.encode().map_err(|_| bad("encoded")())?;
    let listed = fills.0.iter().map(|(id, amount)| json!({ "id": id.to_string(), "amount": amount.to_string() }));
    Ok(json!({ "fills": listed.collect::<Vec<_>>(), "encoded": hexed(&again), "hash": hexed(&fills_hash(&again).0) }))
}

pub(super) fn commitment(vector: &Value) -> Result<Value, VectorError> {
    let pair = Pair::new(entity(vector, "left")?, entity(vector, "right")?).map_err(|_| bad("right")())?;
    let (body, nonce) = (hash(vector, "bodyHash")?, Nonce(number(vector, "nonce")?));
    let mut leaves = vec![state_leaf(&hash(vector, "stateHash")?)];
    for listed in list(vector, "subchannels")? {
        leaves.push(subchannel_leaf(&key(listed)?, number(listed, "epoch")?, &body));
    }
    let top = root(&leaves);
    let proofs = (0..).zip(&leaves).map(|(index, leaf)| {
        let path: Vec<String> = path(&leaves, index).iter().map(|sibling| hexed(&sibling.0)).collect();
        json!({ "leaf": hexed(&leaf.0), "path": path })
    });
    Ok(json!({
        "left": hexed(pair.left().as_bytes()), "right": hexed(pair.right().as_bytes()),
        "channelKey": hexed(&pair.channel_key().0), "leaves": proofs.collect::<Vec<_>>(), "root": hexed(&top.0),
        "digest": hexed(&channel_state_digest(&pair.channel_key(), nonce, &top).0),
    }))
}

fn key(value: &Value) -> Result<SubchannelKey, VectorError> {
    Ok(SubchannelKey { chain: ChainId(number(value, "chainId")?), depository: address(value, "depository")? })
}

pub(super) fn digests(vector: &Value) -> Result<Value, VectorError> {
    let domain = DepositoryDomain::from(&key(vector)?);
    let (channel, epoch, settlement) =
        (hash(vector, "channelKey")?, number(vector, "epoch")?, number(vector, "settlementNonce")?);
    let (body, nonce) = (hash(vector, "bodyHash")?, Nonce(number(vector, "nonce")?));
    let (expiry, bytes) = (UnixSeconds(number(vector, "expiry")?), bytes(vector, "bytes")?);
    Ok(json!({
        "separator": hexed(&domain.separator().0),
        "cooperativeUpdate": hexed(&domain.cooperative_update(&channel, epoch, settlement, expiry, &bytes).0),
        "cooperativeClose": hexed(&domain.cooperative_close(&channel, epoch, settlement, expiry, &bytes).0),
        "disputeStart": hexed(&domain.dispute_start(&channel, epoch, nonce, &body, &bytes, expiry).0),
        "disputeAnswer": hexed(&domain.dispute_answer(&channel, epoch, nonce, &body, &bytes).0),
    }))
}

pub(super) fn signature(vector: &Value) -> Result<Value, VectorError> {
    let signer = LocalSigner::new(&hash(vector, "secret")?.0).map_err(|_| bad("secret")())?;
    let signature = signer.sign_digest(&hash(vector, "digest")?).map_err(|_| bad("digest")())?;
    let entity = EntityId::account(signer.address()).map_err(|_| bad("secret")())?;
    Ok(json!({
        "address": hexed(&signer.address().0), "entity": hexed(entity.as_bytes()),
        "signature": hexed(signature.as_bytes()),
    }))
}

pub(super) fn outcome(vector: &Value) -> Result<Value, VectorError> {
    let body = Body::parse(&bytes(vector, "body")?).map_err(|_| bad("body")())?;
    let facts: Vec<TokenFact> = list(vector, "facts")?.iter().map(fact).collect::<Result<_, _>>()?;
    let times = |name| number(vector, name).map(UnixSeconds);
    let (started_at, answered_at) = (times("startedAt")?, times("answeredAt")?);
    let starter_is_left = field(vector, "starter")?.as_str() == Some("left");
    let (left_at, right_at) = if starter_is_left { (started_at, answered_at) } else { (answered_at, started_at) };
    let (left, right) = (bytes(vector, "leftFills")?, bytes(vector, "rightFills")?);
    let revealed: Vec<(Hash, UnixSeconds)> = list(vector, "revealed")?
        .iter()
        .map(|entry| Ok((hash(entry, "hash")?, UnixSeconds(number(entry, "at")?))))
        .collect::<Result<_, VectorError>>()?;
    let dispute = Dispute {
        body: &body,
        facts: &facts,
        now: times("now")?,
        started_at,
        window_s: number(vector, "windowS")?,
        left_fills: FillsGiven { bytes: &left, at: left_at },
        right_fills: FillsGiven { bytes: &right, at: right_at },
    };
    let registry = |_: &Address, _: HashKind, hash: &Hash| revealed.iter().find(|(h, _)| h == hash).map(|(_, at)| *at);
    let result = match resolve(&dispute, &registry) {
        Ok(splits) => json!(splits.iter().map(|split| json!({
            "token": split.token.0.to_string(), "leftReserve": split.left_reserve.to_string(),
            "rightReserve": split.right_reserve.to_string(), "debtor": split.debt.map(|(debtor, _)| side(debtor)),
            "debt": split.debt.map_or(0, |(_, owed)| owed).to_string(),
        })).collect::<Vec<_>>()),
        Err(error) => json!({ "error": format!("{error:?}") }),
    };
    Ok(json!({ "result": result }))
}

fn fact(value: &Value) -> Result<TokenFact, VectorError> {
    let (collateral, ondelta) = (number(value, "collateral")?, number(value, "ondelta")?);
    Ok(TokenFact { token: TokenId(number(value, "token")?), collateral, ondelta })
}
