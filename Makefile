# make demo   builds everything that is missing and decides the sample requests
# make test   builds everything that is missing and passes the tests
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup portcullis policies demo test test-long bench fuzz doc ci clean

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

portcullis: ## builds the command, target/release/portcullis
	@$(CARGO) build --release --locked -p portcullis-cli

policies: setup portcullis ## builds the sample policies into target/policies and writes their lock
	@$(PORTCULLIS) policy build --all sample-policies --out-dir target/policies
	@$(PORTCULLIS) lock --policies sample-policies
	@$(PORTCULLIS) lock --policies sample-policies/hostile

demo: policies ## decides the sample requests with the sample policies
	@tools/demo.sh

test: policies ## passes the tests
	@$(CARGO) test --release --locked
	@cd policies-sdk/rust && CARGO_TARGET_DIR=../../target/native $(CARGO) test --locked --workspace
	@cd sample-policies && CARGO_TARGET_DIR=../target/native $(CARGO) test --locked --workspace
	@$(PORTCULLIS) policy test sample-policies

test-long: policies ## the tests with a million generated decisions
	@PORTCULLIS_CASES=1000000 PORTCULLIS_TABLES=full $(CARGO) test --release --locked -p portcullis-tests -- laws oracle

bench: policies ## benchmarks against named peers; writes target/bench.json
	@$(CARGO) bench --locked -p portcullis-bench

fuzz: ## fuzzes the parsers for a minute in all
	@tools/fuzz.sh

doc: ## the API documentation; warnings are errors
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

ci: ## what continuous integration runs
	@.ci/run

clean: ## removes everything that was built
	@rm -rf target
