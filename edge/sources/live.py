"""The shell of every camera: a thread grabs, a one-slot mailbox hands over the freshest frame, or an error."""

import logging
import threading
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edge.clock import Clock, MonotonicClock
from edge.errors import SorterError, SourceError
from edge.ports import Dull, Prepare
from edge.preprocess import check_image
from edge.records import BgrImage, Frame, Prepared
from edge.sources.frozen import FrozenCheck
from edge.thumbnail import thumbnail

__all__ = ["Camera", "LiveSource"]

OPEN_S = 20.0
"""A camera that is not open by then hangs. On the smallest Pi, loading picamera2 alone takes several seconds."""
FIRST_FRAME_S = 5.0
"""A camera that has not delivered so long after it was opened is missing."""
HOLD_S = 0.5
"""A frame is handed over at least so often, however dull."""
MOST_STEP = 0.5
"""Longest time between two pictures when the rate is limited, as a share of the age at which one is stale."""
BUFFERS = 3
"""One is being written, one waits in the mailbox, one is in the loop's hands."""
CLOSE_S = 1.5
"""A grabbing thread that has not ended by then hangs in the driver and is left behind."""
_log = logging.getLogger(__name__)


class Camera(Protocol):
    """What a camera driver has to do. All of it is called from one thread, which may hang in it."""

    @property
    def opens_aside(self) -> bool:
        """True if the program goes on while `open` takes its time: it loads no library, nor holds the interpreter's
        lock for more than a moment. A gate may move meanwhile.
        """
        ...

    def open(self) -> None:
        """Raises: SourceError if the device is missing or refuses; what was acquired by then is given back."""
        ...

    def grab(self, out: BgrImage | None = None) -> BgrImage | None:
        """Wait for the next picture, a second at most.

        Args:
            out: where it may be written to, if it is of that size; a new array costs a quarter of a thousand page
                faults.
        Returns: (H, W, 3) uint8 BGR, `out` or another array, which is then the caller's. None if no picture came
            so far; `LiveSource` knows how long is too long.
        Raises: SourceError if the device is lost.
        """
        ...

    def limit_rate(self, fps: float | None) -> None:
        """Give at most so many pictures a second, each as fresh as ever; None: all of them.

        `grab` may return None for the others. Called while the camera is open.
        """
        ...

    def close(self) -> None:
        """Give the device back. Called once after an `open` that went well, also when the device is lost.

        Raises: SourceError if it is left as it is instead, since it cannot be given back before the process ends.
        """
        ...


