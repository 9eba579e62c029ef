"""Presence by a light beam across the tray: the beam tells what lies there, pictures tell light and motion.

For what a camera cannot tell from the tray: clear bottles, dark things on a dark tray.
"""

import logging

from edge.errors import ActuatorError
from edge.ports import PresenceDetector, Switch
from edge.records import Frame, Presence

__all__ = ["TrayBeamDetector"]

_log = logging.getLogger(__name__)

DISAGREE_S = 60.0
"""The beam and the pictures may differ for so long, at rest, before it is told: one of them may be stuck."""


class TrayBeamDetector:
    """Occupied while the beam is broken, whatever the pictures show. In the dark it says nothing, as they do.

    A change of the beam between two frames is a motion, though not a large one: what comes to rest in the very edge of
    the beam makes it flicker, and must not look like a hand that is at work.

    Hazards: as of `sensors.beam`. Only what reaches the beam is there: mount it so that the flattest item breaks it.

    Args:
        beam: opened and closed by the caller; actuated while something lies in it.
        pictures: tells motion; it learns no picture with something in the beam.
    """

    def __init__(self, beam: Switch, pictures: PresenceDetector) -> None:
        self._beam = beam
        self._pictures = pictures
        self._was_broken: bool | None = None
        self._differ_since_s: float | None = None
        self._told: frozenset[bool] = frozenset()

    def observe(self, frame: Frame, *, may_learn: bool) -> Presence:
        """Look at the beam and at one frame; see `ports.PresenceDetector`.

        Raises: ActuatorError if the beam does not answer.
        """
        is_broken = self._beam.is_actuated()
        seen = self._pictures.observe(frame, may_learn=may_learn and not is_broken)
        has_changed = self._was_broken is not None and is_broken is not self._was_broken
        self._was_broken = is_broken
        self._compare(is_broken, seen)
        if not seen.is_lit:
            return seen
        return seen._replace(is_occupied=is_broken, is_moving=seen.is_moving or has_changed)

    def is_same(self, frame: Frame) -> bool:
        """See `ports.PresenceDetector`. A beam that does not answer is a reason to look."""
        try:
            is_broken = self._beam.is_actuated()
        except ActuatorError:
            return False
        return is_broken is self._was_broken and self._pictures.is_same(frame)

    def _compare(self, is_broken: bool, seen: Presence) -> None:
        """Tell, once for each of the two ways, that the beam and the pictures do not agree."""
        if not seen.is_lit or seen.is_moving or seen.is_occupied is is_broken:
            self._differ_since_s = None
            return
        if self._differ_since_s is None:
            self._differ_since_s = seen.t_s
        if seen.t_s - self._differ_since_s >= DISAGREE_S and is_broken not in self._told:
            self._told |= {is_broken}
            _log.warning(
                "for %g s the tray beam has been %s while the pictures show %s; clean and align the beam, and check "
                "presence.beam.pin and presence.beam.active_high",
                DISAGREE_S,
                "broken" if is_broken else "free",
                "something on the tray" if seen.is_occupied else "an empty tray",
            )
