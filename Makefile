# make demo   one message to a virtual handset and back     make test   everything that must hold
# make lint   style, types, direction of imports            make docs   the site of the documentation
# make typescript   the TypeScript client, from the OpenAPI document
# make fuzz, make surface, make chaos, make bench, make compare   longer runs
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS   ?= 2

.PHONY: demo test lint docs bench chaos compare fuzz surface typescript clean

# The two stamps are the whole set-up: what a user needs, and what the tests need on top.
$(VENV)/.server: pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "Setting up $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing Heliograph ..."
	@PIP_CONSTRAINT=constraints.txt $(PIP) install -e ".[server]"
	@touch $@

$(VENV)/.dev: $(VENV)/.server
	@echo "Installing what the tests need ..."
	@PIP_CONSTRAINT=constraints.txt $(PIP) install -e ".[server,postgres,dev]"
	@touch $@

demo: $(VENV)/.server
	@$(BIN)/heliograph demo $(DEMO_ARGS)

test: $(VENV)/.dev
	@$(BIN)/python -m tests.suite -n $(JOBS) --dist loadfile tests $(TEST_ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check heliograph tests docs clients
	@$(BIN)/ruff format --check heliograph tests docs clients
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(VENV)/.dev
	@$(BIN)/python docs/site/build.py build/site
	@echo "The site is in build/site: open build/site/index.html"

bench: $(VENV)/.dev
	@$(BIN)/heliograph bench $(BENCH_ARGS)

chaos: $(VENV)/.dev
	@$(BIN)/heliograph bench --chaos $(CHAOS_ARGS)

compare: $(VENV)/.dev
	@$(BIN)/heliograph bench --compare $(COMPARE_ARGS)

fuzz: $(VENV)/.dev
	@$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

surface: $(VENV)/.dev
	@$(BIN)/python -m tests.surface.fuzzing $(SURFACE_ARGS)

typescript: $(VENV)/.dev
	@$(BIN)/python clients/typescript/build.py

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .hypothesis
