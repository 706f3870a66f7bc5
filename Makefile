# Two commands are enough on a fresh machine: `make demo` and `make test`.
# Everything is installed into .venv from requirements/dev.lock (docs/adr/0002-lock-and-make.md).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Any Python from 3.11 on; tried in this order when PYTHON is not given.
PYTHON ?= python3 python3.13 python3.12 python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# What the tests of the whole product use besides Python: names of commands, not of packages.
CI_TOOLS ?= kcat promtool chromium
PYTEST_ARGS ?=
# Give UPGRADE=--upgrade to move every pin to the newest version that fits.
UPGRADE ?=
RECOVERY_ROUNDS ?= 10

# pyright asks the network whether a newer version exists unless it is told not to.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

.PHONY: help install demo test lint types pytest recovery bench lock ci-tools clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.project-installed ## create .venv, with exactly the versions of the lock

# A virtual environment that was made but not finished has no stamp, so the next call repairs it.
$(VENV)/.created:
	@for python in $(PYTHON); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "creating $(VENV) with $$("$$python" --version)"; \
	    if "$$python" -m venv $(VENV); then touch $@; exit 0; fi; \
	    echo "$$python could not create a virtual environment (Debian and Ubuntu: install python3-venv)" >&2; \
	    exit 1; \
	  fi; \
	done; \
	echo "Elexirion needs Python 3.11 or newer; tried: $(PYTHON)." >&2; \
	echo "Install one, or name it: make install PYTHON=/path/to/python3.12" >&2; \
	exit 1

$(VENV)/.lock-installed: requirements/dev.lock $(VENV)/.created
	@echo "installing the locked dependencies (the first time takes a minute or two)"
	@$(PIP) install --quiet --require-hashes --only-binary :all: -r requirements/dev.lock
	@touch $@

# Without isolation the locked setuptools builds the project; nothing unlocked is fetched. It warns of any
# folder in the working directory that might hide a package, which the names elexirion.<room> rule out.
$(VENV)/.project-installed: pyproject.toml $(VENV)/.lock-installed
	@PYTHONWARNINGS=ignore $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## run an example pipeline through a real Kafka, without any key
	$(BIN)/elexirion run examples/demo.yaml --offline

test: install ## style, types and all tests
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory types
	@$(MAKE) --no-print-directory pytest

lint: install ## ruff: rules and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install ## mypy (strict) and pyright
	$(BIN)/mypy -p elexirion
	$(BIN)/pyright

pytest: install ## the tests alone; PYTEST_ARGS="-k name" selects
	$(BIN)/python -m pytest $(PYTEST_ARGS)

recovery: install ## kill workers and orchestrators, ten rounds each
	ELEXIRION_RECOVERY_ROUNDS=$(RECOVERY_ROUNDS) $(BIN)/python -m pytest tests/e2e/test_recovery.py $(PYTEST_ARGS)

bench: install ## measure hop, ten-step run, throughput and memory
	$(BIN)/elexirion bench steps

lock: install ## write requirements/*.lock anew from pyproject.toml
	$(COMPILE) --extra dev --output-file requirements/dev.lock pyproject.toml
	$(COMPILE) --constraints requirements/dev.lock --output-file requirements/runtime.lock pyproject.toml
	$(COMPILE) --constraints requirements/dev.lock --output-file requirements/build.lock requirements/build.in

ci-tools: ## install the commands that some tests use (Debian packages), where missing
	@.ci/tools $(CI_TOOLS)

clean: ## remove what builds, tests and type checkers leave behind
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environment as well
	rm -rf $(VENV) *.egg-info
