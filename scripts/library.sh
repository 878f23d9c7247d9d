#!/usr/bin/env bash
# Builds the library that Kotlin and Swift load, and says in which folder it is. XLN_PROFILE is dev, which is built soonest, or
# mobile: small, as phones get it.
source "$(dirname "$0")/env.sh"
profile="${XLN_PROFILE:-dev}"
# Alone, so that the features of other packages do not change how it is built, and without the static library, which costs as much.
[ "$profile" != mobile ] || { cargo fetch -q --locked && remapped; }
cargo rustc -q -p xln-ffi --lib --profile "$profile" --crate-type cdylib >&2
echo "$CARGO_TARGET_DIR/${profile/#dev/debug}"
