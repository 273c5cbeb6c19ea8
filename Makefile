# One local virtual environment, made by stamp files: .venv/run.stamp (what detection needs), .venv/dev.stamp (and tests).
PYTHON := $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,$(shell $(name) -c 'import sys, ensurepip, venv; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DATA := ../shared/data
BENCHMARKS := detect_35_slices cold_start thin_320_slices jpeg2000 rsna2019_labels dicom_headers dataset_build dataset_store \
	augment_batch slow_kernels systems evaluation evaluation_cases

.PHONY: help demo test test-slow pytest lint dataset bench lock clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/run.stamp  ## find hemorrhage in the example scans and write a report a scan to demo/
	@$(BIN)/hemoscope detect examples/ge_tilted_head_series examples/physionet_ct_ich --out demo
	@echo "The report is in demo/index.html: open it in a browser."

test: lint pytest  ## lint, then every test that takes seconds

pytest: $(VENV)/dev.stamp
	@$(BIN)/pytest -n auto --dist loadfile -m 'not slow'

test-slow: $(VENV)/dev.stamp  ## the tests that take minutes
	@$(BIN)/pytest -m slow

lint: $(VENV)/dev.stamp  ## format, style, types and the imports between rooms
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

dataset: $(VENV)/dev.stamp  ## the Manifest, slice store, tables and contact sheet of the collections in DATA, to data/
	@$(BIN)/python scripts/collections_at_hand.py $(DATA) data

bench: $(VENV)/dev.stamp  ## every claim of speed, as a ratio; figures go to benchmarks/results/
	@set -e; for claim in $(BENCHMARKS); do $(BIN)/python benchmarks/$$claim.py; done

lock: $(VENV)/dev.stamp  ## write requirements/*.txt anew (use the oldest Python that is supported)
	@$(PIP) install pip-tools
	@$(BIN)/pip-compile $(LOCK) --output-file requirements/run.txt pyproject.toml
	@$(BIN)/pip-compile $(LOCK) --constraint requirements/run.txt --output-file requirements/dev.txt \
		pyproject.toml requirements/dev.in

LOCK := --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-trusted-host \
	--no-emit-find-links --no-emit-options

clean:  ## remove the environment, caches and the demo's output
	rm -rf $(VENV) demo data build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/pip.stamp:
ifeq ($(PYTHON),)
	@echo 'Hemoscope needs Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt install python3-venv).' >&2
	@exit 1
endif
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(VENV)/pip.stamp
	@echo 'Installing Hemoscope into $(VENV) ...'
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo 'Installing the development tools into $(VENV) ...'
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
