# Two commands do all set-up: `make demo` and `make test`. They need Python >= 3.11 and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# torch goes in first and by exact version: a looser request may fetch gigabytes for a GPU.
TORCH := $(shell sed -n '/^torch==/p' constraints.txt)

.PHONY: demo test lint types unit clean

demo: $(VENV)/.demo
	$(BIN)/deweather demo --out demo

test: lint types unit

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.test
	$(BIN)/mypy

unit: $(VENV)/.test
	$(BIN)/python -m pytest

$(VENV)/.torch: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install "$(TORCH)"
	touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.torch
	$(PIP) install --constraint constraints.txt --editable '.[demo]'
	touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.torch
	$(PIP) install --constraint constraints.txt --editable '.[demo,train,test]'
	touch $@

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
