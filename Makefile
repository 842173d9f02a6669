# Two commands: `make demo` runs the main job, `make test` passes the tests; each sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
TORCH_TESTS := tests/unit/frontends/pytorch
NIR_TESTS := $(addprefix tests/unit/frontends/nir/test_,frameworks.py package.py)

.PHONY: demo test slow lint peers frameworks lynxi bench clean

demo: $(VENV)/.product
	$(BIN)/python -m examples.mnist.demo

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -q -n 2

# What takes minutes: the laws with many examples, large networks, the real peer packages, and the
# frameworks of PyTorch.
slow: $(VENV)/.dev peers frameworks
	SNNC_EXAMPLES=300 $(BIN)/python -m pytest -q tests/laws
	$(BIN)/python -m pytest -q -m slow
	.venv-torch/bin/python -m pytest -q -m "" $(TORCH_TESTS) $(NIR_TESTS) tests/unit/frontends/bidl tests/unit/runtime/torch_engine tests/examples/test_pytorch.py tests/examples/test_leaky.py tests/examples/test_dynapcnn.py tests/examples/test_lynxi.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# PAIBox is GPL: it runs as a tool of its own, in an environment of its own, and is never imported.
peers: .venv-paibox/.ready

# Torch and the four frameworks, whose requirements exclude each other, in an environment of theirs.
frameworks: .venv-torch/.ready

# The tutorial's network of Lynxi, its files emulated in both profiles: on the 10,000 test images of
# MNIST=FOLDER, which holds them as published, else on 1,000 that are here.
T10K := build/t10k.npz
lynxi: .venv-torch/.ready
	$(if $(MNIST),.venv-torch/bin/python -m examples.mnist.idx $(MNIST) $(T10K))
	.venv-torch/bin/snnc sweep examples/lynxi/tutorial.py:build \
	  --checkpoint examples/lynxi/tutorial.safetensors --set seed=0 -t lynxi --grid profile=f32,f16 \
	  --data $(if $(MNIST),$(T10K),examples/mnist/test1000.npz) --scale 255 --ticks 20 --hold --jobs 2

bench: $(VENV)/.dev peers frameworks
	$(BIN)/snnc bench compile --peer .venv-paibox/bin/python
	$(BIN)/snnc bench map --peer .venv-paibox/bin/python
	$(BIN)/snnc bench sim --torch .venv-torch/bin/python --paibox .venv-paibox/bin/python

.venv-paibox/.ready:
	$(PYTHON) -m venv .venv-paibox
	.venv-paibox/bin/python -m pip install --quiet paibox==1.3.0 paicorelib==1.5.1
	touch $@

# Norse is built from source, which asks git for its version where none is told.
.venv-torch/.ready: pyproject.toml $(TORCH_TESTS)/environment.txt $(TORCH_TESTS)/frameworks.txt
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet -r $(TORCH_TESTS)/environment.txt --editable .
	SETUPTOOLS_SCM_PRETEND_VERSION_FOR_NORSE=1.1.0 \
	.venv-torch/bin/python -m pip install --quiet --no-deps -r $(TORCH_TESTS)/frameworks.txt
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
	rm -rf $(VENV) .venv-paibox .venv-torch build *.egg-info
