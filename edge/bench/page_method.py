"""The words of the page: what was measured, how, and how to cite and repeat it."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from edge.bench.markup import Html, el, plain
from edge.bench.page_parts import Captions, facts, remarks, section, table_row
from edge.bench.report import Report
from edge.bench.stats import BIN_GROWTH
from edge.bench.wording import listed, number, percent, short

__all__ = ["all_settings", "digest", "how_it_was_measured", "reproduce", "rounds_table", "what_was_measured"]

_SHORT = 120
_MOST_ROUNDS = 30
_COVERS = {
    "capture": "how old a frame is when the loop has it; the camera runs in a thread of its own",
    "presence": "is something on the tray, and is it at rest: of every frame",
    "preprocess": "the frame is resized and quantized into the model's input",
    "invoke": "the interpreter's invoke() within the classifier",
    "name": "probabilities and energy are computed from the raw output",
    "overhead": "all of the classifier but the inference in it",
    "decide": "from a label to the command for the gate: vote, policy and state machine",
    "gate_command": "from the decision to the first command on the pins",
    "turn_classified": "one turn of the loop that classified a frame, all of it",
    "turn_idle": "one turn of the loop that saw the empty tray, all of it",
    "frame_to_label": "from a frame in memory to its label",
    "rest_to_decision": "from the first frame that shows the item at rest to the decision; it waits for further frames",
    "decision_to_pin": "from the last frame's label to the first command on the pins, the decision itself included",
}


def digest(report: Report) -> str:
    """SHA-256 of the report as it is written to JSON: that of the file, if nobody changed it."""
    return hashlib.sha256(report.write().encode()).hexdigest()


def what_was_measured(report: Report) -> Html:
    """The machine, the model, the pictures and the settings."""
    machine, model, frames = report.machine, report.model, report.frames
    clock = f"{number(machine.clock_mhz)} MHz" if machine.clock_mhz is not None else None
    most = f"at most {number(machine.clock_max_mhz)} MHz" if machine.clock_max_mhz is not None else None
    at_start = " at the start, " if clock and most else ""
    throttled = machine.throttled and f"{machine.throttled} ({listed(machine.throttled_meaning) or 'nothing to tell'})"
    virtual = {True: "yes", False: "no", None: None}[machine.is_virtual]
    size = f"{frames.width_px} × {frames.height_px} px"
    pairs: list[tuple[str, str | None]] = [
        ("Machine", machine.board or machine.model),
        ("Processor", machine.model if machine.board and machine.board != machine.model else None),
        ("Processors used", f"{machine.cores} × {machine.architecture}"),
        ("Memory", f"{machine.memory_mb} MB"),
        ("Virtual machine", virtual),
        ("Operating system", f"{machine.os}; kernel {machine.kernel}; Python {machine.python}"),
        ("Governor", machine.governor),
        ("Clock", f"{clock or ''}{at_start}{most or ''}"),
        ("Temperature", None if machine.temperature_c is None else f"{machine.temperature_c:.1f} °C at the start"),
        ("Throttle bits", throttled),
        ("Load before", None if machine.load is None else f"{machine.load:.2f} (one minute)"),
        ("Libraries", "; ".join(f"{name} {version}" for name, version in machine.libraries.items())),
        ("Program", f"edge-sorter {report.version}" + (f", commit {report.commit}" if report.commit else "")),
        ("Model", f"{model.name} {model.version}, input {model.input_px[0]} × {model.input_px[1]}"),
        ("Model SHA-256", el("code", model.sha256)),
        ("Runtime", _runtime(report)),
        ("Frames", f"version {frames.version}: {frames.frames} of {size}, {frames.fps:g}/s"),
        ("Frames SHA-256", el("code", frames.sha256)),
        ("Settings", _settings(report)),
        ("Command", el("code", report.command)),
        ("Measured", report.utc),
        ("Not in this report", _absent(report)),
    ]
    return section("What was measured", "what", facts(pairs), remarks(report.remarks))


def how_it_was_measured(report: Report) -> Html:
    """The method, as far as a reader needs it to judge the figures."""
    covered = [
        el("li", el("b", short(stage.title)), f": {_COVERS[name]}")
        for name, stage in report.stages.items()
        if name in _COVERS
    ]
    listing = [el("p", "What the stages and ways cover:"), el("ul", *covered)] if covered else []
    noise = report.noise
    return section(
        "Method",
        "method",
        _paragraph(
            "Rounds.",
            "A round is the unit of evidence. All that is compared is measured in turns, once in each round, so that "
            "a slow minute of the machine meets all of it. Samples within one round share its luck, and more of them "
            "make no figure surer.",
        ),
        _paragraph(
            "Medians and intervals.",
            "A headline figure is the median over rounds. Its interval lies between two of the ordered rounds, chosen "
            "so that it covers the true median with at least 95 % (order statistics: nothing is assumed of the noise "
            "but that rounds are independent). The probability that is reached is printed beside it; fewer than six "
            "rounds cannot reach 95 %, and a single one has no interval.",
        ),
        _paragraph(
            "Processor and wall time.",
            "Processor time is what the process was given, and does not grow while something else runs. Wall time is "
            "what a user waits for, waiting and other programs included. Ratios are of processor time unless their "
            "name says otherwise, and both of their parts come from the same round.",
        ),
        _paragraph(
            "Percentiles.",
            "They are of all samples of all rounds, and each is a sample that occurred. They describe this run; they "
            "carry no interval. "
            f"Histograms are kept in bins {percent(BIN_GROWTH - 1)} wide and drawn wider where there are many.",
        ),
        _paragraph(
            "Noise.",
            "The bare inference does the same work every time, so that whatever its rounds differ by is the machine's. "
            f"Here the interval of its median was {percent(noise.spread)} wide, and for {percent(noise.stolen)} of "
            f"its wall time it did not run: {noise.verdict}.",
        ),
        *listing,
    )


def reproduce(report: Report) -> Html:
    """The command, the digests, and words to cite."""
    command = [el("p", "On the same machine, with the same version:"), el("pre", el("code", report.command))]
    digests = {
        "Frames, their pixels": report.frames.sha256,
        "Model, its file": report.model.sha256,
        "Report, its JSON file": digest(report),
    }
    checks = [
        el("p", "The SHA-256 of what was measured, which a repetition must share, and of the report itself:"),
        facts((name, el("code", value)) for name, value in digests.items()),
    ]
    machine = report.machine.board or report.machine.model
    cited = (
        f"edge-sorter {report.version} latency report, {machine}, {report.model.name} {report.model.version}, "
        f"frame set {report.frames.version}, measured {report.utc}. Report SHA-256 {digest(report)}."
    )
    fields = {
        "title": f"edge-sorter {report.version} latency report: {report.model.name} on {machine}",
        "year": report.utc[:4],
        "note": f"Measured {report.utc}; report SHA-256 {digest(report)}; frame set SHA-256 {report.frames.sha256}",
    }
    lines = ",\n".join(f"  {name} = {{{_tex(value)}}}" for name, value in fields.items())
    entry = f"@misc{{edge-sorter-{digest(report)[:8]},\n{lines}\n}}"
    return section(
        "Repeat and cite", "cite", *command, *checks, el("p", "To cite:"), el("p", cited), el("pre", el("code", entry))
    )


def rounds_table(report: Report, captions: Captions) -> Html:
    """Every round of every headline figure."""
    if not report.figures:
        return Html("")
    rows = [
        table_row(figure.title, [_rounds(figure.rounds), figure.unit], ["text long", "text"])
        for figure in report.figures.values()
    ]
    caption = "Rounds of the headline figures, in order of time and in the unit of the report."
    return section("Rounds", "rounds", captions.table(["", "rounds", "unit"], rows, caption, text=("rounds", "unit")))


def all_settings(report: Report) -> Html:
    """Every setting, as in the report."""
    if not report.settings:
        return Html("")
    written = json.dumps(report.settings, indent=1, ensure_ascii=False)
    return section("Settings", "settings", el("pre", el("code", written), class_="long"))


def _rounds(rounds: Sequence[float]) -> str:
    told = ", ".join(f"{value:.6g}" for value in rounds[:_MOST_ROUNDS])
    return told if len(rounds) <= _MOST_ROUNDS else f"{told}, and {len(rounds) - _MOST_ROUNDS} more in the JSON file"


def _paragraph(head: str, text: str) -> Html:
    return el("p", el("b", head), " ", text)


def _runtime(report: Report) -> str:
    model = report.model
    threads = f"{model.threads} thread" + ("" if model.threads == 1 else "s")
    return f"{model.runtime}, {threads}, {'with' if model.has_delegate else 'without'} delegate"


def _settings(report: Report) -> str:
    """The short ones; the others stand at the end of the page."""
    told = {name: _setting(value) for name, value in report.settings.items()}
    short_ones = [f"{name} {text}" for name, text in told.items() if len(text) <= _SHORT]
    return "; ".join([*short_ones, *(["the rest at the end"] if len(short_ones) < len(told) else [])])


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_setting(held)}" for name, held in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _absent(report: Report) -> str:
    parts = {"the matrix": report.matrix, "other programs": report.peers, "a soak": report.soak}
    return listed([name for name, value in parts.items() if not value])


def _tex(text: str) -> str:
    """A name for a bibliography: what TeX reads as a command goes."""
    return re.sub(r"([&%$#_])", r"\\\1", re.sub(r"[\\{}~^\"]", "", plain(text)))
