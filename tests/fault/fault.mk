# The fault suite: every fault of the matrix injected for real (tests/fault/suite/README.md).

FAULT_FLAGS ?=

.PHONY: fault-test

fault-test: setup  ## inject every fault, and write docs/reliability.md (half an hour; FAULT_FLAGS='--no-rig')
	$(BIN)/python -m tests.fault.suite.run $(FAULT_FLAGS)
