#!/usr/bin/env bash
# Builds the library, writes the Swift code that calls it, and runs the Swift package's tests and sample. The toolchain is the
# machine's own `swift`, or else Debian's, which this script puts into a folder of the cache once (2.6 GB, some minutes). Where
# neither can be, it says so and ends well, or ends badly with XLN_REQUIRE_SWIFT=1. Arguments go to `swift test`.
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
  [ -x "$root/usr/bin/swift" ] && return
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

# Runs a command in the package's folder, with the library at hand.
if command -v swift >/dev/null; then
  in_swift() {
    (cd "$package" && XLN_ROOT="$OLDPWD" XLN_LIBRARY_DIR="$CARGO_TARGET_DIR/debug" LD_LIBRARY_PATH="$CARGO_TARGET_DIR/debug" \
      "$@" --scratch-path "$CARGO_TARGET_DIR/swift")
  }
else
  install_toolchain
  mkdir -p "$root/xln" "$root/target"
  # shellcheck disable=SC2016
  in_swift() {
    unshare --mount --propagation private bash -c '
      set -e
      root=$1; source=$2; target=$3; package=$4; shift 4
      mount -t proc proc "$root/proc"
      mount --rbind /dev "$root/dev"
      mount --bind "$source" "$root/xln"
      mount --bind "$target" "$root/target"
      exec chroot "$root" env -i HOME=/tmp PATH=/usr/bin:/bin LANG=C.UTF-8 XLN_ROOT=/xln XLN_LIBRARY_DIR=/target/debug \
        LD_LIBRARY_PATH=/target/debug sh -c "cd /xln/$package && exec \"\$@\" --scratch-path /target/swift" -- "$@"
    ' -- "$root" "$PWD" "$CARGO_TARGET_DIR" "$package" "$@"
  }
fi

say "library and generator"
# Apart, so that the features of one do not change how the other is built.
cargo build -p xln-ffi
cargo build -p xln-bindgen
library="$CARGO_TARGET_DIR/debug/libxln_ffi.so"
[ -e "$library" ] || library="$CARGO_TARGET_DIR/debug/libxln_ffi.dylib"
generated="$CARGO_TARGET_DIR/swift-generated"
mkdir -p "$generated"
"$CARGO_TARGET_DIR/debug/xln-bindgen" swift "$library" xln-ffi/uniffi.toml "$generated"
# Only what changed, so that nothing is compiled again for nothing.
cmp -s "$generated/Xln.swift" "$package/Sources/Xln/Xln.swift" || cp "$generated/Xln.swift" "$package/Sources/Xln/"
cmp -s "$generated/XlnFFI.h" "$package/Sources/XlnFFI/XlnFFI.h" || cp "$generated/XlnFFI.h" "$package/Sources/XlnFFI/"

say "tests"
in_swift swift test "$@"
