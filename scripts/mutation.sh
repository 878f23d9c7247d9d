#!/usr/bin/env bash
# Tries the mutants that cargo-mutants finds in the core's money arithmetic and agreement against the core's tests, all of
# them from one build (scripts/mutation), about an hour on two idle cores. Ends with 0 only if every mutant was noticed by a test or
# is explained in scripts/mutation/explained.txt. What was found so far is kept: run it again and it goes on.
#   scripts/mutation.sh [--quick] [--brief] [--again] [FILE...]
#     --quick   every 40th mutant, and only the quicker tests
#     --brief   only tests of less than a second; what they let pass is for --again
#     --again   after new tests: only mutants that were not noticed before (a last full run without it is the proof)
#     FILE      below xln-core/src, instead of the default list
source "$(dirname "$0")/env.sh"
copy=${XLN_MUTATION_DIR:-${TMPDIR:-/tmp}/xln-mutation}
options=() files=()
for argument in "$@"; do
  case $argument in
    --quick) options+=(--every 40 --only-first) ;;
    --again) options+=(--again) ;;
    --brief) options+=(--below 1000) ;;
    -*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *) files+=("$argument") ;;
  esac
done
if [ ${#files[@]} -eq 0 ]; then
  options+=(--whole)
  files=(delta/mod.rs transition/{ledger,payment,swap,settlement,subchannel}.rs block.rs
    channel/{propose,receive,reject,reestablish,settle}.rs)
fi
export PATH="$PATH:$cache/tools/bin"
command -v cargo-mutants >/dev/null || cargo install --quiet --locked --root "$cache/tools" cargo-mutants
cargo build --quiet -p xln-mutation

mkdir -p "$copy/xln-core/compact" "$copy/xln-merkle"
# Quick code tries more mutants, and switches do not follow the lints.
{
  sed 's/^members = .*/members = ["xln-core", "xln-merkle"]/' Cargo.toml
  printf '\n[profile.dev.package.xln-core]\nopt-level = 1\n'
} > "$copy/Cargo.toml"
for crate in xln-core xln-core/compact xln-merkle; do sed '/^\[lints\]/,$d' $crate/Cargo.toml > "$copy/$crate/Cargo.toml"; done
cp Cargo.lock rust-toolchain.toml "$copy/"
parts=()
for part in xln-core/{src,tests,compact/src} xln-merkle/src examples/own_instrument fuzz/src fuzz/corpus docs; do
  [ ! -e "$part" ] || parts+=(--part "$part")
done
list=()
for file in "${files[@]}"; do list+=(-f "xln-core/src/$file"); done
cargo mutants --list --json "${list[@]}" > "$copy/list.json"
more=()
for file in "${files[@]}"; do more+=(--more "xln-core/src/$file"); done
first=()
for test in xln_core delta rules_money rules_found rules_peer agreement rules_consent; do first+=(--first "$test"); done
mutation=$CARGO_TARGET_DIR/debug/xln-mutation
# Of what is drawn at random a part: most mutants fall to less, and there are hundreds.
export XLN_RUNS=${XLN_RUNS:-20}
export CARGO_TARGET_DIR=$copy/target CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
exec "$mutation" --copy "$copy" "${parts[@]}" --list "$copy/list.json" "${more[@]}" --explained scripts/mutation/explained.txt "${first[@]}" "${options[@]}"
