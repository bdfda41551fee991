# One command each; every one of them sets up what it needs first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export NPS_WORKSPACE ?= $(CURDIR)/workspace
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DAGSTER_DISABLE_TELEMETRY := 1
export GX_ANALYTICS_ENABLED := false

.PHONY: help setup run full-refresh dev test bench lint format docs lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

# uv installs the hashed lock in seconds where pip takes minutes; uv itself comes by pip. Compiled here,
# once: where PYTHONDONTWRITEBYTECODE is set (as in many images) every run would spend ten seconds on it.
# The project itself is installed from this folder: that is where the command `nps` comes from.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

setup: $(STAMP) ## the virtual environment, from the lock

run: setup ## run the workspace (NPS_WORKSPACE, or the sample's) and publish it
	@$(BIN)/nps run

full-refresh: setup ## the same, every model rebuilt from the lake
	@$(BIN)/nps full-refresh

dev: setup ## Dagster's UI on loopback
	@$(BIN)/nps dev

test: setup ## all tests, on two cores
	@$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --durations=25

N ?= 1000000
bench: setup ## compare with a hand-written script, on N answers (N=1000000)
	@$(BIN)/python -m benchmarks.bench $(N)

lint: setup ## ruff, import contract, types, sqlfluff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy
	@$(BIN)/nps lint-sql

format: setup ## fix what the linters can fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup ## dbt's documentation of every model, in the workspace's runs/docs
	@$(BIN)/nps docs

lock: $(STAMP) ## resolve requirements.lock again from pyproject.toml
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra dev \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		pyproject.toml --output-file requirements.lock

clean: ## remove the sample workspace and the virtual environment
	rm -rf $(VENV) workspace target logs
