"""The loop's parts with clocks around them, and a runtime that is made of these."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edge.bench.samples import Clock, Instant, Samples, now
from edge.bundle import Bundle
from edge.classifier import vote_policy
from edge.classify.tflite import TfliteClassifier
from edge.config import Config
from edge.drivers import make_gate
from edge.ledger import SqliteLedger
from edge.machine import Machine, Rules, State
from edge.pins import open_factory
from edge.ports import Classifier, Dull, Gate, PresenceDetector, Source
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import BgrImage, Decision, Frame, GateReport, ModelId, Prediction, Prepared, Presence
from edge.runtime import Parts, Runtime, Watcher

__all__ = ["TITLES", "Log", "LoopRound", "TimedGate", "open_gate", "open_parts", "open_runtime"]

TITLES = {
    "presence": "presence: thumbnail and look, every frame",
    "decide": "decide: vote, policy and state machine",
    "gate_command": "gate command: from the decision to the first command on the pins",
    "decision_to_pin": "last label -> decision -> first command on the pins",
    "turn_classified": "whole turn of a classified frame",
    "turn_idle": "whole turn of a frame of the empty tray",
}


@dataclass(slots=True)
class LoopRound:
    """The samples of one round, by stage."""

    samples: dict[str, Samples] = field(default_factory=lambda: {name: Samples() for name in TITLES})

    def us(self, name: str, clock: Clock) -> float:
        """Median time of a stage."""
        return float(np.median(self.samples[name].of(clock)))


@contextmanager
def open_gate(config: Config) -> Iterator[Gate]:
    """The gate on simulated pins. Raises: ActuatorError."""
    with ExitStack() as stack:
        factory = open_factory("mock")
        stack.callback(factory.close)
        gate = make_gate(config.gate, factory)
        stack.callback(gate.close)
        gate.open()
        yield gate


@contextmanager
def open_parts(
    config: Config,
    bundle: Bundle,
    source: Source,
    presence: PresenceDetector,
    classifier: Classifier,
    gate: Gate,
    watchers: Sequence[Watcher] = (),
    *,
    folder: Path | None = None,
) -> Iterator[Runtime]:
    """A runtime of these parts, with a ledger that is thrown away. Raises: LedgerError.

    Args:
        folder: where the ledger lies until then; None takes the system's own for such things.
    """
    with ExitStack() as stack:
        place = stack.enter_context(TemporaryDirectory(dir=folder))
        ledger = SqliteLedger(Path(place) / "ledger.db")
        stack.callback(ledger.close)
        ledger.open()
        # Nothing falls here: a sensor that the configuration names would wait in vain.
        drop = config.drop_sensor.model_copy(update={"kind": "none"})
        rules = Rules(config.settle, config.rearm, drop, config.vote.deadline_s, vote_policy(config, bundle))
        model = {"name": bundle.id.name, "version": bundle.id.version, "sha256": bundle.id.sha256}
        parts = Parts(source, presence, classifier, gate, None, ledger)
        yield Runtime(parts, rules, {"model": model, "source": "bench"}, watchers)


@contextmanager
def open_runtime(
    config: Config, bundle: Bundle, classifier: TfliteClassifier, source: Source, log: "Log"
) -> Iterator[Runtime]:
    """A runtime with clocks around its parts, on simulated pins. Raises: LedgerError, ActuatorError."""
    presence = TimedPresence(LocalContrastDetector(config.presence), log)
    with open_gate(config) as flap:
        timed = (source, presence, TimedClassifier(classifier, log), TimedGate(flap, log))
        with open_parts(config, bundle, *timed, [log]) as runtime:
            yield runtime


class Log:
    """Notes what a turn did, and when. A `runtime.Watcher`.

    Attributes:
        round: what is noted is added to it; the caller puts a new one for each round.
        routed_at: when the gate was told where to go, in order of time; the caller may clear it.
    """

    def __init__(self) -> None:
        self.round = LoopRound()
        self.routed_at: list[Instant] = []
        self._is_idle = False
        self._labelled: Instant | None = None
        self._routed: Instant | None = None

    def begin_turn(self) -> None:
        self._is_idle = False
        self._labelled = self._routed = None

    def label(self) -> None:
        """The classifier has answered."""
        self._labelled = now()

    def route(self) -> None:
        """The gate was told where to go."""
        self._routed = now()
        self.routed_at.append(self._routed)
        if self._labelled is not None:
            self.round.samples["decide"].add(self._labelled, self._routed)

    def command(self) -> None:
        """The gate has sent its first command."""
        if self._routed is None:
            return
        commanded = now()
        self.round.samples["gate_command"].add(self._routed, commanded)
        if self._labelled is not None:
            self.round.samples["decision_to_pin"].add(self._labelled, commanded)
        self._routed = None

    @property
    def kind(self) -> str | None:
        """Which of the stages of whole turns this one belongs to; None for those between."""
        if self._labelled is not None:
            return "turn_classified"
        return "turn_idle" if self._is_idle else None

    def end_turn(self, began: Instant, ended: Instant) -> None:
        if self.kind is not None:
            self.round.samples[self.kind].add(began, ended)

    def on_frame(self, frame: Frame, presence: Presence, machine: Machine) -> None:
        self._is_idle = machine.state is State.READY

    def on_prediction(self, prediction: Prediction) -> None:
        """Nothing: `label` was there before."""

    def on_decision(self, frame: Frame, decision: Decision) -> None:
        """Nothing."""

    def on_event(self, record: object) -> None:
        """Nothing."""

    def on_ending(self) -> None:
        """Nothing."""


class TimedPresence:
    """Fills `ports.PresenceDetector`."""

    def __init__(self, inner: PresenceDetector, log: Log) -> None:
        self._inner = inner
        self._log = log
        self.is_same: Dull = inner.is_same

    def observe(self, frame: Frame, *, may_learn: bool) -> Presence:
        began = now()
        presence = self._inner.observe(frame, may_learn=may_learn)
        self._log.round.samples["presence"].add(began, now())
        return presence


class TimedClassifier:
    """Fills `ports.Classifier`."""

    def __init__(self, inner: TfliteClassifier, log: Log) -> None:
        self._inner = inner
        self._log = log
        self.prepare = inner.prepare

    @property
    def labels(self) -> tuple[str, ...]:
        return self._inner.labels

    @property
    def model(self) -> ModelId:
        return self._inner.model

    def classify(self, image: BgrImage, t_s: float = 0.0, prepared: Prepared | None = None) -> Prediction:
        prediction = self._inner.classify(image, t_s, prepared)
        self._log.label()
        return prediction

    def close(self) -> None:
        self._inner.close()


class TimedGate:
    """Fills `ports.Gate`."""

    def __init__(self, inner: Gate, log: Log) -> None:
        self.inner = inner
        self._log = log
        self.home, self.stop, self.open, self.close = inner.home, inner.stop, inner.open, inner.close

    @property
    def bins(self) -> tuple[str, ...]:
        return self.inner.bins

    @property
    def is_moving(self) -> bool:
        return self.inner.is_moving

    @property
    def open_to(self) -> str | None:
        return self.inner.open_to

    def route(self, target: str, now_s: float) -> None:
        self._log.route()
        self.inner.route(target, now_s)

    def tick(self, now_s: float) -> GateReport | None:
        report = self.inner.tick(now_s)
        self._log.command()
        return report
