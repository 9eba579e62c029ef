"""`edge-sorter doctor`: what is wrong with this machine, and how to mend it."""

import json
import os
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from edge.doctor.findings import Finding, Level, report
from edge.errors import SourceError
from edge.printable import printable

if TYPE_CHECKING:
    from edge.doctor.machine import Machine

__all__ = ["diagnose"]

LEAST_PRIORITY = 19
_STYLES: dict[Level, str] = {"ok": "green", "note": "cyan", "warning": "yellow", "blocker": "bold red"}
_VERDICTS = {
    "blocker": "The sorter cannot run here until the blockers are mended.",
    "warning": "The sorter runs here; mind the warnings.",
    "ok": "The sorter runs here.",
}
_SIMULATED = (
    "The sorter runs here, but only simulated: it uses no camera and no pin. For a real machine name its configuration "
    "with --config."
)
_LEVEL_COLUMNS = 8
_NAME_COLUMNS = 16


def diagnose(config: Path | None, *, as_json: bool, machine: "Machine | None" = None) -> int:
    """Examine, and print what was found to standard output, for people as it is found.

    Whatever the processor has to do for it waits for a sorter that runs beside it.

    Returns: the exit status: 3 if there is a blocker, else 0.
    """
    return _behind_others(lambda: _diagnose(config, as_json, machine))


def _diagnose(config: Path | None, as_json: bool, machine: "Machine | None") -> int:
    # Here, since loading the libraries is most of the work.
    from edge.doctor.examine import examine
    from edge.doctor.machine import Machine

    console = Console(markup=False, highlight=False, emoji=False)
    findings: list[Finding] = []
    is_hanging = False
    for outcome in examine(machine or Machine(), config):
        findings += outcome.findings
        is_hanging = is_hanging or outcome.is_hanging
        if not as_json:
            _print(console, outcome.findings)
    if as_json:
        print(json.dumps(report(findings), indent=2, ensure_ascii=False))
    else:
        _print_summary(console, findings)
    status = SourceError.exit_code if any(finding.level == "blocker" for finding in findings) else 0
    if is_hanging:
        # A driver that hangs would hold up the interpreter's end, too.
        sys.stdout.flush()
        os._exit(status)
    return status


def _behind_others(work: Callable[[], int]) -> int:
    """Do it in a thread of the least priority, which its threads inherit: a process could not get its own back."""
    results: list[int] = []
    failures: list[BaseException] = []

    def run() -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LEAST_PRIORITY)
        try:
            results.append(work())
        except BaseException as exc:  # whoever waits raises it
            failures.append(exc)

    thread = threading.Thread(target=run, name="doctor", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _print(console: Console, findings: Iterable[Finding]) -> None:
    subject = ""
    for finding in findings:
        if finding.subject != subject:
            subject = finding.subject
            console.print(Text(subject, style="bold"))
        name = finding.check.partition(".")[2]
        head = Text(f"  {finding.level:<{_LEVEL_COLUMNS}}", style=_STYLES[finding.level])
        head.append(f"{name:<{_NAME_COLUMNS}}", style="default")
        _print_beside(console, head, finding.found)
        if finding.remedy:
            _print_beside(console, Text(" " * (head.cell_len - 3) + "-> "), finding.remedy)


def _print_beside(console: Console, head: Text, words: str) -> None:
    """Words that wrap under themselves; a path or a command's option is never broken, so that it can be copied."""
    width = max(console.width - head.cell_len, 20)
    lines = textwrap.wrap(words, width, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        console.print(Text.assemble(head if number == 0 else " " * head.cell_len, printable(line)), soft_wrap=True)


def _print_summary(console: Console, findings: list[Finding]) -> None:
    counts = Counter(finding.level for finding in findings)
    parts = [
        f"{counts[level]} {_plural(level, counts[level])}" for level in ("blocker", "warning", "note") if counts[level]
    ]
    parts.append(f"{counts['ok']} ok")
    worst: Level = next((level for level in ("blocker", "warning") if counts[level]), "ok")
    console.print()
    notes = {finding.check for finding in findings if finding.level == "note"}
    is_simulated = worst != "blocker" and notes >= {"camera.source", "gpio.pins"}
    verdict = _SIMULATED if is_simulated else _VERDICTS[worst]
    console.print(Text(f"{', '.join(parts)}. {verdict}", style=_STYLES[worst]))


def _plural(level: str, count: int) -> str:
    return level if count == 1 else f"{level}s"
