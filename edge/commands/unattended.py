"""`edge-sorter run --unattended`: what the service runs."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from edge.clock import MonotonicClock
from edge.commands.common import log_to_stderr, wish
from edge.commands.run import RunOptions
from edge.commands.watchers import EventsFile, LinePrinter, Silent
from edge.configfile import config_file
from edge.ending import reload_signals, stop_signals
from edge.errors import ConfigError, SorterError
from edge.health.heart import Heart
from edge.health.lastgood import LastGood
from edge.health.notify import Notifier
from edge.health.place import read_status, runtime_dir
from edge.health.starts import Starts
from edge.health.status import StatusFile
from edge.machine_stops import LEDGER_FAILED
from edge.paths import state_dir
from edge.records import Event
from edge.unattended import Caretaker, Signals

__all__ = ["run_unattended"]


def missed_before(folder: Path) -> tuple[Event, ...]:
    """What the last process had not written down when it ended, as its status file says; nobody else knows of it."""
    found = read_status((folder,))
    ledger = {} if found is None else found[1].get("ledger")
    if not isinstance(ledger, dict) or not isinstance(missed := ledger.get("missed"), dict) or not missed:
        return ()
    body = {"reason": LEDGER_FAILED, "detail": f"in the run before: {ledger.get('detail')}", "missed": missed}
    return (Event("fault", 0.0, body),)


def run_unattended(options: RunOptions) -> None:
    """Sort with nobody there until SIGTERM, or until the source ends; SIGHUP reads the configuration anew.

    Raises: SorterError; the gate is parked by then, and the failed start is counted.
    """
    for option, value in (("--truth", options.truth), ("--against", options.against)):
        if value is not None:
            raise ConfigError(f"{option} is for runs that somebody watches; leave out --unattended")
    log_to_stderr()
    clock, notifier, folder = MonotonicClock(), Notifier.from_environment(), runtime_dir()
    status, heart = StatusFile(folder, clock), Heart(notifier, clock)
    spare = None if folder is None else folder / "starts.json"
    starts, last_good = Starts(state_dir() / "starts.json", spare), LastGood(state_dir() / "last-good")
    wishes = partial(wish, source=options.source, ledger=options.ledger, model=options.model, sim_items=options.items)
    owed = () if folder is None else missed_before(folder)
    exit_code, detail = 1, "internal error"
    with ExitStack() as stack:
        watchers: list[Silent] = [LinePrinter(as_json=options.as_json)]
        if options.events is not None:
            events = EventsFile(options.events)
            stack.callback(events.close)
            watchers.append(events)
        signals = Signals(stack.enter_context(stop_signals()), stack.enter_context(reload_signals()))
        file = config_file(options.config)
        caretaker = Caretaker(
            file, wishes, options.pace, watchers, signals, heart, status, starts, last_good, clock, owed
        )
        try:
            caretaker.run()
            exit_code, detail = 0, ""
        except SorterError as exc:
            exit_code, detail = exc.exit_code, str(exc)
            raise
        except Exception as exc:
            detail = repr(exc)
            raise
        finally:
            status.close(exit_code, detail)
            last_good.close()
            notifier.close()
