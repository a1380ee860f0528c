# Everything sets itself up: a Python from 3.11 on and a package index are enough.
#   make run        start Tieout            make test       all tests but the long ones
#   make dev        the same, with reload   make test-fast  under a minute, while you work
#   make lint       style, types, floors    make test-deep  long fault runs
#   make bench      the numbers             make pins       write requirements*.txt anew
#   make soak       twenty minutes of work, each process killed once: docs/soak.md

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && exit; done; echo python3)
PY := .venv/bin/python
# Without compiled modules beside the sources each of our processes would compile a thousand of them again.
unexport PYTHONDONTWRITEBYTECODE
# Three at a time, also on two cores: much of a test is waiting for processes and browsers.
PYTEST := $(PY) -m pytest -n 3 --dist loadgroup
# Only folders that hold code: mypy refuses empty ones.
TYPED := finops_core $(wildcard app.py) $(sort $(dir $(wildcard ui/*.py pages/*.py)))

.DEFAULT_GOAL := help
.PHONY: help run dev test test-fast test-deep bench soak lint migration pins environment tools browser clean

help:
	@sed -n 's/^#   //p' Makefile

run: environment
	@exec $(PY) -m streamlit run app.py

dev: environment
	@exec $(PY) -m streamlit run app.py --server.fileWatcherType auto --server.runOnSave true

test: lint browser
	$(PYTEST) -m "not deep"

test-fast: lint
	$(PYTEST) -m "not slow and not browser and not deep"

# Deep tests that are there must run: pytest's "nothing collected" (5) passes only while nothing is marked deep.
test-deep: browser
	$(PYTEST) -m deep --timeout 1200 || { code=$$?; [ $$code -eq 5 ] && ! grep -rq --include='*.py' 'mark\.deep' tests \
		&& echo "There are no deep tests yet." || exit $$code; }

bench: browser
	$(PY) -m tests.bench

# SOAK_MINUTES=2 SOAK_REPORT=soak.md make soak: a short one, whose report stands elsewhere.
soak: browser
	$(PY) -m tests.soak

lint: tools
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy $(TYPED)
	.venv/bin/lint-imports

pins: tools
	$(PY) -m tests.tools.pins $(if $(UPGRADE),--upgrade)

# A new migration from what the models and the newest migration differ in: make migration NAME="what changes"
migration: tools
	$(PY) -m tests.tools.migration $(NAME)

environment:
	@$(PYTHON) tests/tools/environment.py run

tools:
	@$(PYTHON) tests/tools/environment.py dev

browser: tools
	@$(PY) -m tests.tools.browser

# Leaves data/var (your data) alone.
clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest_cache dist build test-artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
