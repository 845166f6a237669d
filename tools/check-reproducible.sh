#!/usr/bin/env bash
# Builds every sample policy twice, from two folders of different depth with different cargo homes' worth of paths in
# between, and compares the bytes.
#   check-reproducible.sh [PORTCULLIS]    the command to build with; default target/release/portcullis
set -euo pipefail
cd "$(dirname "$0")/.."
PORTCULLIS=$(realpath "${1:-target/release/portcullis}")
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

for copy in one two/levels/deeper; do
  mkdir -p "$WORK/$copy"
  tar --create --exclude=target --exclude=.git policies-sdk sample-policies wit | tar --extract --directory "$WORK/$copy"
  "$PORTCULLIS" policy build --all "$WORK/$copy/sample-policies" --out-dir "$WORK/$copy/out" >&2
done

different=0
count=0
for component in "$WORK"/one/out/*.wasm; do
  count=$((count + 1))
  name=$(basename "$component")
  if cmp --silent "$component" "$WORK/two/levels/deeper/out/$name"; then
    echo "same       $(sha256sum "$component" | cut -c1-64)  $name"
  else
    echo "different  $name" >&2
    different=1
  fi
done
[ "$count" -gt 0 ] || { echo "no component was built" >&2; exit 1; }
exit "$different"
