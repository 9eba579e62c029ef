"""Chatter is held back, and told when it matters."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROBE = """
import os, sys
from convert.quiet import quiet
print("before")
with quiet():
    print("chatter of Python")
    os.write(2, b"chatter of C\\n")
    {ending}
print("after")
"""


@pytest.mark.parametrize(
    ("ending", "out", "is_told"),
    [("pass", "before\nafter\n", False), ("raise ValueError('reason')", "before\n", True)],
)
def test_chatter_is_shown_only_if_something_failed(ending: str, out: str, is_told: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.replace("{ending}", ending)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == out
    assert ("chatter of Python" in done.stderr) is is_told
    assert ("chatter of C" in done.stderr) is is_told
    assert ("ValueError: reason" in done.stderr) is is_told
