//! Who plays, and with what: the head of a story.

use serde_json::{Map, Value, json};

use super::random::Random;

/// The cast of a story.
pub(super) struct Cast {
    pub(super) entities: Vec<String>,
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

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
const WINDOWS_S: [u64; 4] = [60, 600, 3600, 86_400];

/// What an entity is. Organisations belong here.
fn entity(_random: &mut Random, _number: usize) -> Value {
    json!({})
}

fn token(random: &mut Random, kind: &str) -> Value {
    match kind {
        "erc20_fee" => json!({ "kind": kind, "fee_ppm": random.choose(&[1, 2500, 100_000, 999_999]) }),
        _ => json!({ "kind": kind }),
    }
}

impl Cast {
    pub(super) fn new(random: &mut Random, seed: u64) -> Self {
        let (mut entities, mut specs) = (Vec::new(), Map::new());
        let number = random.choose(&[2_usize, 2, 3, 3, 3, 4]);
        for (number, name) in NAMES.iter().take(number).enumerate() {
            specs.insert((*name).to_owned(), entity(random, number));
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
        Self { entities, tokens, window_s, head }
    }
}
