#!/usr/bin/env bash
# Compiles the contracts and writes contracts/artifacts (or the folder given).
source "$(dirname "$0")/env.sh"
forge build --skip test --skip script
node scripts/extract.js out "${1:-artifacts}"
