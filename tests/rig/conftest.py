"""Keeps the guest's tests out of every run but the one inside the guest."""

import os

if "EDGE_SORTER_RIG_OUT" not in os.environ:
    collect_ignore = ["guest"]
