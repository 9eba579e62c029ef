"""What the system refuses an unattended sorter: none of it is taken for a mistake in the configuration (exit 2)."""

import errno
import logging
import os
import sys
from pathlib import Path

import pytest

from edge.bundle import load_bundle
from edge.classify.tflite import TfliteClassifier
from edge.commands.common import log_to_stderr
from edge.config import Config
from edge.configfile import check_model_path
from edge.errors import BundleError
from tests.cli_rig import invoke

SORT = ("run", "--unattended", "--source", "sim", "--pace", "fast", "--items", "1")


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))


def test_a_disk_that_is_full_at_the_start_keeps_nobody_from_sorting(monkeypatch):
    """The lock's file says which process has it, which nothing depends on."""

    pwrite, refused = os.pwrite, []

    def refuse(handle, *rest):
        name = Path(os.readlink(f"/proc/self/fd/{handle}")).name
        if name != "unattended.lock":
            return pwrite(handle, *rest)
        refused.append(name)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", refuse)
    assert invoke(*SORT).code == 0
    assert refused == ["unattended.lock"]


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), BrokenPipeError(errno.EPIPE, "Broken pipe")], ids=repr
)
def test_an_error_of_the_system_that_no_driver_foresaw_is_tried_again_by_a_new_process(monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(TfliteClassifier, "classify", refuse)
    ended = invoke(*SORT)
    assert ended.code == 1, "2 is not started again for half an hour, and 0 never"
    assert str(error) in ended.err


class Gone:
    def write(self, text):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def flush(self): ...


def test_a_message_that_nobody_reads_stops_nothing(monkeypatch):
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    log_to_stderr()
    try:
        monkeypatch.setattr(sys, "stderr", Gone())
        logging.getLogger("edge").error("the disk is full")
    finally:
        root.handlers[:], root.level = before


def test_a_model_whose_folder_may_not_be_looked_at_is_a_refused_bundle(tmp_path):
    path = tmp_path / ("x" * 300)
    config = Config.model_validate({"model": {"path": str(path)}})
    check_model_path(config, tmp_path / "config.yaml")
    with pytest.raises(BundleError, match=r"cannot look at model bundle .* \(File name too long\); check --model"):
        load_bundle(path)


@pytest.mark.parametrize("path", [".", ".."])
def test_a_book_that_has_no_name_is_told_in_a_sentence(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(f"ledger: {{path: {path}}}\n")
    ended = invoke(*SORT, "--config", config)
    assert ended.code == 5
    assert "is no regular file; name a file" in ended.err
    assert "Traceback" not in ended.err
