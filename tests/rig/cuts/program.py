"""What the guest runs: the working tree's wheel, unpacked, as it is or with one promise broken on purpose."""

import compileall
import os
import py_compile
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MUTANTS", "Mutant", "break_promise", "unpack_program"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program that breaks a promise, so that the cuts must find it.

    Attributes:
        breaks: which promise, in words.
        old, new: replaced in the unpacked program; `old` must be there exactly once.
    """

    breaks: str
    old: str
    new: str


MUTANTS = {
    "unsynced": Mutant(
        "rows are acknowledged before they are on the disk",
        'connection.execute("PRAGMA synchronous = FULL")',
        'connection.execute("PRAGMA synchronous = OFF")',
    ),
    "no-intent": Mutant(
        "the gate moves without an intent in the book",
        "return self._book.intend(intent_of(decision), now_s)",
        "return True",
    ),
    "early-ready": Mutant(
        "READY=1 while the gate still goes home",
        "self._is_ready = state not in _UNREADY and ",
        "self._is_ready = ",
    ),
}


def unpack_program(source: Path, folder: Path, scratch: Path) -> None:
    """Build the wheel of a tree and unpack it."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*build, "--wheel-dir", str(scratch), str(source)], check=True)
    (wheel,) = scratch.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(folder)
    _compile(folder)


def break_promise(program: Path, mutant: Mutant) -> None:
    """Mutate an unpacked program. Raises: ValueError if it does not read as the mutant expects."""
    found = [file for file in program.glob("edge/**/*.py") if mutant.old in file.read_text(encoding="utf-8")]
    if len(found) != 1 or (text := found[0].read_text(encoding="utf-8")).count(mutant.old) != 1:
        raise ValueError(f"the program reads otherwise than {mutant.old!r} once; mend the mutant")
    found[0].write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    _compile(found[0].parent)


def _compile(folder: Path) -> None:
    # The guest cannot write beside its modules; by content, since its clock may be another.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(os.fspath(folder), quiet=1, force=True, invalidation_mode=mode)
