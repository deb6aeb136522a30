# Every command of this repository. `make help` lists them; `make sandbox` and `make test` need nothing before them.
#
# Wanted on the machine: Python 3.11 or newer with venv, Node.js 20 or newer with npm, make, git. Nothing is installed
# outside this folder. Another Python: make PYTHON=python3.12 …

PYTHON ?= python3
NPM ?= npm
ARGS ?=
CASES ?= 50000
SEED ?= 1
ROUNDS ?= 100
TESTS ?= tests
WORKERS ?= 2
CONTRACTS ?= quick
SOAK ?= 36x100
SEEDS ?= 50
KILLS ?= 10000

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INPUTS := pyproject.toml package.json package-lock.json Makefile
FULL := $(VENV)/.installed-full
SANDBOX := $(VENV)/.installed-sandbox
CONFORMANCE := $(VENV)/conformance

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

# A virtual environment holds its own path: one that was moved or copied is made anew.
ifneq ($(wildcard $(VENV)/.path),)
ifneq ($(shell cat $(VENV)/.path),$(CURDIR))
$(info This folder was moved: its environment is made anew.)
$(shell rm -rf "$(VENV)")
endif
endif

.PHONY: help
help: ## list these commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z][a-z-]*:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

# --- installing ------------------------------------------------------------------------------------------------------

.PHONY: install
install: $(FULL) ## install everything that work on Dues needs (done by itself where it is needed)

.PHONY: install-sandbox
install-sandbox: ## install what the sandbox needs, unless everything is there already
	@$(MAKE) -q $(FULL) 2>/dev/null || $(MAKE) $(SANDBOX)

.PHONY: prerequisites
prerequisites:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "dues: '$(PYTHON)' was not found. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "dues: $$($(PYTHON) --version 2>&1) is too old, 3.11 or newer is needed. Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "dues: this Python cannot make virtual environments. Debian and Ubuntu have them in the package python3-venv." >&2; exit 1; }
	@for tool in node $(NPM); do command -v $$tool >/dev/null 2>&1 || { \
		echo "dues: '$$tool' was not found. Install Node.js 20 or newer with npm: the local chain comes from there." >&2; exit 1; }; done
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || { \
		echo "dues: Node.js $$(node --version) is too old, 20 or newer is needed." >&2; exit 1; }

$(BIN)/python:
	@$(MAKE) prerequisites
	@echo "Making a virtual environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@pwd > $(VENV)/.path

$(FULL): requirements-dev.lock $(INPUTS) | $(BIN)/python
	@echo "Installing the locked Python packages (about a minute the first time) …"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@echo "Installing the locked npm packages …"
	@$(NPM) ci --ignore-scripts --loglevel=error
	@touch $(FULL)

$(SANDBOX): requirements-sandbox.lock $(INPUTS) | $(BIN)/python
	@echo "Installing the locked Python packages (about a minute the first time) …"
	@$(PIP) install --quiet --require-hashes -r requirements-sandbox.lock
	@$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@echo "Installing the local chain from npm …"
	@$(NPM) ci --ignore-scripts --omit=dev --loglevel=error
	@touch $(SANDBOX)

# --- running ---------------------------------------------------------------------------------------------------------

.PHONY: sandbox
sandbox: install-sandbox ## the whole gateway on a local chain, and its main job shown; ARGS=--once stops after the story
	@$(BIN)/dues sandbox $(ARGS)

.PHONY: shop
shop: install-sandbox ## a sample merchant beside a sandbox: landing page, prices, checkout, members' page
	@$(BIN)/dues sandbox --beside examples/shop/shop.py $(ARGS)

# --- checking --------------------------------------------------------------------------------------------------------

.PHONY: test
test: lint types imports openapi-check contracts ## every check and every test
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS) tests

.PHONY: lint
lint: $(FULL) ## style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: $(FULL) ## mypy --strict
	@$(BIN)/mypy

.PHONY: imports
imports: $(FULL) ## who may import whom
	@$(BIN)/lint-imports

.PHONY: contracts
contracts: $(FULL) ## whether chain/abi is fresh, the contract's own tests, its gas snapshot; CONTRACTS=long is the whole proof
	@PYTHON="$(CURDIR)/$(BIN)/python" contracts/script/check.sh $(CONTRACTS)

.PHONY: openapi-check
openapi-check: $(FULL) ## whether docs/openapi.json is what the API says
	@$(BIN)/dues openapi --check docs/openapi.json

.PHONY: unit
unit: $(FULL) ## pytest alone; TESTS=tests/domain ARGS='-k clock' narrow it
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS) $(TESTS)

