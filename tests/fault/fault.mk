# The fault suite: every fault of the matrix injected for real (tests/fault/suite/README.md).

FAULT_FLAGS ?=

.PHONY: fault-test

# What is built once for the rig is built before the clock runs; without a rig the suite says what it lacks.
fault-test: setup  ## inject every fault, and write docs/reliability.md (half an hour; FAULT_FLAGS='--no-rig')
	$(if $(findstring --no-rig,$(FAULT_FLAGS)),,-@$(MAKE) --no-print-directory rig-quick)
	$(BIN)/python -m tests.fault.suite.run $(FAULT_FLAGS)
