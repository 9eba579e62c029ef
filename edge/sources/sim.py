"""A rendered tray that needs no camera and no file: items come, rest and leave when the gate opens."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from edge.errors import SourceError
from edge.records import BgrImage, Frame
from edge.render import Light, Placed, Sprite, Tray, render_hand, render_item
from edge.sources.sim_script import Act, Darkness, Hand, Item, Knock, draw_script

__all__ = ["Simulation", "Truth"]

FIRST_ACT_S = 2.0
"""The tray is empty for so long at the start, as an installer would leave it."""
LAST_S = 1.5
OPEN_S = 0.05
"""An item starts to slide so long after the gate is open."""
SLIDE_OUT_S = 0.3
TRUTH_LIMIT = 100_000
"""Items whose truth is kept: a soak of days must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened with one item. Times are in seconds of the simulation's clock."""

    index: int
    label: str
    kind: str
    t_in_s: float
    t_rest_s: float
    t_out_s: float | None


class Simulation:
    """A `replay.Recording`. The same seed and the same answers of the gate give the same pixels.

    Args:
        seed: of the tray's surface, the items, the hands, the light and the noise.
        items: how many items come, if no script is given.
        fps: frames per second.
        width_px, height_px: of a frame.
        open_to: asked at every frame: the bin whose way is open, or None.
        script: acts to play instead of those drawn from the seed.
    """

    def __init__(
        self,
        *,
        seed: int,
        items: int,
        fps: float,
        width_px: int = 640,
        height_px: int = 480,
        open_to: Callable[[], str | None] = lambda: None,
        script: Iterable[Act] | None = None,
    ) -> None:
        self._seed = seed
        self._fps = fps
        self._size = (width_px, height_px)
        self._open_to = open_to
        self._script = iter(script if script is not None else draw_script(seed, items))
        self._index = 0
        self._rng = np.random.default_rng([seed, 1 << 20])
        self._tray: Tray | None = None
        self._act: _ItemPlay | _HandPlay | _DarknessPlay | None = None
        self._acts = 0
        self._next_act: Act | None = None
        self._act_due_s = FIRST_ACT_S
        self._end_s: float | None = None
        self._shift = (0.0, 0.0)
        self._phase = self._rng.uniform(0, 2 * math.pi, 3)
        self._truth: deque[Truth] = deque(maxlen=TRUTH_LIMIT)
        self._items = 0

    @property
    def items_shown(self) -> int:
        """How many items have come so far."""
        return self._items

    def truth(self) -> list[Truth]:
        """What happened with each item so far; of very long runs, the last ones."""
        known = list(self._truth)
        if isinstance(self._act, _ItemPlay):
            known.append(self._act.truth())
        return known

    def open(self) -> None:
        self._tray = Tray(np.random.default_rng([self._seed, 1 << 21]), *self._size)
        self._plan(FIRST_ACT_S, is_first=True)

    def next_s(self) -> float | None:
        t_s = self._index / self._fps
        is_over = self._tray is None or (self._end_s is not None and t_s > self._end_s)
        return None if is_over else t_s

    def take(self) -> Frame:
        if self._tray is None:
            raise SourceError("the simulation is not open")
        t_s = self._index / self._fps
        self._begin_due_act(t_s)
        placed: list[Placed] = []
        gain = self._gain(t_s)
        if self._act is not None:
            self._act.advance(t_s, self._open_to() is not None)
            placed = self._act.placed(t_s)
            gain *= self._act.gain
        # In steps too small to see, so that the renderer can keep its field of light for a while.
        light = Light(gain=gain, gradient=round(0.08 * math.sin(t_s / 29 + self._phase[2]), 3))
        image = self._tray.compose(placed, light, self._rng)
        frame = Frame(self._index, t_s, self._shifted(image))
        if self._act is not None and self._act.is_over:
            if isinstance(self._act, _ItemPlay):
                self._truth.append(self._act.truth())
            self._act = None
            self._plan(t_s)
        self._index += 1
        return frame

    def close(self) -> None:
        self._tray = None

    def _plan(self, now_s: float, *, is_first: bool = False) -> None:
        self._next_act = next(self._script, None)
        if self._next_act is None:
            self._end_s = now_s + LAST_S
        else:
            self._act_due_s = now_s if is_first else now_s + self._next_act.gap_s

    def _begin_due_act(self, t_s: float) -> None:
        if self._act is not None or self._next_act is None or t_s < self._act_due_s:
            return
        act = self._next_act
        rng = np.random.default_rng([self._seed, 1 << 22, self._acts])
        self._acts += 1
        match act:
            case Item():
                sprite = render_item(act.label, rng, act.kind)
                self._act = _ItemPlay(act, self._items, sprite, t_s, self._size)
                self._items += 1
            case Hand():
                sprite = _shortened(render_hand(rng), round(self._size[1] * _HandPlay.REACH) + 60)
                self._act = _HandPlay(act, sprite, t_s, self._size, float(rng.uniform(-120, 120)))
            case Darkness():
                self._act = _DarknessPlay(t_s + act.duration_s)
            case Knock():
                self._shift = (self._shift[0] + act.x_px, self._shift[1] + act.y_px)
                self._plan(t_s)

    def _gain(self, t_s: float) -> float:
        drift = 0.10 * math.sin(t_s / 7.3 + self._phase[0]) + 0.05 * math.sin(t_s / 2.1 + self._phase[1])
        flicker = 0.012 * float(self._rng.standard_normal())
        return 1.0 + drift + flicker

    def _shifted(self, image: BgrImage) -> BgrImage:
        if self._shift == (0.0, 0.0):
            return image
        shift = np.array([[1.0, 0.0, self._shift[0]], [0.0, 1.0, self._shift[1]]])
        moved = cv2.warpAffine(image, shift, self._size, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, dtype=np.uint8)


