"""Classifier drivers: one file an inference library."""
