"""What the tests of `edge.health` share: a service manager's socket, and frames of a machine that looks on."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.config import DropSensorConfig
from edge.health.notify import Notifier
from edge.health.place import METRICS_NAME, STATUS_NAME
from edge.health.status import StatusFile
from edge.machine import Emit, Machine, Started, State
from edge.records import Frame, Presence, Status
from tests.rigs import FakeClock, MachineRig, rules

PICTURE = np.zeros((4, 4, 3), np.uint8)
MODEL = {"name": "waste", "version": "1.2", "sha256": "ab" * 32}
EMPTY = Presence(0.0, True, False, False, False, 0.0, 0.0)


class Manager:
    """The service manager's end of the line, a real datagram socket."""

    def __init__(self, address: str | bytes) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        """The lines of every datagram since the last call."""
        told: list[list[str]] = []
        with suppress(BlockingIOError):
            while True:
                told.append(self._socket.recv(65536).decode().split("\n"))
        return told

    def words(self) -> list[str]:
        """The same, all lines in one list."""
        return [line for lines in self.heard() for line in lines]

    def close(self) -> None:
        self._socket.close()


@contextmanager
def manager(tmp_path: Path, watchdog_s: float | None = 10.0) -> Iterator[tuple[Manager, Notifier]]:
    """A manager that listens, and a notifier that speaks to it."""
    address = str(tmp_path / "notify")
    listening, notifier = Manager(address), Notifier(address, watchdog_s)
    try:
        yield listening, notifier
    finally:
        notifier.close()
        listening.close()


def look(watcher: Any, machine: Machine, t_s: float = 0.0) -> None:
    """Let a watcher see one frame."""
    watcher.on_frame(Frame(0, t_s, PICTURE), EMPTY, machine)


class Watched:
    """A machine whose whole run a status file looks on, as the loop lets it."""

    def __init__(self, folder: Path | None, **rig: Any) -> None:
        self.rig = MachineRig(rules(drop=DropSensorConfig(kind="beam", timeout_s=2.0, retries=0)), **rig)
        self.clock = FakeClock()
        self.status = StatusFile(folder, self.clock, lambda: "2026-11-22T09:00:00.000Z")
        self._told = 0
        self._seq = 0
        self.append("boot", {"model": MODEL})

    def append(self, type_: str, body: dict[str, Any]) -> None:
        self._seq += 1
        record = {"event_id": f"b-{self._seq}", "boot_id": "b", "seq": self._seq, "type": type_, "utc": "u", "t_s": 1.0}
        self.status.on_event(record | body)

    def see(self, duration_s: float, **seen: bool) -> None:
        for _ in range(round(duration_s / 0.05)):
            self.rig.see(0.05, **seen)
            self.clock.advance(0.05)
            emitted = [command for _, command in self.rig.commands if isinstance(command, Emit)]
            for emit in emitted[self._told :]:
                self.append(emit.type, dict(emit.body))
            self._told = len(emitted)
            look(self.status, self.rig.machine, self.rig.now_s)

    def start(self) -> "Watched":
        self.rig.send(Started())
        self.see(3.0)
        return self

    def sort(self, *, drops: bool = True) -> None:
        self.see(0.3, occupied=True, disturbed=True)
        while self.rig.state is not State.ROUTING:
            self.see(0.05, occupied=True)
        if drops:
            self.rig.drop()
        self.see(5.0)


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / STATUS_NAME).read_text())


def parse(text: str) -> dict[str, float]:
    """Samples of Prometheus' text format; fails on anything that the format does not allow."""
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    samples: dict[str, float] = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"# HELP ([a-z_:][a-z0-9_:]*) (\S.*)", line):
            assert match[1] not in helped, f"{match[1]} is explained twice"
            helped.add(match[1])
        elif match := re.fullmatch(r"# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|summary)", line):
            assert match[1] in helped
            assert match[1] not in kinds, f"{match[1]} stands in two places"
            kinds[match[1]] = match[2]
        else:
            match = re.fullmatch(
                r'([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\n"])*",?)+\})? (-?[0-9.]+(?:e[-+]?[0-9]+)?)', line
            )
            assert match, line
            family = list(kinds)[-1]
            assert match[1] in {family, *([f"{family}_sum", f"{family}_count"] if kinds[family] == "summary" else [])}
            assert kinds[family] != "counter" or family.endswith("_total")
            assert match[1] + (match[2] or "") not in samples, f"{line} stands twice"
            samples[match[1] + (match[2] or "")] = float(match[3])
    return samples


def metrics(folder: Path) -> dict[str, float]:
    return parse((folder / METRICS_NAME).read_text())


KINDS: dict[str, Any] = {
    "schema": int, "version": str, "pid": int, "kernel_boot_id": str, "utc": str, "kernel_up_s": float, "run_s": float,
    "boot_id": (str, type(None)), "state": str, "status": str, "is_sorting": bool, "is_dark": bool,
    "holds": list, "full_bins": list,
    "fault": (dict, type(None)), "last_fault": (dict, type(None)), "ended": (dict, type(None)), "items": dict,
    "last_item": (dict, type(None)), "uncredited": int, "unfinished": int, "events": dict, "faults": dict,
    "frames": int, "classified": dict, "latency": dict, "safe_mode": (dict, type(None)), "config": (dict, type(None)),
    "model": (dict, type(None)), "ledger": (dict, type(None)), "supply": (dict, type(None)),
    "captures": (dict, type(None)), "starts": (dict, type(None)), "reload": (dict, type(None)),
    "since_machine_start": dict, "owed": (dict, type(None)),
}  # fmt: skip
STATES = {*State, "starting", "stand_by", "ended"}


def check(fields: dict[str, Any]) -> dict[str, Any]:
    """A status has the fields of schema 1, of the kinds that docs/operations.md promises."""
    assert set(fields) == set(KINDS)
    for name, kind in KINDS.items():
        assert isinstance(fields[name], kind), f"{name} is {fields[name]!r}"
    assert fields["schema"] == 1
    assert fields["state"] in STATES
    assert fields["status"] in set(Status)
    items = fields["items"]
    assert items["total"] == sum(items["by_route"].values()) == sum(items["by_decision"].values())
    assert items["total"] == fields["events"].get("item", 0)
    return fields


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """A machine that was not started yet, looked on by a status file in `run`."""
    return Watched(tmp_path / "run")
