#!/usr/bin/env bash
# Static analysis by slither and symbolic checks by halmos, in a Python environment of their own, kept in the cache. Findings that
# are meant so are listed with their reasons in contracts/README.md and turned off in slither.config.json.
source "$(dirname "$0")/env.sh"
export FOUNDRY_PROFILE=fast
venv="${XDG_CACHE_HOME:-$HOME/.cache}/xln/analysers"
if ! cmp -s scripts/analysers.txt "$venv/installed"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r scripts/analysers.txt
  cp scripts/analysers.txt "$venv/installed"
fi
# A copy: the analysers want build artifacts that the tests do not.
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
# The symbolic checks stand apart, since what imports the Depository would have it compiled in a second way.
cp -r src test scripts foundry.toml slither.config.json "$work"
cp -r symbolic "$work/test/symbolic"
ln -s "$PWD/node_modules" "$work/node_modules"
cd "$work"
forge build --build-info --skip test --skip script >/dev/null
"$venv/bin/slither" . --ignore-compile --foundry-out-directory out/fast --config-file slither.config.json
rm -rf out cache
"$venv/bin/halmos" --forge-build-out out/fast --match-contract ConservationTest --solver-timeout-assertion "${XLN_SOLVER_MS:-600000}"
