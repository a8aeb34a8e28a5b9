# `make help` lists what can be made. Python: make PYTHON=/path/to/python3.12 …; test processes: make test JOBS=8

SHELL := /bin/sh
BIN := .venv/bin
INSTALLED := .venv/.installed
JOBS ?= 2
export PYTHON

# One thread a training: as many trainings at once as there are cores, and the same bits on every number of cores.
DEMO := --configfile config/demo.yaml --cores all --set-threads train=1 predict=1
SOURCES := ham tests envs workflow/scripts benchmarks
# Two processes of one thread each do more on two cores than one process of two; and one thread gives the same bits everywhere.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: install demo watch package test test-sample check bench mutants kills lock clean help

install: $(INSTALLED) ## Set up .venv, and nothing else (demo and test do it by themselves)
	@printf 'Once a terminal:        source .venv/bin/activate\n'
	@printf 'Then, say:              snakemake -n\n'

demo: $(INSTALLED) ## The whole pipeline on drawn radiographs, without GPU or download (about 15 minutes)
	$(BIN)/snakemake all $(DEMO) --rerun-incomplete
	@printf '\nRead the report:        %s results/phantom/report.html\n' "$$(command -v xdg-open || echo open)"
	@printf 'Once a terminal:        source .venv/bin/activate\n'
	@printf 'Run again what changed: snakemake all $(DEMO)\n'
	@printf "Snakemake's own report: snakemake all $(DEMO) --report report.zip\n"

watch: $(INSTALLED) ## All trainings and the time left, until Ctrl-C
	@printf 'Curves and attention maps: $(BIN)/tensorboard --logdir results/.resume\n'
	@$(BIN)/ham watch

WITH ?=
package: $(INSTALLED) ## Results as one archive to publish; of other settings: make package WITH='--configfile mine.yaml'
	$(BIN)/snakemake package --cores all $(WITH)

test: $(INSTALLED) ## All tests that need nothing from outside
	HAM_NO_SKIPS=1 $(PYTEST) -m "not sample"

test-sample: $(INSTALLED) ## The tests on a partial NIH download (CONTRIBUTING.md says where it is looked for)
	$(PYTEST) -m sample

check: $(INSTALLED) ## Format, lint and types of Python and Snakemake files; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

bench: $(INSTALLED) ## Speed of the steps that take the time, one line each
	@set -e; for script in benchmarks/*.py; do echo "$$script"; $(BIN)/python "$$script"; done

MUTANTS ?= 20
mutants: $(INSTALLED) ## Whether tests see single changes of the code that decides numbers (hours for all: MUTANTS=1000)
	OMP_NUM_THREADS=1 $(BIN)/python tests/mutants.py --count $(MUTANTS)

kills: $(INSTALLED) ## Kill a training at twenty random moments and compare what it ends with (half an hour)
	$(BIN)/python tests/kills.py build/kills

lock: $(INSTALLED) ## Rewrite the pins in envs/ after a change of pyproject.toml (UPGRADE=--upgrade: the newest of all)
	$(BIN)/python envs/generate.py $(UPGRADE)

clean: ## Remove caches and the demo's results; data sets and other results stay
	rm -rf results/phantom results/.resume/phantom datasets/Phantom report.zip build ham.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find ham tests envs workflow benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

$(INSTALLED): envs/requirements.lock pyproject.toml envs/install.sh
	@sh envs/install.sh
