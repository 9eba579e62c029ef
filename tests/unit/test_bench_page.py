"""The page of a report: whole, harmless, and drawn from any data."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from edge.bench.axes import linear, logarithmic
from edge.bench.page import render_page
from edge.bench.page_method import digest
from edge.bench.plots import column_title, marked
from edge.bench.report import Contender, Distribution, Figure, Report, Series, Soak, Stage
from edge.bench.rowplots import in_groups
from edge.bench.soak import _columns
from edge.board.gauges import Reading
from tests.bench_rig import make_report

PAYLOAD = """</style></title><script>alert(1)</script><img src="https://e.example/x" onload='x'>&amp;\u202e\x00"""
KEPT = {"schema", "kind", "unit", "clock", "better", "verdict"}
"""Keys whose values are of a fixed set."""
UNTOLD = ("board", "is_virtual", "governor", "clock_mhz", "clock_max_mhz", "temperature_c", "load")


class Page(HTMLParser):
    """Notes the elements, their attributes and the text; fails on an end that has no beginning."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def page_of(report: Report, *others: Report) -> Page:
    """The page, read by two parsers: neither may find anything open at its end."""
    text = render_page(report, others)
    ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))
    page = Page(text)
    assert page.open == []
    assert not re.search(r"\b(nan|inf|None)\b", page.text)
    places = [value for name, value in page.attributes if name in {"x", "y", "cx", "cy", "x1", "x2", "y1", "y2", "d"}]
    assert not [value for value in places if value is None or "nan" in value or "inf" in value]
    return page


def stage_of(samples: list[float], unit: Any = "us") -> Stage:
    return Stage(
        title="odd",
        cpu=None,
        wall=Distribution.of(samples, unit, "wall"),
        series=Series.of([float(place) for place in range(len(samples))], samples, unit),
    )


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report()


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return page_of(report)


def test_the_page_needs_nothing_from_elsewhere(page, report):
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in {"src", "href", "srcset", "data", "action"}]
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", render_page(report))


def test_it_says_what_was_measured(page, report):
    for fact in (
        report.machine.board,
        report.machine.os,
        report.machine.kernel,
        report.machine.governor,
        report.machine.throttled,
        report.model.sha256,
        report.frames.sha256,
        report.command,
        report.noise.sentence,
        digest(report),
    ):
        assert fact in page.text


def test_figures_and_tables_are_numbered_without_a_gap(page):
    for kind in ("Figure", "Table"):
        numbers = [int(found) for found in re.findall(rf"{kind} (\d+)\. ", page.text)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert numbers


def test_every_figure_stage_contender_and_column_is_on_it(page, report):
    titles = [each.title for each in (*report.figures.values(), *report.stages.values(), *report.peers)]
    titles += ["tflite_runtime, 4 threads", "waste-mobilenetv2 0.4.1, frames of 640x480", "label, µs"]
    assert not [title for title in titles if title.replace("->", "→") not in page.text]
    assert "not measured: ncnn has no wheel for this Python" in page.text
    assert "temperature, °C" in page.text


def test_a_noisy_machine_is_said_first(report):
    noise = report.noise.model_copy(update={"verdict": "noisy", "spread": 0.4, "sentence": "Spread 40 %."})
    text = page_of(report.model_copy(update={"noise": noise})).text
    assert text.index("Do not quote these figures") < text.index("From a frame to its label")
    assert "Machine: noisy" in text


def test_a_missed_goal_is_named(report):
    missed = Figure.of("the slow one", "ms", [12.0, 12.1, 12.2, 12.3, 12.2, 12.1], goal=10.0)
    text = page_of(report.model_copy(update={"figures": {**report.figures, "slow_ms": missed}})).text
    assert "missed: the slow one." in text


def hostile(value: Any, key: str = "") -> Any:
    """Every free string and every free key, with a payload behind it."""
    if isinstance(value, dict):
        is_free = key in {"figures", "stages", "settings", "libraries", "columns", "slopes_per_hour"}
        return {name + PAYLOAD if is_free else name: hostile(held, name) for name, held in value.items()}
    if isinstance(value, list):
        return [hostile(held, key) for held in value]
    return value + PAYLOAD if isinstance(value, str) and key not in KEPT else value


def test_hostile_names_are_text_and_nothing_else(report, page):
    found = page_of(Report.model_validate(hostile(report.model_dump(mode="json", by_alias=True))), report)
    assert set(found.tags) <= set(page.tags) | {"ul", "li", "h3"}
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in {"src", "href"}]
    assert "<script>alert(1)</script>" in found.text
    assert not re.search("[\u202e\x00]", found.text)


