"""Which processes run this program, as `/proc` tells."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge.board.sysfiles import ROOT

__all__ = ["Program", "program_of", "programs"]

NAME = "edge-sorter"
LAUNCHERS = 3
"""A script's name is among a command line's first words, behind an interpreter and its options."""


class Program(NamedTuple):
    """A process. `command` is that of this program, such as `run`; empty if it is another program, or not told."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({NAME} {self.command})" if self.command else f"process {self.pid}"


def program_of(pid: int, root: Path = ROOT) -> Program:
    """What a process runs; without a command if nobody tells."""
    try:
        words = (root / f"proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        words = []
    for place, word in enumerate(words[:LAUNCHERS]):
        is_module = word == "-m" and words[place + 1 : place + 2] == ["edge"]
        if is_module or Path(word).name == NAME:
            rest = words[place + 1 + is_module :]
            return Program(pid, next((one for one in rest if one and not one.startswith("-")), ""))
    return Program(pid, "")


def programs(root: Path = ROOT) -> Iterator[Program]:
    """The processes that run this program, of every user whom the system shows."""
    for folder in (root / "proc").glob("[0-9]*"):
        if folder.name.isascii() and folder.name.isdigit():
            program = program_of(int(folder.name), root)
            if program.command:
                yield program
