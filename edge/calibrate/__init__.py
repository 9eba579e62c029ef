"""Calibration: what an installer measures and stores at the bin itself. See docs/calibrate.md."""
