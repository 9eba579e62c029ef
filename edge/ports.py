"""The Protocols that drivers fill. Each has one contract test suite that runs over all its drivers.

A driver acquires its device in `open` and gives it back in `close`; `close` may be called twice, also on
a driver that was never opened.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edge.clock import Clock
from edge.records import BgrImage, Event, Frame, GateReport, ModelId, Prediction, Prepared, Presence, Status

__all__ = [
    "Classifier",
    "DropSensor",
    "Dull",
    "FillSensor",
    "Gate",
    "Indicator",
    "Ledger",
    "Prepare",
    "PresenceDetector",
    "Source",
    "Switch",
]


Dull = Callable[[Frame], bool]
"""True for a frame that nobody needs to see: it shows what the last one showed."""
Prepare = Callable[[BgrImage, Prepared | None], Prepared]
"""Resizes and quantizes an image into the array that is given, one that it returned before, or into a new one."""


class Source(Protocol):
    """A camera, live or replayed. It owns the clock that the whole loop runs on."""

    @property
    def clock(self) -> Clock: ...

    @property
    def is_exhausted(self) -> bool:
        """True once a finite source has handed over its last frame."""
        ...

    def open(self, *, wait: bool = True) -> None:
        """Acquire the device or the file.

        Args:
            wait: False may only begin it, where it takes its time: `read` gives None until the first frame is there,
                and raises what this would have raised.
        Raises: ConfigError if what was named cannot be a source; SourceError if the device is missing.
        """
        ...

    def read(self, until_s: float, *, is_dull: Dull | None = None, prepare: Prepare | None = None) -> Frame | None:
        """The next frame of a replay, or the freshest unread frame of a camera.

        Waits on `clock` for it, no longer than `until_s`. None means that `until_s` was reached first, or
        that the source is exhausted. A frame is handed over once, and is valid until the next call.

        Args:
            is_dull: a camera may keep a frame for which it is true to itself, but none that comes half a second or
                more after the last one that was handed over. It is asked in the camera's own thread. A replay hands
                over every frame.
            prepare: a camera may call it on its pictures from now on, in its own thread, while the loop is busy with
                the picture before; `Frame.prepared` is what it returned.

        Raises: SourceError if the camera is lost, or its pictures are stale or frozen.
        """
        ...

    def limit_rate(self, fps: float | None) -> None:
        """Take at most so many pictures a second from now on, so that a hot processor rests; None: all of them.

        A camera drops the others as cheaply as it can, and hands over no older ones for it. A replay is taken as it is.
        May be called before `open` too; it never waits.
        """
        ...

    def close(self) -> None: ...


class PresenceDetector(Protocol):
    """Tells an empty tray from an occupied one, and rest from motion."""

    def observe(self, frame: Frame, *, may_learn: bool) -> Presence:
        """Look at one frame, in order of time.

        Args:
            may_learn: the machine is sure that nothing is being handled: an empty tray that is seen now
                may be taken into the reference. An occupied tray never is.
        """
        ...

    def is_same(self, frame: Frame) -> bool:
        """True if the frame shows what the last one that was looked at in full showed. It changes nothing, and may be
        asked in another thread meanwhile.
        """
        ...


class Classifier(Protocol):
    """Names what lies on the tray."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def model(self) -> ModelId: ...

    def prepare(self, image: BgrImage, out: Prepared | None = None) -> Prepared:
        """The part of `classify` that comes before the inference; one other thread may do it ahead.

        Args:
            out: an array that this returned before, and that nobody needs any more; None: a new one is made.
        Raises: SourceError if the image is not (H, W, 3) uint8.
        """
        ...

    def classify(self, image: BgrImage, t_s: float = 0.0, prepared: Prepared | None = None) -> Prediction:
        """Classify one (H, W, 3) uint8 BGR image of any size.

        Args:
            prepared: what `prepare` made of this very image; None: it is made now.
        Raises: SourceError if the image is not (H, W, 3) uint8.
        """
        ...

    def close(self) -> None: ...


