# Each target makes what it needs on a fresh machine: python3 (3.11 or newer, with venv) and make are given.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
UV     := uv==0.13.9

.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-faults lint docs docs-pages bench prove-advise prove-gate prove-hazards prove-isolation prove-naive prove-orms prove-rewrites prove-upgrade prove-workload million format head-sql lock clean

help:            ## what can be made
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 18

# The lock file decides what is installed; a changed lock or pyproject.toml makes the environment again.
$(READY): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11; run: make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) has no venv; on Debian: apt-get install python3-venv" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(UV)"
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv sync --quiet --frozen --active --inexact --compile-bytecode
	@touch $@

demo: $(READY)   ## the whole job: seed, migrate, measure, race, report (ARGS="--profile medium")
	$(BIN)/inboxbench demo $(ARGS)

# A server for each of three processes, as each waits now and then; files stay whole, so that what a file shares is made once.
test: $(READY)   ## every test but the longest (ARGS="-k name")
	$(BIN)/pytest -n 3 --dist loadfile --benchmark-disable -m "not long" $(ARGS)

test-long: $(READY) ## the longest: all pairs of the messenger's functions, a death at every stamp
	$(BIN)/pytest -m long $(ARGS)

test-faults: $(READY) ## commands killed at 200 random moments, migrations at 50: what they leave: an hour (ARGS="--moments 20 --points 3")
	$(BIN)/python bench/proofs/prove_faults.py $(ARGS)

lint: $(READY)   ## ruff, mypy --strict, the import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/unit/test_layers.py

# Strict: a broken link, a page that no navigation names, and a generated page that is stale fail.
docs: $(READY)   ## the documentation site, in site/ (open site/index.html)
	$(BIN)/python .ci/docs --check
	$(BIN)/zensical build --clean --strict

docs-pages: $(READY) ## the generated pages of docs/ (RUN=reports/run.json for the demo's results)
	$(BIN)/python .ci/docs $(if $(RUN),--run $(RUN))

bench: $(READY)  ## the query families under pytest-benchmark
	$(BIN)/pytest bench $(ARGS)

prove-advise: $(READY) ## what `advise` proposes for TPC-H beside its peers, by processor time (ARGS="--url … --queries DIR --server bin:DIR")
	$(BIN)/python bench/proofs/prove_advise.py $(ARGS)

prove-gate: $(READY) ## the gate against 24 injected regressions, then 200 runs of nothing and 200 times: hours (RUNS=20)
	$(BIN)/python bench/proofs/prove_gate.py catalogue
	$(BIN)/python bench/proofs/prove_gate.py times --runs $(or $(RUNS),200)
	$(BIN)/python bench/proofs/prove_gate.py counters --runs $(or $(RUNS),200)
	$(BIN)/python bench/proofs/prove_gate.py counters --runs $(or $(RUNS),200) --neighbours 2 --output bench/results/gate.md

prove-hazards: $(READY) ## what 85 operations lock, rewrite, scan and block, held against a catalogue: minutes (ARGS="embedded bin:DIR")
	$(BIN)/python bench/proofs/prove_hazards.py $(ARGS)

prove-isolation: $(READY) ## `race spec` beside PostgreSQL's isolationtester on a folder of specs (ARGS="…/src/test/isolation --server bin:DIR")
	$(BIN)/python bench/proofs/prove_isolation.py $(ARGS)

prove-naive: $(READY) ## the messenger's history beside the same changes written naively, under traffic (ARGS="--dataset medium")
	$(BIN)/python bench/proofs/prove_naive.py $(ARGS)

prove-orms: $(READY) ## race explore on Django 4.2 to 5.2, each in an environment of its own (ARGS="4.2")
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/proofs/prove_orms.py $(ARGS)

prove-rewrites: $(READY) ## every rewrite beside what was written, on a million rows under traffic: 7 minutes
	$(BIN)/python bench/proofs/prove_rewrites.py $(ARGS)

prove-upgrade: $(READY) ## an upgrade rehearsed: 20 planted flips are seen, the same twice 50 times raises nothing: 15 minutes (ARGS="--same 5")
	$(BIN)/python bench/proofs/prove_upgrade.py $(ARGS)

prove-workload: $(READY) ## what becomes of a workload: coverage of three applications, and the ranking of index sets by it: minutes
	$(BIN)/python bench/proofs/prove_workload.py $(ARGS)

million: $(READY) ## a million claims, none twice: minutes (ARGS="--output FILE.md")
	$(BIN)/inboxbench race million $(ARGS)

format: $(READY) ## ruff's formatting and fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

head-sql: $(READY) ## schema/head.sql from the migrations
	$(BIN)/inboxbench schema dump --write

lock: $(READY)   ## resolve uv.lock again within the ranges of pyproject.toml
	$(BIN)/uv lock --upgrade

clean:           ## remove the environment, caches, reports, the built site and packages
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks .cache reports site dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
