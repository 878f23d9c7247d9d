#!/usr/bin/env bash
# Builds the library, writes the Swift code that calls it, and runs the Swift package's tests and sample. The toolchain is the
# machine's own `swift`, or else Debian's, which this script puts into a folder of the cache once (2.6 GB, some minutes). Where
# neither can be, it says so and ends well, or ends badly with XLN_REQUIRE_SWIFT=1. Arguments go to `swift test`.
# XLN_PROFILE is the library's: dev or mobile. XLN_RECORDS is a folder of scenarios' logs, if they are there already.
source "$(dirname "$0")/env.sh"
package=xln-ffi/swift
root="$cache/swift/root"

skip() {
  echo "SKIPPED: the Swift package was not tested: $1"
  [ "${XLN_REQUIRE_SWIFT:-0}" = 0 ] || exit 1
  exit 0
}

# Debian's toolchain in a folder, complete or absent.
install_toolchain() {
  [ -d "$root" ] && return
  [ "$(id -u)" = 0 ] || skip "no swift in PATH, and only root can set up Debian's"
  command -v apt-get >/dev/null || skip "no swift in PATH, and no apt-get to get Debian's"
  unshare --mount true 2>/dev/null || skip "no swift in PATH, and no mounts allowed to run Debian's"
  say "Swift's toolchain"
  command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } \
    || skip "debootstrap cannot be installed"
  rm -rf "$root.part"
  mkdir -p "$cache/swift"
  debootstrap --variant=minbase --include=ca-certificates trixie "$root.part" > "$cache/swift/log" 2>&1 \
    && chroot "$root.part" apt-get update -qq >> "$cache/swift/log" 2>&1 \
    && DEBIAN_FRONTEND=noninteractive chroot "$root.part" apt-get install -y -qq --no-install-recommends \
      swiftlang libc6-dev libstdc++-14-dev >> "$cache/swift/log" 2>&1 \
    && chroot "$root.part" apt-get clean \
    || { tail -3 "$cache/swift/log"; rm -rf "$root.part"; skip "its toolchain cannot be downloaded"; }
  mv "$root.part" "$root"
}

# in_swift SUBCOMMAND ARGUMENTS…: in the package's folder, with the library at hand.
if command -v swift >/dev/null; then
  in_swift() {
    local subcommand=$1
    shift
    (export XLN_ROOT="$PWD" XLN_RECORDS="$records" XLN_LIBRARY_DIR="$native" LD_LIBRARY_PATH="$native"
      swift "$subcommand" --package-path "$package" --scratch-path "$CARGO_TARGET_DIR/swift" "$@")
  }
else
  install_toolchain
  mkdir -p "$root/xln" "$root/target" "$root/native" "$root/records"
  # shellcheck disable=SC2016
  in_swift() {
    local subcommand=$1
    shift
    unshare --mount --propagation private bash -c '
      set -e
      root=$1; source=$2; target=$3; native=$4; records=$5; shift 5
      mount -t proc proc "$root/proc"
      mount --rbind /dev "$root/dev"
      mount --bind "$source" "$root/xln"
      mount --bind "$target" "$root/target"
      mount --bind "$native" "$root/native"
      mount --bind "$records" "$root/records"
      exec chroot "$root" env -i HOME=/tmp PATH=/usr/bin:/bin LANG=C.UTF-8 SWIFT_BACKTRACE=enable=no XLN_ROOT=/xln XLN_RECORDS=/records XLN_LIBRARY_DIR=/native \
        LD_LIBRARY_PATH=/native "$@"
    ' -- "$root" "$PWD" "$CARGO_TARGET_DIR" "$native" "$records" \
      swift "$subcommand" --package-path "/xln/$package" --scratch-path /target/swift "$@"
  }
fi

say "library and generator"
native=$(scripts/library.sh)
cargo build -q -p xln-bindgen
library="$native/libxln_ffi.so"
[ -e "$library" ] || library="$native/libxln_ffi.dylib"
generated="$CARGO_TARGET_DIR/swift-generated"
mkdir -p "$generated"
"$CARGO_TARGET_DIR/debug/xln-bindgen" swift "$library" xln-ffi/uniffi.toml "$generated"
# Only what changed, so that nothing is compiled again for nothing.
cmp -s "$generated/Xln.swift" "$package/Sources/Xln/Xln.swift" || cp "$generated/Xln.swift" "$package/Sources/Xln/"
cmp -s "$generated/XlnFFI.h" "$package/Sources/XlnFFI/XlnFFI.h" || cp "$generated/XlnFFI.h" "$package/Sources/XlnFFI/"

{ printf 'import Foundation\nimport XCTest\n\n@testable import Xln\n\nfinal class SnippetTests: XCTestCase {\n    func testIt() async throws {\n'
  scripts/snippet.sh swift
  printf '    }\n}\n'
} > "$generated/SnippetTests.swift"
cmp -s "$generated/SnippetTests.swift" "$package/Tests/XlnTests/SnippetTests.swift" \
  || cp "$generated/SnippetTests.swift" "$package/Tests/XlnTests/"

records="${XLN_RECORDS:-$CARGO_TARGET_DIR/records}"
if [ -z "${XLN_RECORDS:-}" ]; then
  say "logs of scenarios"
  scripts/records.sh "$records"
fi

say "tests"
log="$CARGO_TARGET_DIR/swift.log"
in_swift test "$@" 2>&1 | tee "$log"
if [ $# -eq 0 ]; then
  grep -q '^left: 750$' "$log" || { echo "the lines of the README did not run" >&2; exit 1; }
  say "sample: twice, since the second run goes on where the first ended"
  rm -rf "$CARGO_TARGET_DIR/swift-sample"
  folder="$CARGO_TARGET_DIR/swift-sample"
  command -v swift >/dev/null || folder=/target/swift-sample
  for amount in 250 300; do in_swift run xln-sample "$folder" "$amount" 2>&1 | tee "$log"; done
  grep -q '^alice can pay 450, and receive 550$' "$log"
fi
say "done"
