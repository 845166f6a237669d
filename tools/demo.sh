#!/usr/bin/env bash
# Decides the sample requests, one outcome of each kind, and shows that each came out as it should.
set -euo pipefail
cd "$(dirname "$0")/.."
portcullis=target/release/portcullis
failed=0

# decide TITLE EXPECTED-EXIT-CODE POLICIES FILE
decide() {
  printf '\n\033[1m%s\033[0m\n$ portcullis decide --policies %s %s\n' "$1" "$3" "$4"
  local code=0
  "$portcullis" decide --policies "$3" "$4" || code=$?
  if [ "$code" != "$2" ]; then
    printf 'demo: expected exit code %s, got %s\n' "$2" "$code" >&2
    failed=1
  fi
}

requests=sample-policies/requests
decide "A deployment that is approved" 0 sample-policies "$requests/stage0-deploy.json"
decide "The same deployment, asked for by a developer" 23 sample-policies "$requests/stage0-developer.json"
decide "A migration whose approval is still pending" 20 sample-policies "$requests/stage0-pending.json"
decide "A major change in production" 22 sample-policies "$requests/production-major.json"
decide "A Terraform plan with a public database, open SSH and wide IAM" 23 sample-policies "$requests/terraform-plan.json"
decide "A hostile module that never ends: it fails closed" 23 sample-policies/hostile "$requests/service-minor.json"
exit "$failed"
