# An emulated Raspberry Pi 3B, and the clean installs of docs/install.md (docs/rig.md).

INSTALL_FLAGS ?=

.PHONY: rig-pi install-check

rig-pi: setup  ## boot an emulated Pi 3B: pins seen from outside, int8 outputs equal to x86-64's
	@$(BIN)/python tests/rig/pi/rig_pi.py

install-check: setup  ## resolve the requirements for each Raspberry Pi OS (INSTALL_FLAGS=--roots installs them as well)
	@$(BIN)/python tests/rig/pi/install_check.py $(INSTALL_FLAGS)
