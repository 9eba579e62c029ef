"""Events as lines for people. Light: `edge-sorter ledger` needs no numpy for them."""

from collections.abc import Mapping
from typing import Any

from edge.printable import printable

__all__ = ["describe_detail", "describe_event"]


def describe_event(record: Mapping[str, Any]) -> str:
    """One event as a line for people; nothing in it can steer a terminal.

    An item's fits a terminal of 80 columns: a drop that the sensor did not see takes the place of frames and time,
    one that it did see is not mentioned.
    """
    head = f"{record['t_s']:7.2f} s {record['type']:<4} #{record['seq']:<4}"
    if record["type"] != "item":
        return printable(f"{head} {describe_detail(record)}")
    if record["gate"]["confirmed"] is False:
        tail = "NOT confirmed"
    else:
        frames = "frame" if record["frames"] == 1 else "frames"
        tail = f"{record['frames']} {frames} {record['latency_ms']['decide']:.0f} ms"
    return printable(
        f"{head} {record['label'] or '?':<9} -> {record['route']:<10} {record['decision']:<9} "
        f"{record['confidence']:6.1%} {tail}"
    )


def describe_detail(record: Mapping[str, Any]) -> str:
    """What an event says beside its time and type, for a terminal. A field that a damaged record lacks is left out."""
    return printable(_detail(record))


def _detail(record: Mapping[str, Any]) -> str:
    if record.get("type") == "item":
        return f"{record.get('label') or '?'} -> {record.get('route') or '?'}, {record.get('decision') or '?'}"
    if record.get("type") == "boot" and isinstance(model := record.get("model"), Mapping):
        return f"{model.get('name')} {model.get('version')} on {record.get('source')}"
    item, detail = record.get("item"), record.get("detail")
    if isinstance(item, Mapping):
        detail = f"not counted: {item.get('label') or '?'} on its way to {item.get('route')}"
    return ": ".join(str(part) for part in (record.get("reason"), detail) if part)
