#!/usr/bin/env bash
# Shows that xln-core/wincode-derive is the published crate but for what its README says: fetches that and counts the lines
# that differ. Needs the registry.
source "$(dirname "$0")/env.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/src"
echo >"$scratch/src/lib.rs"
printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\nwincode-derive = "=0.5.1"\n[workspace]\n' >"$scratch/Cargo.toml"
manifest=$(cargo metadata -q --format-version 1 --manifest-path "$scratch/Cargo.toml" |
  grep -o '"manifest_path":"[^"]*wincode-derive-0.5.1/Cargo.toml"' | cut -d'"' -f4)
changes=$(diff -r "$(dirname "$manifest")/src" xln-core/wincode-derive/src | grep '^[<>]' || true)
expected='^(> // Changed in xln: |[<>] +if let #crate_name::TypeMeta::Static \{ size[^}]* \} = (const \{ )?#crate_name::TypeMeta::join_types\(\[)'
if others=$(grep -Ev "$expected" <<<"$changes") || [ "$(wc -l <<<"$changes")" != 8 ]; then
  echo "xln-core/wincode-derive differs from the published crate in more than its README says:" >&2
  echo "${others:-$changes}" >&2
  exit 1
fi
say "vendored: wincode-derive is 0.5.1 but for three lines"
