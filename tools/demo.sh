#!/usr/bin/env bash
# Decides the sample requests, one outcome of each kind, shows that each came out as it should, and proves it afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
portcullis=target/release/portcullis
demo=target/demo
ledger=$demo/decisions.ledger
failed=0
rm -rf "$demo"
mkdir -p "$demo"

# run TITLE EXPECTED-EXIT-CODE ARGUMENT...
run() {
  local title=$1 expected=$2 code=0
  shift 2
  printf '\n\033[1m%s\033[0m\n$ portcullis %s\n' "$title" "$*"
  "$portcullis" "$@" || code=$?
  if [ "$code" != "$expected" ]; then
    printf 'demo: expected exit code %s, got %s\n' "$expected" "$code" >&2
    failed=1
  fi
}

# decide TITLE EXPECTED-EXIT-CODE POLICIES FILE
decide() { run "$1" "$2" decide --ledger "$ledger" --policies "$3" "$4"; }

requests=sample-policies/requests
decide "A deployment that is approved" 0 sample-policies "$requests/stage0-deploy.json"
decide "The same deployment, asked for by a developer" 23 sample-policies "$requests/stage0-developer.json"
decide "A migration whose approval is still pending" 20 sample-policies "$requests/stage0-pending.json"
decide "A major change in production" 22 sample-policies "$requests/production-major.json"
decide "A Terraform plan with a public database, open SSH and wide IAM" 23 sample-policies "$requests/terraform-plan.json"
decide "A hostile module that never ends: it fails closed" 23 sample-policies/hostile "$requests/service-minor.json"

# The first event says which policy set is active; the second is the first decision.
run "What was decided" 0 ledger list --ledger "$ledger"
run "The first decision in one page, with its proof" 0 audit 1 --verify --ledger "$ledger"
run "Every byte of the ledger, checked" 0 ledger verify "$ledger"
run "Every decision made again from the ledger, byte for byte" 0 replay --all --ledger "$ledger"
run "A receipt that proves the decision without the ledger" 0 receipt export 1 --ledger "$ledger" --out "$demo/receipt.json"
run "The log as tiles, with its public key, for other tools" 0 ledger export --ledger "$ledger" --out "$demo/log"
run "The receipt, verified offline with the public key" 0 receipt verify "$demo/receipt.json" --key "$demo/log/log.vkey"
exit "$failed"
