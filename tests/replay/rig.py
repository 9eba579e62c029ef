"""A sorter on a scripted tray: everything is real but the camera, the pins and the classifier's answer."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.clock import ReplayClock
from edge.commands.watchers import Silent
from edge.config import Config, LedgerConfig
from edge.drivers import make_panel
from edge.gates.servo_flap import ServoFlap
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.machine import Rules, State
from edge.pins import PinFactory, open_factory
from edge.policy import VotePolicy
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import BgrImage, Frame, ModelId, Prediction, Prepared
from edge.render import Placed
from edge.runtime import Parts, Runtime
from edge.sources.replay import Pace, Recording, ReplaySource
from edge.sources.sim import Simulation, Truth, _HandPlay
from edge.sources.sim_script import Act, Item

FPS = 20.0
CAN = Item("metal", "drinks_can")
JAR = Item("glass", "jar")
BAG = Item("trash", "crisp_bag")

Edit = Callable[[Frame], Frame]


class FixedClassifier:
    """Answers the same for every picture, and remembers when it was asked."""

    labels = ("glass", "trash")
    model = ModelId("stub", "1", "0" * 64)

    def __init__(self) -> None:
        self.asked_s: list[float] = []

    def prepare(self, image: BgrImage, out: Prepared | None = None) -> Prepared:
        return image

    def classify(self, image: BgrImage, t_s: float = 0.0, prepared: Prepared | None = None) -> Prediction:
        self.asked_s.append(t_s)
        return Prediction(t_s, self.labels, (0.98, 0.02), 0.002)

    def close(self) -> None:
        pass


class EditedRecording:
    """Another recording, cut at `end_s`, each frame passed through `edit`."""

    def __init__(self, inner: Recording, edit: Edit, end_s: float) -> None:
        self._inner = inner
        self._edit = edit
        self._end_s = end_s

    def open(self) -> None:
        self._inner.open()

    def next_s(self) -> float | None:
        next_s = self._inner.next_s()
        return next_s if next_s is not None and next_s <= self._end_s else None

    def take(self) -> Frame:
        return self._edit(self._inner.take())

    def close(self) -> None:
        self._inner.close()


class Notes(Silent):
    """Keeps every event, and the machine's states in order."""

    def __init__(self, clock: ReplayClock) -> None:
        self._clock = clock
        self.records: list[dict[str, Any]] = []
        self.told_s: list[float] = []
        self.states: list[State] = []

    def on_frame(self, frame, presence, machine):
        if not self.states or self.states[-1] is not machine.state:
            self.states.append(machine.state)

    def on_event(self, record):
        self.records.append(dict(record))
        self.told_s.append(self._clock.now_s())


class StillHand(_HandPlay):
    """A hand that reaches in, rests without a tremor, and goes."""

    def placed(self, t_s: float) -> list[Placed]:
        reach = min(1.0, (t_s - self._in_s) / self.REACH_S, max(0.0, (self._out_s - t_s) / self.REACH_S))
        return [Placed(self._sprite, self._x_px, self._depth_px * reach - self._sprite.bgra.shape[0] / 2, 0.0)]


@dataclass(frozen=True)
class Played:
    """What a run left behind.

    Attributes:
        records, told_s: events, and the source's time when each one was made known.
        truth: what the simulation showed.
        states: of the machine, frame by frame, without repetition.
        asked_s: times of the frames that were classified.
        last_pulse: the last pulse that the servo got, as a share of its period; None without any.
        is_powered: the servo still got pulses when the run was over.
    """

    records: list[dict[str, Any]]
    told_s: list[float]
    truth: list[Truth]
    states: list[State]
    asked_s: list[float]
    last_pulse: float | None
    is_powered: bool

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["type"] == kind]

    @property
    def types(self) -> list[str]:
        return [record["type"] for record in self.records]


@contextmanager
def opened(config: Config, folder: Path) -> Iterator[tuple[PinFactory, ServoFlap, SqliteLedger]]:
    """Simulated pins, a flap on them, and a ledger in `folder`."""
    with ExitStack() as stack:
        factory = open_factory("mock")
        stack.callback(factory.close)
        gate = ServoFlap(config.gate, factory)
        stack.callback(gate.close)
        gate.open()
        ledger = SqliteLedger(folder / "ledger.db")
        ledger.open()
        stack.callback(ledger.close)
        yield factory, gate, ledger


