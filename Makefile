# Each target sets up what it needs in .venv, once; a later run starts at once.
#   make test JOBS=1              the tests in one process (two is the default; needs 6 GB)
#   make test ARGS="-k langevin"  arguments for pytest, or for the benchmark
#   make test PYTHON=/path/to/python3.11

# The first of a version's names that runs and can make a virtual environment. A name on PATH alone
# proves nothing: pyenv puts shims there also for versions that are not selected.
CAN_MAKE_VENV = import ensurepip, sys, venv; sys.exit("%d.%d" % sys.version_info[:2] != "$(1)")
FIND_PYTHON = $(shell for p in python$(1) python3 "$$(pyenv root 2>/dev/null)"/versions/$(1)*/bin/python; \
    do "$$p" -c '$(CAN_MAKE_VENV)' 2>/dev/null && { echo "$$p"; break; }; done)

PYTHON ?= $(or $(call FIND_PYTHON,3.11),python3)
PYTHON312 ?= $(call FIND_PYTHON,3.12)
VENV ?= .venv

PY = $(VENV)/bin/python
PIP = $(PY) -m pip --disable-pip-version-check
PINS = constraints/python-$$($(PY) -c 'import sys; print("3.11" if sys.version_info < (3, 12) else "3.12")').txt
JOBS ?= 2
# A file's tests share programs and fixtures, so they stay in one process.
PYTEST = $(PY) -m pytest $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist loadfile) $(ARGS)
# XLA compiles for most of the tests' time. In `make test`, which runs at each change, it does so without
# its newest code generator and, where numbers are not the subject, LLVM's passes; see conftest.py.
# All other targets compile as users do, `make test-all` too: a later XLA may not know the option.
QUICK_XLA = XLA_FLAGS="$$XLA_FLAGS --xla_cpu_use_fusion_emitters=false" JAX_DISABLE_MOST_OPTIMIZATIONS=1
IN_312 = $(MAKE) VENV=.venv-3.12 PYTHON="$(PYTHON312)" QUICK_XLA=

# `make gpu` runs in the environment that has a jax for the accelerator, and must not replace it: the
# library runs from here, and what else it needs goes into a folder of its own, without dependencies.
JAX_PYTHON ?= $(shell for p in python3 python; do \
    "$$p" -c 'import jax' 2>/dev/null && { command -v "$$p"; break; }; done)
GPU_PACKAGES = .cache/gpu-packages
WITH_JAX = PYTHONPATH="$(CURDIR):$(GPU_PACKAGES)" $(JAX_PYTHON)

.DEFAULT_GOAL := help
.NOTPARALLEL:  # two pips at work on one environment break it
.PHONY: help demo test test-slow test-all bench gpu docs notebooks lint format mutants constraints clean peers \
    pins have-312

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.installed-bench  ## train real networks with our methods and with SGD, Adam, RMSprop
	$(PY) -m benchmarks demo $(ARGS)

test: $(VENV)/.installed-test  ## run the tests, except the slow ones
	$(QUICK_XLA) $(PYTEST)

test-slow: $(VENV)/.installed-test  ## run the long statistics and trainings
	$(PYTEST) -m slow

test-all: have-312 test  ## run the tests, then run them on Python 3.12 with the newest jax allowed
	$(IN_312) test

bench: $(VENV)/.installed-bench peers  ## time the updates next to those of optax, blackjax and posteriors
	$(PY) -m benchmarks updates $(ARGS)

gpu:  ## check and time this machine's accelerator, with the jax that is installed, in 8 minutes
	@test -n "$(JAX_PYTHON)" && $(JAX_PYTHON) -c 'import jax' 2>/dev/null || { \
	    echo "No jax: neither python3 on PATH nor JAX_PYTHON imports it. Name one that does:" \
	    "make gpu JAX_PYTHON=/path/to/python" >&2; exit 1; }
	@$(WITH_JAX) -c 'import optax' 2>/dev/null || { echo "Installing optax into $(GPU_PACKAGES)."; \
	    $(JAX_PYTHON) -m pip --disable-pip-version-check install -q --no-deps \
	        --target $(GPU_PACKAGES) 'optax>=0.2.8' absl-py; } || { echo "optax, the only thing" \
	    "that is needed besides jax, cannot be had. Offline, install optax and absl-py from wheels:" \
	    "$(JAX_PYTHON) -m pip install --no-deps --target $(GPU_PACKAGES) optax-*.whl absl_py-*.whl" >&2; \
	    exit 1; }
	@$(WITH_JAX) -m benchmarks gpu $(ARGS)

docs: $(VENV)/.installed-docs  ## build the documentation: build/docs/index.html
	$(PY) -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "Open build/docs/index.html"

notebooks: $(VENV)/.installed-notebooks  ## execute the notebooks whose .py has changed (all: ARGS=--all; some: ARGS=their names)
	$(PY) docs/execute_notebooks.py $(ARGS)

lint: $(addprefix $(VENV)/.installed-,test bench docs lint)  ## check style, types, import directions and the pages' markup
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m pyright --pythonpath $(PY)
	$(PY) -m pytest -q tests/test_architecture.py
	$(PY) -m sphinx -W --keep-going -q -b html docs build/docs

format: $(VENV)/.installed-lint  ## sort the imports and lay out the code
	$(PY) -m ruff check --select I --fix
	$(PY) -m ruff format

mutants: $(VENV)/.installed-test  ## plant known defects one at a time: each must be caught
	$(PY) -m tests.mutants $(ARGS)

constraints: have-312 pins  ## resolve the pinned versions anew, for Python 3.11 and 3.12
	$(IN_312) pins

clean:  ## remove the environments and caches; results/ stays
	rm -rf .venv .venv-3.12 .cache .pytest_cache .ruff_cache build dist docs/notebooks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

pins: $(PY)
	$(PY) constraints/resolve.py

have-312:
	@test -n "$(PYTHON312)" || { echo "No working Python 3.12 on PATH or under pyenv." \
	    "Name one: make $(MAKECMDGOALS) PYTHON312=/path/to/python3.12" >&2; exit 1; }

# The peers are compared with where they can be had; the benchmark runs without them too.
peers: $(VENV)/.installed-bench
	@for peer in blackjax posteriors; do \
	    $(PY) -c "import importlib.util as u, sys; sys.exit(not u.find_spec('$$peer'))" && continue; \
	    echo "Installing $$peer into $(VENV), to compare with."; \
	    $(PIP) install -q -c $(PINS) $$peer 2>$(VENV)/peers.log \
	        || echo "$$peer is left out: $$(grep -m 1 ERROR $(VENV)/peers.log)"; \
	done

# One stamp for each extra: pip runs again only when the requirements or the pins have changed.
$(VENV)/.installed-%: pyproject.toml $(wildcard constraints/*.txt) | $(PY)
	@echo "Installing thermo_optax[$*] into $(VENV); the first time this takes minutes."
	@$(PIP) install -q -c $(PINS) -e '.[$*]'
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "thermo_optax needs" \
	    "Python 3.11 or later. Name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
