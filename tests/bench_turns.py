"""Doubles for the bench of peers: workers that take the time that the test says, and a pip that is none."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from edge.bench import against
from edge.bench.peers.registry import Peer
from edge.bench.workers import Round
from edge.errors import SorterError


class FakePip:
    """Makes an environment's Python, and notes what it is asked for; `outcome` is that of the installation."""

    def __init__(self, status: int = 0, output: str = "") -> None:
        self.outcome = (status, output)
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> tuple[int, str]:
        self.commands.append(list(command))
        if command[1:3] == ["-m", "venv"]:
            python = Path(command[3]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.write_text("")
            return 0, ""
        return self.outcome


class Played:
    """A worker that takes so long in each round, and is not there otherwise."""

    def __init__(self, name: str, rounds_us: Sequence[float]) -> None:
        self.name = name
        self.facts = {"library": "played 1"}
        self.start_s = 0.5
        self._rounds_us = iter(rounds_us)

    def __enter__(self) -> "Played":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def measure(self, frames: int) -> Round:
        if (us := next(self._rounds_us, None)) is None:
            raise SorterError(f"{self.name} ended with status 1")
        return Round((us,) * frames, (us,) * frames, ("glass",) * frames)

    def close(self) -> None:
        pass


def play(monkeypatch: pytest.MonkeyPatch, takes: Callable[[Peer, int], Sequence[float]]) -> list[tuple[str, int]]:
    """Instead of processes: what a script on so many threads takes, round by round. Returns: who was opened."""
    opened = []

    def open_played(peer, argument, package, *, name):
        opened.append((peer.script, argument["threads"]))
        return Played(name, takes(peer, argument["threads"]))

    monkeypatch.setattr(against, "open_worker", open_played)
    return opened


STEADY = [100.0, 101.0, 102.0]
BURST = [100.0, 140.0, 102.0]
