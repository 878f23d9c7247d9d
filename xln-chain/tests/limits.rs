//! The bounds of the contracts are those of the rules: read from the sources, since nothing on chain tells them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use xln_chain::codec::MAX_OPERATIONS;
use xln_core::crypto::MAX_SIGNATURE_BYTES;
use xln_core::entity::{MAX_MEMBERS, MAX_NESTING};
use xln_core::limits::{
    CLAUSE_GAS, MAX_CLAUSES, MAX_FILLS, MAX_FORGIVEN, MAX_LOCK_S, MAX_SUBCONTRACT_TOKENS, MAX_TOKENS,
};
use xln_core::subcontract::MAX_CALLDATA;
use xln_core::types::AMOUNT_BOUND;

/// The value of a constant in a contract's source.
fn constant(file: &str, name: &str) -> u128 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/src").join(file);
    let source = std::fs::read_to_string(path).unwrap();
    let declared = format!(" constant {name} = ");
    let mut found = source.lines().filter_map(|line| line.split_once(&declared));
    let (_, value) = found.next().unwrap_or_else(|| panic!("{file} has no constant {name}"));
    assert!(found.next().is_none(), "{file} has {name} twice");
    let value = value.split(';').next().unwrap().replace('_', "");
    match value.split_once(" << ") {
        Some((one, bits)) => one.parse::<u128>().unwrap() << bits.parse::<u32>().unwrap(),
        None => value.parse().unwrap(),
    }
}

#[test]
fn bounds_are_the_same_numbers() {
    let count = |count: usize| u128::try_from(count).unwrap();
    for (file, name, ours) in [
        ("depository/Updates.sol", "MAX_TOKENS", count(MAX_TOKENS)),
        ("depository/Updates.sol", "MAX_FORGIVEN", count(MAX_FORGIVEN)),
        ("depository/Clauses.sol", "MAX_CLAUSES", count(MAX_CLAUSES)),
        ("depository/Clauses.sol", "CLAUSE_GAS", u128::from(CLAUSE_GAS)),
        ("depository/Clauses.sol", "MAX_LOCK_S", u128::from(MAX_LOCK_S)),
        ("depository/Disputes.sol", "MAX_FILLS", count(MAX_FILLS)),
        ("depository/Batches.sol", "MAX_OPERATIONS", count(MAX_OPERATIONS)),
        ("depository/State.sol", "LIMIT", AMOUNT_BOUND),
        ("provider/Swaps.sol", "MAX_FILLS", count(MAX_FILLS)),
        ("provider/Facts.sol", "AMOUNT_LIMIT", AMOUNT_BOUND),
        ("provider/Conditions.sol", "MAX_CALLDATA", count(MAX_CALLDATA)),
        ("SubcontractProvider.sol", "MAX_TOKENS", count(MAX_SUBCONTRACT_TOKENS)),
        ("entity/Verification.sol", "MAX_SIGNATURE", count(MAX_SIGNATURE_BYTES)),
        ("entity/Verification.sol", "MAX_DEPTH", count(MAX_NESTING)),
        ("entity/Verification.sol", "MAX_MEMBERS", count(MAX_MEMBERS)),
    ] {
        assert_eq!(constant(file, name), ours, "{name} of {file}");
    }
}
