.PHONY: rig-picamera

rig-picamera: setup  ## test the camera driver on real picamera2 and libcamera, on Python 3.13 (RIG_FLAGS='-k turned')
	@tests/rig/tools.sh
	@$(BIN)/python -m tests.rig.picamera.run "$$(tests/rig/kernel.sh)" \
		"$$(PYTHON=$(BIN)/python tests/rig/picamera/root.sh)" -- $(RIG_FLAGS)
