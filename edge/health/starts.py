"""Counts starts in a row that came to nothing, so that a storm of restarts calms down and moves nothing.

A count, not times of the clock: a clock that is set by years cannot matter. A reboot of the machine does not end the
count, since a machine that reboots in a loop is a storm too; only a run that became stable does.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.health.place import kernel_boot_id
from edge.machine import State
from edge.paths import write_whole
from edge.records import Event

__all__ = ["Plan", "Starts"]

KILLED = "killed"
POWER_LOST = "power_lost"
UNKNOWN_END = "unknown_end"
_ENDS = {
    KILLED: "the sorter was killed without a word (watchdog, memory limit, SIGKILL or a crash)",
    POWER_LOST: "the machine went down while the sorter ran (power cut, reset or a crash of the kernel)",
    UNKNOWN_END: "the sorter ended without a word: killed, or the machine went down",
}
"""How a process can end that says nothing of its end."""

WAITS_S = (0.0, 0.0, 2.0, 4.0, 8.0)
"""What the first starts in a row wait."""
SAFE_WAIT_S = 300.0
SAFE_WAIT_LIMIT_S = 3600.0
REASONS_KEPT = 6
REASON_LIMIT = 300
_COUNT_LIMIT = 1_000_000
_FILE_LIMIT = 64 * 1024
_SCHEMA = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a start is to do before it opens anything.

    Attributes:
        wait_s: how long it stands by, the motors without power.
        is_safe_mode: it stands by because too many starts in a row came to nothing.
        reasons: why the last of them did, oldest first.
        count: number of this start in the row, from 1.
        is_trusted: since this row began no end is remembered but power cuts.
    """

    wait_s: float
    is_safe_mode: bool
    reasons: tuple[str, ...]
    count: int
    is_trusted: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """What is remembered.

    Attributes:
        serial: grows with every writing.
        is_open: a process was begun, and its end not heard of.
        kernel_boot_id: of the run of the kernel in which it was begun.
        untold: ends without a word that no event tells of yet, each with how often.
    """

    serial: int = 0
    count: int = 0
    is_open: bool = False
    kernel_boot_id: str = ""
    reasons: tuple[str, ...] = ()
    untold: tuple[tuple[str, int], ...] = ()


