# Every target sets up what it needs. Slow suites scale with SEEDS and KILLS.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-c test-python check bench soak fuzz plant clean

TARGET := $(or $(CARGO_TARGET_DIR),target)

help: ## says what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: ## builds all it needs and tells stories: one node on disk; four that crash; four processes
	cargo build --quiet --release -p timecoin-core --example demo --example testbed --example processes
	$(TARGET)/release/examples/demo
	$(TARGET)/release/examples/testbed
	dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; $(TARGET)/release/examples/processes "$$dir" timings

test: test-rust test-c test-python ## runs every test

test-rust:
	cargo test --workspace

test-c:
	bash scripts/test-c.sh

test-python:
	bash scripts/test-python.sh

check: ## formatting, lints, header drift, stubs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --quiet -p timecoin-core --test tidy
	cargo test --quiet -p timecoin-ffi --test header
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps

bench: ## measures, and prints a table with the ratio to the floor of the same run
	cargo bench -p timecoin-core --bench node
	cargo bench -p timecoin-core --bench consensus
	cargo bench -p timecoin-core --bench network

soak: ## the long forms: kill -9 under load, many seeds, days of virtual time, large models, heavy attacks
	KILLS=$(or $(KILLS),500) cargo test --release -p timecoin-core --test kill -- --nocapture
	KILLS=$(or $(KILLS),500) cargo test --release -p timecoin-core --test processes -- --nocapture
	SEEDS=$(or $(SEEDS),100000) cargo test --release -p timecoin-core --test simulation -- --nocapture
	MINUTES=$(or $(MINUTES),1440) cargo test --release -p timecoin-core --test long -- --nocapture
	PAYMENTS=$(or $(PAYMENTS),1000000) DAYS=$(or $(DAYS),7) cargo test --release -p timecoin-core --test flat -- --nocapture
	SOAK=1 cargo test --release -p timecoin-core --lib storage
	MODEL=full cargo test --release -p timecoin-core --test model -- --nocapture
	ATTACK=full cargo test --release -p timecoin-core --test network -- --nocapture

fuzz: ## gives every decoder and the engine inputs guided by coverage, FUZZ_SECONDS each
	FUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) bash scripts/fuzz.sh

plant: ## plants each known bug in a copy of the sources and sees its test fail; ONLY=k05 for some
	python3 scripts/plant_bugs.py $(ONLY)

clean: ## removes everything that was built
	cargo clean
