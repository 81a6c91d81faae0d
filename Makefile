# make setup | demo | docs | test | test-slow | lint — each sets up what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Three processes for two cores, as the one on the cluster waits more than it computes, in the order
# and the parts of tests/conftest.py. (xdist 3.8 does not see its groups under pytest 9.2.)
SHARED := -n 3 --dist loadfile --no-loadscope-reorder
OPERATORS := lightning_sciml.operators
CHECKED := lightning_sciml.models,lightning_sciml.evaluation.metrics,lightning_sciml.pde,$(OPERATORS).augmentation,$(OPERATORS).coordinate_changes,$(OPERATORS).coordinates,$(OPERATORS).network_contract,$(OPERATORS).normalization

.PHONY: setup demo docs test test-slow lint shapes clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is wanted, $(PYTHON) is $$($(PYTHON) --version); set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch -e '.[mpich,dev,docs]'
	@touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck --external-sources slurm/*.sbatch slurm/job.sh slurm/site.example.sh launch/*.sh .ci/run

test: lint shapes docs
	$(BIN)/pytest $(SHARED)

# The array shapes in signatures, checked at run time. Not over tests that compile, which cannot be
# traced through the checks, nor over those that give wrong shapes and types on purpose.
shapes: setup
	$(BIN)/pytest -q --jaxtyping-packages=$(CHECKED),beartype.beartype -m "not slow and not untyped" \
		tests/models tests/pde tests/evaluation/test_metrics.py tests/operators/test_coordinates.py \
		tests/operators/test_normalization.py

test-slow: setup
	$(BIN)/pytest -m slow --timeout 3600

# The site, in build/site. A warning is an error, and so is a link or an anchor that leads nowhere.
docs: setup
	$(BIN)/sphinx-build --quiet --fail-on-warning --doctree-dir build/doctrees docs build/site
	@echo "the site is build/site/index.html"

demo: export PATH := $(CURDIR)/$(BIN):$(PATH)
demo: setup
	sciml study generate launch/configs/study/demo.yaml
	sciml study run launch/configs/study/demo.yaml --jobs 2
	sciml study report launch/configs/study/demo.yaml
	python launch/compare_operators.py demo/data/poisson_5_10 steady-mixture-640K
	sciml fit --config finetune/from_release --model.checkpoint steady-mixture-640K --data.datasets demo/data/poisson_5_10 --run_dir demo/released --trainer.max_epochs 20 --trainer.accelerator cpu --trainer.devices 1
	python launch/compare_operators.py demo/data/poisson_5_10 steady-mixture-640K demo/released

clean:
	rm -rf $(VENV)
