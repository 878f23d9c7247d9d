#!/usr/bin/env bash
# Builds the library as phones get it and compares its stripped size with a bound. docs/bindings.md has the figures.
source "$(dirname "$0")/env.sh"
bound_kib=3450

say "library for phones, built for this machine"
native=$(XLN_PROFILE=mobile scripts/library.sh)
library="$native/libxln_ffi.so"
[ -e "$library" ] || library="$native/libxln_ffi.dylib"
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -x -o "$stripped" "$library" 2>/dev/null || strip --strip-unneeded -o "$stripped" "$library"
kib() { echo $(($(wc -c < "$1") / 1024)); }
packed() { echo $(($(gzip -9 -c "$1" | wc -c) / 1024)); }
printf '%-28s %6d KiB, gzipped %6d KiB\n' "stripped library" "$(kib "$stripped")" "$(packed "$stripped")"
[ "$(kib "$stripped")" -le "$bound_kib" ] || { echo "over the bound of $bound_kib KiB" >&2; exit 1; }
echo "within the bound of $bound_kib KiB"
