"""Counts that go on from one process to the next, as long as this run of the machine lasts.

A scraper takes a counter that falls for one that began anew. One that began anew with each process would lose what a
process told with its last word: the next one's first writing comes a second later, and no scraper is so quick.
"""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.health.place import STATUS_LIMIT_BYTES, STATUS_NAME, STATUS_SCHEMA, kernel_boot_id
from edge.reading import read_whole

__all__ = ["LASTING", "former_counts", "together"]

LASTING = "since_machine_start"
"""The field of the status in which they stand."""
_PLAIN = ("frames", "uncredited", "unfinished")
_NAMED = ("events", "faults")
_LATENCIES = ("decide", "total")
_MOST = 1 << 53
"""No count of years comes near it, and a float still holds each whole number below it."""
_MOST_NAMES = 256
_NAME_LIMIT = 200
_log = logging.getLogger(__name__)


def former_counts(folder: Path) -> dict[str, Any] | None:
    """What the processes before this one counted since the machine started.

    Args:
        folder: of the status file.
    Returns: counts as `together` makes them; None where nothing sound of this run of the kernel is found.
    """
    try:
        fields = json.loads(read_whole(folder / STATUS_NAME, STATUS_LIMIT_BYTES, is_link_allowed=False))
        if fields["schema"] != STATUS_SCHEMA or fields["kernel_boot_id"] != kernel_boot_id():
            return None
        return _parsed(fields[LASTING])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, TypeError, KeyError) as exc:
        _log.debug("no former counts in %s, they begin at 0: %r", folder, exc)
        return None


def together(former: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, Any]:
    """Add the counts of a process to those before it.

    Args:
        former: as this returns them; None without any.
        now: `frames`, `uncredited`, `unfinished`; `events` and `faults` by their name; `items`, a list of `route`,
            `decision` and `count`; `classified` and `latency`, each a `count` and a sum.
    """
    if former is None:
        return {name: now[name] for name in (*_PLAIN, *_NAMED, "items", "classified", "latency")}
    latency = {name: _added(former["latency"][name], now["latency"][name]) for name in _LATENCIES}
    items = _added(_by_both(former["items"]), _by_both(now["items"]))
    return {
        **{name: former[name] + now[name] for name in _PLAIN},
        **{name: _added(former[name], now[name]) for name in _NAMED},
        "items": [{"route": route, "decision": decision, "count": count} for (route, decision), count in items.items()],
        "classified": _added(former["classified"], now["classified"]),
        "latency": latency,
    }


def _added(former: Mapping[Any, Any], now: Mapping[Any, Any]) -> dict[Any, Any]:
    return {**former, **{name: round(former.get(name, 0) + count, 6) for name, count in now.items()}}


def _by_both(items: Any) -> dict[tuple[str, str], int]:
    return {(item["route"], item["decision"]): item["count"] for item in items}


def _parsed(fields: Any) -> dict[str, Any]:
    """Raises: ValueError, TypeError, KeyError for anything that `together` did not make."""
    latency = fields["latency"]
    if len(fields["items"]) > _MOST_NAMES:
        raise ValueError("more kinds of items than there can be")
    return {
        **{name: _count(fields[name]) for name in _PLAIN},
        **{name: _counts(fields[name]) for name in _NAMED},
        "items": [
            {"route": _name(item["route"]), "decision": _name(item["decision"]), "count": _count(item["count"])}
            for item in fields["items"]
        ],
        "classified": _sums(fields["classified"], "sum_s"),
        "latency": {name: _sums(latency[name], "sum_ms") for name in _LATENCIES},
    }


def _counts(fields: Any) -> dict[str, int]:
    if type(fields) is not dict or len(fields) > _MOST_NAMES:
        raise ValueError("no counts by a name")
    return {_name(name): _count(count) for name, count in fields.items()}


def _sums(fields: Any, key: str) -> dict[str, Any]:
    total = fields[key]
    if type(total) not in (int, float) or not math.isfinite(total) or not 0 <= total < _MOST:
        raise ValueError("no sum")
    return {"count": _count(fields["count"]), key: total}


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise ValueError("no count")
    return value


def _name(value: Any) -> str:
    if type(value) is not str or len(value) > _NAME_LIMIT:
        raise ValueError("no name")
    return value
