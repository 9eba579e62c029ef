"""A report: what it is made from, that it survives its file, and how it is printed."""

import csv
import io
import json

import numpy as np
import pytest
from pydantic import ValidationError
from rich.console import Console

from edge.bench.files import read_report
from edge.bench.report import SERIES_POINTS, Contender, Distribution, Figure, Noise, Report, Series
from edge.bench.tables import print_report, to_csv, to_markdown
from edge.bench.wording import cells, goal_text, number, percent, standing, verdict, without_common
from edge.errors import ConfigError
from tests.bench_rig import make_report


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report()


def test_a_report_survives_its_file_to_the_byte(report, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(report.write(), encoding="utf-8")
    found = read_report(path)
    assert found == report
    assert found.write() == report.write()


def test_a_report_takes_no_key_that_it_does_not_know(report):
    with pytest.raises(ValidationError):
        Report.read(json.dumps({**json.loads(report.write()), "new": 1}))


def test_a_figure_knows_its_interval_and_its_goal():
    figure = Figure.of("a", "ms", [3.0, 1.0, 2.0, 5.0, 4.0, 6.0], goal=3.5)
    assert (figure.median, figure.low, figure.high) == (3.5, 1.0, 6.0)
    assert figure.coverage == pytest.approx(1 - 2 / 64)
    assert figure.rounds == (3.0, 1.0, 2.0, 5.0, 4.0, 6.0)
    assert figure.is_met


def test_a_figure_without_a_goal_neither_meets_nor_misses():
    assert Figure.of("a", "ms", [1.0]).is_met is None


def test_a_distribution_holds_all_samples():
    found = Distribution.of([5.0, 1.0, 9.0], "us", "cpu")
    assert (found.count, found.min, found.p50, found.max, found.mean) == (3, 1.0, 5.0, 9.0, 5.0)
    assert sum(count for _, count in found.histogram) == 3


def test_a_series_is_thinned_and_keeps_the_worst():
    samples = np.ones(10_000)
    samples[1234] = 77.0
    found = Series.of(np.arange(10_000.0).tolist(), samples.tolist(), "us")
    assert len(found.t_s) == len(found.median) == len(found.worst) == SERIES_POINTS
    assert max(found.worst) == 77.0
    assert max(found.median) == 1.0
    assert list(found.t_s) == sorted(found.t_s)


def test_a_short_series_keeps_every_sample():
    found = Series.of([0.0, 1.0], [3.0, 4.0], "us")
    assert found.median == found.worst == (3.0, 4.0)


def test_nothing_cannot_be_reported():
    for make in (
        lambda: Figure.of("a", "ms", []),
        lambda: Distribution.of([], "us", "cpu"),
        lambda: Series.of([], [], "us"),
    ):
        with pytest.raises(ValueError, match="no "):
            make()


REFUSED = {
    "no file": (None, "cannot read .*No such file"),
    "no text": (b"\xff\xfe\x00", "is no text"),
    "no JSON": (b"{", "is no JSON, line 1"),
    "nothing": (b"", "is no JSON"),
    "another JSON": (b'{"a": 1}', "is no report of a bench"),
    "a list": (b"[]", "is no report of a bench"),
    "a deep list": (b"[" * 100_000, "is no JSON"),
    "the first schema": (
        b'{"schema": 1, "machine": {}, "rounds": 9, "label_ratio": {}}',
        "schema 1, of an older .*measure again",
    ),
    "an unknown schema": (b'{"schema": 3, "kind": "edge-sorter-bench"}', "schema 3, expected 2; .*newer edge-sorter"),
    "an older schema": (b'{"schema": 0, "kind": "edge-sorter-bench"}', "expected 2; measure again"),
    "a cut report": (b'{"schema": 2, "kind": "edge-sorter-bench"}', "version: field required; .*measure again"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_report_is_refused_in_one_sentence(content, sentence, tmp_path):
    path = tmp_path / "report.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=sentence) as caught:
        read_report(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


STANDINGS = {
    "met": ([1.0] * 6, "lower", "met"),
    "missed": ([9.0] * 6, "lower", "missed"),
    "met by its median": ([1.0, 1.0, 1.0, 1.0, 1.0, 9.0], "lower", "met, but not by its whole interval"),
    "missed by its median": ([1.0, 9.0, 9.0, 9.0, 9.0, 9.0], "lower", "missed, but not by its whole interval"),
    "met from above": ([9.0] * 6, "higher", "met"),
    "met from above by its median": ([1.0, 9.0, 9.0, 9.0, 9.0, 9.0], "higher", "met, but not by its whole interval"),
    "missed from below by its median": (
        [1.0, 1.0, 1.0, 1.0, 1.0, 9.0],
        "higher",
        "missed, but not by its whole interval",
    ),
    "one round": ([1.0], "lower", "met, by one round"),
}


@pytest.mark.parametrize(("rounds", "better", "expected"), STANDINGS.values(), ids=STANDINGS.keys())
def test_a_goal_is_met_by_the_whole_interval_or_not_quite(rounds, better, expected):
    assert standing(Figure.of("a", "ms", rounds, better=better, goal=5.0)) == expected


NUMBERS = {
    0: "0",
    1.0364: "1.036",
    5231.4: "5231",
    12345.6: "12\u202f346",
    96.21: "96.2",
    -0.031: "−0.0310",
    1e-9: "1.00 × 10⁻⁹",
}


@pytest.mark.parametrize(("value", "text"), NUMBERS.items(), ids=map(str, NUMBERS))
def test_a_number_shows_what_counts(value, text):
    assert number(value) == text


def test_shares_are_per_cent():
    figure = Figure.of("a", "share", [0.014, 0.0148, 0.0151, 0.0149, 0.0147, 0.0148], goal=0.015)
    assert cells(figure).value == "1.480\u00a0%"
    assert goal_text(figure) == "≤\u00a01.5\u00a0%"
    assert [percent(share) for share in (0.4, 0.021, 0.00001, 0.0)] == [
        "40\u00a0%",
        "2.1\u00a0%",
        "<\u00a00.01\u00a0%",
        "0\u00a0%",
    ]


def test_titles_lose_what_all_have_in_common():
    assert without_common(["m, litert, 1 thread", "m, litert, 2 threads"]) == (["1 thread", "2 threads"], "m, litert")
    assert without_common(["a, b", "a"]) == (["a, b", "a"], "")
    assert without_common(["a, b"]) == (["a, b"], "")


def test_the_verdict_counts_goals_and_names_what_is_missed(report):
    assert "goals are met, 2 of them by medians whose intervals reach past the goal." in verdict(report)
    slow = report.figures["label_us"].model_copy(update={"goal": 1.0})
    assert "missed: frame to label, processor time." in verdict(
        report.model_copy(update={"figures": {"label_us": slow}})
    )


def test_a_noisy_machine_is_said_before_any_figure(report):
    noise = Noise(spread=0.4, stolen=0.1, verdict="noisy", sentence="Noisy.")
    assert verdict(report.model_copy(update={"noise": noise})).startswith(
        "Do not quote these figures: the machine was too noisy"
    )


def test_markdown_is_a_table_with_its_machine_and_its_command(report):
    text = to_markdown(report)
    assert "| combinations |" in text and "| other programs |" in text
    table = [line for line in text.split("\n\n")[0].splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(report.figures)
    assert len({line.count("|") for line in table}) == 1
    assert f"```\n{report.command}\n```" in text
    assert "Raspberry Pi 4 Model B Rev 1.4, 4 × aarch64" in text


def test_contenders_that_were_not_measured_make_no_table_and_are_named(report):
    gone = (Contender(title="one", missing="the machine was too noisy"), Contender(title="two", missing="no wheel"))
    text = to_markdown(report.model_copy(update={"matrix": (), "peers": gone}))
    assert "other programs" not in text
    assert "one was not measured: the machine was too noisy" in text
    assert "two was not measured: no wheel" in text


def test_markdown_holds_no_markup_of_a_name(report):
    name = "a | b\n# c <img> [x](y) `z`"
    figure = report.figures["label_us"].model_copy(update={"title": name})
    text = to_markdown(report.model_copy(update={"figures": {"label_us": figure}, "command": "a\n```\nb"}))
    row = next(line for line in text.splitlines() if line.startswith("| a"))
    assert row.startswith("| a \\| b \\# c \\<img\\> \\[x\\](y) z |")
    assert "````\na ``` b\n````" in text


def test_csv_is_one_value_a_line(report):
    rows = list(csv.DictReader(io.StringIO(to_csv(report))))
    assert list(rows[0]) == ["section", "name", "unit", "clock", "statistic", "value"]
    rounds = [
        row for row in rows if row["name"] == "label_us" and row["section"] == "figures" and "round" in row["statistic"]
    ]
    assert [float(row["value"]) for row in rounds] == list(report.figures["label_us"].rounds)
    (p99,) = (row for row in rows if (row["name"], row["clock"], row["statistic"]) == ("invoke", "cpu", "p99"))
    assert float(p99["value"]) == report.stages["invoke"].cpu.p99
    assert {row["section"] for row in rows} >= {
        "machine",
        "model",
        "frames",
        "noise",
        "stages",
        "matrix",
        "peers",
        "soak",
    }
    assert ("soak", "is_throttled", "at_2500_s") in {(row["section"], row["name"], row["statistic"]) for row in rows}


def test_csv_holds_no_formula(report):
    machine = report.machine.model_copy(update={"os": "=1+1", "kernel": "-x\n@y"})
    rows = {
        row["name"]: row["value"]
        for row in csv.DictReader(io.StringIO(to_csv(report.model_copy(update={"machine": machine}))))
    }
    assert (rows["os"], rows["kernel"]) == ("'=1+1", "'-x @y")


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_terminal_shows_all_in_a_hundred_columns(report, width):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    print_report(report, console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= min(width, 100)
    text = " ".join(" ".join(lines).split())
    assert "ncnn, int8 was not measured: ncnn has no wheel" in text
    assert "quiet: The machine was quiet" in text
    assert "soak of 60 minutes: label" in text


def test_the_terminal_takes_no_markup_from_a_name(report):
    figure = report.figures["label_us"].model_copy(update={"title": "[bold]x[/bold]\x1b[31m"})
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    print_report(report.model_copy(update={"figures": {"label_us": figure}}), console)
    assert "[bold]x[/bold]\ufffd[31m" in console.file.getvalue()


def test_an_empty_report_is_printed_too(report):
    empty = report.model_copy(update={"figures": {}, "stages": {}, "matrix": (), "peers": (), "soak": None})
    console = Console(width=100, file=io.StringIO())
    print_report(empty, console)
    assert "This report holds no headline figure." in console.file.getvalue()
    assert to_markdown(empty)
    assert to_csv(empty)
