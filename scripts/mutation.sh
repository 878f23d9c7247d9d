#!/usr/bin/env bash
# Tries the mutants that cargo-mutants finds in the core's money arithmetic and agreement against the core's tests, all of
# them from one build (scripts/mutation). Survivors must be explained in scripts/mutation/explained.txt.
#   scripts/mutation.sh [--quick] [FILE...]      --quick: every 40th mutant, and only the quicker tests
source "$(dirname "$0")/env.sh"
root=$PWD
copy=${XLN_MUTATION_DIR:-${TMPDIR:-/tmp}/xln-mutation}
options=()
if [ "${1:-}" = --quick ]; then shift; options+=(--every 40 --only-first); fi
files=("$@")
if [ ${#files[@]} -eq 0 ]; then
  files=(delta/mod.rs transition/{ledger,payment,swap,settlement,subchannel}.rs block.rs
    channel/{propose,receive,reject,reestablish,settle}.rs)
fi
export PATH="$PATH:$cache/tools/bin"
command -v cargo-mutants >/dev/null || cargo install --quiet --locked --root "$cache/tools" cargo-mutants
cargo build --quiet -p xln-mutation

crates=(xln-core xln-merkle)
mkdir -p "$copy"
for crate in "${crates[@]}"; do rm -rf "${copy:?}/$crate"; cp -a "$root/$crate" "$copy/"; done
mkdir -p "$copy/examples" "$copy/fuzz"
rm -rf "$copy/examples/own_instrument" "$copy/fuzz/src" "$copy/docs"
cp -a examples/own_instrument "$copy/examples/"
cp -a fuzz/src "$copy/fuzz/"
cp -a docs "$copy/"
[ ! -d fuzz/corpus ] || cp -a fuzz/corpus "$copy/fuzz/"
cp rust-toolchain.toml Cargo.lock "$copy/"
sed 's/^members = .*/members = ["xln-core", "xln-merkle"]/' Cargo.toml > "$copy/Cargo.toml"
# Switches do not follow the lints, and quick code tries more mutants.
sed -i '/^\[lints\]/,$d' "$copy/xln-core/Cargo.toml"
printf '\n[profile.dev.package.xln-core]\nopt-level = 1\n' >> "$copy/Cargo.toml"

list=()
for file in "${files[@]}"; do list+=(-f "xln-core/src/$file"); done
cargo mutants --list --json "${list[@]}" > "$copy/list.json"
first=()
for test in xln_core delta rules_money rules_found rules_peer agreement rules_consent rules_vigil rules_instruments organisations cross_swap; do
  first+=(--first "$test")
done
mutation=$CARGO_TARGET_DIR/debug/xln-mutation
export CARGO_TARGET_DIR=$copy/target CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
exec "$mutation" --copy "$copy" --list "$copy/list.json" --explained scripts/mutation/explained.txt "${first[@]}" "${options[@]}"
