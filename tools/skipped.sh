#!/usr/bin/env bash
# Prints what the tests could not check on this machine, a line for each tool, with how many checks that were.
set -euo pipefail
file=${PORTCULLIS_SKIPPED:-$(dirname "$0")/../target/skipped.txt}
[ -s "$file" ] || { echo "nothing was skipped"; exit 0; }
sort -u "$file" | awk -F '\t' '
  { checks[$1]++; why[$1] = $3; all++ }
  END {
    printf "SKIPPED %d checks on this machine (PORTCULLIS_REQUIRE=all makes each a failure):\n", all; fflush()
    for (tool in checks) printf "  %-18s %3d: %s\n", tool, checks[tool], why[tool] | "sort"
  }'