class Gate(Protocol):
    """Moves items to bins. At most one motion at a time, and one motor; it moves only in `tick`.

    If power fails in mid-motion, the gate stays where it is until `home` at the next start.
    """

    @property
    def bins(self) -> tuple[str, ...]: ...

    @property
    def is_moving(self) -> bool: ...

    @property
    def open_to(self) -> str | None:
        """The bin whose way is fully open now; None while moving and at home."""
        ...

    def open(self) -> None:
        """Acquire the pins without moving. Raises: ActuatorError if a pin refuses."""
        ...

    def home(self, now_s: float) -> None:
        """Begin the motion to the parked position, from wherever the gate is."""
        ...

    def route(self, target: str, now_s: float) -> None:
        """Begin the motion that opens the way to bin `target` and holds it open.

        Raises: ActuatorError if a motion is under way or the bin is unknown.
        """
        ...

    def tick(self, now_s: float) -> GateReport | None:
        """Advance the motion under way to `now_s`; the report comes once, when the motion is done.

        Raises: JamError if the motion did not get where it should, also when tried again; ActuatorError if a pin
            refuses. No motor has power then.
        """
        ...

    def stop(self) -> None:
        """Take the power off every motor at once, wherever it stands. May be called again, and before `open`.

        Raises: ActuatorError if a pin refuses, after all of them were tried.
        """
        ...

    def close(self) -> None:
        """`stop`, then give the pins back."""
        ...


class DropSensor(Protocol):
    """Sees an item fall into a bin."""

    def open(self) -> None: ...

    def arm(self) -> None:
        """Forget what was seen before now."""
        ...

    def has_dropped(self) -> bool:
        """True if something passed since `arm`."""
        ...

    def close(self) -> None: ...


class Switch(Protocol):
    """A switch, a button or a contact: its present level, not what it did before."""

    def open(self) -> None:
        """Raises: ActuatorError if the pin refuses."""
        ...

    def is_actuated(self) -> bool:
        """Raises: ActuatorError if the pin does not answer."""
        ...

    def close(self) -> None: ...


class FillSensor(Protocol):
    """Sees whether a bin is full at this moment; whoever asks decides how long it must say so."""

    def open(self) -> None:
        """Raises: ActuatorError if a pin refuses."""
        ...

    def is_full(self) -> bool | None:
        """None while nothing is known, such as a ranger without an echo."""
        ...

    def close(self) -> None: ...


class Indicator(Protocol):
    """A lamp or a buzzer. It never stops the sorting: what it cannot show is logged once."""

    def open(self) -> None:
        """Raises: ActuatorError if a pin refuses."""
        ...

    def show(self, status: Status, now_s: float) -> None:
        """Show `status` at time `now_s`; called at least ten times a second, so that it may blink without a thread."""
        ...

    def close(self) -> None:
        """Off, and the pins given back."""
        ...


class Ledger(Protocol):
    """The event book. At most one writer; what `append` or `intend` returned from is durable."""

    @property
    def boot_id(self) -> str: ...

    @property
    def open_intent(self) -> Mapping[str, Any] | None:
        """What an earlier opening meant to move and never settled; None once an event settled it.

        Its fields are `boot_id`, `utc`, `t_s`, `label`, `route`, `decision`, `confidence` and `margin`. Whether that
        item fell is unknown: it is told by a `fault` event whose body names it under `item`, and never credited.
        """
        ...

    @property
    def findings(self) -> tuple[Event, ...]:
        """What `open` found wrong and mended: `fault` events (`ledger_damaged`, `ledger_lost`) that the caller appends.

        They come again at every opening until they are appended.
        """
        ...

    def open(self) -> None:
        """Acquire the book for writing. Raises: LedgerError if it cannot be, or if another process writes it."""
        ...

    def append(self, event: Event) -> dict[str, Any]:
        """Write one event down for good and return it as its public record (DESIGN.md, event fields).

        An `item` event, and any event whose body has the field `item`, settles the open intent in the same commit.

        Raises: LedgerError if it could not be made durable; it then has no number.
        """
        ...

    def intend(self, event: Event) -> None:
        """Write down for good that an item is about to be moved; the gate may move for it only after that.

        At most one intent is open. It is no event: it has no number, and nobody is told.

        Args:
            event: its body has `label`, `route`, `decision`, `confidence` and `margin`.
        Raises: LedgerError if it could not be made durable, or if one is open.
        """
        ...

    def maintain(self, now_s: float) -> None:
        """Do what the book needs from time to time; to be called while no item is in flight. Cheap if there is nothing.

        Raises: LedgerError if the book cannot be written any more.
        """
        ...

    def close(self) -> None: ...
