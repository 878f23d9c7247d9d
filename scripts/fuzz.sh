#!/bin/sh
# Fuzzes one target of fuzz/ for some seconds: scripts/fuzz.sh TARGET [SECONDS]. Needs a nightly toolchain and cargo-fuzz
# (`cargo install cargo-fuzz --locked`). Without arguments it lists the targets. The short form runs in every
# `cargo test -p xln-core --test decoders`.
set -eu
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
    ls fuzz/fuzz_targets | sed 's/\.rs$//'
    exit 0
fi
target=$1
seconds=${2:-60}
[ -f "fuzz/fuzz_targets/$target.rs" ] || { echo "no target $target" >&2; exit 2; }
cargo fuzz --version >/dev/null 2>&1 || { echo "cargo install cargo-fuzz --locked" >&2; exit 2; }
exec cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -max_len=65536 -timeout=20
