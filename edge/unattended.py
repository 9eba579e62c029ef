"""`run --unattended`: a sorter that nobody visits. It falls back, stands by, reloads, and says how it stands.

The camera, the model and the pins are healed by a new process (docs/decisions/0028); this is what a new process does
before it sorts, and what it does beside it.
"""

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edge.app import Care, Session, open_session
from edge.classifier import check_bundle
from edge.clock import Clock, utc_now
from edge.config import Config
from edge.configfile import load_config
from edge.errors import BundleError, ConfigError, SafeModeError, SorterError
from edge.health.heart import Heart
from edge.health.lastgood import LastGood, Used, is_kept, used_now
from edge.health.starts import Plan, Starts
from edge.health.status import StatusFile
from edge.machine import State
from edge.parts import Watcher
from edge.paths import model_path
from edge.records import Event, Status
from edge.sources.replay import Pace
from edge.standby import note, stand_by

__all__ = ["Caretaker", "Signals"]

RELOADABLE = frozenset({State.READY, State.WAIT_EMPTY, State.FAULT})
"""Nothing is in flight, and nobody asked the machine to stand still, which a reload would forget."""
DOUBT_FROM = 4
"""From this start in a row on, a camera or a pin that is missing is taken for a mistake of the configuration, too."""
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


@dataclass(frozen=True, slots=True)
class _Choice:
    """A configuration to run with, and what is to be written down about it."""

    config: Config
    file: Path | None
    told: tuple[Event, ...] = ()
    is_last_good: bool = False
    is_for_bundle: bool = False
    """Differs from the one before by its model only."""


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
    """

    def __init__(
        self,
        file: Path | None,
        wishes: Callable[[Config], Config],
        pace: Pace | None,
        watchers: Sequence[Watcher],
        signals: Signals,
        heart: Heart,
        status: StatusFile,
        starts: Starts,
        last_good: LastGood,
        clock: Clock,
    ) -> None:
        self._file = file
        self._wishes = wishes
        self._pace = pace
        self._watchers = (*watchers, heart, status)
        self._signals = signals
        self._heart = heart
        self._status = status
        self._starts = starts
        self._last_good = last_good
        self._clock = clock
        self._boot_id = secrets.token_hex(6)
        self._is_stable = False
        self._is_reload_asked = False
        self._next: _Choice | None = None
        self._reloads = 0

    def run(self) -> None:
        """Sort until a stop is asked for, or the source ends.

        Raises: SafeModeError if it was stopped in safe mode; SorterError that ends this process, written down and
            counted.
        """
        plan = self._starts.begin()
        try:
            self._status.tell(starts={"count": plan.count, "reasons": list(plan.reasons)})
            self._status.refresh()
            choices = list(self._choices())
            if plan.wait_s > 0 and not self._wait(choices[0], plan):
                self._starts.withdraw()
                if plan.is_safe_mode:
                    raise SafeModeError(_storm(plan))
                return
            self._sort(choices, is_any_failure=plan.count >= DOUBT_FROM)
        except SafeModeError:
            raise
        except Exception as exc:
            self._starts.failed(str(exc))
            raise
        self._starts.stable()

    def _choices(self) -> Iterator[_Choice]:
        """What to run with, best first: as configured, with the last good model, with the last good configuration.

        Raises: ConfigError if the file is refused and no last good one is kept.
        """
        kept, kept_bundle = self._kept(), self._last_good.bundle()
        told: tuple[Event, ...] = ()
        try:
            chosen = _Choice(self._wishes(load_config(self._file)), self._file)
        except ConfigError as exc:
            if kept is None:
                raise
            _log.error("%s", exc)
            told = (_refused("config_refused", exc),)
        else:
            yield chosen
            if kept_bundle is not None:
                config = _with_model(chosen.config, kept_bundle)
                yield replace(chosen, config=config, is_last_good=True, is_for_bundle=True)
        if kept is not None:
            config = kept.config if kept_bundle is None else _with_model(kept.config, kept_bundle)
            yield replace(kept, config=config, told=told)

    def _kept(self) -> _Choice | None:
        """The last good configuration; None without one that this version still takes."""
        file = self._last_good.config()
        try:
            return None if file is None else _Choice(self._wishes(load_config(file)), file, is_last_good=True)
        except ConfigError as exc:
            _log.warning("the last good configuration is of no use: %s", exc)
            return None

    def _wait(self, choice: _Choice, plan: Plan) -> bool:
        """Stand by as long as the plan says. Returns: whether to go on."""
        last = plan.reasons[-1] if plan.reasons else "unknown"
        why = _storm(plan) if plan.is_safe_mode else f"waits before another start, since the last one failed: {last}"
        if plan.is_safe_mode:
            _log.error("%s", why)
            body = {"reason": "restart_storm", "detail": why, "state": State.BOOT.value, "starts": plan.count}
            note(choice.config, self._boot_id, Event("fault", 0.0, body))

        def look(left_s: float) -> bool:
            if plan.is_safe_mode:
                self._heart.stand_by(why)
            else:
                self._heart.beat()
            self._status.tell(safe_mode={"detail": why, "is_on": plan.is_safe_mode, "left_s": round(left_s)})
            self._status.show("stand_by", Status.FAULT)
            self._status.refresh()
            return self._signals.stop() is None

        goes_on = stand_by(choice.config, self._clock, plan.wait_s, look)
        self._status.tell(safe_mode=None)
        return goes_on

    def _sort(self, choices: Sequence[_Choice], *, is_any_failure: bool) -> None:
        while True:
            with ExitStack() as stack:
                choice, session = self._open(choices, stack, is_any_failure=is_any_failure)
                self._show(choice, session)
                sound = _Sound(self._clock.now_s() + choice.config.health.stable_s, _used(choice, session))
                session.runtime.run(partial(self._must_stop, session, sound))
            if self._next is None or self._signals.stop() is not None:
                return
            # What was at work until now is taken again if the new one cannot be opened after all.
            choices, self._next, is_any_failure = (self._next, replace(choice, told=())), None, True

    def _open(self, choices: Sequence[_Choice], stack: ExitStack, *, is_any_failure: bool) -> tuple[_Choice, Session]:
        """Open the first of the choices that holds.

        Args:
            is_any_failure: a camera or a pin that is missing speaks against a choice as well, which may name the wrong.
        Raises: SorterError, of the first one if none does.
        """
        told: list[Event] = []
        first: SorterError | None = None
        for choice in choices:
            # The manager's patience begins anew: a camera's library takes seconds to load.
            self._heart.beat()
            if choice.is_for_bundle and not isinstance(first, BundleError):
                continue
            care = Care(self._boot_id, (*choice.told, *told))
            try:
                return choice, stack.enter_context(
                    open_session(choice.config, self._pace, self._watchers, choice.file, care)
                )
            except SorterError as exc:
                first = first or exc
                if not is_any_failure and not isinstance(exc, ConfigError | BundleError):
                    break
                _log.error("%s", exc)
                told.append(_refused("model_refused" if isinstance(exc, BundleError) else "config_refused", exc))
        raise first or ConfigError("nothing to run with")

    def _show(self, choice: _Choice, session: Session) -> None:
        file = choice.file
        self._status.tell(
            config={
                "path": None if file is None else str(file),
                "sha256": None if file is None else _digest(file),
                "is_last_good": choice.is_last_good and file is not None and is_kept(file.parent),
            },
            model={"is_last_good": choice.is_last_good and is_kept(model_path(choice.config))},
        )
        for name, read in session.reports.items():
            self._status.follow(name, read)

    def _must_stop(self, session: Session, sound: "_Sound") -> bool:
        if self._signals.stop() is not None:
            return True
        self._is_reload_asked |= self._signals.take_reload()
        machine = session.runtime.machine
        if self._is_reload_asked and machine.state in RELOADABLE:
            self._is_reload_asked = False
            self._reload(session)
            return self._next is not None
        if not self._is_stable and self._clock.now_s() >= sound.at_s and machine.may_pause:
            self._is_stable = True
            self._starts.stable()
            self._status.tell(starts=None)
            if sound.used is not None:
                self._last_good.keep_aside(sound.used)
        return False

    def _reload(self, session: Session) -> None:
        """Read the configuration anew, and check all of it; what is refused changes nothing."""
        self._heart.reloading()
        try:
            config = self._wishes(load_config(self._file))
            check_bundle(config, self._file)
        except (ConfigError, BundleError) as exc:
            _log.error("the new configuration is refused, the old one stays at work: %s", exc)
            session.runtime.tell(_refused("config_refused", exc))
            self._tell_reload(str(exc))
            self._heart.reload_refused()
            return
        self._tell_reload(None)
        self._is_stable = False
        self._next = _Choice(config, self._file)

    def _tell_reload(self, refusal: str | None) -> None:
        self._reloads += 1
        self._status.tell(
            reload={"number": self._reloads, "is_ok": refusal is None, "detail": refusal or "", "utc": utc_now()}
        )
        self._status.refresh()


@dataclass(frozen=True, slots=True)
class _Sound:
    """From when on a run counts as sound, and what is kept of it then."""

    at_s: float
    used: Used | None


def _used(choice: _Choice, session: Session) -> Used | None:
    """What the run works with; None for what is kept already, or cannot be read any more."""
    if choice.is_last_good:
        return None
    try:
        return used_now(choice.file, choice.config, model_path(choice.config), session.parts.classifier.model)
    except OSError as exc:
        _log.warning("cannot read %s again to keep it (%s)", choice.file, exc)
        return None


def _digest(file: Path) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None


def _with_model(config: Config, folder: Path) -> Config:
    return config.model_copy(update={"model": config.model.model_copy(update={"path": str(folder)})})


def _refused(reason: str, error: SorterError) -> Event:
    body = {"reason": reason, "detail": str(error), "state": State.BOOT.value}
    return Event("fault", 0.0, body)


def _storm(plan: Plan) -> str:
    last = plan.reasons[-1] if plan.reasons else "unknown"
    return f"safe mode, nothing moves: {plan.count - 1} starts in a row came to nothing, the last one: {last}"
