"""What several test files share: a machine and a gate on fake time, votes, a scripted camera, odd bundles."""

import hashlib
import json
import math
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import edge.machine as sm
from edge.config import DropSensorConfig, RearmConfig, SettleConfig
from edge.policy import VotePolicy
from edge.records import BgrImage, GateReport, Prediction, Presence
from edge.sources.live import LiveSource
from tests.scenes import picture

LABELS = ("glass", "paper", "trash")
ROUTES = {"glass": "recyclable", "paper": "recyclable", "trash": "residue"}
BINS = ("recyclable", "residue")
SHIPPED_BUNDLE = Path(__file__).parent.parent / "models" / "waste-mobilenetv2"
WAIT_S = 10.0
"""Longest real wait for another thread; it passes only when a test fails."""


def vote(
    *probabilities: float,
    labels: tuple[str, ...] = LABELS,
    t_s: float = 0.0,
    elapsed_s: float = 0.02,
    energy: float = math.inf,
) -> Prediction:
    """A prediction with these probabilities, in the order of `labels`."""
    return Prediction(t_s, labels, probabilities, elapsed_s, energy)


def policy(**changes: Any) -> VotePolicy:
    """Voting rules over glass, paper and trash."""
    fields: dict[str, Any] = {
        "routes": ROUTES,
        "bins": BINS,
        "uncertain_route": "residue",
        "max_frames": 5,
        "min_frames": 3,
        "agreement": 0.6,
        "min_confidence": 0.7,
        "min_margin": 0.5,
    }
    return VotePolicy(**(fields | changes))


def rules(**changes: Any) -> sm.Rules:
    """Rules of a machine without a drop sensor. The figures stand here, so that a new default changes no test."""
    fields: dict[str, Any] = {
        "settle": SettleConfig(quiet_s=0.15, max_s=1.0),
        "rearm": RearmConfig(empty_s=0.5, min_frames=5, clear_timeout_s=30.0, max_recoveries=3),
        "drop": DropSensorConfig(),
        "deadline_s": 1.5,
        "policy": policy(),
    }
    return sm.Rules(**(fields | changes))


GLASS = vote(0.95, 0.03, 0.02)
TRASH = vote(0.02, 0.03, 0.95)
DOUBTFUL = vote(0.30, 0.25, 0.45)


