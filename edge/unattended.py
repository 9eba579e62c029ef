"""`run --unattended`: a sorter that nobody visits. It falls back, stands by, reloads, and says how it stands.

The camera, the model and the pins are healed by a new process (docs/decisions/0028); this is what a new process does
before it sorts, and what it does beside it.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edge.app import Care, Session, open_session
from edge.choices import Choice, Wishes, choices, configured, refused
from edge.classifier import check_bundle
from edge.clock import Clock, utc_now
from edge.errors import ActuatorError, BundleError, ConfigError, SafeModeError, SorterError, SourceError
from edge.health.account import AccountWatch
from edge.health.heart import Heart
from edge.health.lastgood import LastGood, Used, is_kept, used_now
from edge.health.starts import Plan, Starts
from edge.health.status import StatusFile
from edge.health.untold import UntoldWatch
from edge.machine import Machine, State
from edge.parts import Watcher
from edge.paths import model_path
from edge.records import Event, Status
from edge.sources.replay import Pace
from edge.standby import note, stand_by

__all__ = ["Caretaker", "Signals"]

RELOADABLE = frozenset({State.READY, State.WAIT_EMPTY})
"""Nothing is in flight, and nothing is waited for that a reload would forget: a stop, a pause, a hand at a jammed gate.
"""
DOUBT_FROM = 4
"""From this start in a row on, a camera or a pin that is missing is taken for a mistake of the configuration, too."""
_UNFIT: tuple[type[SorterError], ...] = (ConfigError, BundleError)
_MISSING: tuple[type[SorterError], ...] = (*_UNFIT, SourceError, ActuatorError)
_STANDING = frozenset({State.BOOT, State.HOMING, State.FAULT, State.PAUSED})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Signals:
    """What other processes ask for.

    Attributes:
        stop: the signal that asked for an end, or None.
        take_reload: whether a reload was asked for since the last call.
    """

    stop: Callable[[], int | None]
    take_reload: Callable[[], bool]


class Caretaker:
    """Runs sessions one after the other until a stop is asked for. At most one is open.

    Args:
        file: the configuration; None for the packaged default.
        wishes: what the command line asks for in place of what the file says.
        pace: of a replayed source.
        watchers: of every session.
        signals: see `Signals`.
        heart, status: tell the service manager and whoever reads the status file.
        starts, last_good: what is remembered from one process to the next.
        clock: of the machine, not of a replay.
        owed: the account of what the last process could not write down, if there is one.
    """

    def __init__(
        self,
        file: Path | None,
        wishes: Wishes,
        pace: Pace | None,
        watchers: Sequence[Watcher],
        signals: Signals,
        heart: Heart,
        status: StatusFile,
        starts: Starts,
        last_good: LastGood,
        clock: Clock,
        owed: Sequence[Event] = (),
    ) -> None:
        self._file = file
        self._wishes = wishes
        self._pace = pace
        self._watchers = (*watchers, heart, status, UntoldWatch(starts), AccountWatch(status, owed))
        self._signals = signals
        self._heart = heart
        self._status = status
        self._starts = starts
        self._last_good = last_good
        self._clock = clock
        self._owed = tuple(owed)
        self._is_sound = False
        self._is_reload_asked = False
        self._waits_for_camera = True
        self._next: Choice | None = None
        self._reloads = 0

    def run(self) -> None:
        """Sort until a stop is asked for, or the source ends.

        Raises: SafeModeError if it was stopped in safe mode; SorterError that ends this process, written down and
            counted.
        """
        plan = self._starts.begin()
        self._owed += self._starts.untold
        try:
            self._status.tell(starts={"count": plan.count, "reasons": list(plan.reasons)})
            self._status.refresh()
            found = self._choices()
            if plan.wait_s > 0:
                if not self._wait(found[0], plan):
                    self._starts.withdraw()
                    if plan.is_safe_mode:
                        raise SafeModeError(_storm(plan))
                    return
                # Whoever mended the file meanwhile wants it to be taken.
                found = self._choices()
            self._waits_for_camera = not plan.is_trusted
            self._sort(found, _MISSING if plan.count >= DOUBT_FROM else _UNFIT)
        except SafeModeError:
            raise
        except Exception as exc:
            self._starts.failed(str(exc) or repr(exc))
            raise
        if self._signals.stop() is None or self._is_sound:
            self._starts.ended()
        else:
            # Ended by somebody before it could prove anything.
            self._starts.withdraw()

    def _choices(self) -> Sequence[Choice]:
        return list(choices(self._file, self._wishes, self._last_good))

    def _wait(self, choice: Choice, plan: Plan) -> bool:
        """Stand by as long as the plan says. Returns: whether to go on."""
        last = plan.reasons[-1] if plan.reasons else "unknown"
        why = _storm(plan) if plan.is_safe_mode else f"waits before another start, since the last one failed: {last}"
        if plan.is_safe_mode:
            _log.error("%s; another try in %g s, or at `edge-sorter config reload`", why, plan.wait_s)
        else:
            _log.error("start %d in a row %s (%g s)", plan.count, why, plan.wait_s)
        if plan.is_safe_mode:
            body = {"reason": "restart_storm", "detail": why, "state": State.BOOT.value, "starts": plan.count}
            note(choice.config, Event("fault", 0.0, body))

        def look(left_s: float) -> bool:
            if plan.is_safe_mode:
                self._heart.stand_by(why)
            else:
                self._heart.beat()
            self._status.tell(safe_mode={"detail": why, "is_on": plan.is_safe_mode, "left_s": round(left_s)})
            self._status.show("stand_by", Status.FAULT)
            self._is_reload_asked |= self._signals.take_reload()
            return self._signals.stop() is None and not self._is_reload_asked

        goes_on = stand_by(choice.config, self._clock, plan.wait_s, look)
        self._status.tell(safe_mode=None)
        return goes_on or (self._signals.stop() is None and self._is_reload_asked)

    def _sort(self, found: Sequence[Choice], speaking_against: tuple[type[SorterError], ...]) -> None:
        while True:
            with ExitStack() as stack:
                choice, session, refusals = self._open(found, speaking_against, stack)
                if self._is_reload_asked:
                    self._answer_reload(None if choice is found[0] else "; ".join(refusals))
                self._show(choice, session)
                trial = _Trial(choice.config.health.stable_s, _used(choice, session))
                session.runtime.run(partial(self._must_stop, session, trial))
            if self._next is None or self._signals.stop() is not None:
                return
            # What was at work until now is taken again if the new one cannot be opened after all, whatever it refused:
            # its wires are those that have just served.
            former = replace(choice, told=(), is_for_bundle=False)
            found, self._next, speaking_against = (self._next, former), None, (SorterError,)
            self._waits_for_camera = True

    def _open(
        self, found: Sequence[Choice], speaking_against: tuple[type[SorterError], ...], stack: ExitStack
    ) -> tuple[Choice, Session, list[str]]:
        """Open the first of the choices that holds.

        Args:
            speaking_against: errors that speak against a choice, and not only against this moment.
        Returns: it, the session, and why those before it were refused.
        Raises: SorterError, of the first one if none does.
        """
        told: list[Event] = []
        errors: list[SorterError] = []
        failed = []
        for choice in found:
            is_bundle_refused = bool(errors) and isinstance(errors[-1], BundleError)
            if choice.config in failed or (choice.is_for_bundle and not is_bundle_refused):
                continue
            if errors:
                _log.error("%s", errors[-1])
            # Each has a name of its own in the book: it may be another book.
            care = Care(
                secrets.token_hex(6),
                (*self._owed, *choice.told, *told),
                self._heart.opening,
                # Where something speaks against it, nothing moves before its first picture.
                waits_for_camera=self._waits_for_camera or choice.is_last_good or bool(errors),
            )
            try:
                session = stack.enter_context(
                    open_session(choice.config, self._pace, self._watchers, choice.file, care)
                )
                self._owed = ()
                return choice, session, [str(error) for error in errors]
            except SorterError as exc:
                errors.append(exc)
                failed.append(choice.config)
                if not isinstance(exc, speaking_against):
                    break
                told.append(refused(exc))
        raise errors[0] if errors else ConfigError("nothing to run with")

    def _show(self, choice: Choice, session: Session) -> None:
        file, bundle = choice.file, self._last_good.bundle()
        self._status.tell(
            config={
                "path": None if file is None else str(file),
                "sha256": choice.sha256,
                "is_last_good": choice.is_last_good and file is not None and is_kept(file.parent),
            },
            # Also where it is taken again after a reload that came to nothing.
            model={"is_last_good": bundle is not None and choice.config.model.path == str(bundle)},
        )
        for name, read in session.reports.items():
            self._status.follow(name, read)

    def _must_stop(self, session: Session, trial: "_Trial") -> bool:
        if self._signals.stop() is not None:
            return True
        self._is_reload_asked |= self._signals.take_reload()
        if not session.runtime.has_seen:
            # The camera may still be opening: nothing is proven yet, and its device not to be had for another session.
            return False
        machine = session.runtime.machine
        if self._is_reload_asked and machine.state in RELOADABLE and not session.runtime.is_book_failing:
            self._reload(session)
            return self._next is not None
        # Written at rest: a motion must not wait for a disk.
        is_passed = trial.is_passed(machine, self._clock.now_s())
        if not self._is_sound and is_passed and machine.state in RELOADABLE:
            self._is_sound = True
            self._starts.stable()
            self._status.tell(starts=None)
        if trial.used is not None and self._is_sound and machine.state in RELOADABLE:
            self._last_good.keep_aside(trial.used)
            trial.used = None
        return False

    def _reload(self, session: Session) -> None:
        """Read the configuration anew, and check all of it; what is refused changes nothing."""
        self._heart.reloading()
        try:
            choice = configured(self._file, self._wishes)
            check_bundle(choice.config, self._file)
        except _UNFIT as exc:
            _log.error("the new configuration is refused, the old one stays at work: %s", exc)
            session.runtime.tell(refused(exc))
            self._answer_reload(str(exc))
            self._heart.reload_refused()
            return
        self._is_sound = False
        self._next = choice

    def _answer_reload(self, refusal: str | None) -> None:
        self._is_reload_asked = False
        self._reloads += 1
        self._status.tell(
            reload={"number": self._reloads, "is_ok": refusal is None, "detail": refusal or "", "utc": utc_now()}
        )
        self._status.refresh()


@dataclass(slots=True)
class _Trial:
    """A run that has to last before anything is believed of it.

    Attributes:
        stable_s: so long without a fault.
        used: what is kept of it then; None once it is, or if it is kept already.
        since_s: since when it stands in none; None while it does.
    """

    stable_s: float
    used: Used | None
    since_s: float | None = None

    def is_passed(self, machine: Machine, now_s: float) -> bool:
        if machine.state in _STANDING:
            self.since_s = None
        elif self.since_s is None:
            self.since_s = now_s
        return self.since_s is not None and now_s - self.since_s >= self.stable_s


def _used(choice: Choice, session: Session) -> Used | None:
    """What the run works with; None for what is kept already, or cannot be read any more."""
    if choice.is_last_good:
        return None
    model = session.parts.classifier.model
    try:
        return used_now(choice.file, choice.config, model_path(choice.config), model, choice.text)
    except OSError as exc:
        _log.warning("cannot read what belongs to %s, to keep it (%s)", choice.file, exc)
        return None


def _storm(plan: Plan) -> str:
    last = plan.reasons[-1] if plan.reasons else "unknown"
    return f"safe mode, nothing moves: {plan.count - 1} starts in a row came to nothing, the last one: {last}"