class LiveSource:
    """Fills `ports.Source` from a camera. A frame that nobody read in time is replaced, never queued; three buffers do.

    A picture that is older than `max_age_s` is not handed over: if no fresher one comes, the camera is stale and
    that is an error. A picture that repeats bit for bit for `frozen_s` is a frozen camera: sensors are never so
    quiet. An error of the grabbing thread is raised by the next `read`.

    The camera is opened, used and closed in one thread of its own, and nobody waits for that thread without a limit:
    a driver that hangs, whatever it was asked, is left behind. It keeps the device until the process ends.

    Args:
        camera: the driver.
        name: for messages, such as `v4l2:/dev/video0`.
        max_age_s, frozen_s: see above.
        dark_level: mean grey level below which a picture that repeats is darkness, and no frozen camera.
        clock: of the frames' time stamps.
    """

    def __init__(
        self,
        camera: Camera,
        name: str,
        *,
        max_age_s: float,
        frozen_s: float,
        dark_level: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        self._camera = camera
        self._name = name
        self._max_age_s = max_age_s
        self._frozen_s = frozen_s
        self._dark_level = dark_level
        self._clock = clock or MonotonicClock()
        self._mail = threading.Condition()
        self._slot: Frame | None = None
        self._in_hand: Frame | None = None
        self._is_dull: Dull | None = None
        self._prepare: Prepare | None = None
        self._last_s = 0.0
        self._has_seen = False
        self._handed_s = 0.0
        self._missed = 0
        self._limit_fps: float | None = None
        self._buffers: list[BgrImage] = []
        self._prepared_buffers: list[Prepared] = []
        self._failure: Exception | None = None
        self._is_closing = False
        self._is_camera_open = False
        self._is_given_up = False
        self._is_not_given_back = False
        self._thread: threading.Thread | None = None

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def is_exhausted(self) -> bool:
        return False

    @property
    def missed(self) -> int:
        """Frames that the loop came too late for: a fresher one took their place. Dull ones do not count."""
        return self._missed

    @property
    def is_left_behind(self) -> bool:
        """True if `close` could not give the camera back: its driver hangs, or the camera is gone.

        Such a process may be unable to end in the usual way, since the driver's own clean-up at exit would wait for
        the same device, or abort: once the gate is parked and all is written down, end it with `os._exit`.
        """
        hangs = self._is_given_up and self._thread is not None and self._thread.is_alive()
        return hangs or self._is_not_given_back

    def open(self, *, wait: bool = True) -> None:
        """Open the camera and wait for its first picture. Raises: SourceError if it does not open, or none comes.

        Without waiting, the camera's thread is started and no more, unless its driver would hold up the other threads.
        """
        if self.is_left_behind:
            raise SourceError(f"camera {self._name} was left behind in its driver; restart the program")
        self._is_closing = self._is_camera_open = self._is_given_up = self._has_seen = False
        self._slot = self._in_hand = self._failure = None
        self._last_s = self._clock.now_s()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()
        if not wait and self._camera.opens_aside:
            return
        with self._mail:
            self._mail.wait_for(lambda: self._is_camera_open or self._failure is not None, OPEN_S)
            if self._is_camera_open:
                self._mail.wait_for(lambda: self._has_seen or self._failure is not None, FIRST_FRAME_S)
            self._raise_failure()
            if not self._has_seen:
                raise SourceError(self._silence(self._clock.now_s()))

    def read(self, until_s: float, *, is_dull: Dull | None = None, prepare: Prepare | None = None) -> Frame | None:
        """The freshest frame that was not read yet; see `ports.Source`."""
        with self._mail:
            self._is_dull, self._prepare = is_dull, prepare
            self._in_hand = None
            while True:
                self._raise_failure()
                now_s = self._clock.now_s()
                if self._slot is not None:
                    frame, self._slot = self._slot, None
                    if now_s - frame.t_s <= self._max_age_s:
                        self._in_hand, self._handed_s = frame, frame.t_s
                        return frame
                due_s = self._last_s + self._patience_s()
                if now_s > due_s:
                    raise SourceError(self._silence(now_s))
                if now_s >= until_s:
                    return None
                self._mail.wait(min(until_s, due_s) - now_s + 0.001)

    def limit_rate(self, fps: float | None) -> None:
        """See `ports.Source`; never so low that the camera would count as stale. The driver hears it in its thread."""
        self._limit_fps = None if fps is None else max(fps, 1.0 / (MOST_STEP * self._max_age_s))

    def close(self) -> None:
        """Stop grabbing. A driver that hangs is left behind; it cannot hold up the gate's parking."""
        with self._mail:
            self._is_closing = True
        if self._thread is None or self._is_given_up:
            return
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            self._is_given_up = True
            _log.warning("camera %s hangs in its driver and is left behind", self._name)
        else:
            self._thread = None

    def _patience_s(self) -> float:
        """How long a picture may be away, from the last one, or from the opening, or from its beginning on."""
        if self._has_seen:
            return self._max_age_s
        return FIRST_FRAME_S if self._is_camera_open else OPEN_S

    def _silence(self, now_s: float) -> str:
        if self._has_seen:
            return (
                f"camera {self._name} is stale: its last picture is {now_s - self._last_s:.1f} s old, "
                f"{self._max_age_s:g} s are allowed; check its cable, or source.max_age_s"
            )
        if self._is_camera_open:
            return f"camera {self._name} gave no picture in {FIRST_FRAME_S:g} s; check its cable"
        return f"camera {self._name} did not open in {OPEN_S:g} s; its driver hangs: check its cable, then reboot"

    def _raise_failure(self) -> None:
        failure = self._failure
        if failure is None:
            return
        if isinstance(failure, SorterError):
            raise failure
        raise SourceError(f"camera {self._name} failed: {failure}; check its cable and driver") from failure

    def _run(self) -> None:
        """The camera's thread: all that is asked of the driver is asked here."""
        try:
            self._camera.open()
        except Exception as exc:  # a worker's failure is kept for whoever waits
            self._fail(exc)
            return
        with self._mail:
            self._last_s = self._clock.now_s()
            self._is_camera_open = True
            self._mail.notify_all()
        try:
            self._grab_for_ever()
        except Exception as exc:  # a worker's failure is kept for the next read
            self._fail(exc)
        try:
            self._camera.close()
        except Exception as exc:  # the camera may be gone; nothing is left to be done about it
            self._is_not_given_back = True
            _log.warning("%s", exc)

    def _fail(self, failure: Exception) -> None:
        with self._mail:
            self._failure = failure
            self._mail.notify_all()

    def _grab_for_ever(self) -> None:
        index = 0
        frozen = FrozenCheck(self._frozen_s, self._dark_level)
        told_fps: float | None = None
        while not self._is_closing:
            limit_fps = self._limit_fps
            if limit_fps != told_fps:
                self._camera.limit_rate(limit_fps)
                told_fps = limit_fps
            image = self._camera.grab(self._free(self._buffers, "image"))
            if image is None:
                continue
            t_s = self._clock.now_s()
            check_image(image)
            thumb = thumbnail(image)
            if frozen.is_frozen(image, thumb, t_s):
                raise SourceError(
                    f"camera {self._name} is frozen: the same picture for {self._frozen_s:g} s; "
                    "unplug it and plug it in again"
                )
            self._deliver(Frame(index, t_s, image, thumb, self._prepared(image)))
            index += 1

    def _prepared(self, image: BgrImage) -> Prepared | None:
        """What the loop wants ahead of time, in an array that nobody looks at."""
        prepare = self._prepare
        if prepare is None:
            return None
        prepared = prepare(image, self._free(self._prepared_buffers, "prepared"))
        if not any(prepared is known for known in self._prepared_buffers):
            self._prepared_buffers = [*self._prepared_buffers[-(BUFFERS - 1) :], prepared]
        return prepared

    def _free(self, buffers: list[npt.NDArray[Any]], what: Literal["image", "prepared"]) -> npt.NDArray[Any] | None:
        """One of the buffers that neither the mailbox nor the loop holds; None if there is none."""
        with self._mail:
            taken = [getattr(frame, what) for frame in (self._slot, self._in_hand) if frame is not None]
        return next((buffer for buffer in buffers if not any(buffer is held for held in taken)), None)

    def _deliver(self, frame: Frame) -> None:
        if not self._buffers or self._buffers[0].shape != frame.image.shape:
            self._buffers = [np.empty_like(frame.image) for _ in range(BUFFERS)]
        is_dull = self._is_dull
        is_kept = is_dull is not None and frame.t_s - self._handed_s < HOLD_S and is_dull(frame)
        with self._mail:
            self._last_s = frame.t_s
            self._has_seen = True
            if not is_kept:
                self._missed += self._slot is not None
                self._slot = frame
                self._mail.notify_all()
