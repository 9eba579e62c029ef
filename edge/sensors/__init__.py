"""Sensor drivers: one file a kind."""
