#!/usr/bin/env bash
# Every mutant of the contracts must turn its test red. `--short` for the few that CI runs.
source "$(dirname "$0")/env.sh"
node scripts/mutants.js "$@"
