#!/usr/bin/env bash
# The second command of the README: installs what the full test suite needs and runs it.
source "$(dirname "$0")/env.sh"
scripts/setup.sh

say "format"
cargo fmt --all --check

scripts/vendored.sh

say "lints"
cargo clippy --workspace --all-targets --features xln-chain/rpc,xln-storage/sled,xln-storage/fjall,xln-node/rpc -- -D warnings

say "without std, and for wasm"
cargo clippy -p xln-core -p xln-merkle --no-default-features --target wasm32-unknown-unknown -- -D warnings

say "the wallet for wasm"
cargo clippy -p xln-node -p xln-wasm --no-default-features --target wasm32-unknown-unknown -- -D warnings
cargo clippy -p xln-wasm --target wasm32-unknown-unknown -- -D warnings

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

say "bindings: logs of all scenarios, to be replayed in each language"
export XLN_RECORDS="$CARGO_TARGET_DIR/records"
XLN="$CARGO_TARGET_DIR/debug/xln" scripts/records.sh "$XLN_RECORDS"
say "bindings: the library as phones get it"
scripts/sizes.sh
say "bindings: Kotlin"
XLN_PROFILE=mobile scripts/kotlin.sh
say "bindings: npm package"
scripts/wasm.sh test
if command -v swift >/dev/null || [ -d "$cache/swift/root" ] || [ "${XLN_SWIFT:-0}" != 0 ]; then
  say "bindings: Swift"
  XLN_PROFILE=mobile scripts/swift.sh
else
  say "bindings: Swift SKIPPED, no toolchain here; XLN_SWIFT=1 lets scripts/swift.sh set one up (2.6 GB)"
fi

say "red first, short form"
scripts/red-first.sh --quick

say "quickstart"
cargo run --bin quickstart

say "done"
