# `make` lists the targets. Everything happens in .venv, made from hashed locks; nothing else on the machine is touched.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all:
COMPILE := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
           --no-emit-find-links --no-strip-extras --quiet
WORKERS ?= 2
SOAK_MINUTES ?= 5
CRASH_ROUNDS ?= 200

.DEFAULT_GOAL := help
.PHONY: help run demo test check lint types layers bench soak crash e2e lock schema dashboard clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(BIN)/.runtime ## Start gateway and emulator (the real BFL when BFL_API_KEY is set)
	@$(BIN)/gateway serve --config config/local.yaml --emulator

demo: $(BIN)/.runtime ## Edit a sample picture, show where the time went, and exit
	@$(BIN)/gateway demo

test: $(BIN)/.dev e2e ## Run the tests; what they need and this makes: .venv, older and other SDKs
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

check: lint types layers test ## Everything that has to be right before a commit

lint: $(BIN)/.dev ## Style and likely mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.dev ## Types, strictly
	$(BIN)/mypy

layers: $(BIN)/.dev ## Import rules: a request travels one way
	$(BIN)/lint-imports --config setup.cfg

bench: $(BIN)/.dev ## Measure, each row beside a reference in the same run (about four minutes)
	$(BIN)/python -m tests.bench

soak: $(BIN)/.dev ## Load with faults for SOAK_MINUTES (5), and balance the books
	$(BIN)/python -m tests.soak --minutes $(SOAK_MINUTES)

crash: $(BIN)/.dev ## Kill the gateway in CRASH_ROUNDS (200), under load and with a vendor in trouble as well; balance the books
	$(BIN)/python -m tests.crash --rounds $(CRASH_ROUNDS)

e2e: $(BIN)/.dev ## Only the environments of the other official clients (part of `make test`)
	@$(BIN)/python -m tests.e2e.environments

schema: $(BIN)/.runtime ## Write config/gateway.schema.json
	$(BIN)/gateway config schema > config/gateway.schema.json

dashboard: ## Write config/grafana/dashboards/gateway.json
	$(PYTHON) -m config.grafana.generate

lock: $(BIN)/.dev ## Pin the newest allowed versions
	$(BIN)/python -m pip --disable-pip-version-check install --quiet uv
	$(BIN)/uv pip compile pyproject.toml $(COMPILE) --upgrade --output-file config/locks/runtime.txt
	$(BIN)/uv pip compile pyproject.toml --extra dev $(COMPILE) --upgrade --constraint config/locks/runtime.txt \
	    --output-file config/locks/dev.txt
	$(BIN)/uv pip compile config/locks/build.in $(COMPILE) --upgrade --output-file config/locks/build.txt

clean: ## Remove what was made here
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis tests/e2e/.envs tests/e2e/node/node_modules

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	@echo "Making .venv (once) ..."
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(BIN)/.runtime: config/locks/runtime.txt config/locks/build.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the gateway needs ..."
	@$(PIP) -r config/locks/build.txt -r config/locks/runtime.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps \
	    --no-build-isolation --editable .
	@touch $@

$(BIN)/.dev: config/locks/dev.txt | $(BIN)/.runtime
	@echo "Installing what the tests need ..."
	@$(PIP) -r config/locks/dev.txt
	@touch $@
