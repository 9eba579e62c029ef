"""The on-device runtime: frames in, sorted items and a durable ledger out."""

__version__ = "0.1.0"
