#!/usr/bin/env bash
# openssl: reads the keys, verifies the signatures, refuses changed ones, and makes a key. Usage: check.sh SAMPLES
set -euo pipefail
samples=$1
checked=0
for bundle in "$samples"/ours/*.json; do
  name=$(basename "$bundle" .json)
  key="$samples/ours/$(cat "$samples/ours/$name.by")"
  openssl pkey -in "$key" -pubout | cmp - "$key.pub"
  verify() { openssl pkeyutl -verify -pubin -inkey "$key.pub" -rawin -in "$1" -sigfile "$2" >/dev/null 2>&1; }
  verify "$samples/ours/$name.message" "$samples/ours/$name.signature"
  { cat "$samples/ours/$name.message"; printf ' '; } >"$samples/changed"
  ! verify "$samples/changed" "$samples/ours/$name.signature"
  checked=$((checked + 1))
done
[ "$checked" -ge 2 ]
openssl genpkey -algorithm ed25519 -out "$samples/theirs/openssl.key"
openssl pkey -in "$samples/theirs/openssl.key" -pubout -out "$samples/theirs/openssl.key.pub"
echo "ok openssl: $checked signatures, $checked changed ones refused; a key made"
