"""The composition root: opens what a run is made of, in order."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edge
from edge.book import Book, is_full
from edge.classifier import open_tuned, vote_policy
from edge.classify.tuning import held_on
from edge.config import Config
from edge.disk import Reserve
from edge.drivers import open_hardware, open_source
from edge.errors import LedgerError
from edge.health.clock_watch import ClockWatch
from edge.ledger import SqliteLedger
from edge.machine import Rules
from edge.memory import release_file_pages, settle
from edge.paths import ledger_path
from edge.ports import Classifier
from edge.records import Event
from edge.runtime import Parts, Runtime, Watcher
from edge.sources.replay import Pace
from edge.upkeep import Upkeep

if TYPE_CHECKING:
    from edge.capture.store import CaptureStore
    from edge.capture.watcher import CaptureWatcher
    from edge.supply_monitor import SupplyMonitor

__all__ = ["Care", "Session", "open_session"]

LIVE = frozenset({"picamera2", "v4l2"})


def _rest() -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Care:
    """What a run has that nobody watches.

    Attributes:
        boot_id: names the run in the book.
        told: events to be written down after `boot`: what is not as configured.
        beat: called between the steps of opening, each of which may take its time.
        waits_for_camera: False: the camera may open while the gate goes home; a missing one is the loop's error then.
    """

    boot_id: str
    told: tuple[Event, ...] = ()
    beat: Callable[[], None] = _rest
    waits_for_camera: bool = True


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that is open during a run."""

    runtime: Runtime
    parts: Parts
    truth: Any
    """`sources.sim.Simulation`, which knows what it showed; None for every other source."""
    reports: Mapping[str, Callable[[], Any]]
    """What the status file is to say of other parts than the machine, by their names there."""


@dataclass(frozen=True, slots=True)
class _Captures:
    store: "CaptureStore"
    watcher: "CaptureWatcher"


@contextmanager
def open_session(
    config: Config,
    pace: Pace | None,
    watchers: Sequence[Watcher],
    file: Path | None = None,
    care: Care | None = None,
) -> Iterator[Session]:
    """Open everything a run needs, in order; close it in reverse, even half-built.

    Args:
        pace: None takes `realtime`; only a replayed source has another.
        file: where the configuration was read, for errors.
        care: of a run that nobody watches; None: faults of the disk end it, and what it works with is as configured.
    Raises: any SorterError, before anything has moved; where the camera is not waited for, that is up to the loop.
    """
    beat = _rest if care is None else care.beat
    with ExitStack() as stack:
        # Before the model, and before the source, bring their own libraries and buffers: the peak is lower by what was
        # read only to start.
        release_file_pages()
        beat()
        captures = _open_captures(config, care, stack)
        room = None if care is None else _reserve(config, captures)
        ledger = _open_ledger(config, care, room)
        stack.callback(ledger.close)
        book = Book(ledger, room, heals=care is not None, sorts_on=config.ledger.when_unwritable == "sort")
        # A replay's seconds are not the supply's.
        supply = None if care is None or not _is_live(config) else _open_supply(config, stack)
        if captures is not None:
            watchers = (*watchers, captures.watcher)
        beat()
        # Soon, since a run that was killed may have left a motor on: claiming its pin takes the power off.
        hardware = stack.enter_context(open_hardware(config, file))
        beat()
        bundle, classifier, tuning = open_tuned(config, file)
        stack.callback(classifier.close)
        bundle = bundle.without_model()
        release_file_pages()
        beat()
        waits = care is None or care.waits_for_camera
        source, truth = stack.enter_context(open_source(config, pace, lambda: hardware.gate.open_to, wait=waits))
        parts = Parts(
            source,
            hardware.presence,
            classifier,
            hardware.gate,
            hardware.drop_sensor,
            ledger,
            hardware.panel,
            book,
            None if care is None else Upkeep(supply, ClockWatch()),
            config.health.hot_fps,
        )
        rules = Rules(
            settle=config.settle,
            rearm=config.rearm,
            drop=config.drop_sensor,
            deadline_s=config.vote.deadline_s,
            policy=vote_policy(config, bundle),
            park_limit_s=config.gate.park_limit_s,
            is_paused_when_full=config.bins.when_full == "pause",
        )
        runtime = Runtime(
            parts,
            rules,
            _boot_body(config, classifier),
            watchers,
            told=() if care is None else care.told,
            at_rest=settle,
        )
        beat()
        # Last, when the camera's thread and the pins' are there: threads that are made on one core stay on it.
        stack.enter_context(held_on(tuning.core))
        yield Session(runtime, parts, truth, _reports(book, supply, captures))


def _is_live(config: Config) -> bool:
    return config.source.spec.partition(":")[0] in LIVE


def _reserve(config: Config, captures: "_Captures | None") -> Reserve:
    images = None if captures is None else captures.store.prune
    return Reserve(ledger_path(config).parent, round(config.ledger.reserve_mb * 1e6), images=images)


def _open_ledger(config: Config, care: Care | None, room: Reserve | None) -> SqliteLedger:
    """The event book, opened. Raises: LedgerError."""
    settings = config.ledger
    ledger = SqliteLedger(
        ledger_path(config),
        boot_id=None if care is None else care.boot_id,
        rotate_bytes=None if settings.rotate_mb is None else round(settings.rotate_mb * 1e6),
        # A person who starts it by hand decides what is done about a damaged book.
        when_damaged="stop" if care is None else settings.when_damaged,
    )
    try:
        ledger.open()
    except LedgerError as exc:
        if room is None or not is_full(exc) or not room.shed():
            raise
        ledger.open()
    if room is not None:
        room.refill()
    return ledger


def _open_captures(config: Config, care: Care | None, stack: ExitStack) -> "_Captures | None":
    """Pictures worth a label are kept of what a camera sees; of a replay, only where nobody watches."""
    if not config.capture.kinds or (care is None and not _is_live(config)):
        return None
    from edge.capture.settings import captures_path, limits_of
    from edge.capture.store import CaptureStore
    from edge.capture.watcher import CaptureWatcher

    store = CaptureStore(captures_path(config), limits_of(config), jpeg_quality=config.capture.jpeg_quality)
    stack.callback(store.close)
    store.open()
    watcher = CaptureWatcher(store, config.capture.kinds, config.source.spec)
    stack.callback(watcher.close)
    return _Captures(store, watcher)


def _open_supply(config: Config, stack: ExitStack) -> "SupplyMonitor":
    from edge.board.supply_gauges import SupplyGauges
    from edge.supply_monitor import SupplyMonitor

    health = config.health
    monitor = SupplyMonitor(
        SupplyGauges().read,
        undervoltage_hold=health.undervoltage_hold,
        hot_c=health.hot_c,
        cool_c=health.cool_c,
    )
    stack.callback(monitor.close)
    monitor.open()
    return monitor


def _reports(
    book: Book, supply: "SupplyMonitor | None", captures: "_Captures | None"
) -> Mapping[str, Callable[[], Any]]:
    reports: dict[str, Callable[[], Any]] = {"ledger": book.report, "uncredited": lambda: book.uncredited}
    if supply is not None:
        reports["supply"] = supply.report
    if captures is not None:
        store = captures.store
        reports["captures"] = lambda: asdict(store.figures)
    return reports


def _boot_body(config: Config, classifier: Classifier) -> dict[str, Any]:
    model = classifier.model
    return {
        "version": edge.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "source": config.source.spec,
        "pins": config.pins.factory,
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
    }
