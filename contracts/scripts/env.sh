# Sourced by the others: the pinned forge from node_modules, from the contracts folder. Elsewhere than on 64-bit Intel
# Linux a forge of the same version must be in PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/node_modules/@foundry-rs/forge-linux-amd64/bin:$PATH"
