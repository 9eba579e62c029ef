# `make help` lists the targets. Two environments: .venv runs the sorter, .venv-convert trains (TensorFlow).

PYTHON ?= python3
VENV := .venv
CONVERT_VENV := .venv-convert
AUDIT_VENV := .venv-audit
BIN := $(VENV)/bin
CONVERT_BIN := $(CONVERT_VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check

# What `make run` sorts; the simulated tray unless given, e.g. SOURCE=video:tray.mp4 or SOURCE=v4l2:/dev/video0
SOURCE ?= sim
LEDGER ?= out/ledger.db
RUN_FLAGS ?=
MODEL_FLAGS ?=
BENCH_FLAGS ?=

# Configurations that are ready to use, each with a page in docs/wiring/.
MACHINES := pi-servo pi-two-servo pi-carousel pi-conveyor pi-solenoid usb-camera

export SORTER_DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help setup setup-convert run bench bench-check bench-record performance test test-edge test-convert check audit sbom fmt schema wiring model model-fast clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.done  ## make the environment that runs the sorter and its tests

setup-convert: $(CONVERT_VENV)/.done  ## make the environment that trains models (TensorFlow, about 2 GB)

$(VENV)/.done: pyproject.toml constraints.txt
	@$(call make-venv,$(VENV))
	$(BIN)/pip install $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@touch $@

$(CONVERT_VENV)/.done: pyproject.toml constraints.txt constraints-convert.txt
	@$(call make-venv,$(CONVERT_VENV))
	$(CONVERT_BIN)/pip install $(PIP_FLAGS) -c constraints.txt -c constraints-convert.txt -e '.[convert]' pytest
	@touch $@

define make-venv
$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	|| { echo "make: Python 3.11, 3.12 or 3.13 is needed, $$($(PYTHON) --version) found; set PYTHON=python3.11" >&2; exit 1; }; \
$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	|| { echo "make: Python has no venv module; run: sudo apt install python3-venv" >&2; exit 1; }; \
$(PYTHON) -m venv $(1)
endef

run: setup  ## sort: 20 simulated items with a live view, or SOURCE=... (see README)
	$(BIN)/edge-sorter run --source '$(SOURCE)' --ledger '$(LEDGER)' $(RUN_FLAGS)

bench: setup  ## measure this machine: stages, waits, start, memory, beside the bare inference (BENCH_FLAGS=...)
	$(BIN)/edge-sorter bench $(BENCH_FLAGS)

bench-check: setup  ## fail if a ratio got worse than the last recorded one by more than the noise
	$(BIN)/edge-sorter bench check

bench-record: setup  ## measure, and record this commit's ratios for bench-check
	$(BIN)/edge-sorter bench record

performance: setup  ## write docs/performance.md anew: how cost grows (ten minutes, 8 GB of disk for a while)
	$(BIN)/edge-sorter bench growth --scale full --markdown docs/performance.md

test: test-edge test-convert  ## run every test (both environments)

test-edge: setup
	$(BIN)/pytest -n 2 -m 'not convert and not rig'

test-convert: setup-convert
	$(CONVERT_BIN)/pytest tests/convert -m convert

check: setup  ## formatting, lint, types, import layers, schema, what is installed; changes no tracked file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.audit
	$(BIN)/python -m tools.sbom --output build/sbom.cdx.json
	$(BIN)/edge-sorter config schema | diff - config/schema.json
	$(BIN)/edge-sorter config default | diff - config/default.yaml
	$(BIN)/edge-sorter bench schema | diff - config/bench.schema.json
	@for name in $(MACHINES); do \
		$(BIN)/edge-sorter config show-wiring config/$$name.yaml --svg - | diff -q - docs/wiring/$$name.svg || exit 1; \
	done

audit: setup $(AUDIT_VENV)/.done  ## ask for known vulnerabilities of every pinned package (needs a network)
	$(AUDIT_VENV)/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
		-r constraints.txt -r constraints-convert.txt $$($(BIN)/python -m tools.audit --ignored)
	$(AUDIT_VENV)/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
		-r packaging/wheels-bookworm.txt -r packaging/wheels-trixie.txt $$($(BIN)/python -m tools.audit --ignored)

$(AUDIT_VENV)/.done:
	$(PYTHON) -m venv $(AUDIT_VENV)
	$(AUDIT_VENV)/bin/pip install $(PIP_FLAGS) 'pip-audit>=2.10,<3'
	@touch $@

sbom: setup  ## write what is installed, with licences and hashes, to build/sbom.cdx.json (CycloneDX)
	$(BIN)/python -m tools.sbom --output build/sbom.cdx.json

fmt: setup  ## format the code and mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: setup  ## write the schemas and the default configuration in config/ anew
	$(BIN)/edge-sorter config schema > config/schema.json
	$(BIN)/edge-sorter config default > config/default.yaml
	$(BIN)/edge-sorter bench schema > config/bench.schema.json

wiring: setup  ## write the tables and pictures in docs/wiring/ anew
	@for name in $(MACHINES); do \
		wires=$$(mktemp) && \
		$(BIN)/edge-sorter config show-wiring config/$$name.yaml --svg docs/wiring/$$name.svg > $$wires && \
		sed -i -e '/^<!-- show-wiring -->$$/,/^<!-- end of show-wiring -->$$/{//!d}' \
			-e "/^<!-- show-wiring -->\$$/r $$wires" docs/wiring/$$name.md && rm -f $$wires || exit 1; \
	done

model: setup-convert  ## train and package models/waste-mobilenetv2 from SORTER_DATA
	$(CONVERT_BIN)/edge-convert build --data '$(SORTER_DATA)' --output models/waste-mobilenetv2 $(MODEL_FLAGS)

model-fast: setup-convert  ## train and package models/waste-mobilenetv2-fast, taught by the float model of `make model`
	$(CONVERT_BIN)/edge-convert build --data '$(SORTER_DATA)' --recipe fast --work build/fast \
		--name waste-mobilenetv2-fast --output models/waste-mobilenetv2-fast $(MODEL_FLAGS)

include tests/rig/rig.mk
include packaging/packaging.mk
-include tests/fault/fault.mk

clean:  ## remove the environments and what was built (not out/, which holds the ledger)
	rm -rf $(VENV) $(CONVERT_VENV) $(AUDIT_VENV) build
