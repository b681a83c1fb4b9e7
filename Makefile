# make run   serves sessions, with a page to talk in and one to watch them; make run PORT=8080
# make load  hosts 200 recorded dialogues, and checks what was kept of them
# make test  runs the tests
# make sim   plays 10,000 random workloads against every promise
#
# Each sets up .venv first: from python3, or from another one with make PYTHON=python3.13.

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
# Made last, so that a set-up that was interrupted is made again; older than pyproject.toml, too.
CLI := $(VENV)/.greenroom-cli
DEV := $(VENV)/.greenroom-dev
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# A .venv that works is kept as it is. One that is half made, too old or broken is made anew.
WORKS := $(BIN)/python -c 'import pip; $(NEW_ENOUGH)' 2>/dev/null
BROKEN := $(if $(shell $(WORKS) && echo yes),,force)

.PHONY: run load test sim check bench-smoke bench clean venv force

run: $(CLI)
	mkdir -p .run
	@$(BIN)/greenroom serve --dev --port $(PORT) --journal sqlite:///.run/greenroom.db

load: $(CLI)
	mkdir -p .run && rm -f .run/load.db*
	$(BIN)/greenroom load tests/data/dialogues.jsonl.gz --journal sqlite:///.run/load.db --verify

test: $(DEV)
	$(BIN)/pytest -n 2

sim: $(CLI)
	$(BIN)/greenroom sim --seeds 10000 --jobs 2

check: $(DEV) .dev/greenroom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=.dev $(BIN)/mypy -p greenroom.actors -p greenroom.supervisor -p greenroom.adapters -m greenroom -m greenroom.client -m greenroom.testing -m greenroom.web

bench-smoke: $(DEV)
	$(BIN)/python tests/bench/all.py --smoke
	$(BIN)/python tests/bench/soak.py --smoke

bench: $(DEV)
	mkdir -p .bench
	$(BIN)/python tests/bench/all.py --json .bench/figures.json --plots .bench

clean:
	rm -rf $(VENV) .run .bench .dev/greenroom build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(CLI): pyproject.toml $(BROKEN)
	@$(WORKS) || $(MAKE) --no-print-directory venv
	$(BIN)/python -m pip install --quiet --editable '.[cli,client,tui,web]'
	touch $@

$(DEV): pyproject.toml $(BROKEN)
	@$(WORKS) || $(MAKE) --no-print-directory venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(CLI) $@

venv:
	@$(PYTHON) -c '$(NEW_ENOUGH)' || \
		{ echo 'greenroom needs Python 3.11 or newer; name one with: make PYTHON=python3.11' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

# The root is the package: mypy finds it by this name.
.dev/greenroom:
	mkdir -p .dev && ln -sfn .. $@
