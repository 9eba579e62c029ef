# The rig: the program on a simulated GPIO chip, a simulated camera and a real systemd (docs/rig.md).

export SORTER_RIG_CACHE ?= $(HOME)/.cache/edge-sorter/rig
export SORTER_RIG ?= ../shared/rig
RIG_FLAGS ?=

.PHONY: rig rig-quick rig-test rig-fault

rig: setup  ## make what the rig boots, where it is not cached: a kernel and a root image (SORTER_RIG_CACHE)
	@tests/rig/tools.sh
	@tests/rig/kernel.sh
	@PYTHON=$(BIN)/python tests/rig/image.sh

rig-quick: rig  ## make the kernel, too, that starts are timed with
	@tests/rig/kernel.sh quick

rig-test: rig  ## test the working tree in the rig, from outside the process (RIG_FLAGS='-k estop')
	@$(BIN)/python -m tests.rig.run "$$(tests/rig/kernel.sh)" "$$(PYTHON=$(BIN)/python tests/rig/image.sh)" -- $(RIG_FLAGS)

rig-fault: rig-quick  ## inject the faults that need a real kernel: power cuts, camera, hangs, clock, memory (RIG_FLAGS='--only cuts')
	@$(BIN)/python -m tests.rig.fault $(RIG_FLAGS) --quick "$$(tests/rig/kernel.sh quick)" "$$(tests/rig/kernel.sh)" "$$(PYTHON=$(BIN)/python tests/rig/image.sh)"

-include tests/rig/pi/pi.mk tests/rig/picamera/picamera.mk
