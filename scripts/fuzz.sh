#!/bin/sh
# Coverage-guided fuzzing of what enters from outside (fuzz/README.md):
#   scripts/fuzz.sh                       lists the targets
#   scripts/fuzz.sh TARGET [SECONDS]      builds and runs one
#   scripts/fuzz.sh --all SECONDS [JOBS]  runs each for so long, two at a time unless JOBS says otherwise; prints a table
#   scripts/fuzz.sh --build TARGET        only builds it
#   scripts/fuzz.sh --one TARGET SECONDS  runs what was built, quietly, into fuzz/work/TARGET.log
#   scripts/fuzz.sh --table               prints the table of the last runs, finished or not
#   scripts/fuzz.sh --minimise TARGET     keeps, beside the seeds, the few inputs that cover most of what was found
# Needs a nightly toolchain and cargo-fuzz (`cargo install cargo-fuzz --locked`). fuzz/corpus is in the repository, and the
# quick form of it runs in every `cargo test`; what a run finds goes to fuzz/work, what breaks something to fuzz/artifacts.
# A run gives way to all other work; XLN_NICE=0 if it should not.
set -eu
cd "$(dirname "$0")/.."

# No input may take longer than five minutes, on a machine that has other work first; alone, none takes a second. The largest
# allocation is that of a lying length in a node's own store, 1 GiB; a peer's bytes have a bound of their own, in
# fuzz/src/memory.rs.
limits="-timeout=300 -report_slow_units=300 -malloc_limit_mb=1100 -rss_limit_mb=4096 -print_final_stats=1"
bin=fuzz/work/bin
# What --minimise keeps of one target beside its seeds.
most_files=40
most_bytes=60000

targets() { ls fuzz/fuzz_targets | sed 's/\.rs$//'; }

# Bytes behind the last choice are not read.
longest() { # TARGET
    case $1 in
    machine_inputs) echo 512 ;;
    resolve_differential | store_open) echo 8192 ;;
    *) echo 65536 ;;
    esac
}

# Nearly all its work is signatures, which identity_and_terms fuzzes.
features() { # TARGET
    case $1 in
    machine_inputs) echo "--features native" ;;
    esac
}

build() {
    cargo fuzz --version >/dev/null 2>&1 || { echo "cargo install cargo-fuzz --locked" >&2; exit 2; }
    [ -f "fuzz/fuzz_targets/$1.rs" ] || { echo "no target $1" >&2; exit 2; }
    cargo +nightly fuzz build $(features "$1") "$1"
    mkdir -p "$bin"
    cp "${CARGO_TARGET_DIR:-fuzz/target}/$(rustc -vV | sed -n 's/^host: //p')/release/$1" "$bin/$1"
    git describe --always --dirty --exclude '*' >"$bin/$1.commit"
}

run() { # TARGET SECONDS
    mkdir -p "fuzz/work/$1" "fuzz/corpus/$1" "fuzz/artifacts/$1"
    RUST_BACKTRACE=0 nice -n "${XLN_NICE:-19}" "$bin/$1" $limits -max_len="$(longest "$1")" -max_total_time="$2" \
        -artifact_prefix="fuzz/artifacts/$1/" "fuzz/work/$1" "fuzz/corpus/$1"
}

found() { # TARGET: what its last run broke something with
    find "fuzz/artifacts/$1" -type f -newer "fuzz/work/$1.start"
}

# One line of the table from a log: executions, seconds on the clock and of a processor, executions a second, edges and
# features covered, inputs kept, most memory in MB, findings, commit.
row() { # TARGET
    log=fuzz/work/$1.log
    # A line may end in bytes of an input.
    last=$(grep -aE '^#[0-9]+.* cov: ' "$log" | tail -1 | LC_ALL=C sed 's/ L: .*//')
    field() { echo "$last" | sed -n "s/.* $1: \([0-9]*\).*/\1/p"; }
    stat() { sed -n "s/^stat::$1: *//p" "$log"; }
    seconds=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
    executed=$(stat number_of_executed_units)
    [ -n "$executed" ] || executed=$(echo "$last" | sed 's/^#\([0-9]*\).*/\1/')
    printf '%-22s %10s %8s %7s %7s %7s %8s %7s %6s %9s %s\n' "$1" "${executed:-?}" "${seconds:-stopped}" \
        "$(stat cpu_seconds)" "$(stat average_exec_per_sec)" "$(field cov)" "$(field ft)" "$(field corp)" \
        "$(stat peak_rss_mb)" "$(found "$1" | wc -l)" "$(cat "$bin/$1.commit")"
}

head_line() {
    printf '%-22s %10s %8s %7s %7s %7s %8s %7s %6s %9s %s\n' \
        target executions seconds cpu per_s edges features corpus MB findings commit
}

one() { # TARGET SECONDS: quietly, into a log
    mkdir -p fuzz/work
    touch "fuzz/work/$1.start"
    run "$1" "$2" >"fuzz/work/$1.log" 2>&1 || echo "$1: see fuzz/work/$1.log" >&2
    # Its own time: on a busy machine little of the time on the clock. Not in a pipe, which would have children of its own.
    times >"fuzz/work/$1.times"
    sed -n '2s/^\([0-9]*\)m\([0-9]*\).*/\1 \2/p' "fuzz/work/$1.times" | while read -r minutes seconds; do
        echo "stat::cpu_seconds: $((minutes * 60 + seconds))" >>"fuzz/work/$1.log"
    done
}

case "${1:-}" in
"")
    targets
    ;;
--build)
    build "$2"
    ;;
--one)
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
        [ -z "$(found "$target")" ] || findings=1
    done
    exit $findings
    ;;
--table) # of the runs that were last, finished or not
    head_line
    for target in $(targets); do [ ! -e "fuzz/work/$target.log" ] || row "$target"; done
    ;;
--minimise)
    [ -x "$bin/$2" ] || build "$2"
    corpus=fuzz/corpus/$2 merged=fuzz/work/$2.merged
    # Seeds have names that tests gave them; what a run found is named by its hash.
    mkdir -p "fuzz/work/$2"
    find "$corpus" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -exec mv -t "fuzz/work/$2" {} +
    rm -rf "$merged" && cp -a "$corpus" "$merged"
    "$bin/$2" -set_cover_merge=1 $limits -max_len="$(longest "$2")" "$merged" "fuzz/work/$2"
    total=0
    count=0
    # The merge writes first what adds most.
    ls -tr "$merged" | grep -xE '[0-9a-f]{40}' | while read -r name; do
        size=$(stat -c %s "$merged/$name")
        [ $((total + size)) -le "$most_bytes" ] || continue
        cp "$merged/$name" "$corpus/"
        total=$((total + size)) count=$((count + 1))
        [ "$count" -lt "$most_files" ] || break
    done
    echo "$2: $(ls "$corpus" | wc -l) files, $(cat "$corpus"/* | wc -c) bytes"
    ;;
*)
    build "$1"
    run "$1" "${2:-60}"
    ;;
esac
