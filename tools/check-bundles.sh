#!/usr/bin/env bash
# Checks signatures and reviews of modules with programs that this project did not write, and lets them make some of their
# own. Usage: check-bundles.sh SAMPLES
# The samples are written by the test `third_party` of portcullis-attest, which runs this script and then verifies what is
# in SAMPLES/theirs: securesystemslib from PyPI, @sigstore/verify and @sigstore/sign from npm, openssl. Where one cannot
# be had, it says SKIPPED, and the test passes that on. Fails where a check fails.
set -uo pipefail
samples=$(cd "$1" && pwd) || exit 2
root=$(cd "$(dirname "$0")/.." && pwd)
checks="$root/runtime/attest/tests/third_party"
# shellcheck source=tools/third-party.sh
. "$root/tools/third-party.sh"
mkdir -p "$samples/theirs"

if log=$(python 2>&1); then
  check securesystemslib "$tools/venv/bin/python" "$checks/check.py" "$samples"
else
  skip securesystemslib "${log##*$'\n'}"
fi
if log=$(node_modules 2>&1); then
  check sigstore env NODE_PATH="$tools/npm/node_modules" node "$checks/check.cjs" "$samples"
else
  skip sigstore "${log##*$'\n'}"
fi
if openssl version 2>/dev/null | grep -q '^OpenSSL [3-9]'; then
  check openssl "$checks/check.sh" "$samples"
else
  skip openssl "OpenSSL 3 is missing"
fi
exit "$failed"