def _shortened(hand: Sprite, length_px: int) -> Sprite:
    """Only the part of an arm that can come into view: the rest would cost memory for nothing."""
    return Sprite(hand.label, hand.kind, hand.bgra[-length_px:].copy())


class _ItemPlay:
    """One item on its way over the tray."""

    gain = 1.0

    def __init__(self, act: Item, index: int, sprite: Sprite, now_s: float, size: tuple[int, int]) -> None:
        self._item = act
        self._index = index
        self._sprite = sprite
        self._now_s = now_s
        self._in_s = now_s
        self._rest_s = now_s + act.slide_s
        self._out_s = None if act.rest_s is None else self._rest_s + act.rest_s
        half_px = int(sprite.bgra.shape[0]) / 2 + 20
        self._x_px = size[0] / 2 + act.x_px
        self._from_px: float = -half_px
        self._at_px: float = size[1] / 2 + act.y_px
        self._to_px: float = size[1] + half_px

    @property
    def is_over(self) -> bool:
        return self._out_s is not None and self._now_s >= self._out_s + SLIDE_OUT_S

    def truth(self) -> Truth:
        out_s = self._out_s if self._out_s is not None and self._out_s <= self._now_s else None
        return Truth(self._index, self._item.label, self._item.kind, self._in_s, self._rest_s, out_s)

    def advance(self, t_s: float, is_open: bool) -> None:
        self._now_s = t_s
        if self._out_s is None:
            if t_s >= self._rest_s and is_open:
                self._out_s = t_s + OPEN_S
            elif t_s >= self._rest_s + self._item.stay_s:
                self._out_s = t_s

    def placed(self, t_s: float) -> list[Placed]:
        y_px, speed_px = self._height(t_s), abs(self._height(t_s) - self._height(t_s - 0.012))
        return [Placed(self._sprite, self._x_px, y_px, speed_px)]

    def _height(self, t_s: float) -> float:
        """Centre of the item: it slows down on its way in and speeds up on its way out."""
        if t_s < self._rest_s:
            left = 1.0 - max(0.0, t_s - self._in_s) / self._item.slide_s
            return self._at_px + (self._from_px - self._at_px) * left**2
        if self._out_s is None or t_s < self._out_s:
            return self._at_px
        gone = min(1.0, (t_s - self._out_s) / SLIDE_OUT_S)
        return self._at_px + (self._to_px - self._at_px) * gone**2


class _HandPlay:
    """A hand that reaches in from above, moves about, and goes."""

    gain = 1.0
    REACH = 0.62
    """How far the finger tips come into the frame, as a share of its height."""
    REACH_S = 0.35

    def __init__(self, act: Hand, sprite: Sprite, now_s: float, size: tuple[int, int], x_px: float) -> None:
        self._sprite = sprite
        self._in_s = now_s
        self._out_s = now_s + act.duration_s
        self._x_px = size[0] / 2 + x_px
        self._depth_px = size[1] * self.REACH
        self._now_s = now_s

    @property
    def is_over(self) -> bool:
        return self._now_s >= self._out_s

    def advance(self, t_s: float, is_open: bool) -> None:
        self._now_s = t_s

    def placed(self, t_s: float) -> list[Placed]:
        since_s, left_s = t_s - self._in_s, self._out_s - t_s
        reach = min(1.0, since_s / self.REACH_S, max(0.0, left_s / self.REACH_S))
        tip_px = self._depth_px * reach + 22 * math.sin(since_s * 7.0)
        x_px = self._x_px + 45 * math.sin(since_s * 4.3)
        return [Placed(self._sprite, x_px, tip_px - self._sprite.bgra.shape[0] / 2, 6.0)]


class _DarknessPlay:
    """No light."""

    gain = 0.02

    def __init__(self, until_s: float) -> None:
        self._until_s = until_s
        self._now_s = 0.0

    @property
    def is_over(self) -> bool:
        return self._now_s >= self._until_s

    def advance(self, t_s: float, is_open: bool) -> None:
        self._now_s = t_s

    def placed(self, t_s: float) -> list[Placed]:
        return []
