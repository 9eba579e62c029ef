"""Stands by without moving anything: between starts that failed, and in safe mode after too many of them.

The pins are claimed, which takes the power off every motor; the lamp says fault; the resume button asks for another
try.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from edge.clock import Clock
from edge.config import Config
from edge.drivers import make_gate, make_panel, open_pins, put_in_order
from edge.errors import LedgerError, SorterError
from edge.ledger import SqliteLedger
from edge.machine_io import ResumeAsked
from edge.machine_stops import OPERATOR
from edge.panel import Panel
from edge.paths import ledger_path
from edge.records import Event, Status

__all__ = ["LOOK_S", "note", "stand_by"]

LOOK_S = 0.05
"""A button that is pressed for so long is seen."""
OpenPanel = Callable[[Config], AbstractContextManager[Panel | None]]
_log = logging.getLogger(__name__)


def stand_by(
    config: Config, clock: Clock, wait_s: float, look: Callable[[float], bool], open_panel: OpenPanel | None = None
) -> bool:
    """Wait with every motor unpowered, as far as the pins can be had.

    Args:
        look: called at every turn with the seconds that are left; False ends the wait.
        open_panel: claims the pins; `held_panel` unless given.
    Returns: whether to go on, as asked by time or by the resume button; False if `look` ended it.
    """
    end_s = clock.now_s() + wait_s
    with (open_panel or held_panel)(config) as panel:
        while (now_s := clock.now_s()) < end_s:
            if not look(end_s - now_s):
                return False
            if panel is not None:
                try:
                    asked = panel.poll(now_s)
                    panel.remember()
                    panel.show(Status.FAULT, now_s)
                except SorterError as exc:
                    _log.error("the panel does not answer while waiting, and is left alone (%s)", exc)
                    panel = None
                    continue
                if ResumeAsked(OPERATOR) in asked:
                    return True
            clock.wait_until(min(now_s + LOOK_S, end_s))
    return True


@contextmanager
def held_panel(config: Config) -> Iterator[Panel | None]:
    """Claim the gate's pins, and the panel's where they can be had: what fails here is told, and changes nothing."""
    with ExitStack() as stack:
        yield _claim(config, stack)


def _claim(config: Config, stack: ExitStack) -> Panel | None:
    try:
        factory = stack.enter_context(open_pins(config))
        gate = make_gate(config.gate, factory)
        stack.callback(gate.close)
        gate.open()
        panel = make_panel(config, factory)
        if panel is None:
            return None
        stack.callback(panel.close)
        panel.open()
        put_in_order(config.panel, factory)
    except SorterError as exc:
        _log.error("cannot hold the pins while waiting (%s)", exc)
        return None
    return panel


def note(config: Config, event: Event) -> bool:
    """Write one event down while no session has the book open. False if that cannot be."""
    ledger = SqliteLedger(ledger_path(config))
    try:
        ledger.open()
        try:
            ledger.append(event)
        finally:
            ledger.close()
    except LedgerError as exc:
        _log.error("cannot write down that %s (%s)", event.body.get("reason", event.type), exc)
        return False
    return True
