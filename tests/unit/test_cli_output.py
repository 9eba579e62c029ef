"""What becomes of a command whose standard output takes nothing: nobody reads it, or its disk is full."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli_rig import ENVIRONMENT, start
from tests.ledger_rig import fill, item
from tests.rigs import SHIPPED_BUNDLE

PICTURES = SHIPPED_BUNDLE / "golden"
COMMANDS = {
    "classify": ("classify", PICTURES),
    "classify as json": ("classify", PICTURES, "--json"),
    "config check": ("config", "check"),
    "config default": ("config", "default"),
    "config schema": ("config", "schema"),
    "config show-wiring": ("config", "show-wiring"),
    "ledger summary": ("ledger", "summary", "--ledger", "{book}"),
    "ledger tail": ("ledger", "tail", "--ledger", "{book}"),
    "ledger export": ("ledger", "export", "--ledger", "{book}"),
    "model show": ("model", "show"),
    "model verify": ("model", "verify"),
    "help": ("--help",),
}


@pytest.fixture
def command(request, tmp_path):
    fill(tmp_path / "ledger.db", [item(), item()])
    return [str(part).format(book=tmp_path / "ledger.db") for part in request.param]


every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys(), indirect=True)


@every_command
def test_a_reader_that_went_away_ends_every_command_quietly(command):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run(command, writer) == (0, "")
    finally:
        os.close(writer)


def test_a_reader_that_leaves_after_a_line_ends_classify_quietly():
    with start("classify", PICTURES, PICTURES) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@every_command
def test_output_to_a_full_disk_is_one_sentence(command):
    with open("/dev/full", "w") as full:
        code, told = run(command, full)
    assert code == 2
    assert told == ("edge-sorter: error: cannot write to standard output (No space left on device); free some space\n")


def run(command, stdout):
    done = subprocess.run(
        [sys.executable, "-m", "edge", *command], env=ENVIRONMENT, stdout=stdout, stderr=subprocess.PIPE, text=True
    )
    return done.returncode, done.stderr
