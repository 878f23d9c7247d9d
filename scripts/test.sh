#!/usr/bin/env bash
# The second command of the README: installs what the full test suite needs and runs it.
source "$(dirname "$0")/env.sh"
scripts/setup.sh

say "format"
cargo fmt --all --check

say "lints"
cargo clippy --workspace --all-targets --features xln-chain/rpc,xln-storage/sled,xln-storage/fjall,xln-node/rpc -- -D warnings

say "without std, and for wasm"
cargo clippy -p xln-core -p xln-merkle --no-default-features --target wasm32-unknown-unknown -- -D warnings

say "the wallet for wasm"
cargo clippy -p xln-node --no-default-features --target wasm32-unknown-unknown -- -D warnings

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --features xln-chain/rpc,xln-storage/sled,xln-storage/fjall,xln-node/rpc

say "contracts: artifacts, tests, gas"
contracts/scripts/check-artifacts.sh
contracts/scripts/test.sh
say "contracts: mutants, short form"
contracts/scripts/mutants.sh --short

say "tests"
export XLN_REQUIRE_ANVIL=1
cargo test --workspace --features xln-chain/rpc,xln-storage/sled,xln-storage/fjall,xln-node/rpc

say "red first, short form"
scripts/red-first.sh --quick

say "quickstart"
cargo run --bin quickstart

say "done"
