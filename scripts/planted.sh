#!/bin/bash
# Plants nine faults one at a time (scripts/planted/faults.txt) and says which of them the model and the simulation find. Each
# must find at least five. Works on a copy; the tree is not touched.
#   scripts/planted.sh [model | simulate | both] [--quick] [NAME...]
# With --quick the short bounds; without, the model's short bounds first and its full ones if those find nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=${XLN_PLANTED_DIR:-${TMPDIR:-/tmp}/xln-planted}
# Cargo takes the copy's crates for the tree's own: faults must not get among what is built of the tree.
export CARGO_TARGET_DIR=${XLN_PLANTED_TARGET:-$copy/target}
tool() { perl "$root/scripts/mutants/mutant.pl" "$@" "$root/scripts/planted/faults.txt"; }

what=both quick= names=()
for argument in "$@"; do
    case $argument in
        model | simulate | both) what=$argument ;;
        --quick) quick=--quick ;;
        -*) echo "usage: scripts/planted.sh [model | simulate | both] [--quick] [NAME...]" >&2; exit 2 ;;
        *) names+=("$argument") ;;
    esac
done
case $what in both) tools="model simulate" ;; *) tools=$what ;; esac
mapfile -t all < <(tool list 2>/dev/null | cut -f1)
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")

mkdir -p "$copy"
# `fuzz` and the tests are left out; the workspace's members are what cargo looks for.
for part in xln-core xln-merkle xln-storage xln-chain xln-node sim contracts/artifacts examples benches; do
    mkdir -p "$copy/$(dirname "$part")"
    rm -rf "${copy:?}/$part" && cp -a "$root/$part" "$copy/$part"
done
find "$copy" -path "$copy/target" -prune -o -name '*.rs' -exec touch {} +
cp "$root"/{Cargo.toml,Cargo.lock,rust-toolchain.toml,clippy.toml} "$copy/"

declare -A found
for one in $tools; do found[$one]=0; done
broken=0

# 0 nothing found, 1 found, anything else: it did not run.
run() {
    local outcome=0
    RUST_BACKTRACE=0 timeout "${XLN_PLANTED_SECONDS:-1800}" "$CARGO_TARGET_DIR/debug/xln-sim" "$@" >"$copy/$1.log" 2>&1 || outcome=$?
    return $outcome
}

for name in none "${names[@]}"; do
    if [ "$name" != none ] && ! tool apply "$name" "$copy"; then
        echo "STALE      $name: the source has changed, renew the fault"; broken=$((broken + 1)); continue
    fi
    if (cd "$copy" && cargo build --offline -q -p xln-sim >"$copy/build.log" 2>&1); then
        for one in $tools; do
            outcome=0; run "$one" --quick || outcome=$?
            if [ "$outcome" = 0 ] && [ -z "$quick" ] && [ "$name" != none ]; then run "$one" || outcome=$?; fi
            case $name/$outcome in
                none/0) echo "clean      $one, nothing planted" ;;
                none/*) echo "BROKEN     $one finds something where nothing is planted ($outcome)"; broken=$((broken + 1)) ;;
                */0) echo "not found  $name ($one)" ;;
                */1)
                    found[$one]=$((found[$one] + 1))
                    echo "found      $name ($one): $(grep -m1 -E '^(BROKEN|FOUND|finding|seed)' "$copy/$one.log" || tail -1 "$copy/$one.log")" ;;
                *) echo "BROKEN     $name: $one ended with $outcome"; tail -5 "$copy/$one.log"; broken=$((broken + 1)) ;;
            esac
        done
    else
        echo "BROKEN     $name does not build"; tail -20 "$copy/build.log"; broken=$((broken + 1))
    fi
    if [ "$name" != none ]; then
        # Back to the original, with times of now so that cargo sees the change.
        while read -r file; do cp "$root/$file" "$copy/$file"; done < <(tool files "$name")
    fi
done

enough=0
for one in $tools; do
    echo "$one: ${found[$one]} of ${#names[@]} found"
    if [ ${#names[@]} -eq ${#all[@]} ] && [ "${found[$one]}" -lt 5 ]; then enough=1; fi
done
[ "$broken" -eq 0 ] && [ "$enough" -eq 0 ]
