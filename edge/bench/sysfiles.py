"""Small files of the kernel and small commands, read so that a machine that lacks them is no error."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["Run", "number", "run_command", "text"]

Run = Callable[[Sequence[str]], str | None]
"""Runs a command: its standard output, or None if there is no such command or it hangs."""
COMMAND_S = 2.0


def text(path: Path) -> str | None:
    """The first line of a file of the kernel, without blanks; None if it is missing, refused, empty or no text."""
    try:
        with path.open(encoding="utf-8") as file:
            # Device-tree texts end with a zero byte.
            line = file.readline(4096).strip(" \t\r\n\0")
    except (OSError, ValueError):
        return None
    return line or None


def number(path: Path, scale: float = 1.0) -> float | None:
    """The whole number in a file, times `scale`; None if there is none, or it is below zero."""
    line = text(path)
    return int(line) * scale if line is not None and line.isascii() and line.isdigit() else None


def run_command(command: Sequence[str]) -> str | None:
    """The standard output of a command, whatever its exit status; None without it or after two seconds. See `Run`."""
    try:
        found = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout
