"""`edge-sorter run --unattended`: what the service runs."""

import fcntl
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from edge.clock import MonotonicClock
from edge.commands.common import log_to_stderr, wish
from edge.commands.run_options import RunOptions
from edge.commands.watchers import EventsFile, LinePrinter, Silent
from edge.configfile import config_file
from edge.ending import reload_signals, stop_signals
from edge.errors import ConfigError, LedgerError, SorterError
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

__all__ = ["missed_before", "run_unattended"]

_log = logging.getLogger(__name__)


def missed_before(folder: Path) -> tuple[Event, ...]:
    """What the last process had not written down when it ended, as its status file says; nobody else knows of it."""
    found = read_status((folder,))
    missed: Counter[str] = Counter()
    told = ""
    for name in ("owed", "ledger"):
        # The last process may have been owed an account itself, of the one before it.
        account = None if found is None else found[1].get(name)
        if isinstance(account, dict) and (counts := _counts(account.get("missed"))):
            missed.update(counts)
            told = f"{account.get('detail')}" if name == "owed" else f"in the run before: {account.get('detail')}"
    if not missed:
        return ()
    return (Event("fault", 0.0, {"reason": LEDGER_FAILED, "detail": told, "missed": dict(missed)}),)


def _counts(missed: object) -> dict[str, int]:
    found = missed if isinstance(missed, dict) else {}
    return {name: count for name, count in found.items() if type(count) is int and count > 0}


def run_unattended(options: RunOptions) -> None:
    """Sort with nobody there until SIGTERM, or until the source ends; SIGHUP reads the configuration anew.

    Raises: SorterError; the gate is parked by then, and the failed start is counted.
    """
    for option, value in (("--truth", options.truth), ("--against", options.against)):
        if value is not None:
            raise ConfigError(f"{option} is for runs that somebody watches; leave out --unattended")
    log_to_stderr()
    with _alone(state_dir() / "unattended.lock"):
        _run(options)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time count its starts and write its status. Raises: LedgerError if another does.

    Where the lock cannot be had, as on a disk that is read-only, the ledger's own keeps two sorters apart.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            stack.callback(os.close, handle)
        except OSError:
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            number = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            raise LedgerError(
                f"another sorter runs unattended already (process {number or 'unknown'}); stop that one first"
            ) from exc
        # Only for whoever asks who has it: a disk that is full does not keep the lock from holding.
        with suppress(OSError):
            os.truncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
        yield


def _run(options: RunOptions) -> None:
    clock, notifier, folder = MonotonicClock(), Notifier.from_environment(), runtime_dir()
    if folder is None:
        _log.warning(
            "there is no runtime folder: no status is written, and config reload does not find this process; set "
            "XDG_RUNTIME_DIR, or RUNTIME_DIRECTORY as systemd does"
        )
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
        except OSError as exc:
            # It says nothing of the configuration, as it does for the other commands: the next start may do better.
            detail = repr(exc)
            _log.error("what no driver foresaw", exc_info=exc)
            raise SorterError(f"the system refused what no driver foresaw ({exc}); see above where") from exc
        except Exception as exc:
            detail = repr(exc)
            raise
        finally:
            status.close(exit_code, detail)
            last_good.close()
            notifier.close()