$(CONFORMANCE)/.installed: requirements-conformance.lock | $(BIN)/python
	@echo "Making the environment of dj-stripe, which wants an older SDK …"
	@$(PYTHON) -m venv $(CONFORMANCE)
	@$(CONFORMANCE)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-conformance.lock
	@touch $@

.PHONY: conformance
conformance: $(FULL) $(CONFORMANCE)/.installed ## the unmodified SDKs in Python and Node and dj-stripe against the API; the fields we share with them
	@DUES_CONFORMANCE_PYTHON="$(CURDIR)/$(CONFORMANCE)/bin/python" $(BIN)/pytest $(ARGS) tests/conformance
	@$(BIN)/python -m tests.conformance.coverage

.PHONY: fuzz-signatures
fuzz-signatures: $(FULL) ## 1,000,000 mutations of a webhook delivery against the guide's consumers (S3)
	@DUES_SIGNATURE_MUTATIONS=1000000 $(BIN)/pytest -q -s $(ARGS) -k S3 tests/conformance/test_guides.py

.PHONY: triggers
triggers: $(FULL) ## every event that `dues trigger` can make, one after another in one sandbox (five minutes)
	@DUES_TRIGGER=all $(BIN)/pytest -q $(ARGS) tests/e2e/test_developer_commands.py

.PHONY: faults
faults: $(FULL) ## more of what can go wrong: bad weather on the RPC by SEEDS=50 seeds (half an hour)
	@DUES_FAULT_SEEDS=$(SEEDS) $(BIN)/pytest -o faulthandler_timeout=0 -s $(ARGS) tests/faults

.PHONY: kills
kills: $(FULL) ## kill -9 at every failpoint and ordered pair of them, KILLS=10000 times on both databases; ARGS='--seed 7'
	@$(BIN)/python -m tests.faults.kills --kills $(KILLS) $(ARGS)

.PHONY: bench
bench: $(FULL) ## renewals per second beside the raw limits of this machine
	@$(BIN)/python -m benchmarks.renewals $(ARGS)

.PHONY: bench-api
bench-api: $(FULL) ## requests per second and their p99 beside a bare handler on the same server
	@$(BIN)/python -m benchmarks.api $(ARGS)

.PHONY: bench-webhooks
bench-webhooks: $(FULL) ## webhook deliveries per second beside the raw HTTP client
	@$(BIN)/python -m benchmarks.webhooks $(ARGS)

.PHONY: soak
soak: $(FULL) ## 36 months of 100 subscriptions of mixed plans on a local chain: the books end equal to it; SOAK=12x20 is less
	@DUES_SOAK=$(SOAK) $(BIN)/pytest -o faulthandler_timeout=0 -q -s tests/stories/test_soak.py

.PHONY: bench-time
bench-time: $(FULL) ## one advance of a test clock: a year of 100 monthly subscriptions; ARGS='--apart-hours 7' spreads them
	@$(BIN)/python -m benchmarks.time_travel $(ARGS)

.PHONY: fuzz
fuzz: $(FULL) ## requests made from the API's description by schemathesis: CASES=50000 SEED=1 (about an hour)
	@$(BIN)/python -m tests.api.fuzzing $(CASES) $(SEED)

.PHONY: idempotency
idempotency: $(FULL) ## one key 50 times at once, the API killed half way, Redis flushed: ROUNDS=100
	@DUES_IDEMPOTENCY_ROUNDS=$(ROUNDS) $(BIN)/pytest -q -s tests/faults/test_idempotency_kill.py

# --- changing --------------------------------------------------------------------------------------------------------

.PHONY: format
format: $(FULL) ## put the code in form
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

.PHONY: openapi
openapi: $(FULL) ## write docs/openapi.json
	@$(BIN)/dues openapi --output docs/openapi.json

.PHONY: requirements
requirements: $(FULL) ## write the tests that hold each requirement into docs/requirements.md
	@$(BIN)/python -m tests.requirements

.PHONY: lock
lock: $(FULL) ## resolve the dependencies of pyproject.toml anew
	@for lock in "requirements.lock" "requirements-sandbox.lock --extra sandbox" "requirements-dev.lock --extra dev"; do \
		set -- $$lock; file=$$1; shift; \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-header $(ARGS) "$$@" pyproject.toml --output-file "$$file" || exit 1; \
	done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header $(ARGS) requirements-conformance.in --output-file requirements-conformance.lock

.PHONY: clean
clean: ## remove everything that was installed or generated here
	rm -rf $(VENV) node_modules .dues .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf contracts/out contracts/cache
