#!/usr/bin/env bash
# scripts/records.sh DIR: plays some scenarios and writes the logs of their entities with the state roots after each record, for
# the bindings to replay. XLN may name the program xln; else it is built.
source "$(dirname "$0")/env.sh"
rm -rf "$1"
mkdir -p "$1"
scenarios=(examples/scenarios/*.json)
if [ -n "${XLN:-}" ]; then "$XLN" scenario --records "$1" "${scenarios[@]}" > "$1.log"
else cargo run -q -p xln-node --bin xln -- scenario --records "$1" "${scenarios[@]}" > "$1.log"; fi || { tail -3 "$1.log" >&2; exit 1; }
echo "$(find "$1" -name '*.json' | wc -l) logs of ${#scenarios[@]} scenarios"
