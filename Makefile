# Everything a newcomer needs: `make demo`, `make test`, `make check`. Each sets itself up.
# Three test processes for two cores: much of what they do is waiting.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test slow fuzz faults kills lint check pictures clean benchmarks peers growth scaling

demo: .venv/.installed
	$(BIN)/pubsub demo

test: .venv/.installed-test
	$(BIN)/python -m pytest -q -n 3 -m "not slow"

# Soaks, kills again and again, faults one after another, clusters, most frames, a browser.
slow: .venv/.installed-test
	$(BIN)/python -m pytest -q -n 3 -m slow

# Five minutes of anything on the wire; FUZZ="--seconds 3600 --seed 7" says otherwise.
fuzz: .venv/.installed-test
	$(BIN)/python -m tests.fuzz $(FUZZ)

# Five minutes of kills, cuts, freezes and floods under load, checked; SEED=7 replays a round.
faults: .venv/.installed-test
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED) --seconds 0) $(FAULTS)

# A thousand kill -9 under load, checked; KILLS=100 is sooner done.
KILLS ?= 1000
kills: .venv/.installed-test
	$(BIN)/python -m tests.faults --kills $(KILLS) $(if $(SEED),--seed $(SEED))

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: test slow lint

pictures: .venv/.installed
	PYTHONPATH=. $(BIN)/python docs/pictures.py

# Figures for docs/benchmarks.md. They mean something on a machine that does nothing else.
benchmarks: .venv/.installed
	$(BIN)/pubsub bench --markdown > docs/benchmarks/version-1.tmp
	mv docs/benchmarks/version-1.tmp docs/benchmarks/version-1.md
	$(BIN)/pubsub bench --version 2 --markdown > docs/benchmarks/version-2.tmp
	mv docs/benchmarks/version-2.tmp docs/benchmarks/version-2.md

# The same beside Redis and NATS: apt-get install redis-server nats-server.
peers: .venv/.installed
	$(BIN)/python -m bench.peers --markdown > docs/benchmarks/peers.tmp
	mv docs/benchmarks/peers.tmp docs/benchmarks/peers.md

# Several brokers on one PostgreSQL, and on NATS JetStream.
scaling: .venv/.installed
	$(BIN)/python -m bench.scaling --markdown > docs/benchmarks/scaling.tmp
	mv docs/benchmarks/scaling.tmp docs/benchmarks/scaling.md

growth: .venv/.installed
	$(BIN)/python -m bench.growth docs/benchmarks

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
