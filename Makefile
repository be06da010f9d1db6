# Everything a newcomer needs: `make demo`, `make test`, `make check`. Each sets itself up.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test fuzz lint check clean

demo: .venv/.installed
	$(BIN)/pubsub demo --script

test: .venv/.installed-test
	$(BIN)/python -m pytest -q -n 2

# Five minutes of anything on the wire; FUZZ="--seconds 3600 --seed 7" says otherwise.
fuzz: .venv/.installed-test
	$(BIN)/python -m tests.fuzz $(FUZZ)

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: test lint

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"Python 3.11 or later is needed, and $(PYTHON) is older; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: .venv/.made pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

.venv/.installed-%: .venv/.made pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[$*]'
	@touch $@ .venv/.installed