def test_the_digest_is_that_of_the_file(report):
    assert digest(Report.read(report.write())) == digest(report)


def one_round(report: Report) -> dict[str, Any]:
    return {
        "figures": {name: Figure.of(f.title, f.unit, f.rounds[:1], goal=f.goal) for name, f in report.figures.items()}
    }


DEGENERATE: dict[str, Callable[[Report], dict[str, Any]]] = {
    "nothing but the machine": lambda _: {"figures": {}, "stages": {}, "matrix": (), "peers": (), "soak": None},
    "one round": one_round,
    "one sample": lambda _: {"stages": {"odd": stage_of([5.0]), "a_to_b": stage_of([5.0])}},
    "equal samples": lambda _: {"stages": {"odd": stage_of([5.0] * 50)}},
    "zeros": lambda _: {
        "stages": {"odd": stage_of([0.0] * 50)},
        "figures": {"z_ratio": Figure.of("z", "ratio", [0.0] * 9)},
    },
    "zeros and more": lambda _: {"stages": {"odd": stage_of([0.0] * 50 + [7.0])}},
    "a huge range": lambda _: {"stages": {"odd": stage_of([1e-9, 1.0, 1e12]), "more": stage_of([3e15])}},
    "one wild sample": lambda _: {"stages": {"odd": stage_of([5.0] * 999 + [5e6])}},
    "stages in other units": lambda _: {
        "stages": {"odd": stage_of([5.0]), "ms": stage_of([5.0], "ms"), "s": stage_of([1.0], "s")}
    },
    "rounds far apart": lambda _: {"figures": {"r": Figure.of("r", "ratio", [1e-6, 1.0, 1e9])}},
    "negative rounds": lambda _: {"figures": {"r": Figure.of("r", "ratio", [-2.0, -1.0, 3.0])}},
    "contenders without a figure": lambda _: {
        "matrix": (Contender(title="a"),),
        "peers": (Contender(title="b", missing="gone"),),
    },
    "contenders far apart": lambda _: {
        "peers": tuple(Contender(title=str(us), figures={"x_us": Figure.of("x", "us", [us])}) for us in (1.0, 1e7))
    },
    "contenders of other units": lambda _: {
        "matrix": tuple(Contender(title=unit, figures={"x": Figure.of("x", unit, [2.0])}) for unit in ("us", "MB"))
    },
    "contenders of nothing": lambda _: {"matrix": (Contender(title="a", figures={"x": Figure.of("x", "MB", [0.0])}),)},
    "a soak of one point": lambda _: {
        "soak": Soak(
            duration_s=5.0, t_s=(0.0,), columns={"label_us": (5.0,), "is_throttled": (1.0,)}, slopes_per_hour={}
        )
    },
    "a soak of no value": lambda _: {
        "soak": Soak(duration_s=9.0, t_s=(0.0, 5.0), columns={"power_w": (None, None)}, slopes_per_hour={})
    },
    "a soak of no point": lambda _: {"soak": Soak(duration_s=0.0, t_s=(), columns={}, slopes_per_hour={})},
    "a soak of flags alone": lambda _: {
        "soak": Soak(duration_s=9.0, t_s=(0.0, 5.0), columns={"is_throttled": (0.0, 1.0)}, slopes_per_hour={})
    },
    "a machine that tells nothing": lambda report: {
        "commit": None,
        "machine": report.machine.model_copy(
            update=dict.fromkeys(UNTOLD) | {"throttled": None, "throttled_meaning": (), "libraries": {}}
        ),
    },
}


