#!/usr/bin/env bash
# All tests, with the gas figures compared to contracts/snapshots. UPDATE_GAS=1 writes new figures instead.
source "$(dirname "$0")/env.sh"
if [ "${UPDATE_GAS:-0}" = 1 ]; then
  rm -f snapshots/*.json
  export FOUNDRY_GAS_SNAPSHOT_CHECK=false
fi
forge build --skip test >/dev/null
forge test "$@"
