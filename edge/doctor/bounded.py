"""Runs one subject's checks with a limit of time: what hangs in a driver or on a dead disk is a finding, not a wait."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from edge.doctor.findings import Finding, Level

__all__ = ["LeftBehindError", "Outcome", "Subject", "look_at"]


class LeftBehindError(Exception):
    """A driver hangs in a thread that nobody waits for; whatever was found before holds."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Checks that belong together.

    Attributes:
        look: makes the findings, one after the other.
        limit_s: longest time for all of them.
        hang_level: how bad it is if they do not end by then.
    """

    name: str
    look: Callable[[], Iterable[Finding]]
    limit_s: float = 10.0
    hang_level: Level = "blocker"


class Outcome(NamedTuple):
    """What a subject gave, and whether a thread of it hangs: such a process may be unable to end in the usual way."""

    findings: tuple[Finding, ...]
    is_hanging: bool


def look_at(subject: Subject) -> Outcome:
    """Look, for `limit_s` at most. Whatever a check raises becomes a finding."""
    findings: list[Finding] = []
    left_behind = threading.Event()

    def look() -> None:
        try:
            for finding in subject.look():
                findings.append(finding)
        except LeftBehindError:
            left_behind.set()
        except Exception as exc:  # one check that fails must not take the others with it
            findings.append(
                Finding(
                    f"{subject.name}.check",
                    "warning",
                    f"the check itself failed ({type(exc).__name__}: {exc})",
                    "look at this subject by hand, and report it as a fault of doctor",
                )
            )

    thread = threading.Thread(target=look, name=f"doctor {subject.name}", daemon=True)
    thread.start()
    thread.join(subject.limit_s)
    if not thread.is_alive():
        return Outcome(tuple(findings), left_behind.is_set())
    hang = Finding(
        f"{subject.name}.check",
        subject.hang_level,
        f"no answer within {subject.limit_s:g} s: it hangs",
        "check cables and the kernel's log (dmesg), then reboot",
    )
    return Outcome((*findings, hang), True)
