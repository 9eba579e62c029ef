"""How the sorter does, for others to read: `status.json` and `metrics.prom` in the runtime folder.

Each file is replaced as a whole: a reader sees the old one or the new one. No other process is needed to read them,
and none can reach the sorter through them.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import edge
from edge.clock import Clock, utc_now
from edge.health.lasting import former_counts
from edge.health.metrics import metrics_text
from edge.health.place import METRICS_NAME, STATUS_NAME, STATUS_SCHEMA, SUPPLY_LOW, kernel_boot_id, up_s
from edge.health.totals import Totals
from edge.machine import Machine, State
from edge.machine_stops import LEDGER_FAILED
from edge.panel import status_of
from edge.records import Decision, Frame, Prediction, Presence, Status

__all__ = ["FACTS", "STATUS_SCHEMA", "StatusFile"]

LATE_S = 5.0
"""A status is at most so old while frames are looked at."""
SOON_S = 0.5
"""What changed is written not sooner after the last writing."""
FACTS = ("safe_mode", "config", "model", "ledger", "supply", "captures", "starts", "reload", "owed", "uncredited")
"""What others than the machine know, as docs/operations.md explains it; null until somebody tells it."""
_STANDING = frozenset({State.BOOT, State.HOMING, State.FAULT, State.PAUSED})
_SUPPLY = ("bits", "now", "is_low", "is_hot", "is_answering", "temperature_c", "occurred", "coincided", "of", "advice")
_log = logging.getLogger(__name__)


class StatusFile:
    """A watcher that writes down how things stand, at changes and every 5 s, at most twice a second. It never raises.

    Args:
        folder: made if it is not there; None: nothing is written.
        clock: of the machine, not of a replay.
        utc: what the wall clock shows, only written down.
    """

    def __init__(self, folder: Path | None, clock: Clock, utc: Callable[[], str] = utc_now) -> None:
        self._folder = folder
        self._clock, self._utc = clock, utc
        self._started_s = self._soon_s = self._late_s = clock.now_s()
        self._is_due = True
        self._is_told = False
        self._machine: Machine | None = None
        self._state = State.BOOT
        self._holds: tuple[Any, ...] = ()
        self._is_waiting = self._is_dark = False
        self._full_bins: tuple[Any, ...] = ()
        self._shown: tuple[str, Status] | None = ("starting", Status.STARTING)
        self._totals = Totals(None if folder is None else former_counts(folder))
        self._facts: dict[str, Any] = dict.fromkeys(FACTS)
        self._followed: dict[str, Callable[[], Any]] = {}
        self._boot_id: str | None = None
        self._ended: dict[str, Any] | None = None
        self._constant = {
            "schema": STATUS_SCHEMA,
            "version": edge.__version__,
            "pid": os.getpid(),
            "kernel_boot_id": kernel_boot_id(),
        }
        self._sweep()

    def tell(self, **facts: Any) -> None:
        """Note what the machine does not know; a mapping adds to what was told before, None takes it back.

        Args:
            facts: any of `FACTS`, ready for JSON.
        """
        for name, value in facts.items():
            former = self._facts[_known(name)]
            is_both = isinstance(value, Mapping) and isinstance(former, Mapping)
            self._facts[name] = {**former, **value} if is_both else value
        self._is_due = True

    def follow(self, name: str, read: Callable[[], Any]) -> None:
        """Ask for a fact anew at each writing; what `read` raises makes it null."""
        self._followed[_known(name)] = read

    def show(self, state: str, status: Status) -> None:
        """A state outside of the machine; the next frame ends it. Written as soon as may be."""
        if self._shown != (state, status):
            self._shown, self._machine, self._is_due = (state, status), None, True
        self.refresh()

    def refresh(self) -> None:
        """Write if it is time to; for loops without frames."""
        now_s = self._clock.now_s()
        if now_s >= (self._soon_s if self._is_due else self._late_s):
            self._write(now_s)

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None:
        self._totals.frames += 1
        self._machine = machine
        state = machine.state
        if (
            state is not self._state
            or machine.holds is not self._holds
            or _waits_for_supply(machine) is not self._is_waiting
            or (machine.dark_since_s is None) is self._is_dark
            or machine.full_bins is not self._full_bins
            or self._shown is not None
        ):
            self._state, self._holds, self._full_bins = state, machine.holds, machine.full_bins
            self._is_waiting, self._is_dark = _waits_for_supply(machine), machine.dark_since_s is not None
            self._shown, self._is_due = None, True
        now_s = self._clock.now_s()
        # A file is not worth making an item wait for its decision.
        if now_s >= self._late_s or (self._is_due and now_s >= self._soon_s and state is not State.VOTING):
            self._write(now_s)

    def on_prediction(self, prediction: Prediction) -> None:
        self._totals.see_vote(prediction)

    def on_decision(self, frame: Frame, decision: Decision) -> None:
        """The item counts when it is written down."""

    def on_event(self, record: Mapping[str, Any]) -> None:
        self._totals.see_event(record)
        self._is_due = True
        if record.get("type") == "boot":
            self._boot_id = record.get("boot_id")
            if isinstance(model := record.get("model"), Mapping):
                self.tell(model=dict(model))
        if record.get("type") == "throttled":
            self.tell(supply={key: record[key] for key in _SUPPLY if key in record})

    def on_ending(self) -> None:
        """`close` has the last word."""

    def close(self, exit_code: int = 0, detail: str = "") -> None:
        """The last word: that the process ended, and how."""
        self._ended = {"exit_code": exit_code, "detail": detail}
        self._write(self._clock.now_s())

    def fields(self) -> dict[str, Any]:
        """What would be written now."""
        for name, read in self._followed.items():
            try:
                self._facts[name] = read()
            except Exception as exc:
                # Of whoever is asked nothing is known; the sorting goes on.
                _log.debug("no %s for the status: %s", name, exc)
                self._facts[name] = None
        facts, machine = dict(self._facts), self._machine
        uncredited = facts.pop("uncredited")
        state, status = self._now()
        is_up = self._ended is None and self._shown is None and status is not Status.FAULT
        return {
            **self._constant,
            "utc": self._utc(),
            "kernel_up_s": round(up_s(), 3),
            "run_s": round(self._clock.now_s() - self._started_s, 3),
            "boot_id": self._boot_id,
            "state": state,
            "status": status.value,
            "is_sorting": is_up and machine is not None and machine.state not in _STANDING,
            "is_dark": machine is not None and machine.dark_since_s is not None,
            "holds": [] if machine is None else [{"reason": reason, "t_s": t_s} for reason, t_s in _holds(machine)],
            "full_bins": [] if machine is None else [{"bin": name, "t_s": t_s} for name, t_s in machine.full_bins],
            "fault": self._fault(status),
            "last_fault": self._totals.last_fault,
            "ended": self._ended,
            **self._totals.fields(uncredited if isinstance(uncredited, int) else 0),
            **facts,
        }

    def _now(self) -> tuple[str, Status]:
        if self._ended is not None:
            return "ended", Status.FAULT if self._ended["exit_code"] else Status.STOPPED
        if self._shown is not None or self._machine is None:
            return self._shown or ("starting", Status.STARTING)
        is_failing = self._fact("ledger").get("is_failing")
        return self._machine.state.value, Status.FAULT if is_failing else status_of(self._machine)

    def _fact(self, name: str) -> Mapping[str, Any]:
        fact = self._facts[name]
        return fact if isinstance(fact, Mapping) else {}

    def _fault(self, status: Status) -> dict[str, Any] | None:
        """The fault that it stands in now."""
        last, machine = self._totals.last_fault, self._machine
        if status is not Status.FAULT:
            return None
        if self._ended is not None:
            detail = self._ended["detail"]
            is_it = last is not None and last["detail"] == detail
            return {"reason": last["reason"] if last and is_it else "ended", "detail": detail, "t_s": None}
        if machine is None:
            waiting = self._fact("safe_mode")
            reason = "restart_storm" if waiting.get("is_on") else "start_failed"
            return {"reason": reason, "detail": waiting.get("detail"), "t_s": None}
        if machine.fault is None:
            ledger = self._fact("ledger")
            return {"reason": LEDGER_FAILED, "detail": ledger.get("detail"), "t_s": ledger.get("t_s")}
        is_it = last is not None and last["reason"] == machine.fault
        return {"reason": machine.fault, "detail": last["detail"] if last and is_it else None, "t_s": machine.fault_s}

    def _write(self, now_s: float) -> None:
        self._soon_s, self._late_s, self._is_due = now_s + SOON_S, now_s + LATE_S, False
        if self._folder is None:
            return
        try:
            fields = self.fields()
            self._folder.mkdir(parents=True, exist_ok=True)
            _replace(self._folder, STATUS_NAME, json.dumps(fields, ensure_ascii=False, default=str) + "\n")
            _replace(self._folder, METRICS_NAME, metrics_text(fields))
        except OSError as exc:
            if not self._is_told:
                self._is_told = True
                _log.warning("cannot write the status to %s (%s); the sorting goes on", self._folder, exc.strerror)
            return
        self._is_told = False

    def _sweep(self) -> None:
        """Remove what killed processes left in mid-writing."""
        if self._folder is None:
            return
        with suppress(OSError):
            for name in (STATUS_NAME, METRICS_NAME):
                for litter in self._folder.glob(f".{name}.*"):
                    litter.unlink()


def _waits_for_supply(machine: Machine) -> bool:
    """A motion is due that would take the processor down, or an item lies there whose motion would."""
    return machine.is_motion_due or (machine.is_supply_low and machine.state is State.SETTLING)


def _holds(machine: Machine) -> tuple[tuple[str, float], ...]:
    is_waiting = _waits_for_supply(machine)
    return (*machine.holds, (SUPPLY_LOW, machine.entered_s)) if is_waiting else machine.holds


def _known(name: str) -> str:
    if name not in FACTS:
        raise TypeError(f"{name!r} is no fact of the status; its facts are {', '.join(FACTS)}")
    return name


def _replace(folder: Path, name: str, content: str) -> None:
    """Raises: OSError; the file is then as it was."""
    partial = folder / f".{name}.{os.getpid()}"
    with suppress(FileNotFoundError):
        partial.unlink()
    # Not synced: the folder does not outlive this run of the machine.
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(handle, "wb", buffering=0) as file:
            os.fchmod(handle, 0o644)
            data = memoryview(content.encode("utf-8", "replace"))
            while data:
                data = data[file.write(data) :]
        os.replace(partial, folder / name)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
