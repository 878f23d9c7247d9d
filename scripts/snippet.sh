#!/usr/bin/env bash
# scripts/snippet.sh LANGUAGE: the code block of a language in README.md, which newcomers paste.
set -euo pipefail
cd "$(dirname "$0")/.."
block=$(awk -v fence='```'"$1" '$0 == fence { on = 1; next } on && /^```/ { exit } on' README.md)
[ -n "$block" ] || { echo "no block of $1 in README.md" >&2; exit 1; }
printf '%s\n' "$block"
