"""Presence by local contrast: what differs from the empty tray in structure, whatever the light does.

The picture is looked at as a 80 x 60 grey thumbnail. Subtracting its blurred self leaves local contrast: edges and
texture. Light that drifts, flickers or falls unevenly changes the blurred part; an item changes the local contrast.
The empty tray's local contrast is scaled to the present light before the two are compared, and a place only counts
as changed if no neighbouring place of the reference explains it, so that a camera knocked by a few pixels sees no
item.
"""

import logging
import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.config import PresenceConfig
from edge.presence.reference import Plane, Reference, light_of
from edge.records import Frame, Grey, Presence
from edge.thumbnail import THUMB_HEIGHT, THUMB_WIDTH, thumbnail

__all__ = ["LocalContrastDetector"]

_log = logging.getLogger(__name__)
REFERENCE_FRAMES = 5
"""Quiet frames that make the first reference."""
NOISE_SIGMAS = 5.0
"""A change must also stand so many standard deviations above the picture's own noise."""
SIGMA_OF_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
STILL_FRAMES = 8
"""Frames in a row that may be taken for the still picture: then one is looked at again, with the finer bars."""
EMPTY_FRAMES = 16
"""The same of an empty tray that has long been so; at first it is looked at more often."""
STILL_PLACES = 9
"""So many of the 4800 may differ from a still picture for it to be still: the tails of the noise, two thousandths of
the tray, where a motion is twelve. Where the config counts fewer, so does this."""
STILL_LIGHT = 0.03
"""Share by which the light may differ in a still picture, as it flickers."""
STRANGE_COVER = 0.8
"""A tray that differs from its stored picture in more than this share is another tray, or seen from elsewhere."""
PATIENCE_S = 20.0
"""A stored picture that the tray never looked like is left aside so long after the first lit frame. An item that lay
there when the power came back is sorted by then, and a minute after that the sorter must sort, whatever was stored."""


class _Still(NamedTuple):
    """A picture in which nothing moved, what was made of it, and by how much a place may differ from it."""

    grey: Grey
    limits: Grey
    presence: Presence


