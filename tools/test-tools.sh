#!/bin/sh
# Installs what some of the tests need beside Rust and a C compiler: `make test-tools`. It installs Debian's packages
# where it may; otherwise it says which. `make test` installs nothing, and lists what it skipped.
set -eu

missing=
needs() { command -v "$1" >/dev/null || missing="$missing $2"; }
needs strace strace                       # the ledger's crashes
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
needs docker-registry docker-registry     # an OCI registry,
needs skopeo skopeo                       # and what reads and writes the same artifacts
needs chromium chromium                   # shows reports of hostile modules
needs openssl openssl                     # verifies signatures
needs node nodejs                         # policies in JavaScript; sigstore
needs npm npm
# Policies in Python, Go and C; securesystemslib.
python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3-pip"
python3 -c 'import ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
[ -n "$missing" ] || { echo "test-tools: everything is there"; exit 0; }

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    sudo -n true 2>/dev/null || as_root=no
fi
if ! command -v apt-get >/dev/null || [ "$as_root" = no ]; then
    echo "test-tools: as root, on Debian: apt-get install$missing" >&2
    exit 1
fi
$as_root apt-get update -qq
# One by one: what is not to be had does not keep the others away.
failed=
for package in $missing; do
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
        failed="$failed $package"
done
[ -z "$failed" ] || { echo "test-tools: could not install$failed" >&2; exit 1; }
