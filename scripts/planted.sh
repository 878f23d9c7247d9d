#!/bin/bash
# Plants nine faults (scripts/planted/faults.txt), switches them on one at a time, and says which of them the model and the
# simulation find. Ends with 0 only if each finds at least five. Works on a copy with one build; the tree is not touched. What
# takes long is bounded: a fault that is not found in that time counts as not found.
#   scripts/planted.sh [model | simulate | both] [--quick] [NAME...]
#     --quick   the short bounds only; without, what they do not show is looked for with the full ones, for XLN_PLANTED_SECONDS
#               per configuration of the model, and up to XLN_PLANTED_STEPS steps of the simulation
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=${XLN_PLANTED_DIR:-${TMPDIR:-/tmp}/xln-planted}
seconds=${XLN_PLANTED_SECONDS:-60}
steps=${XLN_PLANTED_STEPS:-1000000}
# Cargo takes the copy's crates for the tree's own: faults must not get among what is built of the tree.
export CARGO_TARGET_DIR=${XLN_PLANTED_TARGET:-$copy/target} CARGO_PROFILE_DEV_DEBUG=0
tool() { perl "$root/scripts/mutants/mutant.pl" "$@" "$root/scripts/planted/faults.txt"; }

what=both quick= names=()
for argument in "$@"; do
    case $argument in
        model | simulate | both) what=$argument ;;
        --quick) quick=--quick ;;
        -*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
        *) names+=("$argument") ;;
    esac
done
case $what in both) tools="model simulate" ;; *) tools=$what ;; esac
mapfile -t all < <(tool list 2>/dev/null | cut -f1 | grep -vx switch)
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")

mkdir -p "$copy"
crates="xln-core xln-merkle xln-storage xln-chain xln-node sim"
for part in $crates contracts/artifacts examples/own_instrument examples/scenarios; do
    mkdir -p "$copy/$(dirname "$part")"
    rm -rf "${copy:?}/$part" && cp -a "$root/$part" "$copy/$part"
done
for name in switch "${all[@]}"; do
    tool apply "$name" "$copy" || { echo "STALE: the source has changed, renew $name in scripts/planted/faults.txt"; exit 2; }
done
# Times that change with the source or the faults only: a second run builds nothing.
for name in switch "${all[@]}"; do
    while read -r file; do
        newer=$root/$file
        [ "$root/scripts/planted/faults.txt" -ot "$newer" ] || newer=$root/scripts/planted/faults.txt
        touch -r "$newer" "$copy/$file"
    done < <(tool files "$name")
done
cp "$root"/{Cargo.lock,rust-toolchain.toml,clippy.toml} "$copy/"
# The lints are for the tree. Quicker code finds more in the same time.
for crate in $crates; do sed -i '/^\[lints\]/,/^$/d' "$copy/$crate/Cargo.toml"; done
{
    sed "s/^members = .*/members = [\"${crates// /\", \"}\"]/" "$root/Cargo.toml"
    printf '\n[profile.dev.package.%s]\nopt-level = 2\n' xln-core xln-merkle xln-node xln-sim stateright
} > "$copy/Cargo.toml"
if ! (cd "$copy" && cargo build --offline -q -p xln-sim) >"$copy/build.log" 2>&1; then
    echo "the faults do not build"; tail -20 "$copy/build.log"; exit 2
fi

sim() {
    local fault=$1 one=$2 outcome=0
    shift 2
    XLN_PLANTED=${fault#none} RUST_BACKTRACE=0 timeout 3600 "$CARGO_TARGET_DIR/debug/xln-sim" "$one" "$@" \
        >"$copy/$one.log" 2>&1 || outcome=$?
    return $outcome
}

# 0 nothing found, 1 found, anything else: it did not run. A world of the simulation in which something is found without any
# fault says nothing about the fault: the search goes on behind it.
run() {
    local fault=$1 one=$2 outcome=0 seed=1 world
    shift 2
    [ "$one" = simulate ] || { sim "$fault" "$one" "$@"; return; }
    while true; do
        outcome=0; sim "$fault" simulate "$@" --seed "$seed" --shrink 0 --keep "$copy/simulate.finding" || outcome=$?
        [ "$outcome" = 1 ] && [ "$fault" != none ] || return $outcome
        world=$(sed -n 's/^FOUND in world \([0-9]*\):.*/\1/p' "$copy/simulate.log")
        cp "$copy/simulate.log" "$copy/simulate.found.log"
        outcome=0; sim none simulate --seed "$world" --steps 1 --threads 1 --shrink 0 --keep "$copy/simulate.finding" || outcome=$?
        cp "$copy/simulate.found.log" "$copy/simulate.log"
        [ "$outcome" = 1 ] || return 1
        seed=$((world + 1))
    done
}

declare -A found full=([model]="--seconds $seconds" [simulate]="--steps $steps")
for one in $tools; do found[$one]=0; done
broken=0
for name in none "${names[@]}"; do
    for one in $tools; do
        outcome=0; run "$name" "$one" --quick || outcome=$?
        if [ "$outcome" = 0 ] && [ -z "$quick" ] && [ "$name" != none ]; then
            # shellcheck disable=SC2086
            outcome=0; run "$name" "$one" ${full[$one]} || outcome=$?
        fi
        case $name/$outcome in
            none/0) echo "clean      $one, nothing planted" ;;
            none/*) echo "BROKEN     $one finds something where nothing is planted ($outcome)"; broken=$((broken + 1)) ;;
            */0) echo "not found  $name ($one)" ;;
            */1)
                found[$one]=$((found[$one] + 1))
                echo "found      $name ($one): $(grep -m1 -E '^(BROKEN|FOUND|finding|seed)' "$copy/$one.log" || tail -1 "$copy/$one.log")" | cut -c 1-200 ;;
            *) echo "BROKEN     $name: $one ended with $outcome"; tail -5 "$copy/$one.log"; broken=$((broken + 1)) ;;
        esac
    done
done

enough=0
for one in $tools; do
    echo "$one: ${found[$one]} of ${#names[@]} found ($SECONDS s)"
    if [ ${#names[@]} -eq ${#all[@]} ] && [ "${found[$one]}" -lt 5 ]; then enough=1; fi
done
[ "$broken" -eq 0 ] && [ "$enough" -eq 0 ]
