#!/usr/bin/env bash
# scripts/snippet.sh LANGUAGE: the code block of a language that newcomers paste, from README.md, or else docs/bindings.md.
set -euo pipefail
cd "$(dirname "$0")/.."
for file in README.md docs/bindings.md; do
  block=$(awk -v fence='```'"$1" '$0 == fence { on = 1; next } on && /^```/ { exit } on' "$file")
  [ -z "$block" ] || { printf '%s\n' "$block"; exit 0; }
done
echo "no block of $1 in README.md or docs/bindings.md" >&2
exit 1