class LocalContrastDetector:
    """See the module's text. An occupied tray is never taken into the reference.

    The first reference is whatever lies still at the start. If that was an item after all, its removal shows as a
    place that *lost* local contrast, and the reference is taken anew; this is done only until the first item has
    come and gone, since later the reference is known to be the empty tray. A plain sheet on a patterned mat looks
    the same: should the tray look like the former reference again, then that one was right after all and returns.

    With a stored picture of the empty tray, what lies there at the start is seen as an item. The picture serves at the
    start alone, until the tray looked like it once, and only if it shows the same view. A tray that never did within
    `patience_s` of the first lit frame has changed (a stain, a scratch, a camera that was turned): the picture is left
    aside for good, and everything begins as without one. An old picture must not keep a sorter from sorting, so nothing
    that happens meanwhile, such as the items of a bin in use, makes that longer.

    Args:
        stored: `thumbnail` of the empty tray; None for none.
        patience_s: see above, in seconds of the frames.
    """

    def __init__(self, config: PresenceConfig, *, stored: Grey | None = None, patience_s: float = PATIENCE_S) -> None:
        self._config = config
        self._stored = None if stored is None else Reference.of(stored.astype(np.float32))
        self._patience_s = patience_s
        self._is_doubted = False
        self._picture_end_s: float | None = None
        self._reference: Reference | None = None
        self._is_provisional = True
        self._quiet_frames = 0
        self._averaged_frames = 0
        self._former: Reference | None = None
        self._still: _Still | None = None
        self._still_frames = self._still_limit = 0
        least = min(config.empty_cover, config.moving_share)
        self._still_places = min(STILL_PLACES, int(least * THUMB_WIDTH * THUMB_HEIGHT) - 1)
        self._is_occupied = False
        self._is_dark = False
        self._previous: tuple[float, Plane] | None = None

    def observe(self, frame: Frame, *, may_learn: bool) -> Presence:
        """Look at one frame; see `ports.PresenceDetector`."""
        grey = thumbnail(frame.image) if frame.thumb is None else frame.thumb
        still = self._still
        if still is not None and self._still_frames < self._still_limit and self._shows(still, grey):
            # As the still picture that was looked at: what covered the tray still does, or nothing does.
            self._still_frames += 1
            return still.presence._replace(t_s=frame.t_s)
        self._still = None
        return self._look(frame.t_s, grey, may_learn=may_learn)

    def is_same(self, frame: Frame) -> bool:
        """See `ports.PresenceDetector`. Darkness is like darkness."""
        grey = thumbnail(frame.image) if frame.thumb is None else frame.thumb
        if self._is_dark:
            return not self._is_lit(grey)
        still = self._still
        return still is not None and self._shows(still, grey)

    def _shows(self, still: _Still, grey: Grey) -> bool:
        places = int(np.count_nonzero(cv2.absdiff(grey, still.grey) > still.limits))
        return places <= self._still_places and self._is_lit(grey)

    def _is_lit(self, grey: Grey) -> bool:
        return cv2.mean(grey)[0] >= self._config.dark_level

    def _look(self, t_s: float, grey: Grey, *, may_learn: bool) -> Presence:
        thumb = grey.astype(np.float32)
        self._is_dark = not self._is_lit(grey)
        if self._is_dark:
            self._previous = None
            self._quiet_frames = 0
            return Presence(t_s, False, False, False, False, 0.0, 0.0)
        if self._picture_end_s is None:
            self._picture_end_s = t_s + self._patience_s
        is_late = t_s >= self._picture_end_s
        light = light_of(thumb)
        contrast = thumb - light
        motion, noise = self._motion(light, contrast)
        is_moving = motion > self._config.moving_share
        if is_moving:
            self._averaged_frames = 0
        cover = self._cover(thumb, light, contrast, noise, is_moving, is_late)
        limit = self._config.empty_cover if self._is_occupied else self._config.occupied_cover
        was_occupied, self._is_occupied = self._is_occupied, cover > limit
        if was_occupied and not self._is_occupied and self._former is None:
            self._is_provisional = False
        if may_learn and cover <= self._config.empty_cover and not is_moving and self._previous is not None:
            self._learn(thumb, t_s - self._previous[0])
        self._previous = (t_s, contrast / light)
        presence = Presence(
            t_s=t_s,
            is_lit=True,
            is_occupied=self._is_occupied,
            is_moving=is_moving,
            is_disturbed=motion > self._config.disturbed_share,
            cover=cover,
            motion=motion,
        )
        self._keep_still(presence, grey, thumb, noise)
        return presence

    def _keep_still(self, presence: Presence, grey: Grey, thumb: Plane, noise: float) -> None:
        """Note a still picture, so that frames like it need no look of their own."""
        is_known = not self._is_provisional if presence.is_occupied else self._reference is not None
        if not is_known or presence.motion > self._still_places / thumb.size:
            self._still_limit = 0
            return
        limits = np.minimum(STILL_LIGHT * thumb + self._bar(noise), 255.0).astype(np.uint8)
        self._still, self._still_frames = _Still(grey, limits, presence), 0
        self._still_limit = STILL_FRAMES if presence.is_occupied else min(self._still_limit + 1, EMPTY_FRAMES)

    def _bar(self, noise: float) -> float:
        """Grey levels by which a place must change between frames of so much noise."""
        return max(self._config.contrast, NOISE_SIGMAS * noise)

    def _motion(self, light: Plane, contrast: Plane) -> tuple[float, float]:
        """Share of the tray that changed since the last look, and the noise's standard deviation."""
        if self._previous is None:
            return 1.0, 0.0
        change = np.asarray(cv2.absdiff(contrast, self._previous[1] * light))
        sample = change[::3, ::3].ravel()
        middle = sample.size // 2
        # The median is noise only while most of the picture is at rest; a picture full of motion must not
        # raise its own bar.
        noise = min(float(np.partition(sample, middle)[middle]) * SIGMA_OF_MAD, self._config.contrast)
        return _share(change > self._bar(noise)), noise

    def _cover(
        self, thumb: Plane, light: Plane, contrast: Plane, noise: float, is_moving: bool, is_late: bool
    ) -> float:
        bar = max(self._config.contrast, NOISE_SIGMAS * noise / math.sqrt(2))
        reference = self._reference
        if reference is None:
            self._begin_reference(thumb, light, contrast, bar, is_moving, is_late)
            reference = self._reference
            # As long as nothing is stored, what makes the first reference is the empty tray.
            if reference is None or not self._is_doubted:
                return 0.0
        changed = reference.changes(light, contrast, bar)
        cover = _share(changed)
        if self._is_doubted:
            return self._doubt(cover, is_late)
        if cover <= self._config.occupied_cover or is_moving or not self._is_provisional:
            return cover
        if self._former is not None:
            if _share(self._former.changes(light, contrast, bar)) <= self._config.empty_cover:
                self._reference, self._former = self._former, None
                self._is_provisional = False
                return 0.0
        elif reference.lost_contrast(light, contrast, changed):
            self._former, self._reference = reference, Reference(thumb.copy(), light, contrast)
            return 0.0
        return cover

    def _begin_reference(
        self, thumb: Plane, light: Plane, contrast: Plane, bar: float, is_moving: bool, is_late: bool
    ) -> None:
        self._quiet_frames = 0 if is_moving else self._quiet_frames + 1
        if self._quiet_frames < REFERENCE_FRAMES:
            return
        self._reference = Reference(thumb.copy(), light, contrast)
        stored, self._stored = self._stored, None
        if stored is None:
            return
        cover = _share(stored.changes(light, contrast, bar))
        if cover <= self._config.occupied_cover:
            self._is_provisional = False
        elif not is_late and cover <= STRANGE_COVER and stored.is_same_view(light, contrast):
            self._reference, self._is_doubted = stored, True
        else:
            _log.warning(
                "the tray does not look like its stored picture; what lies there now is taken for the empty tray, "
                "calibrate tray takes a new picture"
            )

    def _doubt(self, cover: float, is_late: bool) -> float:
        """Compare with the stored picture until the tray was empty once, or it is late."""
        if cover <= self._config.empty_cover:
            self._is_doubted = self._is_provisional = False
        elif is_late:
            _log.warning(
                "in %.0f s the tray never looked like its stored picture, which is left aside; what lies there now is "
                "taken for the empty tray, calibrate tray takes a new picture",
                self._patience_s,
            )
            # Not an item that went: nothing is known of this tray yet.
            self._is_doubted = self._is_occupied = False
            self._reference, self._quiet_frames = None, 0
            return 0.0
        return cover

    def _learn(self, thumb: Plane, elapsed_s: float) -> None:
        if self._reference is None or elapsed_s <= 0:
            return
        # After a disturbance the average starts anew: a picture that was knocked aside, blended with what it was, would
        # be like neither.
        self._averaged_frames += 1
        weight = max(1.0 / self._averaged_frames, 1.0 - math.exp(-elapsed_s / self._config.learn_s))
        average = self._reference.thumb
        cv2.accumulateWeighted(thumb, average, weight)
        self._reference = Reference.of(average)


def _share(mask: npt.NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(mask)) / mask.size