@pytest.mark.parametrize("changes", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_any_data_is_drawn(report, changes):
    page_of(report.model_copy(update=changes(report)))


def test_ratios_that_do_not_fit_on_one_axis_get_their_own():
    figures = [
        (name, Figure.of(name, "ratio", [value])) for name, value in (("a", 1.0), ("b", 0.02), ("c", 1.1), ("d", 9.0))
    ]
    assert [[name for name, _ in group] for group in in_groups(figures)] == [["d"], ["a", "c"], ["b"]]


def test_many_rounds_and_long_settings_do_not_fill_the_page(report):
    many = Figure.of("many", "KB", [float(place) for place in range(1, 400)])
    settings = {"plan": {"rounds": 9, "starts": 5}, "config": {f"key_{place}": place for place in range(99)}}
    text = page_of(report.model_copy(update={"figures": {"many_kb": many}, "settings": settings})).text
    assert "30, and 369 more in the JSON file" in text
    assert "plan rounds 9, starts 5; the rest at the end" in text
    assert '"key_98": 98' in text


def test_what_was_not_measured_is_said(report):
    text = page_of(report.model_copy(update={"matrix": (), "peers": (), "soak": None})).text
    assert "the matrix, other programs and a soak" in text


def test_spells_of_both_kinds_of_throttling_are_marked_as_one():
    columns = {"is_throttled": (0.0, 1.0, 1.0, 0.0, 0.0), "is_capped": (0.0, None, 1.0, 1.0, 0.0)}
    soak = Soak(duration_s=20.0, t_s=(0.0, 5.0, 10.0, 15.0, 20.0), columns=columns, slopes_per_hour={})
    assert marked(soak, "throttled") == [(5.0, 20.0)]
    assert marked(soak, "undervolted") == []


def test_every_column_of_a_soak_has_its_unit():
    told = Reading(*range(1, 1 + len(Reading._fields)))
    columns = [*_columns(told, told, 1.0), "label_us", "invoke_us", "label_cpu_us", "idle_turn_us"]
    without = {name for name in columns if not column_title(name)[1] and not name.startswith("is_")}
    assert without == {"threads", "descriptors"}


def test_figures_that_nobody_knows_are_drawn(report):
    new = {
        "overhead_spread": Figure.of("our own overhead, spread", "share", [0.02] * 9),
        "items_undecided": Figure.of("items that were not decided, of 9", "blocks", [0.0], goal=0.0),
        "something_else": Figure.of("something else", "KB", [3.0] * 9, better="higher"),
    }
    text = page_of(report.model_copy(update={"figures": {**report.figures, **new}})).text
    assert all(figure.title in text for figure in new.values())


def test_every_stage_says_what_it_covers(report):
    text = page_of(report).text
    assert "the frame is resized and quantized into the model's input" in text
    assert "from the last frame's label to the first command on the pins, the decision itself included" in text


def test_other_reports_are_compared(report):
    text = page_of(report, make_report(2)).text
    assert "no difference shown (a difference of" in text
    assert "B: 0.1.0 on Raspberry Pi 4" in text


VALUES = ([1.0], [0.0], [5.0, 5.0], [1e-9, 1e9], [5200.0, 5210.0], [-3.0, 7.0], [1e300], [])


@pytest.mark.parametrize("values", VALUES, ids=str)
def test_an_axis_holds_its_values_and_has_round_ticks(values):
    for scale in (linear(values), linear(values, from_zero=True), linear(values, is_tight=True), logarithmic(values)):
        assert scale.low < scale.high
        assert all(scale.low <= tick <= scale.high * (1 + 1e-9) for tick in scale.ticks)
        assert len(set(scale.labels)) == len(scale.ticks) >= 1
        places = [scale.at(value) for value in values if value > 0]
        assert all(0 <= place <= 100 for place in places)