class Starts:
    """Remembers over restarts, reboots and power cuts how often the sorter started in vain, and which ends it owes the
    book. It never raises.

    Args:
        path: of the file, in the state folder.
        spare: written as well where `path` cannot be, as on a disk that became read-only; in the runtime folder.
        boot_id: names this run of the kernel.
    """

    def __init__(self, path: Path, spare: Path | None = None, boot_id: str | None = None) -> None:
        self._path, self._spare = path, spare
        self._boot_id = kernel_boot_id() if boot_id is None else boot_id
        self._row = _Row()
        self._before: _Row | None = None

    def begin(self) -> Plan:
        """Count this start, before anything that can fail is tried, and say how it is to begin."""
        self._sweep()
        row = max((self._read(path) for path in self._paths()), key=lambda found: found.serial)
        if row.is_open:
            end = self._silent_end(row)
            # Kept until it stands in the book: this start may fail before it can say so, and so may the next.
            row = replace(row, reasons=_with(row.reasons, _ENDS[end]), untold=_once_more(row.untold, end))
        self._before = replace(row, is_open=False)
        self._row = replace(row, count=row.count + 1, is_open=True, kernel_boot_id=self._boot_id)
        self._write()
        return _plan(self._row)

    @property
    def untold(self) -> tuple[Event, ...]:
        """Events about processes that ended without a word, one for each way to end; `times` says how often.

        A loss of power is no fault of the sorter, which came back by itself: it is told as `recovered`. None is lost
        over a failed start or a kill at any moment; one that is killed right after it told may tell twice.
        """
        return tuple(_told(end, times) for end, times in self._row.untold)

    def told(self, type_: str, reason: str) -> None:
        """An event is durable. One of `untold` is owed no longer."""
        left = tuple(owed for owed in self._row.untold if (_told(*owed).type, owed[0]) != (type_, reason))
        if left != self._row.untold:
            self._row = replace(self._row, untold=left)
            self._write()

    def failed(self, reason: str) -> None:
        """This start ends, or ended, in a fault."""
        self._row = replace(self._row, is_open=False, reasons=_with(self._row.reasons, reason))
        self._write()

    def stable(self) -> None:
        """This start has run for long enough: the row begins anew. That it ends is still to be heard."""
        row = replace(self._row, count=0, reasons=())
        # Nothing older is to be brought back by `withdraw`.
        self._before = replace(row, is_open=False)
        if row != self._row:
            self._row = row
            self._write()

    def ended(self) -> None:
        """This start was ended as somebody wished: the row begins anew."""
        self._row = replace(self._row, count=0, is_open=False, reasons=())
        self._write()

    def withdraw(self) -> None:
        """Somebody ended this start while it stood by: it proved nothing, and does not count."""
        if self._before is not None:
            self._row = replace(self._before, serial=self._row.serial, untold=self._row.untold)
            self._write()

    def _silent_end(self, row: _Row) -> str:
        if not row.kernel_boot_id or not self._boot_id:
            return UNKNOWN_END
        return KILLED if row.kernel_boot_id == self._boot_id else POWER_LOST

    def _paths(self) -> Iterator[Path]:
        yield self._path
        if self._spare is not None:
            yield self._spare

    def _read(self, path: Path) -> _Row:
        try:
            with path.open("rb") as file:
                return _parse(json.loads(file.read(_FILE_LIMIT)))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError, TypeError, KeyError) as exc:
            _log.warning("cannot read %s (%s); starts are counted anew", path, exc)
        return _Row()

    def _write(self) -> None:
        self._row = replace(self._row, serial=self._row.serial + 1)
        row = self._row
        fields: dict[str, Any] = {
            "schema": _SCHEMA,
            "serial": row.serial,
            "count": row.count,
            "is_open": row.is_open,
            "kernel_boot_id": row.kernel_boot_id,
            "reasons": list(row.reasons),
            "untold": dict(row.untold),
        }
        content = json.dumps(fields, indent=1) + "\n"
        try:
            write_whole(self._path, content)
        except OSError as exc:
            _log.warning("cannot count starts in %s (%s); free some space or mend the disk", self._path, exc.strerror)
            if self._spare is not None:
                with suppress(OSError):
                    write_whole(self._spare, content)
            return
        if self._spare is not None:
            with suppress(OSError):
                self._spare.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what a kill in mid-writing left."""
        for path in self._paths():
            with suppress(OSError):
                for litter in path.parent.glob(f".{path.name}.*"):
                    litter.unlink()


def _plan(row: _Row) -> Plan:
    index = row.count - 1
    # Of a longer row the first reasons are forgotten.
    is_trusted = row.count <= REASONS_KEPT and set(row.reasons) <= set(_with((), _ENDS[POWER_LOST]))
    if index < len(WAITS_S):
        return Plan(WAITS_S[index], False, row.reasons, row.count, is_trusted)
    # The exponent is bounded: a count of years must not make a number that no float holds.
    doubled = SAFE_WAIT_S * 2 ** min(index - len(WAITS_S), 10)
    return Plan(min(doubled, SAFE_WAIT_LIMIT_S), True, row.reasons, row.count, is_trusted)


def _with(reasons: tuple[str, ...], reason: str) -> tuple[str, ...]:
    return (*reasons, " ".join(reason.split())[:REASON_LIMIT])[-REASONS_KEPT:]


def _once_more(untold: tuple[tuple[str, int], ...], end: str) -> tuple[tuple[str, int], ...]:
    times = dict(untold)
    times[end] = min(times.get(end, 0) + 1, _COUNT_LIMIT)
    return tuple(times.items())


def _told(end: str, times: int) -> Event:
    body = {"reason": end, "detail": _ENDS[end], "state": State.BOOT.value, "times": times}
    return Event("recovered" if end == POWER_LOST else "fault", 0.0, body)


def _parse(fields: Any) -> _Row:
    """Raises: ValueError, TypeError, KeyError for anything that this class did not write."""
    if fields["schema"] != _SCHEMA:
        raise ValueError(f"schema {fields['schema']!r}, expected {_SCHEMA}")
    serial, count, is_open, boot_id = (fields[key] for key in ("serial", "count", "is_open", "kernel_boot_id"))
    reasons = fields["reasons"]
    if type(serial) is not int or type(count) is not int or type(is_open) is not bool or type(boot_id) is not str:
        raise ValueError("a value of the wrong kind")
    if type(reasons) is not list or not all(type(reason) is str for reason in reasons):
        raise ValueError("reasons that are no list of texts")
    if not 0 <= count <= _COUNT_LIMIT or serial < 0:
        raise ValueError("a count out of bounds")
    # Files of earlier versions lack it.
    untold = fields.get("untold", {})
    if type(untold) is not dict or not untold.keys() <= _ENDS.keys():
        raise ValueError("ends that nobody knows")
    if not all(type(times) is int and 1 <= times <= _COUNT_LIMIT for times in untold.values()):
        raise ValueError("a number of ends out of bounds")
    kept: tuple[str, ...] = ()
    for reason in reasons[-REASONS_KEPT:]:
        kept = _with(kept, reason)
    return _Row(serial, count, is_open, boot_id[:64], kept, tuple(untold.items()))
