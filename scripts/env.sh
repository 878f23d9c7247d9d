# Sourced by the other scripts: where build caches live, and a bound on their size.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/xln"
mkdir -p "$cache"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

# A cache that only grows fills a disk: past this many GiB it starts anew. Only before the first script that runs, never between
# those that it calls.
bound_gib="${XLN_CACHE_GIB:-16}"
if [ -z "${XLN_CACHE_CHECKED:-}" ] && [ -d "$CARGO_TARGET_DIR" ] && [ "$(du -s --block-size=1G "$CARGO_TARGET_DIR" | cut -f1)" -gt "$bound_gib" ]; then
  echo "cache is over ${bound_gib} GiB: starting anew" >&2
  rm -rf "$CARGO_TARGET_DIR"
fi

export XLN_CACHE_CHECKED=1

# remapped FLAG…: what is built is for others, so no path of this machine goes into it. After `cargo fetch`.
remapped() {
  local flags=("$@" "--remap-path-prefix=$PWD=xln") sources
  for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do flags+=("--remap-path-prefix=${sources%/}=crates"); done
  CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}")
  export CARGO_ENCODED_RUSTFLAGS
}

say() { printf '\n== %s (%ds)\n' "$1" "$SECONDS"; }
