#!/usr/bin/env bash
# On macOS: builds the library for iOS, its simulator and macOS, and makes XlnFFI.xcframework and the Swift code of it. Needs
# Xcode and the Rust targets (`rustup target add aarch64-apple-ios …`).
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v xcodebuild >/dev/null || { echo "needs Xcode" >&2; exit 1; }
target_dir="${CARGO_TARGET_DIR:-target}"
swift=xln-ffi/swift
export IPHONEOS_DEPLOYMENT_TARGET=15.0 MACOSX_DEPLOYMENT_TARGET=12.0
targets=(aarch64-apple-ios aarch64-apple-ios-sim x86_64-apple-ios aarch64-apple-darwin x86_64-apple-darwin)
for target in "${targets[@]}"; do cargo build -p xln-ffi --profile mobile --target "$target"; done
cargo build -p xln-bindgen

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/headers" "$work/simulator" "$work/macos"
"$target_dir/debug/xln-bindgen" swift "$target_dir/aarch64-apple-darwin/mobile/libxln_ffi.dylib" xln-ffi/uniffi.toml "$work"
cp "$work/Xln.swift" "$swift/Sources/Xln/"
cp "$work/XlnFFI.h" "$work/headers/"
printf 'module XlnFFI {\n    header "XlnFFI.h"\n    export *\n}\n' > "$work/headers/module.modulemap"
static() { echo "$target_dir/$1/mobile/libxln_ffi.a"; }
lipo -create "$(static aarch64-apple-ios-sim)" "$(static x86_64-apple-ios)" -output "$work/simulator/libxln_ffi.a"
lipo -create "$(static aarch64-apple-darwin)" "$(static x86_64-apple-darwin)" -output "$work/macos/libxln_ffi.a"
rm -rf "$swift/XlnFFI.xcframework"
xcodebuild -create-xcframework \
  -library "$(static aarch64-apple-ios)" -headers "$work/headers" \
  -library "$work/simulator/libxln_ffi.a" -headers "$work/headers" \
  -library "$work/macos/libxln_ffi.a" -headers "$work/headers" \
  -output "$swift/XlnFFI.xcframework"
