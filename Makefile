# Panorad: everything a checkout does. `make` alone tells what there is.
PYTHON ?= python3
JOBS ?= 2
ARGS ?=

BIN := .venv/bin
VIEWER := .viewer/panorad-viewer.json
PROVIDER := .provider/ready
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --only-binary :all: --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup system demo test lint unit acceptance screenshots bench bench-tiny lock clean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

setup: .venv/ready-test $(VIEWER) $(PROVIDER) system  ## Make .venv, fetch the viewer, install the programs that the tests use
	@echo "Ready: $(BIN)/panorad --help"

demo: .venv/ready-runtime $(VIEWER)  ## Start a center with three institutions and real images (ARGS="--help" for choices)
	@exec $(BIN)/python -m panorad.testing.demo $(ARGS)

test: setup lint unit acceptance bench-tiny  ## Set up and check everything: style, types, imports, tests, tiny benches

lint: .venv/ready-test  ## Style, types, import contracts and house rules
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.lint

unit: .venv/ready-test  ## Unit and property tests
	$(BIN)/pytest -n $(JOBS) --dist loadfile --ignore tests/acceptance --ignore tests/browser $(ARGS)

acceptance: .venv/ready-test $(VIEWER)  ## Acceptance and browser tests: the whole center, one test at a time
ifneq ($(wildcard tests/acceptance/test_*.py tests/browser/test_*.py),)
	$(BIN)/pytest $(wildcard tests/acceptance tests/browser) $(ARGS)
endif

screenshots: .venv/ready-test $(VIEWER)  ## Write the pictures of the README anew (fetches a public CT)
	PANORAD_SCREENSHOTS=docs/images $(BIN)/pytest tests/browser/test_screenshots.py $(ARGS)

bench: .venv/ready-test  ## Measure at full size, with the rivals beside us (ARGS="--help" for choices)
	$(BIN)/python -m bench $(ARGS)

bench-tiny: .venv/ready-test
ifneq ($(wildcard bench/__main__.py),)
	$(BIN)/python -m bench --tiny
endif

lock: .venv/ready-test  ## Pin the newest allowed releases, with hashes, in requirements/
	$(COMPILE) --upgrade --extra demo --group build -o requirements/runtime.txt
	$(COMPILE) --upgrade --extra demo --group build --group test --group lock -c requirements/runtime.txt -o requirements/test.txt
	$(BIN)/uv pip compile --group node --universal --python-version 3.11 --only-binary :all: --generate-hashes \
		--no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --upgrade -o requirements/node.txt

clean:  ## Remove what setup made (not the demo's data)
	rm -rf .venv .venv.old-* .viewer .viewer.partial-* .provider .provider.partial-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

system:
	@$(PYTHON) tools/setup_system.py

.venv/ready-runtime: requirements/runtime.txt pyproject.toml tools/environment.py
	@$(PYTHON) tools/environment.py runtime

.venv/ready-test: requirements/runtime.txt requirements/test.txt pyproject.toml tools/environment.py
	@$(PYTHON) tools/environment.py test

$(VIEWER): tools/fetch_viewer.py requirements/node.txt | .venv/ready-runtime
	@$(BIN)/python tools/fetch_viewer.py

$(PROVIDER): tools/fetch_provider.py tools/provider/package-lock.json requirements/node.txt | .venv/ready-runtime
	@$(BIN)/python tools/fetch_provider.py
