# make help lists the targets.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help install demo test unit fuzz soak bench lint clean

# Which PostgreSQL to build for.
PG_CONFIG ?= /usr/lib/postgresql/15/bin/pg_config
export PG_CONFIG

# The flags that cargo pgrx builds with, so that lint and unit take the dependencies that install has compiled.
RUSTFLAGS ?= -C link-arg=-Wl,--no-gc-sections
export RUSTFLAGS

# A model file for make demo; without one it takes a small model of its own choice.
MODEL ?=

# For make fuzz: executions of each target, or seconds; and targets, all when none is named.
EXECUTIONS ?= 100000
TIME ?=
TARGETS ?=

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Install what is missing (PostgreSQL 15, PostGIS, cargo-pgrx), build the extension, install it
	tools/install-deps
	tools/install-extension

demo: install ## Ingest a model (MODEL=FILE) into a private server, query it, export it byte for byte
	tools/demo $(if $(MODEL),'$(subst ','\'',$(MODEL))')

test: install ## Check style, run all tests
	$(MAKE) --no-print-directory lint
	-tools/fetch-models >/dev/null # a test whose model can't be had says so
	$(MAKE) --no-print-directory unit
	pg_test/run

unit: ## Test the engine alone: needs no PostgreSQL
	cargo test --release -p atomizer-core --lib --tests
	cargo test --release -p atomizer-core --doc

fuzz: ## Fuzz the parsers: EXECUTIONS=100000 or TIME=60 (seconds) of each, TARGETS='gguf hdf5'
	core/fuzz/run $(if $(TIME),--time $(TIME),$(EXECUTIONS)) $(TARGETS)

soak: install ## What takes hours: a gigabyte in little memory, 200 crashes, all formats against the official readers, ten million runs of each fuzz target
	ATOMIZER_SOAK=1 ATOMIZER_KILLS=200 ATOMIZER_TEST_TIMEOUT=3600 pg_test/run memory crash
	pg_test/differential/run
	core/fuzz/run 10000000 $(TARGETS)

bench: install ## Measure atomizer against its peers
	benches/run

lint: ## Check formatting, clippy, cycles between modules, documents, dependencies (cargo-deny), scripts (shellcheck, ruff)
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	tools/lint

clean: ## Remove all that was built, fetched or written by tests (target/)
	rm -rf target
