# `make run` serves, `make test` tests; both build .venv first. On a Debian machine nothing else is needed.

HOST ?= 127.0.0.1
PORT ?= 8000
BIN := .venv/bin

# Playwright's driver is linked to a library that neither Debian's smallest installations have nor Chromium brings.
INSTALL_LIBATOMIC = \
    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
        apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libatomic1 >/dev/null; \
    else \
        echo "Playwright's driver does not run here. On Debian: sudo apt-get install libatomic1" >&2; [ "$$CI" != true ]; \
    fi

.PHONY: help run test pictures check lint format readme card train bench clean

help: ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

run: .venv/run ## Serve on HOST:PORT (default 127.0.0.1:8000); TORCH=cuda installs torch for CUDA
	exec $(BIN)/maskscope serve --host '$(HOST)' --port '$(PORT)'

test: .venv/test ## All tests, those in a real Chromium too
	@sh .ci/chromium
	@$(BIN)/playwright --version >/dev/null 2>&1 || { $(INSTALL_LIBATOMIC); }
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

pictures: .venv/test ## Pictures of every page into screenshots/: a phone to a projector, light and dark
	@sh .ci/chromium
	$(BIN)/python -m pytest tests/browser --pictures --numprocesses logical --maxprocesses 4 --dist loadfile

check: lint test ## What CI runs: format, lint, types, and all tests (import contracts among them)

lint: .venv/test ## Format, lint and types, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/test ## Bring the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

readme: .venv/test ## Write what the README shows of the product and its measurements
	$(BIN)/python -m tests.readme_tables

card: .venv/test ## The picture that shared links show, of the page that `make run` serves
	$(BIN)/python -m tests.card 'http://$(HOST):$(PORT)/'

train: .venv/run ## Train all shipped models anew into model/trained/, and measure them
	for seed in 0 1 2; do $(BIN)/maskscope train worksheet --seed $$seed; done
	$(BIN)/maskscope gallery --train
	$(BIN)/maskscope padding --measure
	$(BIN)/maskscope train answers answers-scratch sums-direct sums-thought numbers-direct numbers-thought
	$(BIN)/maskscope dispatcher --measure
	$(BIN)/maskscope rates --measure
	$(BIN)/maskscope reasoning --measure
	$(BIN)/maskscope limits --measure
	$(BIN)/maskscope examples --measure

fuzz: .venv/test ## Ask the API what its OpenAPI allows and what it does not, at length
	FUZZ_EXAMPLES=300 $(BIN)/python -m pytest -q tests/app/api/test_fuzzed.py

bench: .venv/test ## The benchmarks of the README
	$(BIN)/maskscope bench
	$(BIN)/maskscope bench --training

clean: ## Remove all that was built
	rm -rf .venv static/vendor screenshots build dist *.egg-info .hypothesis .*_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# Each file says that its extra is installed. Both are gone while something is being installed, so a venv that has
# neither was interrupted half-way, and is made anew.
.venv/test: EXTRA := test
.venv/run .venv/test: pyproject.toml constraints.txt constraints-test.txt hatch_build.py .ci/install
	@test -e .venv/run || sh .ci/venv
	@rm -f .venv/run .venv/test
	sh .ci/install $(EXTRA)
	@touch .venv/run $@
