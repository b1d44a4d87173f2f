# Two commands matter: `make demo` shows the result, `make test` proves it.
# Both set up .venv first, on a machine with Python >= 3.11, pip and make.

PYTHON ?= python3
BIN := .venv/bin
PYTEST_ARGS ?=
# files of tests go to as many processes at once; tests that start Ray leave a core idle for seconds.
# None of them has more than one thread of OpenMP or OpenCV: those that wait for a core spin on the others'.
TEST_PROCESSES ?= 4
CHAOS_ARGS ?= --moments 50 --seed 1
FUZZ_ARGS ?= --seconds 60 --seed 1
BENCH_ARGS ?=
GPU_ARGS ?=
GPU_BUNDLE_ARGS ?=
MUTANTS_ARGS ?= --count 40 --seed 1

.PHONY: help demo test check lint types contracts unit browser chaos fuzz mutants bench gpu gpu-bundle schemas \
	surface surface-record format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

# modules are compiled once, also where the environment (as in many images) forbids to keep the result:
# what starts hundreds of processes compiled augment, Ray and SciPy in each of them
export PYTHONDONTWRITEBYTECODE :=

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

$(BIN)/python:
	$(PYTHON) -m venv .venv

# what the demo needs is a third of what the tests do, and modules are compiled when they are used
.venv/demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --no-compile -e '.[demo]'
	touch $@

.venv/ready: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[s3,test,demo]'
	touch .venv/demo $@

demo: .venv/demo  ## extend a long-tailed set of real handwritten digits; prints where the result is
	$(BIN)/python examples/digits/prepare.py --out data/digits
	$(BIN)/augment run jobs/digits.yaml
	$(BIN)/augment audit out/digits --sheet out/digits-sheet.png --report out/digits-report

test: check unit  ## every check and every test

check: lint types contracts surface  ## format, lint, types, import contracts, API breaks

lint: .venv/ready
	$(BIN)/ruff format --check augment jobs examples benchmarks tests
	$(BIN)/ruff check augment jobs examples benchmarks tests

types: .venv/ready
	$(BIN)/mypy

contracts: .venv/ready
	$(BIN)/lint-imports

surface: .venv/ready  ## compare what others build on with the last release; a break fails
	$(BIN)/python -m tests.surface

surface-record: .venv/ready  ## record it, with a release (CONTRIBUTING.md, An API break)
	$(BIN)/python -m tests.surface --record

unit: .venv/ready
	OMP_NUM_THREADS=1 OPENCV_FOR_THREADS_NUM=1 $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

browser: .venv/ready  ## look at reports in Chromium, which is installed where apt-get can
	command -v chromium || { apt-get update && apt-get install --yes --no-install-recommends chromium; }
	$(BIN)/python -m pytest tests/audit/report/test_browser.py

chaos: .venv/ready  ## kill random parts of running jobs at 50 moments; nothing may be lost or doubled
	$(BIN)/python -m tests.end_to_end.chaos $(CHAOS_ARGS)

fuzz: .venv/ready  ## give every reader of foreign bytes a minute of damaged ones; what it finds is kept
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

mutants: .venv/ready  ## put 40 small faults into the core, one at a time; nine of ten must fail a test
	$(BIN)/python -m tests.mutants $(MUTANTS_ARGS)

bench: .venv/ready  ## measure every benchmark against benchmarks/floors.toml; needs an idle machine
	$(BIN)/python benchmarks/floors.py $(BENCH_ARGS)

gpu: .venv/ready  ## what holds on a GPU and how fast, in 8 minutes (GPU_ARGS=--dry-run: on the CPU)
	$(BIN)/python benchmarks/gpu.py $(GPU_ARGS)

gpu-bundle: .venv/ready  ## wheels for a machine with a GPU that reaches no index, into .whl
	$(BIN)/python benchmarks/gpu_bundle.py $(GPU_BUNDLE_ARGS)

schemas: .venv/ready  ## write schemas/, docs/job.md and docs/families.md from the code
	$(BIN)/augment schema --write schemas
	$(BIN)/augment schema keys > docs/job.md
	$(BIN)/python -m tests.completeness > docs/families.md

format: .venv/ready  ## format the tree and fix what can be fixed
	$(BIN)/ruff format augment jobs examples benchmarks tests
	$(BIN)/ruff check --fix augment jobs examples benchmarks tests

clean:  ## remove what demo and test made, not the environment
	rm -rf data out pool .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
