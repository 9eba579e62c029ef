"""Writes docs/reliability.md from what the parts reported."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.fault.suite.rows import MATRIX, REQUIRED, Row, absent

__all__ = ["LIMIT_S", "PAGE", "is_complete", "page_text"]

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "reliability.md"
LIMIT_S = 1800.0
"""The whole suite may take so long."""
HEAD = """# Reliability: every fault, injected

This page is written by `make fault-test`, which injects each fault for real and measures what comes of it: on the whole
program as a process, on real SQLite files, on a file system that forgets, and, where a real kernel is needed, in the
guests of the [rig](rig.md). Nothing here is typed by hand. How each part works is told in `tests/fault/suite/` and
`tests/rig/`; short versions run in `make test` (`tests/fault/`). Each part also meets programs that break a promise on
purpose, so that it is seen to fail.

{when}, commit {commit}, {machine}. {verdict}
{not_run}
A figure `k/N failed, at most p %` is k failures of N trials and the one-sided upper 95 % bound of Clopper and Pearson:
zero failures show only that fewer than p % of such faults do harm, never that none does.
"""
TABLE = """
| fault | injected by | required | measured | held | time |
|---|---|---|---|---|---|
"""
NOT_RUN = "not run"


def page_text(rows: Sequence[Row], failed_parts: Sequence[str] = (), wall_s: float | None = None) -> str:
    """The whole page."""
    held = sum(row.is_held for row in rows)
    verdict = f"{held} of {len(rows)} injections held, "
    if wall_s is None:
        verdict += "gathered from what was run before."
    else:
        verdict += f"{wall_s / 60:.1f} minutes altogether" + (
            f": **longer than the {LIMIT_S / 60:.0f} that it may take.**" if wall_s > LIMIT_S else "."
        )
    if failed_parts:
        verdict += f" **Did not end well: {', '.join(failed_parts)}.**"
    text = HEAD.format(
        when=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=_commit(),
        machine=_machine(),
        verdict=verdict,
        not_run=_not_run(rows),
    )
    for key, title in MATRIX.items():
        text += f"\n## {title[0].upper()}{title[1:]}\n"
        found = [row for row in rows if row.row == key]
        text += TABLE + "".join(map(_line, found)) if found else f"\n{NOT_RUN.capitalize()}.\n"
    return text


def is_complete(rows: Sequence[Row], failed_parts: Sequence[str] = (), wall_s: float | None = None) -> bool:
    """True if every required entry was reported, every entry held, every part ended well, and all of it in time."""
    is_late = wall_s is not None and wall_s > LIMIT_S
    return all(row.is_held for row in rows) and not absent(rows) and not failed_parts and not is_late


def _not_run(rows: Sequence[Row]) -> str:
    """A list of what is absent: a row of the matrix as a whole, or single faults of it."""
    items = []
    for key, faults in absent(rows).items():
        is_whole = len(faults) == len(REQUIRED[key])
        items += [MATRIX[key]] if is_whole else [f"{MATRIX[key]}: {fault}" for fault in faults]
    return f"\n**{NOT_RUN.capitalize()}:**\n\n" + "".join(f"- {item}\n" for item in items) if items else ""


def _line(row: Row) -> str:
    cells = (
        row.fault,
        row.injected_by,
        row.required,
        row.figure,
        "yes" if row.is_held else "**no**",
        f"{row.wall_s:.0f} s",
    )
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    changed = [line for line in git("status", "--porcelain").splitlines() if not line.endswith(f"docs/{PAGE.name}")]
    return f"{commit} with uncommitted changes" if changed else commit


def _machine() -> str:
    names = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    board = names[0] if names else platform.machine()
    kernel = platform.release().split("-")[0]
    return f"{cores} cores of {board}, Linux {kernel}, Python {platform.python_version()}"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
