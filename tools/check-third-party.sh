#!/usr/bin/env bash
# Checks what the ledger writes with programs that this project did not write. Usage: check-third-party.sh SAMPLES
# The samples are written by the test `third_party` of portcullis-ledger, which runs this script. The programs are
# fetched into target/third-party: pymerkle and securesystemslib from PyPI, @sigstore/verify from npm, Go's sumdb packages
# from Debian. Where one cannot be had, it says SKIPPED, and the test passes that on. Fails where a check fails.
set -uo pipefail
samples=$(cd "$1" && pwd) || exit 2
root=$(cd "$(dirname "$0")/.." && pwd)
checks="$root/runtime/ledger/tests/third_party"
# shellcheck source=tools/third-party.sh
. "$root/tools/third-party.sh"

if log=$(python 2>&1); then
  check pymerkle "$tools/venv/bin/python" "$checks/check.py" pymerkle "$samples"
  check securesystemslib "$tools/venv/bin/python" "$checks/check.py" securesystemslib "$samples"
else
  skip pymerkle "${log##*$'\n'}"
  skip securesystemslib "${log##*$'\n'}"
fi

if log=$(node_modules 2>&1); then
  check sigstore env NODE_PATH="$tools/npm/node_modules" node "$checks/check.cjs" "$samples"
else
  skip sigstore "${log##*$'\n'}"
fi

debian() { # unpacks Debian packages into a folder, without installing them
  local into=$1
  shift
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "no Debian packages here"; return 1; }
  mkdir -p "$into/packages" && (cd "$into/packages" && apt-get download "$@") || return 1
  for package in "$into"/packages/*.deb; do dpkg -x "$package" "$into" || return 1; done
}
sumdb() { # unpacks Go's sumdb packages and, where there is no Go, Go itself; builds the check
  local go modules="$tools/go/usr/share/gocode"
  if [ ! -d "$modules/src/golang.org/x/mod/sumdb" ]; then
    [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] && modules=/usr/share/gocode ||
      debian "$tools/go" golang-golang-x-mod-dev || return 1
  fi
  if ! go=$(command -v go); then
    go=$(echo "$tools"/go/usr/lib/go-*/bin/go)
    if [ ! -x "$go" ]; then
      local package
      package=$(apt-cache depends golang-go | sed -n 's/.*Depends: \(golang-[0-9.]*\)-go.*/\1/p' | head -1)
      debian "$tools/go" "$package-go" "$package-src" || return 1
      go=$(echo "$tools"/go/usr/lib/go-*/bin/go)
    fi
    GOROOT=$(dirname "$(dirname "$go")")
    export GOROOT
  fi
  GO111MODULE=off GOPATH=$modules GOCACHE=$tools/go-cache GOFLAGS= GOTOOLCHAIN=local \
    "$go" build -o "$tools/check-sumdb" "$checks/check.go"
}
if log=$(sumdb 2>&1); then
  check sumdb "$tools/check-sumdb" "$samples"
elif [[ $log == *check.go* ]]; then
  echo "FAILED sumdb: $log"
  failed=1
else
  skip sumdb "${log##*$'\n'}"
fi
exit "$failed"
