#!/bin/sh
# Coverage-guided fuzzing of what enters from outside:
#   scripts/fuzz.sh                       lists the targets
#   scripts/fuzz.sh TARGET [SECONDS]      runs one
#   scripts/fuzz.sh --all SECONDS [JOBS]  runs each for so long, two at a time unless JOBS says otherwise; prints a table
#   scripts/fuzz.sh --table               prints the table of the last runs, finished or not
#   scripts/fuzz.sh --minimise TARGET     keeps of what was found the few inputs that teach the quick tests most
# Needs a nightly toolchain and cargo-fuzz (`cargo install cargo-fuzz --locked`). fuzz/corpus is in the repository, and the
# quick form of it runs in every `cargo test`; what a run finds goes to fuzz/work, what breaks something to fuzz/artifacts.
set -eu
cd "$(dirname "$0")/.."

# No input may take longer than a minute, on a machine that has other work too. The largest allocation is that of a lying length in a node's own store, 1 GiB.
limits="-timeout=60 -malloc_limit_mb=1100 -rss_limit_mb=4096 -max_len=65536 -print_final_stats=1"
bin=fuzz/work/bin

targets() { ls fuzz/fuzz_targets | sed 's/\.rs$//'; }

build() {
    cargo fuzz --version >/dev/null 2>&1 || { echo "cargo install cargo-fuzz --locked" >&2; exit 2; }
    [ -f "fuzz/fuzz_targets/$1.rs" ] || { echo "no target $1" >&2; exit 2; }
    cargo +nightly fuzz build "$1"
    mkdir -p "$bin"
    cp "${CARGO_TARGET_DIR:-fuzz/target}/$(rustc -vV | sed -n 's/^host: //p')/release/$1" "$bin/$1"
}

run() { # TARGET SECONDS
    mkdir -p "fuzz/work/$1" "fuzz/corpus/$1" "fuzz/artifacts/$1"
    RUST_BACKTRACE=0 "$bin/$1" $limits -max_total_time="$2" -artifact_prefix="fuzz/artifacts/$1/" "fuzz/work/$1" "fuzz/corpus/$1"
}

# One line of the table from a log: executions, seconds, edges and features covered, inputs kept, findings.
row() { # TARGET
    log=fuzz/work/$1.log
    last=$(grep -E '^#[0-9]+.* cov: ' "$log" | tail -1)
    field() { echo "$last" | sed -n "s/.* $1: \([0-9]*\).*/\1/p"; }
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    seconds=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
    findings=$(find "fuzz/artifacts/$1" -type f -newer "fuzz/work/$1.start" | wc -l)
    printf '%-22s %12s %8s %7s %8s %7s %9s\n' "$1" "${executed:-?}" "${seconds:-stopped}" "$(field cov)" "$(field ft)" \
        "$(field corp)" "$findings"
}

head_line() { printf '%-22s %12s %8s %7s %8s %7s %9s\n' target executions seconds edges features corpus findings; }

one() { # TARGET SECONDS: quietly, into a log
    mkdir -p fuzz/work
    touch "fuzz/work/$1.start"
    run "$1" "$2" >"fuzz/work/$1.log" 2>&1 || echo "$1: see fuzz/work/$1.log" >&2
}

case "${1:-}" in
"")
    targets
    ;;
--one) # by --all itself
    one "$2" "$3"
    ;;
--all)
    seconds=$2
    for target in $(targets); do build "$target"; done
    targets | xargs -P "${3:-2}" -I TARGET "$0" --one TARGET "$seconds"
    head_line
    findings=0
    for target in $(targets); do
        row "$target"
        [ -z "$(find "fuzz/artifacts/$target" -type f -newer "fuzz/work/$target.start")" ] || findings=1
    done
    exit $findings
    ;;
--table) # of the runs that were last, finished or not
    head_line
    for target in $(targets); do [ ! -e "fuzz/work/$target.log" ] || row "$target"; done
    ;;
--minimise)
    build "$2"
    # First what covers all, then the smaller half of the inputs that the quick tests can afford.
    rm -rf fuzz/work/merged && mkdir -p fuzz/work/merged "fuzz/work/$2"
    "$bin/$2" -merge=1 -use_value_profile=0 $limits fuzz/work/merged "fuzz/corpus/$2" "fuzz/work/$2"
    rm -rf "fuzz/corpus/$2" && mkdir -p "fuzz/corpus/$2"
    total=0
    ls -Sr fuzz/work/merged | awk '{ all[NR] = $0 } END { step = NR > 40 ? NR / 40 : 1; for (i = step; i <= NR + 0.001; i += step) print all[int(i)] }' |
        while read -r name; do
            size=$(stat -c %s "fuzz/work/merged/$name")
            total=$((total + size))
            [ "$total" -le 200000 ] || break
            cp "fuzz/work/merged/$name" "fuzz/corpus/$2/"
        done
    ls "fuzz/corpus/$2" | wc -l
    ;;
*)
    build "$1"
    run "$1" "${2:-60}"
    ;;
esac
