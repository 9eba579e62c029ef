"""Small files of the kernel and small commands, read so that a machine that lacks them is no error."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

__all__ = ["ROOT", "Run", "fields", "kilobytes_as_mb", "number", "run_command", "text", "whole"]

ROOT = Path("/")
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


def whole(digits: str | None) -> int | None:
    """A whole number from ASCII digits; None from anything else."""
    return int(digits) if digits is not None and digits.isascii() and digits.isdigit() else None


def fields(path: Path, separator: str) -> dict[str, str]:
    """Names and values of a file, one a line; of a name that comes again the last value. Empty without the file."""
    return dict(_lines_of_two(path, separator))


def kilobytes_as_mb(value: str | None) -> float | None:
    """`71000 kB`, as the kernel writes memory, in 10^6 bytes."""
    kilobytes = whole(value.removesuffix("kB").strip()) if value is not None else None
    return None if kilobytes is None else kilobytes * 1024 / 1e6


def run_command(command: Sequence[str]) -> str | None:
    """The standard output of a command, whatever its exit status; None without it or after two seconds. See `Run`."""
    try:
        found = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout


def _lines_of_two(path: Path, separator: str) -> Iterator[tuple[str, str]]:
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, found, value = line.partition(separator)
            if found:
                yield name.strip(), value.strip()
