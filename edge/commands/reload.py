"""`edge-sorter config reload`: have the running sorter take its configuration anew, and say what came of it."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from edge.board.processes import programs
from edge.errors import ActuatorError, ConfigError
from edge.health.place import read_status, status_places

__all__ = ["reload_sorter"]

LIMIT_S = 60.0
"""An item in flight, or somebody who pressed pause, may hold the reload up; longer than this nobody waits for it."""
POLL_S = 0.1


def reload_sorter(
    limit_s: float = LIMIT_S,
    places: Iterable[Path] | None = None,
    send: Callable[[int, int], None] = os.kill,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
) -> str:
    """Ask the sorter that runs unattended to read its configuration anew, and wait for its answer.

    Returns: what it did, a sentence.
    Raises: ActuatorError if no such sorter runs, or it does not answer; ConfigError if it refused.
    """
    place, before = _find(status_places() if places is None else places)
    pid = before["pid"]
    try:
        send(pid, signal.SIGHUP)
    except OSError as exc:
        raise ActuatorError(f"cannot ask the sorter (process {pid}) for it ({exc.strerror}); run it with sudo") from exc
    end_s = now_s() + limit_s
    while now_s() < end_s:
        sleep(POLL_S)
        found = read_status((place,))
        if found is not None and found[1].get("pid") == pid and (ended := found[1].get("ended")):
            raise ConfigError(f"the sorter ended: {ended.get('detail') or 'it was stopped'}")
        answer = _answer(found, before)
        if answer is not None:
            if answer["is_ok"]:
                return "the sorter works with the new configuration"
            raise ConfigError(f"the sorter refused it, and goes on as before: {answer['detail']}")
    raise ActuatorError(
        f"the sorter (process {pid}) has not taken the configuration within {limit_s:.0f} s; it does between two "
        "items, once nobody holds it: see edge-sorter status"
    )


def _find(places: Iterable[Path]) -> tuple[Path, Mapping[str, Any]]:
    running = {program.pid for program in programs() if program.command == "run"}
    for place in places:
        found = read_status((place,))
        if found is not None and found[1].get("pid") in running and not found[1].get("ended"):
            return place, found[1]
    raise ActuatorError(
        "no status of a sorter that runs unattended was found; a service is started with: sudo systemctl start "
        "edge-sorter (one without a runtime folder writes none: set XDG_RUNTIME_DIR, or send it SIGHUP)"
    )


def _answer(found: tuple[Path, Mapping[str, Any]] | None, before: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The sorter's word on a reload since `before`."""
    if found is None or found[1].get("pid") != before["pid"]:
        return None
    former, reload = before.get("reload") or {}, found[1].get("reload") or {}
    return reload if reload.get("number", 0) > former.get("number", 0) else None
