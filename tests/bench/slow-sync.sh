#!/usr/bin/env bash
# Runs a command as on a disk whose syncs take so many milliseconds more, such as one that turns:
#
#   PORTCULLIS_BENCH_ONLY=ledger tests/bench/slow-sync.sh 10 cargo bench --locked -p portcullis-bench
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: $0 MILLISECONDS COMMAND..." >&2
    exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${CC:-cc}" -O2 -shared -fPIC -o "$folder/slow_sync.so" "$(dirname "$0")/slow_sync.c" -ldl
ms=$1
shift
SLOW_SYNC_MS=$ms LD_PRELOAD="$folder/slow_sync.so" "$@"
