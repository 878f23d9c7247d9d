#!/usr/bin/env bash
# Builds the library, writes the Kotlin code that calls it, compiles that with the package's own code, its tests, its sample
# and the lines of the README, and runs them on a JVM.
#   scripts/kotlin.sh [CLASS…]   all of it, or these test classes
#   scripts/kotlin.sh setup      only installs what that needs
# XLN_PROFILE is the library's: dev or mobile. XLN_RECORDS is a folder of scenarios' logs, if they are there already.
source "$(dirname "$0")/env.sh"
package=xln-ffi/kotlin
out="$CARGO_TARGET_DIR/kotlin"

say "tools: java, jna, junit, the Kotlin compiler"
missing=""
command -v java >/dev/null || missing="default-jre-headless"
for need in libjna-java:jna.jar junit4:junit4.jar libhamcrest-java:hamcrest-core.jar libgoogle-gson-java:gson.jar; do
  [ -e "/usr/share/java/${need#*:}" ] || missing="$missing ${need%:*}"
done
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || { echo "install$missing by your system's means, then run this again" >&2; exit 1; }
  sudo=""; [ "$(id -u)" = 0 ] || sudo="sudo"
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  $sudo apt-get install -y -qq --no-install-recommends $missing
fi
tools="$package/tools"
if ! cmp -s "$tools/package-lock.json" "$tools/node_modules/.lock-installed"; then
  npm ci --prefix "$tools" --no-audit --no-fund --ignore-scripts
  cp "$tools/package-lock.json" "$tools/node_modules/.lock-installed"
fi
[ "${1:-}" != setup ] || exit 0
home="$tools/node_modules/kotlin-compiler"
lib="$home/lib"
java=/usr/share/java
libraries="$lib/kotlin-stdlib.jar:$lib/kotlinx-coroutines-core-jvm.jar:$java/jna.jar"
test_libraries="$libraries:$lib/kotlin-test.jar:$lib/kotlin-test-junit.jar:$java/junit4.jar:$java/hamcrest-core.jar:$java/gson.jar"

say "library and generator"
native=$(scripts/library.sh)
cargo build -q -p xln-bindgen
rm -rf "$out/generated"
mkdir -p "$out/generated"
"$CARGO_TARGET_DIR/debug/xln-bindgen" kotlin "$native/libxln_ffi.so" xln-ffi/uniffi.toml "$out/generated"

# compile NAME CLASSPATH FILE…: into $out/NAME, unless the same was compiled before.
compile() {
  local name=$1 classpath=$2
  shift 2
  local stamp
  stamp="$(cat "$tools/package-lock.json" "$@" | sha256sum) $classpath $*"
  [ "$(cat "$out/$name.stamp" 2>/dev/null)" = "$stamp" ] && return
  rm -rf "${out:?}/$name" "$out/$name.stamp"
  java -Xmx2g -cp "$lib/*" org.jetbrains.kotlin.cli.jvm.K2JVMCompiler -no-reflect -no-stdlib -jvm-target 17 \
    -kotlin-home "$home" ${kotlin_flags:-} -cp "$classpath" -d "$out/$name" "$@"
  echo "$stamp" > "$out/$name.stamp"
}

records="${XLN_RECORDS:-$CARGO_TARGET_DIR/records}"
if [ -z "${XLN_RECORDS:-}" ]; then
  say "logs of scenarios"
  scripts/records.sh "$records"
fi

say "package"
mapfile -t sources < <(find "$package/src/main/kotlin" "$out/generated" -name '*.kt' | sort)
kotlin_flags="-nowarn" compile main "$libraries" "${sources[@]}"

say "tests"
mapfile -t tests < <(find "$package/src/test/kotlin" -name '*.kt' | sort)
kotlin_flags="-Werror -Xfriend-paths=$out/main" compile test "$out/main:$test_libraries" "${tests[@]}"

say "run"
# The heap is there from the beginning, so that what a process grows by is not its garbage.
run=(java -Xms128m -Xmx128m -XX:+AlwaysPreTouch "-Djna.library.path=$native:/usr/lib/$(uname -m)-linux-gnu/jni" -Djna.nosys=false "-Dxln.root=$PWD" "-Dxln.records=$records")
if [ $# -gt 0 ]; then classes=("$@"); else
  mapfile -t classes < <(find "$package/src/test/kotlin" -name '*Test.kt' | sort | sed 's|.*/kotlin/||; s|/|.|g; s|\.kt$||')
fi
"${run[@]}" -cp "$out/test:$out/main:$test_libraries" org.junit.runner.JUnitCore "${classes[@]}"

if [ $# -eq 0 ]; then
  say "sample: twice, since the second run goes on where the first ended"
  kotlin_flags="-Werror" compile sample "$out/main:$libraries" "$package/sample/Sample.kt"
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  "${run[@]}" -cp "$out/sample:$out/main:$libraries" sample.SampleKt "$folder" 250
  "${run[@]}" -cp "$out/sample:$out/main:$libraries" sample.SampleKt "$folder" 300 | tee "$folder/output"
  grep -q '^alice can pay 450, and receive 550$' "$folder/output"

  say "lines of the README"
  mkdir -p "$out/snippet-source"
  { printf 'import kotlinx.coroutines.*\nimport org.xln.*\n\nfun main(): Unit = runBlocking {\n'
    scripts/snippet.sh kotlin
    printf 'coroutineContext.cancelChildren()\n}\n'
  } > "$out/snippet-source/Snippet.kt"
  compile snippet "$out/main:$libraries" "$out/snippet-source/Snippet.kt"
  "${run[@]}" -cp "$out/snippet:$out/main:$libraries" SnippetKt | tee "$folder/output"
  grep -q '^left: 750$' "$folder/output"
  say "done"
fi
