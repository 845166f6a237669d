#!/bin/sh
# Installs what the ledger's tests need beside Rust: strace and PostgreSQL's programs. Where they cannot be had the tests
# say SKIPPED and pass over them.
set -eu

missing=
command -v strace >/dev/null || missing="$missing strace"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "ledger-tools: install$missing, or its tests are skipped" >&2
    exit 0
fi
# shellcheck disable=SC2086
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null; then
    echo "ledger-tools: could not install$missing; its tests are skipped" >&2
fi
