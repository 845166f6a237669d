#!/usr/bin/env bash
# Fuzzes the parsers of requests, manifests, components, artifacts, evidence and the ledger's formats, FUZZ_SECONDS in all (60 unless told).
# Coverage-guided by LLVM's instrumentation, which a stable compiler offers too; needs a C++ compiler for libFuzzer.
set -euo pipefail
cd "$(dirname "$0")/../tests/fuzz"
seconds=${FUZZ_SECONDS:-60}
targets=(request manifest component checkpoint event receipt tile artifact bundle)
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=../../target/fuzz
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1"
cargo build --quiet --release --locked --target "$host"
for target in "${targets[@]}"; do
  corpus="$CARGO_TARGET_DIR/corpus/$target"
  mkdir -p "$corpus" "$CARGO_TARGET_DIR/findings"
  seeds=("seeds/$target")
  # Components are built, not kept: the sample policies are the seeds where they are there.
  [ "$target" = component ] && [ -d ../../target/policies ] && seeds+=(../../target/policies)
  echo "fuzzing $target for $((seconds / ${#targets[@]})) s"
  log="$CARGO_TARGET_DIR/$target.log"
  if ! "$CARGO_TARGET_DIR/$host/release/$target" "$corpus" "${seeds[@]}" \
    -max_total_time=$((seconds / ${#targets[@]})) -max_len=200000 -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$CARGO_TARGET_DIR/findings/$target-" -print_final_stats=1 >"$log" 2>&1; then
    tail -40 "$log" >&2
    echo "fuzzing $target found something: the input is in target/fuzz/findings" >&2
    exit 1
  fi
  grep -E 'number_of_executed_units|new_units_added' "$log"
done
echo "no findings"
