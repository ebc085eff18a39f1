# phasegate: `make demo` shows it, `make test` proves it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BAD ?= errors
KEEP ?=
TARGET ?= python
# As a plain path: the import hook of setuptools' usual way costs every Python of the environment 20 ms.
EDITABLE := --config-settings editable_mode=compat -e .
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
# A process of a release imports some 1,500 modules; compiling them anew at each start doubles its time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install toolchain demo test lint bench bench-chaos bench-judge lock schema clean

help:
	@echo "make demo [BAD=latency|errors|health|crash|endpoint|subtle] [KEEP=1] [TARGET=workerd]   release a good and a bad version"
	@echo "make test     every test            make lint      ruff, mypy, import-linter"
	@echo "make toolchain  wrangler and workerd, for Workers in JavaScript (TARGET=workerd)"
	@echo "make bench    orchestration, splitter, start-up, ledger"
	@echo "make bench-judge   the judge beside five others: delays, false rollbacks, costs"

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLE) ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(EDITABLE) ; \
	fi
	@touch $@

# Wrangler and workerd, for Workers in JavaScript; quick when they are there.
toolchain: install
	@bash toolchain/install.sh

demo: install
	@if [ "$(TARGET)" = workerd ]; then bash toolchain/install.sh; fi
	@$(BIN)/python -m examples.demo --bad $(BAD) --target $(TARGET) $(if $(KEEP),--keep)

test: install
	@bash tests/prepare.sh
	@bash tests/run.sh $(BIN)/python

lint: install
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

# Half an hour: the whole kill table and a sample of the one with Prefect, the model, how long a breach lasts, how many
# releases a keeper watches. By name alone: PART=prefect-all (hours), PART=crowd (200 releases with Prefect).
bench-chaos: install
	@$(BIN)/python -m benchmarks.chaos $(PART)

bench: install
	@$(BIN)/python -m benchmarks.run

bench-judge: install
	@$(BIN)/python -m benchmarks.judge

# Needs uv. Versions and hashes only: no address of any index may stand in the lock.
lock:
	@$(BIN)/uv pip compile pyproject.toml --extra test --extra build --universal --generate-hashes \
	  --no-emit-index-url --python-version 3.11 --quiet -o requirements.lock

schema: install
	@$(BIN)/phasegate plan schema > deployments/plans/schema.json

clean:
	rm -rf $(VENV) .toolchain .phasegate .pytest_cache .mypy_cache .ruff_cache build *.egg-info
