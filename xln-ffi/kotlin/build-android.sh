#!/usr/bin/env bash
# Builds the library for Android's architectures and writes the Kotlin code, for Gradle. Needs ANDROID_NDK_HOME and the Rust
# targets (`rustup target add aarch64-linux-android …`).
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${ANDROID_NDK_HOME:?set it to an installed NDK}"
level=23
tools=$(echo "$ANDROID_NDK_HOME"/toolchains/llvm/prebuilt/*/bin)
target_dir="${CARGO_TARGET_DIR:-target}"

# build RUST_TARGET ABI CLANG_PREFIX
build() {
  local variable
  variable="CARGO_TARGET_$(echo "$1" | tr 'a-z-' 'A-Z_')_LINKER"
  # Pages of 16 KiB are what newer devices have.
  env "$variable=$tools/$3$level-clang" RUSTFLAGS="-C link-arg=-Wl,-z,max-page-size=16384" \
    cargo build -p xln-ffi --profile mobile --target "$1"
  mkdir -p "xln-ffi/kotlin/src/main/jniLibs/$2"
  "$tools/llvm-strip" --strip-unneeded -o "xln-ffi/kotlin/src/main/jniLibs/$2/libxln_ffi.so" \
    "$target_dir/$1/mobile/libxln_ffi.so"
}
build aarch64-linux-android arm64-v8a aarch64-linux-android
build armv7-linux-androideabi armeabi-v7a armv7a-linux-androideabi
build x86_64-linux-android x86_64 x86_64-linux-android

cargo build -p xln-bindgen
rm -rf xln-ffi/kotlin/build/generated
mkdir -p xln-ffi/kotlin/build/generated
"$target_dir/debug/xln-bindgen" kotlin "$target_dir/aarch64-linux-android/mobile/libxln_ffi.so" xln-ffi/uniffi.toml \
  xln-ffi/kotlin/build/generated