def play(
    acts: Iterable[Act],
    folder: Path,
    *,
    seed: int = 1,
    edit: Edit = lambda frame: frame,
    end_s: float = float("inf"),
    pace: Pace = "fast",
    watch: Callable[[Frame], None] = lambda frame: None,
    config: Config | None = None,
    wire: Callable[[PinFactory], None] = lambda factory: None,
    hands: Callable[[Frame, PinFactory], None] = lambda frame, factory: None,
    stop_s: float = float("inf"),
    memory: Path | None = None,
) -> Played:
    """Run the sorter over a script; the gate's pins and the ledger are checked before this returns.

    Args:
        folder: gets `ledger.db`.
        edit: done to each frame before anybody sees it.
        end_s: the source ends there.
        watch: called with each frame after it was looked at.
        config: of everything but the source and the voting; its panel is connected.
        wire: called with the pins before the start, so that it may drive what hangs on them.
        hands: called with each frame and the pins.
        stop_s: when the program is asked to end.
        memory: where an emergency stop is remembered; None: in `folder`.
    """
    config = config or Config()
    # What is remembered of an emergency stop lies beside it.
    config = config.model_copy(update={"ledger": LedgerConfig(path=str((memory or folder) / "ledger.db"))})
    with ExitStack() as stack:
        factory, gate, ledger = stack.enter_context(opened(config, folder))
        simulation = Simulation(seed=seed, items=0, fps=FPS, open_to=lambda: gate.open_to, script=list(acts))
        source = ReplaySource(EditedRecording(simulation, edit, end_s), pace)
        stack.callback(source.close)
        source.open()
        classifier = FixedClassifier()
        notes = Notes(source.clock)
        panel = make_panel(config, factory)
        if panel is not None:
            stack.callback(panel.close)
            panel.open()
        wire(factory)
        parts = Parts(source, LocalContrastDetector(config.presence), classifier, gate, None, ledger, panel)
        boot = {"model": {"name": "stub"}, "source": "script"}
        watchers = [notes, _Watch(watch), _Watch(lambda frame: hands(frame, factory))]
        Runtime(parts, rules(config), boot, watchers).run(lambda: source.clock.now_s() >= stop_s)
        pin = factory.pin(config.gate.servo_pin)
        pulses = [change.state for change in pin.states if change.state > 0]
        played = Played(
            records=notes.records,
            told_s=notes.told_s,
            truth=simulation.truth(),
            states=notes.states,
            asked_s=classifier.asked_s,
            last_pulse=pulses[-1] if pulses else None,
            is_powered=pin.state > 0 or pin.frequency is not None,
        )
    with LedgerReader(folder / "ledger.db") as reader:
        assert reader.verify().problems == ()
        assert list(reader.iterate()) == played.records
    return played


def rules(config: Config) -> Rules:
    """The default rules with thresholds that `FixedClassifier` clears."""
    policy = VotePolicy(
        routes={"glass": "recyclable", "trash": "residue"},
        bins=config.bin_names,
        uncertain_route=config.uncertain_route,
        max_frames=config.vote.max_frames,
        min_frames=config.vote.min_frames,
        agreement=config.vote.agreement,
        min_confidence=0.8,
        min_margin=0.6,
    )
    return Rules(config.settle, config.rearm, config.drop_sensor, config.vote.deadline_s, policy)


def darkened(from_s: float, until_s: float) -> Edit:
    """The light is off from one moment to the other, whatever lies on the tray."""

    def edit(frame: Frame) -> Frame:
        is_dark = from_s <= frame.t_s < until_s
        return replace(frame, image=(frame.image * 0.02).astype(frame.image.dtype)) if is_dark else frame

    return edit


def home_pulse(config: Config | None = None) -> float:
    """The pulse that parks the gate, as a share of the servo's period of 20 ms."""
    gate = (config or Config()).gate
    share = (gate.home_deg - gate.min_angle_deg) / (gate.max_angle_deg - gate.min_angle_deg)
    return (gate.min_pulse_us + share * (gate.max_pulse_us - gate.min_pulse_us)) / 20_000


def counts_per_item(records: list[dict[str, Any]], arrivals_s: list[float]) -> list[int]:
    """How often each item was counted: decisions from its arrival up to the next one's; phantoms come first.

    Args:
        arrivals_s: when each item came into view, in order.
    Returns: one number for the time before the first item, then one an item.
    """
    bounds = [float("-inf"), *arrivals_s, float("inf")]
    times = [record["t_s"] for record in records if record["type"] == "item"]
    return [sum(low <= t_s < high for t_s in times) for low, high in itertools.pairwise(bounds)]


class _Watch(Silent):
    def __init__(self, watch: Callable[[Frame], None]) -> None:
        self._watch = watch

    def on_frame(self, frame, presence, machine):
        self._watch(frame)
