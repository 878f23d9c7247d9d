#!/usr/bin/env bash
# Installs what the full test suite needs beyond Rust: the wasm target, Node with the pinned Foundry and solc packages, strace,
# a Java runtime with the Kotlin compiler, and Chromium. Does nothing that is done already. Swift's toolchain is not among it:
# scripts/swift.sh sets that up.
source "$(dirname "$0")/env.sh"

package() {
  command -v "$1" >/dev/null && return
  shift
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  command -v apt-get >/dev/null || { echo "install $* by your system's means, then run this again" >&2; exit 1; }
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "$@"
}

say "system packages"
package cc build-essential
package npm nodejs npm
package strace strace
say "rust"
rustup component add rustfmt clippy
rustup target add wasm32-unknown-unknown
say "contracts' tools, and a node to test against"
contracts/scripts/setup.sh
if ! cmp -s xln-chain/anvil/package-lock.json xln-chain/anvil/node_modules/.lock-installed; then
  npm ci --prefix xln-chain/anvil --no-audit --no-fund --ignore-scripts
  cp xln-chain/anvil/package-lock.json xln-chain/anvil/node_modules/.lock-installed
fi
say "Kotlin"
scripts/kotlin.sh setup
say "npm package: its tools, and Chromium"
scripts/wasm.sh setup
