"""A writer of the ledger that is killed at any step of what it does to files loses nothing and doubles nothing."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.ledger_kills import SCENARIOS

ROOT = Path(__file__).parents[2]
FEWEST_STEPS = {"rotate": 100, "set_aside": 50, "lost": 50, "migrate": 30}
"""Fewer would mean that some are no longer counted."""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_at_any_step_loses_nothing_and_doubles_nothing(scenario):
    # In memory where there is such a place: a process that dies loses nothing that it wrote, and waiting is saved.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        result = subprocess.run(
            [sys.executable, "-m", "tests.ledger_kills", scenario, folder], cwd=ROOT, capture_output=True, text=True
        )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["steps"] > FEWEST_STEPS[scenario]
