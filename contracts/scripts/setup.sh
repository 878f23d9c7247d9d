#!/usr/bin/env bash
# Installs the pinned tools. Does nothing when they are there.
source "$(dirname "$0")/env.sh"
stamp=node_modules/.lock-installed
if ! cmp -s package-lock.json "$stamp"; then
  npm ci --no-audit --no-fund --ignore-scripts
  cp package-lock.json "$stamp"
fi
forge --version | head -1
scripts/solc.js --version | tail -1
