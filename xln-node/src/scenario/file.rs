//! A scenario file, parsed: who exists, what happens in which order. The language is specified in `docs/scenarios.md`;
//! unknown fields are refused by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    #[serde(default)]
    pub name: String,
    /// For readers.
    #[serde(default, rename = "about")]
    pub _about: Option<Value>,
    /// The Depositories' dispute window, in seconds.
    #[serde(default = "default_window_s")]
    pub dispute_window_s: u64,
    /// How long before its expiry a payment must be settled off chain, in seconds.
    #[serde(default)]
    pub settle_margin_s: u64,
    /// Whether nodes counter, reveal, settle, cancel and finalize by themselves.
    #[serde(default)]
    pub auto: bool,
    /// Whether what a step needs is opened first.
    #[serde(default = "yes")]
    pub auto_open: bool,
    /// The tokens by name.
    #[serde(default)]
    pub tokens: BTreeMap<String, TokenSpec>,
    /// The entities by name.
    #[serde(default)]
    pub entities: BTreeMap<String, EntitySpec>,
    /// The first is left of the second.
    #[serde(default)]
    pub left: Option<(String, String)>,
    /// What happens.
    pub steps: Vec<Value>,
}

const fn default_window_s() -> u64 {
    3600
}

pub(super) const fn yes() -> bool {
    true
}

/// A token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// What it is.
    pub kind: TokenKind,
    /// For display.
    #[serde(default, rename = "decimals")]
    pub _decimals: Option<u8>,
    /// What an `erc20_fee` keeps of each transfer, in parts per million, rounded down.
    #[serde(default)]
    pub fee_ppm: u32,
    /// On which embedded chain.
    #[serde(default = "chain_a")]
    pub chain: String,
}

pub(super) fn chain_a() -> String {
    "a".to_owned()
}

/// The kinds of tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// The chain's own coin.
    Eth,
    /// An ERC-20.
    Erc20,
    /// One whose functions return nothing.
    Erc20NoReturn,
    /// One that keeps a part of each transfer.
    Erc20Fee,
    /// NFTs, one for each entity.
    Erc721,
    /// One id of an ERC-1155.
    Erc1155,
}

/// An entity: an account, unless it has members.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntitySpec {
    /// What a board needs.
    #[serde(default)]
    pub threshold: Option<u64>,
    /// A board's members and their weights.
    #[serde(default)]
    pub members: Vec<(String, u64)>,
    /// Whether the board is registered.
    #[serde(default)]
    pub registered: bool,
}
