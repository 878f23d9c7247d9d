//! Who plays, and with what: the head of a story.

use serde_json::{Map, Value, json};

use super::random::Random;

/// The cast of a story.
pub(super) struct Cast {
    pub(super) entities: Vec<String>,
    /// Those with members.
    pub(super) boards: Vec<String>,
    /// Those whose board is registered, on the first chain.
    pub(super) registered: Vec<String>,
    /// Those who sign by something registered, and so have nothing on the second chain.
    pub(super) bound: Vec<String>,
    /// Names, kinds, chains.
    pub(super) tokens: Vec<Coin>,
    pub(super) window_s: u64,
    pub(super) head: Value,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Coin {
    pub(super) name: String,
    pub(super) chain: String,
    pub(super) nft: bool,
}

const ACCOUNTS: [&str; 4] = ["alice", "bob", "carol", "dave"];
/// Those who may be organisations instead, by their place.
const BOARDS: [&str; 2] = ["club", "dao"];
const WINDOWS_S: [u64; 4] = [60, 600, 3600, 86_400];

/// An organisation of some of those before it, with any weights.
pub(super) fn board(random: &mut Random, candidates: &[String]) -> (Vec<(String, u64)>, u64) {
    let (mut members, mut total) = (Vec::new(), 0_u64);
    let wanted = random.below(3).saturating_add(1);
    for name in candidates.iter().rev() {
        if u64::try_from(members.len()).is_ok_and(|n| n < wanted) && random.chance(75) {
            let weight = random.below(3).saturating_add(1);
            total = total.saturating_add(weight);
            members.push((name.clone(), weight));
        }
    }
    if let (true, Some(name)) = (members.is_empty(), candidates.first()) {
        members.push((name.clone(), 1));
        total = 1;
    }
    let threshold = random.below(total).saturating_add(1);
    (members, threshold)
}

fn token(random: &mut Random, kind: &str) -> Value {
    match kind {
        "erc20_fee" => json!({ "kind": kind, "fee_ppm": random.choose(&[1, 2500, 100_000, 999_999]) }),
        _ => json!({ "kind": kind }),
    }
}

impl Cast {
    pub(super) fn new(random: &mut Random, seed: u64) -> Self {
        let (mut entities, mut specs): (Vec<String>, _) = (Vec::new(), Map::new());
        let (mut boards, mut registered, mut bound) = (Vec::new(), Vec::<String>::new(), Vec::<String>::new());
        let number = random.choose(&[2_usize, 2, 3, 3, 3, 4]);
        let organised = number > 2 && random.chance(55);
        for (place, name) in ACCOUNTS.iter().take(number).enumerate() {
            let board_name = place.checked_sub(2).filter(|_| organised).and_then(|place| BOARDS.get(place));
            let Some(name) = board_name.filter(|name| **name == "club" || random.chance(70)) else {
                specs.insert((*name).to_owned(), json!({}));
                entities.push((*name).to_owned());
                continue;
            };
            let (members, threshold) = board(random, &entities);
            let mut spec = json!({ "threshold": threshold, "members": members });
            if let (true, Some(spec)) = (random.chance(45), spec.as_object_mut()) {
                spec.insert("registered".to_owned(), json!(true));
                registered.push((*name).to_owned());
                bound.push((*name).to_owned());
            } else if members.iter().any(|(member, _)| bound.contains(member)) {
                bound.push((*name).to_owned());
            }
            boards.push((*name).to_owned());
            specs.insert((*name).to_owned(), spec);
            entities.push((*name).to_owned());
        }
        let (mut tokens, mut coins) = (Vec::new(), Map::new());
        let two_chains = random.chance(20);
        for number in 1..=random.choose(&[1, 2, 2, 3, 3]) {
            let plain = ["erc20", "erc20", "erc20", "eth", "erc1155", "erc20_no_return", "erc20_fee", "erc721"];
            let kind = random.choose(&plain.map(str::to_owned));
            // One coin of a chain is enough.
            let kind = if kind == "eth" && coins.contains_key("eth") { "erc20".to_owned() } else { kind };
            let name = if kind == "eth" { kind.clone() } else { format!("t{number}") };
            let chain = if two_chains && random.chance(50) { "b" } else { "a" };
            let mut spec = token(random, &kind);
            if let (Some(spec), "b") = (spec.as_object_mut(), chain) {
                spec.insert("chain".to_owned(), json!(chain));
            }
            coins.insert(name.clone(), spec);
            tokens.push(Coin { name, chain: chain.to_owned(), nft: kind == "erc721" });
        }
        let window_s = random.choose(&WINDOWS_S);
        let mut head = json!({
            "name": format!("history {seed}"),
            "dispute_window_s": window_s,
            "tokens": coins,
            "entities": specs,
        });
        let fields = head.as_object_mut();
        if let (Some(fields), [first, second, ..]) = (fields, entities.as_slice()) {
            let ends = if random.chance(50) { (first, second) } else { (second, first) };
            fields.insert("left".to_owned(), json!([ends.0, ends.1]));
            if random.chance(10) {
                fields.insert("auto".to_owned(), json!(true));
            }
            if random.chance(15) {
                fields.insert("settle_margin_s".to_owned(), json!(random.choose(&[60, 600])));
            }
        }
        Self { entities, boards, registered, bound, tokens, window_s, head }
    }
}
