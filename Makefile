# SCALE. `make` alone lists the targets. Needs Python 3.11 or newer, pip and make; everything else is installed into .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Only rooms that exist, so that the checks hold from the first commit to the last.
CODE := $(wildcard services models clients migrations operations benchmarks)
PYTEST_ARGS ?=
CHAOS_ARGS ?=
# For each of the two engines on each reader.
FUZZ_SECONDS ?= 600
export FUZZ_SEED
READERS ?= csv ofx qif mt940 camt workbook

.DEFAULT_GOAL := help
.PHONY: help install run test test-e2e tools chaos fuzz check format stubs openapi coverage audit bench clean \
        check-style check-types check-imports check-protos check-openapi check-security check-conventions check-requirements check-deploy \
        check-licences check-secrets sbom

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

install: $(STAMP) ## Make .venv with the pinned dependencies (quick when nothing changed)

$(STAMP): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "SCALE needs Python 3.11 or newer; found: '$(PYTHON)' $$("$(PYTHON)" -V 2>&1). Name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || { rm -rf $(VENV) && "$(PYTHON)" -m venv $(VENV); }
	@echo "Installing the pinned dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: install ## Start the whole system on this machine; Ctrl-C stops it
	@exec $(BIN)/python -m services.local

test: install ## Run the whole suite with coverage, or PYTEST_ARGS="tests/kit -x", then the coverage gates
	@$(BIN)/python -m tests.suite $(PYTEST_ARGS)
	@$(BIN)/python -m tests.coverage_gates coverage.json

test-e2e: install ## The end-to-end tests alone; THROUGH=pgbouncer, mutual-tls or both, comma separated
	@SCALE_E2E_THROUGH="$(THROUGH)" $(BIN)/python -m pytest tests/e2e $(PYTEST_ARGS)

tools: install ## Debian's programs for the tests that want them (pgbouncer, promtool), unpacked into .tools; nothing is installed
	@$(BIN)/python -m tests.support.debian

chaos: install ## Break a local system on purpose, experiment by experiment: CHAOS_ARGS="--repeat 3", or names (docs/chaos.md)
	@$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

fuzz: install ## Fuzz the statement readers: FUZZ_SECONDS=600 for each engine, READERS="csv ofx" (docs/fuzzing.md)
	@$(BIN)/python -m tests.fuzz --seconds "$(FUZZ_SECONDS)" --readers "$(READERS)"

check: check-style check-types check-imports check-protos check-openapi check-security check-conventions check-requirements check-deploy check-licences check-secrets ## Run every static check
	@echo "All checks passed."

check-style: install ## Formatting and lint (ruff)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

check-types: install ## Types (mypy)
	@$(BIN)/mypy $(CODE) protos/generate.py tests

check-imports: install ## Who may import what (import-linter)
	@$(BIN)/lint-imports

check-protos: install ## Contracts: lint, format, breaking changes, stub freshness
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code --exclude-path protos/google
	@$(BIN)/python -m tests.conventions.breaking
	@$(BIN)/python protos/generate.py --check

check-openapi: install ## The REST description in docs/openapi.json is current
	@$(BIN)/python -m services.gateway.openapi --check

check-security: SHELL := /bin/bash -o pipefail
check-security: install ## Insecure code (bandit)
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml $(filter-out benchmarks,$(CODE)) protos/generate.py 2>&1 \
	  | sed '/nosec encountered/d; /Test in comment/d'  # notes on the markers themselves

check-conventions: install ## House rules that no linter knows (file length, module names, SQL)
	@$(BIN)/python -m tests.conventions

check-deploy: install ## Every overlay of deploy/k8s renders, and each object is what Kubernetes takes (kubectl, kubernetes-validate); the Dockerfile (hadolint)
	@$(BIN)/hadolint deploy/Dockerfile
	@$(BIN)/python -m tests.deploy

check-images: install ## Install each image's dependencies with pip, and start its self-check; TARGETS="gateway migrate" for some (minutes, needs the network)
	@$(BIN)/python -m tests.deploy.install_images $(TARGETS)

check-requirements: install ## docs/requirements-status.md is current and every row has its proof or reason
	@$(BIN)/python -m tests.requirements --check

check-licences: install ## Every dependency is under a licence that SCALE may be given on with
	@$(BIN)/python -m tests.supply_chain.licences

check-secrets: install ## No secret in the tree but what was looked at and is none
	@$(BIN)/python -m tests.supply_chain.secret_scan

format: install ## Format the code and the contracts in place
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/buf format --write --exclude-path protos/google

stubs: install ## Generate protos/gen from the contracts
	@$(BIN)/python protos/generate.py

openapi: install ## Write the REST description to docs/openapi.json
	@$(BIN)/python -m services.gateway.openapi docs/openapi.json

coverage: test ## Run the suite and write an HTML coverage report
	@$(BIN)/coverage html
	@echo "Open htmlcov/index.html"

audit: install ## Known vulnerabilities in the pinned dependencies (needs the network)
	@$(BIN)/python -m tests.supply_chain.advisories

sbom: install ## The bill of materials of what runs, as CycloneDX, in dist/sbom.cdx.json
	@$(BIN)/python -m tests.supply_chain.sbom dist/sbom.cdx.json

.PHONY: load
load: install ## Load of a capacity step on a system of its own: PROFILE=p1 (p2, p3, instance, k6), SECONDS=60 (docs/load.md)
	@$(BIN)/python -m benchmarks.load --profile "$(or $(PROFILE),p1)" --seconds "$(or $(SECONDS),60)"

.PHONY: bench-database
bench-database: install ## The database alone: pgbench (10 clients, 2 threads, SECONDS=60), the driver and its pool (QUERIES=1000), what each measure is worth
	@$(BIN)/python -m benchmarks.database --seconds "$(or $(SECONDS),60)" --queries "$(or $(QUERIES),1000)"
	@$(BIN)/python -m benchmarks.db_benchmark --queries "$(or $(QUERIES),1000)"
	@$(BIN)/python -m benchmarks.database_claims

bench: install ## Run every benchmark, each beside its yardstick
	@for file in $$(grep -l '^if __name__ == "__main__"' benchmarks/*.py); do \
	  module=benchmarks.$$(basename $$file .py); echo "== $$module"; $(BIN)/python -m $$module || exit 1; done

clean: ## Remove caches and reports; keeps .venv and .scale
	@rm -rf .fuzz .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov .coverage .coverage.* coverage.json
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
