#!/bin/bash
# Every rule of xln-core is taken out once, and the test that is named for it must turn red; so must random histories for
# rules that core and contracts share. Works on a copy; the tree is not touched. `--quick` takes a handful, NAMES only
# those, `--list` lists them.
#   scripts/red-first.sh [--quick | --list | NAME...]
# A mutant is a text in scripts/mutants/*.txt that replaces some lines of the source, found by their content: see there.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=${XLN_RED_DIR:-${TMPDIR:-/tmp}/xln-red-first}
# Cargo takes the copy's crates for the tree's own: mutants must not get among what is built of the tree.
export CARGO_TARGET_DIR=$copy/target
tool() { perl "$root/scripts/mutants/mutant.pl" "$@" "$root"/scripts/mutants/*.txt; }

only=("$@")
case ${1:-} in
    --list) tool list | cut -f1-3; exit 0 ;;
    --quick) only=(); mapfile -t only < <(tool list | awk -F'\t' '$4 == "quick" { print $1 }') ;;
    '') mapfile -t only < <(tool list | cut -f1) ;;
esac

crates="xln-core xln-merkle xln-storage xln-chain xln-node"

fresh() {
    mkdir -p "$copy/fuzz" "$copy/contracts"
    for crate in $crates; do
        rm -rf "${copy:?}/$crate" && cp -a "$root/$crate" "$copy/"
        # Newer than what the last run may have built of a mutant.
        find "$copy/$crate" -name '*.rs' -exec touch {} +
    done
    rm -rf "$copy/contracts/artifacts" && cp -a "$root/contracts/artifacts" "$copy/contracts/"
    # An instrument that the tests of two crates share.
    mkdir -p "$copy/examples" && cp -a "$root/examples/own_instrument" "$copy/examples/"
    rm -rf "$copy/fuzz/src" "$copy/fuzz/corpus" && cp -a "$root/fuzz/src" "$root/fuzz/corpus" "$copy/fuzz/"
    cp "$root/rust-toolchain.toml" "$root/clippy.toml" "$root/Cargo.lock" "$copy/"
    sed "s/^members = .*/members = [\"${crates// /\", \"}\"]/" "$root/Cargo.toml" > "$copy/Cargo.toml"
}

# The copy's test binary of a package, run with a filter. 0 green, 1 red, 2 does not build.
verdict() {
    (cd "$copy" && cargo test --offline -q -p "$3" --test "$1" --no-run >"$copy/build.log" 2>&1) || return 2
    (cd "$copy" && RUST_BACKTRACE=0 timeout 600 cargo test --offline -q -p "$3" --test "$1" -- "$2" >"$copy/test.log" 2>&1) || return 1
    grep -q '^running [1-9]' "$copy/test.log" || { echo "no test $1 $2" >&2; return 2; }
}

# Enough for every mutant here; the test itself plays more.
export XLN_HISTORIES=${XLN_HISTORIES:-600}
fresh
pristine=$copy/pristine
rm -rf "$pristine" && mkdir "$pristine"
for crate in $crates; do cp -a "$copy/$crate" "$pristine/"; done

declare -A green
failed=0 red=0
for name in "${only[@]}"; do
    IFS=$'\t' read -r _ test filter _ package < <(tool list | awk -F'\t' -v n="$name" '$1 == n') || { echo "no mutant $name" >&2; exit 2; }
    if [ -z "${green[$test/$filter]:-}" ]; then
        verdict "$test" "$filter" "$package" || { echo "BROKEN    $test $filter is not green without any mutant"; failed=$((failed + 1)); green[$test/$filter]=no; continue; }
        green[$test/$filter]=yes
    elif [ "${green[$test/$filter]}" = no ]; then
        echo "SKIPPED   $name: $test $filter is not green"; failed=$((failed + 1)); continue
    fi
    if ! tool apply "$name" "$copy"; then
        echo "STALE     $name: the source has changed, renew the mutant"; failed=$((failed + 1))
    else
        outcome=0; verdict "$test" "$filter" "$package" || outcome=$?
        case $outcome in
            1) echo "red       $name ($test $filter)"; red=$((red + 1)) ;;
            0) echo "SURVIVED  $name ($test $filter)"; failed=$((failed + 1)) ;;
            *) echo "BROKEN    $name does not build"; tail -20 "$copy/build.log"; failed=$((failed + 1)) ;;
        esac
    fi
    # Back to the original, with times of now so that cargo sees the change.
    while read -r file; do cp "$pristine/$file" "$copy/$file"; done < <(tool files "$name")
done
echo "$red mutants turned their tests red, $failed did not"
[ "$failed" -eq 0 ]
