"""`edge-sorter park`: bring the gate home and leave it without power, whatever was left on before."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from edge.calibrate.guard import no_sorter_at_work
from edge.clock import Clock, MonotonicClock
from edge.commands.common import load
from edge.config import Config
from edge.configfile import config_file, read_config
from edge.drivers import guarded, make_gate, make_panel, open_pins, put_in_order
from edge.ending import stop_signals
from edge.errors import ActuatorError, ConfigError
from edge.homing import bring_home
from edge.machine_io import PauseAsked
from edge.panel import E_STOP, LID_OPEN, Panel
from edge.paths import ledger_path, state_dir
from edge.ports import Gate

__all__ = ["park", "park_gate"]

REASONS = {
    E_STOP: "the emergency stop is pressed or was not reset: release it, start the sorter, press the resume button",
    LID_OPEN: "the lid is open: close it",
}


def park(config: Path | None, *, cut: bool) -> str:
    """Claim the gate's pins, which takes the power off, and bring it home unless something forbids that.

    No other pin is needed but those of emergency stop and lid: a lamp that fails holds nothing up.

    Args:
        cut: only take the power off.
    Returns: what was done, a sentence.
    Raises: ConfigError, and no pin is touched; ActuatorError if a pin refuses, as while a sorter runs, or the gate did
        not come home.
    """
    settings = _settings(config)
    with ExitStack() as stack:
        asked_signal = stack.enter_context(stop_signals())
        is_alone = True
        try:
            stack.enter_context(no_sorter_at_work(ledger_path(settings)))
        except ActuatorError:
            # A sorter holds its pins, and the claim below fails; a calibration may hold none, with hands in the gate.
            is_alone = False
        factory = stack.enter_context(open_pins(settings))
        # It runs where a loop was hung up: what held that one up may hold up this one.
        gate = guarded(make_gate(settings.gate, factory), factory)
        stack.callback(gate.close)
        gate.open()
        if cut:
            return "the gate is without power"
        if not is_alone:
            return "the gate is without power, not home (another program is at work with this ledger)"
        panel = make_panel(settings, factory, only_stops=True)
        if panel is not None:
            stack.callback(panel.close)
            panel.open()
        put_in_order(settings.panel, factory)
        return park_gate(settings, gate, panel, MonotonicClock(), lambda: asked_signal() is not None)


def _settings(config: Path | None) -> Config:
    """As configured; where that is refused, as the last good configuration says, whose motors may have power now.

    By one with other wires nothing is touched: even what it takes for "off" may switch something on. What was left on
    stays on then.

    Raises: ConfigError if there is none either, or the refused one names other wires.
    """
    try:
        return load(config)
    except ConfigError as exc:
        from edge.health.lastgood import LastGood
        from edge.rewired import refuse_other_wires

        kept = LastGood(state_dir() / "last-good").config()
        if kept is None:
            raise
        settings = load(kept)
        refuse_other_wires(config_file(config), settings, read_config(kept), exc)
        print(f"edge-sorter: WARNING: {exc}; the last good configuration is used to park", file=sys.stderr)
        return settings


def park_gate(
    settings: Config, gate: Gate, panel: Panel | None, clock: Clock, should_stop: Callable[[], bool] = lambda: False
) -> str:
    """Bring an opened gate home, as long as neither emergency stop, lid nor a signal forbids it. See `park`."""
    why: list[str] = []

    def attend(now_s: float) -> bool:
        asked = [] if panel is None else panel.poll(now_s, is_moving=True)
        why.extend(REASONS.get(event.reason, event.reason) for event in asked if isinstance(event, PauseAsked))
        if should_stop():
            why.append("stopped by a signal")
        return not why

    is_home = bring_home(gate, clock, settings.gate.park_limit_s, attend)
    if panel is not None:
        panel.remember()
    return "the gate is home, and without power" if is_home else f"the gate is without power, not home ({why[0]})"
