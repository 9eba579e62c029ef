"""Runs `edge-sorter` in this process or in one of its own, and notes how the gate was left."""

import io
import json
import logging
import os
import resource
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import edge.gates.servo_flap
from edge.cli import main
from edge.gates.servo_flap import ServoFlap
from edge.ledger_read import LedgerReader
from tests.replay.rig import home_pulse

ROOT = Path(edge.__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
WITNESSED = "from tests.cli_rig import witnessed_main; witnessed_main()"


@dataclass(frozen=True)
class Result:
    """What a command left: its exit status and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def invoke(*arguments: str | Path) -> Result:
    """Run a command in this process, as if there were no system-wide configuration."""
    out, err = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    try:
        with (
            mock.patch.object(sys, "argv", ["edge-sorter", *map(str, arguments)]),
            mock.patch("edge.configfile.SYSTEM_CONFIG", Path("/nonexistent/config.yaml")),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = _exit_code()
    finally:
        root.handlers, root.level = handlers, level
    return Result(code, out.getvalue(), err.getvalue())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    return 0


def start(*arguments: str | Path, code: str | None = None) -> "subprocess.Popen[str]":
    """Start a command in a process of its own, with pipes; `code` takes the place of `python -m edge`."""
    head = ["-m", "edge"] if code is None else ["-c", code]
    command = [sys.executable, *head, *map(str, arguments)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def sentence(result: Result) -> str:
    """The one sentence on standard error. Raises: AssertionError if there is more, or less."""
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("edge-sorter: error: "), result.err
    return lines[0].removeprefix("edge-sorter: error: ")


def ledger_records(path: Path) -> list[dict[str, Any]]:
    """Every event of a ledger, after it was verified."""
    with LedgerReader(path) as reader:
        assert reader.verify().problems == ()
        return list(reader.iterate())


class WitnessedFlap(ServoFlap):
    """The real gate, which notes how it was left just before it is closed."""

    left: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, config, factory):
        super().__init__(config, factory)
        self._pin = lambda: factory.pin(config.servo_pin)
        self._is_noted = False

    def close(self):
        if not self._is_noted:
            self._is_noted = True
            pin = self._pin()
            pulses = [change.state for change in pin.states if change.state > 0]
            is_powered = pin.state > 0 or pin.frequency is not None
            self.left.append({"last_pulse": pulses[-1] if pulses else None, "is_powered": is_powered})
        super().close()


def is_parked(left: list[dict[str, Any]]) -> bool:
    """One gate was used, its last pulse was that of its home position, and it is without power."""
    assert len(left) == 1, left
    pulse = left[0]["last_pulse"]
    return pulse is not None and abs(pulse - home_pulse()) < 1e-6 and not left[0]["is_powered"]


def witnessed_main() -> None:
    """`main` with a witnessed gate. Arguments before the command: a file for the report, a limit of file sizes."""
    report, limit_bytes = Path(sys.argv[1]), int(sys.argv[2])
    del sys.argv[1:3]
    if limit_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
    edge.gates.servo_flap.ServoFlap = WitnessedFlap
    try:
        main()
    finally:
        report.write_text(json.dumps(WitnessedFlap.left))
