#!/usr/bin/env bash
# Rebuilds from nothing and compares with the committed artifacts, byte for byte.
source "$(dirname "$0")/env.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
forge build --force --skip test --skip script --out "$work/out" --cache-path "$work/cache" >/dev/null
node scripts/extract.js "$work/out" "$work/artifacts" >/dev/null
diff -r "$work/artifacts" artifacts && echo "artifacts match"
