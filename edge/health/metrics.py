"""The status as Prometheus text, version 0.0.4: for a scraper's text file collector.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edge.health.lasting import LASTING

__all__ = ["metrics_text"]

PREFIX = "edge_sorter_"
_Sample = tuple[Mapping[str, Any], float | int | None]


def metrics_text(fields: Mapping[str, Any]) -> str:
    """The metrics of a status, as `StatusFile.fields` gives it. What is not known is left out, never 0."""
    lines: list[str] = []
    for name, kind, help_, samples in _families(fields):
        told = [(labels, value) for labels, value in samples if value is not None]
        if not told:
            continue
        lines += [f"# HELP {PREFIX}{name} {help_}", f"# TYPE {PREFIX}{name} {kind}"]
        lines += [f"{PREFIX}{name}{_labels(labels)} {_number(value)}" for labels, value in told]
    counts = fields[LASTING]
    lines += _summary("classify_seconds", "time of one classification", counts["classified"], 1.0, "sum_s")
    latency = counts["latency"]
    lines += _summary("decide_seconds", "rest of an item to its decision", latency["decide"], 1e-3, "sum_ms")
    lines += _summary("cycle_seconds", "first motion of an item to the gate's return", latency["total"], 1e-3, "sum_ms")
    return "\n".join(lines) + "\n"


def _families(fields: Mapping[str, Any]) -> Iterable[tuple[str, str, str, Sequence[_Sample]]]:
    """Name, type, help and samples of each metric that is a number."""
    model, config = fields["model"] or {}, fields["config"] or {}
    info = {"version": fields["version"], "model": model.get("name", ""), "model_version": model.get("version", "")}
    yield "info", "gauge", "what runs", [(info, 1)]
    yield "sorting", "gauge", "1 while items can be taken", _one(int(fields["is_sorting"]))
    yield "dark", "gauge", "1 while the picture is too dark to see the tray", _one(int(fields["is_dark"]))
    yield "state", "gauge", "1 for the state it is in", [({"state": fields["state"]}, 1)]
    yield "status", "gauge", "1 for what the lamp shows", [({"status": fields["status"]}, 1)]
    yield "run_seconds", "gauge", "how long the process has run", _one(fields["run_s"])
    fault = fields["fault"]
    yield "fault", "gauge", "1 for the fault it stands in", [({"reason": fault["reason"]}, 1)] if fault else []
    yield "hold", "gauge", "1 for each reason to stand still", [({"reason": h["reason"]}, 1) for h in fields["holds"]]
    yield "bin_full", "gauge", "1 for each full bin", [({"bin": full["bin"]}, 1) for full in fields["full_bins"]]
    yield "safe_mode", "gauge", "1 in safe mode", _one(int(bool((fields["safe_mode"] or {}).get("is_on"))))
    last_good = [({"of": of}, told.get("is_last_good")) for of, told in (("config", config), ("model", model))]
    yield "last_good_used", "gauge", "1 where the last good one stands in for a bad one", last_good
    # Since the machine started: what a process counted is not lost with it.
    counts = fields[LASTING]
    yield "frames_total", "counter", "frames that were looked at", _one(counts["frames"])
    by_both = [({"route": i["route"], "decision": i["decision"]}, i["count"]) for i in counts["items"]]
    yield "items_total", "counter", "items that were sorted and written down", by_both
    yield "items_uncredited_total", "counter", "items that no row could be written for", _one(counts["uncredited"])
    yield "items_unfinished_total", "counter", "items that were broken off", _one(counts["unfinished"])
    yield "events_total", "counter", "events that were written down", _by("type", counts["events"])
    yield "faults_total", "counter", "faults that were written down", _by("reason", counts["faults"])
    starts, reload = fields["starts"] or {}, fields["reload"] or {}
    yield "starts_in_a_row", "gauge", "starts since the last run that became stable", _one(starts.get("count"))
    yield "reload_ok", "gauge", "1 if the last reload was accepted", _one(reload.get("is_ok"))
    supply, captures = fields["supply"] or {}, fields["captures"] or {}
    yield "temperature_celsius", "gauge", "of the processor, when last told", _one(supply.get("temperature_c"))
    now = supply.get("now")
    troubles = [({"trouble": trouble}, 1) for trouble in now] if isinstance(now, list | tuple) else []
    yield "throttled", "gauge", "1 for each trouble of supply or heat, as last told", troubles
    for key in ("is_low", "is_hot"):
        yield f"supply_{key[3:]}", "gauge", f"1 while the machine holds back: {key[3:]}", _one(supply.get(key))
    for key, value in captures.items():
        if isinstance(value, int | float) and key.isidentifier() and key.isascii():
            yield f"captures_{key}", "gauge", "of the store of frames", _one(value)


def _one(value: Any) -> list[_Sample]:
    return [({}, value if isinstance(value, int | float) else None)]


def _by(label: str, counts: Mapping[str, int]) -> list[_Sample]:
    return [({label: name}, count) for name, count in counts.items()]


def _summary(name: str, help_: str, sums: Mapping[str, Any], unit: float, key: str) -> list[str]:
    full = PREFIX + name
    total = round(sums[key] * unit, 9)
    return [
        f"# HELP {full} {help_}",
        f"# TYPE {full} summary",
        f"{full}_sum {_number(total)}",
        f"{full}_count {_number(sums['count'])}",
    ]


def _labels(labels: Mapping[str, Any]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return repr(int(value) if isinstance(value, bool) else value)
