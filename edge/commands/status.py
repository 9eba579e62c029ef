"""`edge-sorter status`: how the sorter does, from the file that it writes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from edge.health.place import (
    STALE_S,
    STATUS_NAME,
    SUPPLY_LOW,
    is_alive,
    kernel_boot_id,
    read_status,
    status_places,
    up_s,
)
from edge.printable import printable

__all__ = ["NO_STATUS", "show_status"]

NO_STATUS = 3
_NOT_SORTING = 1


def show_status(folder: Path | None, *, as_json: bool) -> int:
    """Print how the sorter does. Returns: exit status, 0 sorting, 1 not (or nobody knows any more), 3 no status."""
    places = status_places() if folder is None else (folder,)
    found = read_status(places)
    if found is None:
        where = " and ".join(str(place / STATUS_NAME) for place in places) or "no runtime folder"
        typer.echo(f"no status in {where}: no sorter has run unattended since the machine started", err=True)
        return NO_STATUS
    path, fields = found
    trouble = _staleness(fields)
    if as_json:
        typer.echo(json.dumps({**fields, "is_stale": trouble is not None, "stale": trouble}, ensure_ascii=False))
    else:
        for line in _describe(fields, trouble):
            typer.echo(printable(line))
        typer.echo(f"from {path}", err=True)
    return 0 if trouble is None and fields.get("is_sorting") is True else _NOT_SORTING


def _staleness(fields: Mapping[str, Any]) -> str | None:
    """Why the status says nothing of this moment; None if it does."""
    if fields.get("ended"):
        return None
    if fields.get("kernel_boot_id") != kernel_boot_id():
        return "it was written before the machine was started"
    pid, written_s = fields.get("pid"), fields.get("kernel_up_s")
    if isinstance(pid, int) and pid > 0 and not is_alive(pid):
        return f"process {pid}, which wrote it, is gone"
    age_s = up_s() - written_s if isinstance(written_s, int | float) else STALE_S + 1
    if not -1.0 <= age_s <= STALE_S:
        return f"it is {age_s:.0f} s old, and should be at most {STALE_S:.0f} s: the sorter hangs"
    return None


def _describe(fields: Mapping[str, Any], trouble: str | None) -> list[str]:
    """The status in words, the most urgent first."""
    lines = [_headline(fields, trouble)]
    for hold in _maps(fields.get("holds")):
        reason = hold.get("reason")
        lines.append("  waits for the supply, which is too low" if reason == SUPPLY_LOW else f"  held by {reason}")
    for full in _maps(fields.get("full_bins")):
        lines.append(f"  bin {full.get('bin')} is full")
    if fields.get("safe_mode"):
        reasons = _map(fields.get("starts")).get("reasons")
        lines += [f"  a start that failed: {reason}" for reason in (reasons if isinstance(reasons, list) else [])]
    last, fault = _map(fields.get("last_fault")), _map(fields.get("fault"))
    if last and last.get("reason") != fault.get("reason"):
        lines.append(f"  last fault {last.get('utc')}: {_reason(last)}")
    items = _map(fields.get("items"))
    routes = ", ".join(f"{route} {count}" for route, count in _map(items.get("by_route")).items())
    lines.append(f"  items since the start: {items.get('total', 0)}{f' ({routes})' if routes else ''}")
    for name, words in (("uncredited", "could not be written down"), ("unfinished", "were broken off")):
        if fields.get(name):
            lines.append(f"  items that {words}, not credited: {fields[name]}")
    if item := _map(fields.get("last_item")):
        lines.append(
            f"  last item {item.get('utc')}: {item.get('label')} -> {item.get('route')}, {item.get('decision')}"
        )
    for name in ("config", "model"):
        used = _map(fields.get(name))
        if used.get("is_last_good"):
            lines.append(f"  the last good {name} stands in for one that was refused")
    supply = _map(fields.get("supply"))
    now = supply.get("now")
    if isinstance(now, list) and now:
        lines.append(f"  supply: {', '.join(map(str, now))}")
    if supply.get("advice"):
        lines.append(f"  {supply['advice']}")
    if problem := _map(fields.get("captures")).get("problem"):
        lines.append(f"  no frames are kept: {problem}")
    reload = _map(fields.get("reload"))
    if reload.get("is_ok") is False:
        lines.append(f"  the last reload was refused: {reload.get('detail')}")
    model = _map(fields.get("model"))
    lines.append(
        f"  version {fields.get('version')}, model {model.get('name', '?')} {model.get('version', '?')}, "
        f"process {fields.get('pid')}, running for {_seconds(fields.get('run_s'))}, written {fields.get('utc')}"
    )
    return lines


def _headline(fields: Mapping[str, Any], trouble: str | None) -> str:
    if trouble is not None:
        return f"not known: {trouble} (it was {fields.get('state')})"
    ended = fields.get("ended")
    if isinstance(ended, Mapping):
        code, detail = ended.get("exit_code"), ended.get("detail")
        return f"ended with exit status {code}{f': {detail}' if detail else ''}"
    safe = fields.get("safe_mode")
    if isinstance(safe, Mapping):
        left_s = safe.get("left_s")
        wait = "" if left_s is None else f" for {_seconds(left_s)}"
        if safe.get("is_on"):
            return f"safe mode: too many starts failed; nothing moves{wait}, or until edge-sorter config reload"
        return f"waits{wait}: {safe.get('detail')}"
    if fault := _map(fields.get("fault")):
        return f"fault: {_reason(fault)}"
    is_sorting, state = fields.get("is_sorting"), str(fields.get("state")).replace("_", " ")
    dark = ", too dark to see the tray" if fields.get("is_dark") else ""
    return f"sorting ({state}{dark})" if is_sorting else f"not sorting ({state}{dark})"


def _reason(fault: Mapping[str, Any]) -> str:
    return ": ".join(str(part) for part in (fault.get("reason"), fault.get("detail")) if part)


def _seconds(value: Any) -> str:
    return f"{value:.0f} s" if isinstance(value, int | float) else "an unknown time"


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []
