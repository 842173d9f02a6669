# Two commands: `make demo` runs the main job, `make test` passes the tests; each sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test slow lint peers bench clean

demo: $(VENV)/.product
	$(BIN)/python -m examples.mnist.demo

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -q

# What takes minutes: the laws with many examples, large networks, the real peer packages.
slow: $(VENV)/.dev peers
	SNNC_EXAMPLES=300 $(BIN)/python -m pytest -q tests/laws
	$(BIN)/python -m pytest -q -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# PAIBox is GPL: it runs as a tool of its own, in an environment of its own, and is never imported.
peers: .venv-paibox/.ready

bench: $(VENV)/.dev peers
	$(BIN)/snnc bench compile --peer .venv-paibox/bin/python

.venv-paibox/.ready:
	$(PYTHON) -m venv .venv-paibox
	.venv-paibox/bin/python -m pip install --quiet paibox==1.3.0 paicorelib==1.5.1
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.product: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $(VENV)/.product $@

clean:
	rm -rf $(VENV) .venv-paibox build *.egg-info
