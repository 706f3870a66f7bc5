# Two commands are enough on a fresh machine: `make demo` and `make test`.
# Everything is installed into .venv from requirements/dev.lock (docs/adr/0002-lock-and-make.md).

SHELL := /bin/bash
# Also for what tests call: they read the last line that make says.
MAKEFLAGS += --no-print-directory
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
# How many files of tests run at the same time; each of these processes has a broker of its own.
JOBS ?= 3
# Give UPGRADE=--upgrade to move every pin to the newest version that fits.
UPGRADE ?=
RECOVERY_ROUNDS ?= 10
# Workers that are killed, some at a time, over a log with so many open runs; events of the log of `make takeover`.
KILLS ?= 50
OPEN ?= 1000
EVENTS ?= 1000000
RUNS ?=
MINUTES ?=
SEED ?=
BROKER_KILL_EVERY_S ?=
# Runs a second of a soak; unset: 0.6 of what the machine sustains. JSON=1 for one JSON document.
RATE ?=
JSON ?=
# Simulated worlds; 100000 for the long form.
SEEDS ?= 1000

# pyright asks the network whether a newer version exists unless it is told not to.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

.PHONY: help install demo test lint types pytest simulate storm soak recovery takeover bench lock ci-tools clean distclean

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

# The lock is complete, so pip resolves nothing: a resolver before pip 23.3 takes the newest release of what is
# asked for with an extra, not the locked one, and so fails on the day such a release appears.
$(VENV)/.lock-installed: requirements/dev.lock $(VENV)/.created
	@echo "installing the locked dependencies (the first time takes a minute or two)"
	@$(PIP) install --quiet --no-deps --require-hashes --only-binary :all: -r requirements/dev.lock
	@$(PIP) check >/dev/null
	@touch $@

# Without isolation the locked setuptools builds the project; nothing unlocked is fetched. It warns of any
# folder in the working directory that might hide a package, which the names elexirion.<room> rule out.
$(VENV)/.project-installed: pyproject.toml $(VENV)/.lock-installed
	@PYTHONWARNINGS=ignore $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## run an example pipeline through a real Kafka, without any key
	$(BIN)/elexirion run examples/demo.yaml --offline

# Both parts run, whatever the first one says: whoever reads the report sees all that is wrong.
test: install ## style, types and all tests: JOBS files at a time, then, two at a time, those that measure
	@$(MAKE) lint
	@$(MAKE) types
	@failed=0; \
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile -m "not quiet" $(PYTEST_ARGS) || failed=1; \
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m quiet $(PYTEST_ARGS) || failed=1; \
	exit $$failed

lint: install ## ruff: rules and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install ## mypy (strict) and pyright
	$(BIN)/mypy -p elexirion
	$(BIN)/pyright

pytest: install ## tests one after another; PYTEST_ARGS="-k name" selects
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# All parameters: the fields of Plan in tests/chaos/storm.py, such as ELEXIRION_STORM_FREEZE_EVERY_S=20.
storm: install ## kill processes at random under load, heal, check: RUNS=200 MINUTES=1 SEED=1
	ELEXIRION_STORM_RUNS=$(RUNS) ELEXIRION_STORM_MINUTES=$(MINUTES) ELEXIRION_STORM_SEED=$(SEED) \
	  ELEXIRION_STORM_BROKER_KILL_EVERY_S=$(BROKER_KILL_EVERY_S) \
	  $(BIN)/python -m pytest -s tests/chaos/test_storm.py $(PYTEST_ARGS)

soak: install ## steady load for MINUTES=30: what grows, what gets slower, then the log is checked; RATE=runs a second
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),30) $(if $(RATE),--rate $(RATE)) $(if $(JSON),--json)

simulate: install ## live through SEEDS simulated worlds, JOBS at a time; SEED=123 shows one of them again
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --jobs $(JOBS))

recovery: install ## kill workers, orchestrators and the broker: ten rounds each, and KILLS=50 workers over OPEN=1000 open runs
	ELEXIRION_RECOVERY_ROUNDS=$(RECOVERY_ROUNDS) ELEXIRION_TAKEOVER_KILLS=$(KILLS) ELEXIRION_TAKEOVER_OPEN=$(OPEN) \
	  $(BIN)/python -m pytest -s tests/takeover tests/e2e/test_recovery.py \
	    tests/chaos/test_recovery_of_broker.py $(PYTEST_ARGS)

takeover: install ## start orchestrators over a log of EVENTS=1000000 with OPEN=1000 open runs
	$(BIN)/python -m tests.takeover --events $(EVENTS) --open $(OPEN)

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
