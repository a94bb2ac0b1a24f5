# Every target sets up what it needs. Slow suites scale with SEEDS and SECONDS.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-c test-python check bench fuzz soak stubs header clean

SEEDS ?=
SECONDS_EACH ?= 60
PYTHON ?= python3
TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := $(TARGET)/venv
export SEEDS

help: ## says what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: ## builds all it needs and runs the story: pay, final, confirmed, stop, start again
	cargo build --quiet --release -p timecoin-core --example demo
	$(TARGET)/release/examples/demo

test: test-rust test-c test-python ## runs every test

test-rust:
	cargo test --workspace

test-c:
	bash scripts/test-c.sh

test-python: $(VENV)/bin/python
	bash scripts/test-python.sh

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

check: ## formatting, lints, header drift, stubs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --quiet -p timecoin-core --test tidy
	cargo test --quiet -p timecoin-ffi --test header
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps

bench: ## measures, and prints a table with the ratio to the floor of the same run
	cargo bench -p timecoin-core

soak: ## the long forms: kill -9 under load, many seeds
	SOAK=1 cargo test --release -p timecoin-core -- --include-ignored --nocapture

clean: ## removes everything that was built
	cargo clean
