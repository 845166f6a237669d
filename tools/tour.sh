#!/usr/bin/env bash
# Runs the README's "From a new policy to a recorded decision" as it is written, against a registry of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
if ! command -v docker-registry >/dev/null; then
  # shellcheck source=tools/skip.sh
  . tools/skip.sh
  skip docker-registry tour "the README's commands were not run: apt-get install docker-registry"
  exit 0
fi
folder=$(mktemp -d)
registry=
trap 'kill "$registry" 2>/dev/null || true; rm -rf "$folder"' EXIT

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$folder/registry.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $folder/registry}}
http: {addr: "127.0.0.1:$port"}
END
docker-registry serve "$folder/registry.yml" >"$folder/registry.log" 2>&1 &
registry=$!

# The block after the marker, with the registry's real name.
awk '/<!-- tour -->/ {seen = 1} seen && /^```$/ {exit} seen && inside {print} seen && /^```sh$/ {inside = 1}' README.md |
  sed "s/registry\.example\.com/127.0.0.1:$port/g" >"$folder/tour.sh"
[ "$(grep -c '^portcullis' "$folder/tour.sh")" -ge 8 ] || { echo "tour: the README's block was not found" >&2; exit 1; }

for _ in $(seq 50); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  kill -0 "$registry" 2>/dev/null || { cat "$folder/registry.log" >&2; exit 1; }
  sleep 0.1
done

mkdir "$folder/work" && cd "$folder/work"
export PATH="$root/target/release:$PATH" XDG_CACHE_HOME="$folder/cache" XDG_STATE_HOME="$folder/state" NO_COLOR=1
# What was built or fetched for other tests is used again; what was decided is not.
export CARGO_TARGET_DIR="$root/target/tour"
bash -euo pipefail "$folder/tour.sh" | tee "$folder/out"

# The ledger says what the README says that it does: a review, a decision, who signed and reviewed.
cd tickets
portcullis ledger verify tickets.ledger >/dev/null
grep -q "ALLOW" "$folder/out" || { echo "tour: nothing was allowed" >&2; exit 1; }
grep -q "alice" "$folder/out" || { echo "tour: the audit does not name the reviewer" >&2; exit 1; }
echo "tour: the README's commands work as written"
