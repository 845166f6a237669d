#!/usr/bin/env bash
# Licences, sources, bans, and, where its database can be reached, advisories.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/skip.sh
. tools/skip.sh
version=0.20.2
if ! cargo deny --version 2>/dev/null | grep -q "$version"; then
  echo "installing cargo-deny $version"
  cargo install --quiet --locked cargo-deny --version "$version"
fi
cargo deny --locked check bans licenses sources
for workspace in policies-sdk/rust sample-policies engine-policies; do
  cargo deny --config deny.toml --manifest-path "$workspace/Cargo.toml" --locked check licenses sources
done
if cargo deny --locked fetch db 2>/dev/null; then
  cargo deny --locked check advisories
else
  skip advisories check-dependencies "advisories were NOT checked: the database cannot be reached from here"
fi
