#!/bin/sh
# Installs what the registry's tests need beside Rust: an OCI registry, and skopeo, which reads and writes what we do.
# Where they cannot be had the tests say SKIPPED and pass over them.
set -eu

missing=
command -v docker-registry >/dev/null || missing="$missing docker-registry"
command -v skopeo >/dev/null || missing="$missing skopeo"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "registry-tools: install$missing, or its tests are skipped" >&2
    exit 0
fi
# shellcheck disable=SC2086
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null; then
    echo "registry-tools: could not install$missing; its tests are skipped" >&2
fi
