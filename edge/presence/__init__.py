"""Presence detectors: one file a method."""