class MachineRig:
    """The machine with a gate that takes its time, on a clock of whole milliseconds: 20 frames and 100 ticks a second.

    Args:
        rules: of the machine.
        predict: the classifier's answer to the frame seen now; None answers nothing, as a hanging one would.
        route_s, home_s: how long the gate takes.
    """

    FRAME_MS = 50
    TICK_MS = 10

    def __init__(
        self,
        rules: sm.Rules,
        predict: Callable[[], Prediction | None] = lambda: GLASS,
        route_s: float = 1.0,
        home_s: float = 0.5,
    ) -> None:
        self.machine = sm.Machine(rules)
        self.predict = predict
        self.commands: list[tuple[float, sm.Command]] = []
        self.states: list[sm.State] = [self.machine.state]
        self._ms = 0
        self._gate_s = {"home": home_s, "route": route_s}
        self._gate: tuple[str, float, float] | None = None

    @property
    def now_s(self) -> float:
        return self._ms / 1000

    @property
    def state(self) -> sm.State:
        return self.machine.state

    def events(self, type_: str) -> list[sm.Emit]:
        """What was written down of one type."""
        return [command for _, command in self.commands if isinstance(command, sm.Emit) and command.type == type_]

    def times(self, kind: type) -> list[float]:
        """When commands of one kind came."""
        return [t_s for t_s, command in self.commands if isinstance(command, kind)]

    def send(self, event: sm.Input) -> None:
        """Give the machine an event and do as it says."""
        self.machine, commands = sm.advance(self.machine, event, self.now_s)
        if self.machine.state is not self.states[-1]:
            self.states.append(self.machine.state)
        for command in commands:
            self.commands.append((self.now_s, command))
            self._perform(command)

    def drop(self) -> None:
        """The drop sensor sees the item fall, which takes a moment from when the gate began to move."""
        self.see(0.15, occupied=True)
        self.send(sm.DropSeen())

    def see(
        self,
        duration_s: float,
        *,
        occupied: bool = False,
        moving: bool = False,
        disturbed: bool = False,
        lit: bool = True,
    ) -> None:
        """Let the camera see the same for a while. A large motion is a motion."""
        for _ in range(max(1, round(duration_s * 1000 / self.FRAME_MS))):
            presence = Presence(self.now_s, lit, occupied, moving or disturbed, disturbed, 0.1 * occupied, 0.0)
            self.send(sm.Seen(presence))
            for _ in range(self.FRAME_MS // self.TICK_MS):
                self._ms += self.TICK_MS
                self._tick()

    def until(self, state: sm.State, *, limit_s: float = 60.0, **seen: bool) -> None:
        """See the same until the machine is in `state`."""
        end_s = self.now_s + limit_s
        while self.state is not state:
            assert self.now_s < end_s, f"still {self.state} after {limit_s} s; went {self.states}"
            self.see(0.0, **seen)

    def boot(self) -> "MachineRig":
        """Home the gate and wait for the empty tray."""
        self.send(sm.Started())
        self.until(sm.State.READY)
        return self

    def drop_in(self) -> None:
        """An item slides in for 0.3 s."""
        self.see(0.3, occupied=True, disturbed=True)

    def sort(self) -> None:
        """One whole item; it leaves the tray when the gate opens."""
        self.drop_in()
        self.until(sm.State.ROUTING, occupied=True)
        self.until(sm.State.READY)

    def _tick(self) -> None:
        if self._gate is not None and self.now_s >= self._gate[2]:
            target, started_s, _ = self._gate
            self._gate = None
            self.send(sm.GateDone(GateReport(target, 90.0 if target == "home" else 140.0, started_s, self.now_s)))
        self.send(sm.Tick())

    def _perform(self, command: sm.Command) -> None:
        match command:
            case sm.HomeGate():
                self._gate = ("home", self.now_s, self.now_s + self._gate_s["home"])
            case sm.RouteItem(route):
                self._gate = (route, self.now_s, self.now_s + self._gate_s["route"])
            case sm.StopGate():
                self._gate = None
            case sm.ClassifyFrame():
                prediction = self.predict()
                if prediction is not None:
                    self.send(sm.Voted(prediction))


class FakeClock:
    """A clock that stands still until it is moved; waiting on it moves it."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s

    def now_s(self) -> float:
        return self._now_s

    def wait_until(self, t_s: float) -> None:
        self._now_s = max(self._now_s, t_s)

    def advance(self, duration_s: float) -> None:
        self._now_s += duration_s


class ScriptedCamera:
    """A `live.Camera` that delivers what the test hands it, and tells when it has been taken.

    Once released it runs freely, a hundred pictures a second, as a camera does; until then it hangs between pictures.
    """

    opens_aside = True

    def __init__(self, first: BgrImage | Exception | None = None) -> None:
        self._script: queue.Queue[BgrImage | Exception] = queue.Queue()
        self._asked = threading.Condition()
        self._asks = 0
        self._delivered = 0
        self.opened = 0
        self.closed = 0
        self.refuses_open: Exception | None = None
        self._is_released = threading.Event()
        self.limits_fps: list[float | None] = []
        if first is not None:
            self._delivered = 1
            self._script.put(first)

    def open(self) -> None:
        if self.refuses_open is not None:
            raise self.refuses_open
        self.opened += 1

    def grab(self, out: BgrImage | None = None) -> BgrImage:
        with self._asked:
            self._asks += 1
            self._asked.notify_all()
        while True:
            try:
                taken = self._script.get(timeout=0.01)
            except queue.Empty:
                if self._is_released.is_set():
                    return picture(self._asks)
                continue
            if isinstance(taken, Exception):
                raise taken
            if out is None or out.shape != taken.shape:
                return taken
            # As a driver does that is given memory.
            out[...] = taken
            return out

    def limit_rate(self, fps: float | None) -> None:
        self.limits_fps.append(fps)

    def close(self) -> None:
        self.closed += 1

    def deliver(self, picture: BgrImage) -> None:
        """Hand over a picture and return when whoever grabs has put it away and asks for the next one."""
        self._delivered += 1
        self._script.put(picture)
        self.wait_until_taken()

    def wait_until_taken(self) -> None:
        with self._asked:
            assert self._asked.wait_for(lambda: self._asks > self._delivered, WAIT_S), "nobody grabs"

    def fail(self, failure: Exception | BgrImage) -> None:
        """End the grabbing thread, by an exception or by a picture that is refused, and wait for its end."""
        thread = grabbing_thread()
        self._script.put(failure)
        thread.join(WAIT_S)
        assert not thread.is_alive(), "the grabbing thread goes on after a failure"

    def release(self) -> None:
        """Let the camera run freely."""
        self._is_released.set()


class LiveRig:
    """A live source over a scripted camera, not open yet."""

    def __init__(self, camera: ScriptedCamera, clock: FakeClock) -> None:
        self.camera = camera
        self.clock = clock
        self.source = LiveSource(camera, "fake:0", max_age_s=0.5, frozen_s=2.0, clock=clock)

    def read(self, wait_s: float = 0.0):
        return self.source.read(self.clock.now_s() + wait_s)


def grabbing_thread() -> threading.Thread:
    """The one thread that grabs now."""
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "camera"]
    return thread


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a bundle's manifest in place."""
    path = folder / "manifest.json"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))


def rehash(folder: Path) -> None:
    """Let a bundle's manifest promise the model that lies there now."""
    digest = hashlib.sha256((folder / "model.tflite").read_bytes()).hexdigest()
    edit_manifest(folder, lambda manifest: manifest.update(sha256=digest))


class GateRig:
    """Ticks a gate on fake time and notes every angle that its simulated pin was given."""

    TICK_S = 0.01

    def __init__(self, gate: Any, pin: Any, now_s: float = 100.0) -> None:
        self.gate = gate
        self.pin = pin
        self.now_s = now_s
        self.angles_seen: list[tuple[float, float]] = []

    def angle(self) -> float | None:
        """What the pulse on the pin means to a servo of 180 degrees between 500 and 2500 us; None without a pulse."""
        return None if not self.pin.frequency or not self.pin.state else (self.pin.state * 20000 - 500) / 2000 * 180

    def tick(self, step_s: float = TICK_S) -> GateReport | None:
        report = self.gate.tick(self.now_s)
        angle = self.angle()
        if angle is not None and (not self.angles_seen or abs(self.angles_seen[-1][1] - angle) > 1e-6):
            self.angles_seen.append((self.now_s, angle))
        self.now_s += step_s
        return report

    def run(self, duration_s: float) -> list[GateReport]:
        """Tick for a while; the reports that came."""
        reports = [self.tick() for _ in range(round(duration_s / self.TICK_S))]
        return [report for report in reports if report is not None]

    def angles(self, duration_s: float) -> list[tuple[float, float]]:
        """When the angle changed, and to what, over a while."""
        self.angles_seen.clear()
        self.run(duration_s)
        return list(self.angles_seen)

    def home(self) -> GateReport:
        """The whole way home."""
        self.gate.home(self.now_s)
        for _ in range(1000):
            report = self.tick()
            if report is not None:
                return report
        raise AssertionError("the gate does not come home")
