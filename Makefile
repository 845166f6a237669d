# make demo   builds everything that is missing and decides the sample requests
# make test   builds everything that is missing and passes the tests; installs nothing, lists what it skipped
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup portcullis policies build-policies build-engine-policies catalogue demo test test-tools test-long bench fuzz doc ci clean

CARGO ?= cargo
PORTCULLIS := target/release/portcullis
# The guests' toolchain is found, added or laid out by tools/wasm-toolchain.sh; `policy build` looks in the same places.
WASM_TOOLCHAIN := tools/wasm-toolchain.sh

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## checks what must be on the machine, and finds or lays out the wasm target
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust 1.95 or later from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: apt-get install gcc, or your system's equivalent" >&2; exit 1; }
	@$(WASM_TOOLCHAIN) >/dev/null

portcullis: setup ## builds the command, target/release/portcullis
	@$(CARGO) build --release --locked -p portcullis-cli

policies: portcullis ## builds the sample policies into target/policies and writes their lock
	@$(MAKE) --no-print-directory build-policies

build-policies: setup
	@$(PORTCULLIS) policy build --all sample-policies --out-dir target/policies
	@$(PORTCULLIS) lock --policies sample-policies
	@$(PORTCULLIS) lock --policies sample-policies/hostile

catalogue: policies ## writes the generated parts of the sample policies' READMEs
	@$(PORTCULLIS) policy readme sample-policies --write

# Rego's and Cedar's engines as policies: minutes to compile, so the demo goes without. One by one: built together, each
# would have the other's features of common dependencies, and other bytes.
build-engine-policies: setup
	@$(PORTCULLIS) policy build engine-policies/rego --out-dir target/policies
	@$(PORTCULLIS) policy build engine-policies/cedar --out-dir target/policies

demo: policies ## decides the sample requests with the sample policies
	@tools/demo.sh

# The tests' own build makes the command too: with the features that the tests ask of the dependencies, these are
# compiled once instead of twice.
test: setup ## passes the tests; at the end, what was skipped for want of a tool
	@mkdir -p target && rm -f target/skipped.txt
	@$(CARGO) test --release --locked --no-run
	@$(MAKE) --no-print-directory build-policies
	@$(CARGO) test --release --locked
	@cd policies-sdk/rust && CARGO_TARGET_DIR=../../target/native $(CARGO) test --locked --workspace
	@cd sample-policies && CARGO_TARGET_DIR=../target/native $(CARGO) test --locked --workspace
	@$(PORTCULLIS) policy test $(patsubst %/cases,%,$(wildcard sample-policies/*/cases))
	@$(PORTCULLIS) policy readme sample-policies --check
	@tools/tour.sh >/dev/null
	@for policy in rego cedar; do (cd engine-policies && CARGO_TARGET_DIR=../target/native $(CARGO) test --locked -p $$policy) || exit 1; done
	@$(MAKE) --no-print-directory build-engine-policies
	@$(PORTCULLIS) policy test $(patsubst %/cases,%,$(wildcard engine-policies/*/cases))
	@tools/skipped.sh

test-tools: ## installs what some tests need: strace, PostgreSQL, an OCI registry, Chromium ..; as root, on Debian
	@tools/test-tools.sh

test-long: policies ## the tests with a million generated decisions
	@PORTCULLIS_CASES=1000000 PORTCULLIS_TABLES=full $(CARGO) test --release --locked -p portcullis-tests -- laws oracle

bench: policies ## benchmarks against named peers; writes target/bench.json
	@$(MAKE) --no-print-directory build-engine-policies
	@$(PORTCULLIS) policy build tests/bench/policy --out target/policies/bench-policy.wasm
	@RUSTC=$$($(WASM_TOOLCHAIN)) CARGO_TARGET_DIR=target/extism $(CARGO) build --quiet --release --locked \
	  --target wasm32-unknown-unknown --manifest-path tests/bench/peers/extism-plugin/Cargo.toml
	@cp target/extism/wasm32-unknown-unknown/release/bench_extism_plugin.wasm target/policies/bench-extism.wasm
	@$(CARGO) bench --locked -p portcullis-bench

fuzz: ## fuzzes the parsers for a minute in all
	@tools/fuzz.sh

doc: ## the API documentation; warnings are errors
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

ci: ## what continuous integration runs
	@.ci/run

clean: ## removes everything that was built
	@rm -rf target
