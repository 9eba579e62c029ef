"""Fixtures of all tests."""

import shutil
from pathlib import Path

import pytest

from tests.rigs import SHIPPED_BUNDLE


@pytest.fixture
def bundle_dir(tmp_path: Path) -> Path:
    """A copy of the shipped bundle, to be tampered with."""
    folder = tmp_path / "waste"
    shutil.copytree(SHIPPED_BUNDLE, folder)
    return folder
