#!/usr/bin/env bash
# Licences, bans, sources and advisories of every dependency. Installs cargo-deny on first use (some minutes).
source "$(dirname "$0")/env.sh"
command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
cargo deny check "${@:-all}"
