"""What an installer is told of sorters that the ledger's lock does not show."""

from pathlib import Path

import pytest

from edge.calibrate.guard import tell_of_strangers
from edge.configfile import parse_config
from tests.calibrate_rig import CalibrateRig

REAL = "pins: {factory: lgpio}\n"
LEDGER = "ledger: {path: /var/lib/edge-sorter/ledger.db}\n"
UNSET = "ledger.path is not set"
OTHER = "process 77 (edge-sorter run) is at work"
ROWS = [
    ("nobody, and a ledger that all share", REAL + LEDGER, {}, set()),
    ("no ledger named", REAL, {}, {UNSET}),
    ("another sorter", REAL + LEDGER, {77: "edge-sorter\0run\0", 78: "edge-sorter\0calibrate\0"}, {OTHER}),
    ("simulated pins", "", {77: "edge-sorter\0run\0"}, set()),
]


@pytest.mark.parametrize(("config", "commands", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_sorter_that_may_be_missed_is_told(tmp_path: Path, monkeypatch, capsys, config, commands, expected):
    for pid, line in commands.items():
        (tmp_path / f"root/proc/{pid}").mkdir(parents=True)
        (tmp_path / f"root/proc/{pid}/cmdline").write_text(line)
    rig = CalibrateRig(tmp_path, monkeypatch, "")
    tell_of_strangers(parse_config(config, "c.yaml"), rig.desk(), tmp_path / "root")
    rig.close()
    out = capsys.readouterr().out
    assert {words for words in (UNSET, OTHER) if words in out} == expected
    assert out.count("!") == len(expected)
