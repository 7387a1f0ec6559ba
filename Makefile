# make help lists the targets.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help install demo test bench lint clean

# Which PostgreSQL to build for.
PG_CONFIG ?= /usr/lib/postgresql/15/bin/pg_config
export PG_CONFIG

# A model file for make demo; without one it takes a small model of its own choice.
MODEL ?=

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
	cargo test --release -p atomizer-core
	pg_test/run

bench: install ## Measure atomizer against its peers
	benches/run

lint: ## Check formatting, clippy, dependencies' licences (cargo-deny) and scripts (shellcheck)
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then echo "cargo deny check bans licenses sources"; cargo deny check bans licenses sources; \
	else echo "cargo deny is not installed: dependencies are not checked"; fi
	@if command -v shellcheck >/dev/null; then echo "shellcheck"; \
		grep -lsE '^#!.*bash' tools/* pg_test/run pg_test/scripts/* benches/* .ci/run | xargs shellcheck -x -S warning; \
	else echo "shellcheck is not installed: scripts are not checked"; fi

clean: ## Remove all that was built, fetched or written by tests (target/)
	rm -rf target
