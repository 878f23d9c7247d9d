#!/usr/bin/env bash
# The npm package: build, or everything that it needs, or its tests.
#   scripts/wasm.sh setup   target, npm packages, Chromium
#   scripts/wasm.sh build   xln-wasm/npm/dist
#   scripts/wasm.sh records logs of the scenarios, for the tests
#   scripts/wasm.sh sizes   what a page downloads, against its bounds
#   scripts/wasm.sh test    all of it: setup, build, sizes, tests in Node and Chromium
#   scripts/wasm.sh bench   beside noble, viem and ethers; with --check it fails if it is not 4 and 8 times as fast
source "$(dirname "$0")/env.sh"
npm=xln-wasm/npm
# Without the first the cryptography counts in 64-bit words, which wasm32 multiplies in software. With vectors copies are
# shorter (13 kB) and signing is a tenth faster.
flags=('--cfg=cpubits="32"' -Ctarget-feature=+simd128)
# What Node 20 and every browser since the spring of 2023 understand; more would not load there.
features=(--enable-simd --enable-bulk-memory --enable-sign-ext --enable-mutable-globals --enable-nontrapping-float-to-int
  --enable-reference-types --enable-multivalue)

setup() {
  say "wasm: target and packages"
  rustup target add wasm32-unknown-unknown
  stamp=$npm/node_modules/.lock-installed
  if ! cmp -s $npm/package-lock.json $stamp; then
    npm ci --prefix $npm --no-audit --no-fund --ignore-scripts
    cp $npm/package-lock.json $stamp
  fi
  if ! command -v chromium >/dev/null && command -v apt-get >/dev/null; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends chromium
  fi
}

# For the crate that links: what is inlined only then, and vectors in loops, cost 1.5 kB (gzip) and gain no speed.
link=(-Cno-vectorize-loops -Cllvm-args=-inline-threshold=5)

# compile NAME CARGO_FLAGS…: one module with its JavaScript, in build/src/NAME. Optimised, then with functions that are alike
# close together, for gzip.
compile() {
  name=$1
  shift
  (remapped "${flags[@]}"; cargo rustc -p xln-wasm-module --profile wasm --target wasm32-unknown-unknown "$@" -- "${link[@]}")
  made=$npm/build/bindgen/$name
  tool bindings "$CARGO_TARGET_DIR/wasm32-unknown-unknown/wasm/xln_wasm_module.wasm" "$made" xln
  mkdir -p $npm/build/src/"$name"
  optimised "$made/xln_bg.wasm" -o "$made/optimised.wasm"
  tool names "$made/optimised.wasm" "$made/named.wasm"
  optimised --reorder-functions-by-name --strip-debug "$made/named.wasm" -o "$npm/build/src/$name/xln_bg.wasm"
}

tool() { cargo run -q -p xln-wasm-bindgen -- "$@"; }

optimised() { node $npm/node_modules/binaryen/bin/wasm-opt -O3 "${features[@]}" "$@"; }

build() {
  say "wasm: modules"
  rm -rf $npm/build $npm/dist
  cargo fetch -q --locked
  compile full
  compile lite --no-default-features
  say "wasm: package"
  node $npm/scripts/package.js
}

# The logs of all scenarios and the roots that they give natively, for the tests, unless XLN_RECORDS says where they are.
records() {
  say "wasm: logs of the scenarios"
  [ -n "${XLN_RECORDS:-}" ] || scripts/records.sh $npm/build/records
}

sizes() {
  say "wasm: sizes"
  node $npm/scripts/sizes.js
}

case "${1:-test}" in
  setup) setup ;;
  build) setup && build ;;
  records) records ;;
  sizes) sizes ;;
  bench) node $npm/bench/crypto.js "${@:2}" ;;
  test)
    setup
    build
    sizes
    records
    say "wasm: tests"
    npm --prefix $npm test
    ;;
  *) sed -n 2,8p "$0" >&2 && exit 2 ;;
esac
