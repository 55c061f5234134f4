# Two commands do everything on a machine with Python 3.11 and nothing else: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := libs/contracts libs/servicekit libs/cli libs/devstack libs/testkit $(addprefix services/,identity recovery mfa notifier privacy gateway)
WORKERS ?= 2
.DEFAULT_GOAL := help

help: ## what there is
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: free-port $(VENV)/installed ## everything up: prints the portal's and the inbox's address; Ctrl-C stops all
	@exec $(BIN)/latchkey dev up

free-port: # said before minutes go into the installation
	@$(PYTHON) tools/free_port.py

test: lint ## lint, types, and the whole suite on a real PostgreSQL and a real Kafka
	@tools/ensure-browser
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed ## format, lint, types, direction of imports
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/mypy -p latchkey_contracts -p servicekit -p latchkey_cli -p devstack -p testkit -p identity -p recovery -p mfa -p notifier -p privacy -p gateway
	$(BIN)/lint-imports
	$(BIN)/python tools/lint_house.py
	$(BIN)/python tools/generate_docs.py --check
	$(BIN)/python tools/messages.py --check

bench: $(VENV)/installed ## the numbers of docs/benchmarks.md, side by side
	$(BIN)/python tools/bench.py

bench-growth: $(VENV)/installed ## what calls cost with 2,000, 200,000 and 1,000,000 accounts
	$(BIN)/python tools/bench_growth.py

docs: $(VENV)/installed ## generated documents: events, problems, configuration, AsyncAPI, OpenAPI
	$(BIN)/python tools/generate_docs.py

lock: $(VENV)/installed ## pin all dependencies with hashes
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 requirements.in -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 requirements-dev.in -o requirements-dev.lock

$(VENV)/installed: requirements-dev.lock $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Latchkey needs Python 3.11 or later ($(PYTHON) is older)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "This Python can't make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing what requirements-dev.lock names"
	@sed -n '/^uv==/,/^[a-z]/p' requirements-dev.lock | sed '$$d' > $(VENV)/uv.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	@$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(PACKAGES))
	@$(BIN)/python -m compileall -q libs services  # also where PYTHONDONTWRITEBYTECODE is set: six services start sooner
	@touch $@

.PHONY: help run free-port test lint bench bench-growth docs lock
