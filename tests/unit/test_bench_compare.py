"""Reports beside each other: what is claimed, what is not, and what is refused."""

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from edge.bench.compare import LEVEL, Comparison, FigureDifference, compare
from edge.bench.compare_tables import comparison_to_markdown, print_comparison
from edge.bench.report import Figure, Noise, Report
from tests.bench_rig import make_figures, make_report

SEEDS = 40


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report()


def figures(seed: int, faster: float = 1.0, scatter: float = 0.012) -> dict[str, Figure]:
    return make_figures(np.random.default_rng(seed), scatter, faster)


def changed(report: Report, **changes: Any) -> Report:
    """Measured again, with something else about it."""
    return report.model_copy(update={"figures": figures(99), **changes})


def differences(first: Report, *others: Report) -> dict[str, FigureDifference]:
    """Of the last one to the first."""
    found = compare([first, *others], ["a", *(f"b{place}" for place in range(len(others)))])
    return {each.name: each for each in found.pairings[-1].figures}


def test_what_is_faster_is_called_faster_by_how_much(report):
    found = differences(report, report.model_copy(update={"figures": figures(5, faster=1.1)}))
    assert found["label_us"].verdict == f"faster by {found['label_us'].ratio * -100 + 100:.1f}\u00a0%"
    assert found["label_us"].is_better
    assert 0.88 < found["label_us"].low < found["label_us"].ratio < found["label_us"].high < 0.94
    assert found["frames_per_s"].verdict.startswith("faster by ")
    assert found["label_ratio"].verdict.startswith("no difference shown (a difference of ")


def test_what_is_slower_is_called_slower(report):
    found = differences(report, report.model_copy(update={"figures": figures(5, faster=0.9)}))
    assert found["label_us"].verdict.startswith("slower by ")
    assert found["label_us"].is_better is False
    assert found["frames_per_s"].verdict.startswith("slower by ")


@pytest.mark.parametrize(("factor", "word"), [(1.2, "more"), (0.8, "less")])
def test_sizes_are_more_or_less(report, factor, word):
    first = Figure.of("memory", "MB", [70.0, 70.1, 70.2, 70.3, 70.2, 70.1])
    second = Figure.of("memory", "MB", [value * factor for value in first.rounds])
    a, b = (report.model_copy(update={"figures": {"memory_mb": each}}) for each in (first, second))
    assert differences(a, b)["memory_mb"].verdict == f"{word} by 20\u00a0%"


def test_a_difference_as_large_as_was_needed_would_have_been_shown(report):
    found = differences(report, changed(report))["label_us"]
    assert not found.is_shown
    scale = (1 + found.needed * 1.05) / found.ratio
    shifted = Figure.of("label", "us", [value * scale for value in figures(99)["label_us"].rounds])
    assert differences(report, changed(report, figures={**figures(99), "label_us": shifted}))["label_us"].is_shown


def test_nothing_is_claimed_of_the_same_program_but_rarely(report):
    """At most one comparison in twenty may claim anything at all, over all its figures; binomial, three errors up."""
    claims = 0
    for seed in range(SEEDS):
        first, second = (report.model_copy(update={"figures": figures(2 * seed + part)}) for part in (0, 1))
        claims += any(each.is_shown for each in differences(first, second).values())
    assert claims <= SEEDS * LEVEL + 3 * (SEEDS * LEVEL * (1 - LEVEL)) ** 0.5


def test_more_reports_make_every_claim_harder(report):
    other = report.model_copy(update={"figures": figures(5, faster=1.02)})
    alone, among = differences(report, other), differences(report, *[changed(report)] * 4, other)
    assert alone["label_us"].p == among["label_us"].p
    assert alone["label_us"].p_adjusted <= among["label_us"].p_adjusted
    assert alone["label_us"].needed < among["label_us"].needed


def test_a_noisy_report_is_refused_whole_and_told_what_to_do(report):
    noisy = changed(report, noise=Noise(spread=0.4, stolen=0.1, verdict="noisy", sentence="Noisy."))
    first, second = compare([report, noisy, changed(report)], ["a", "b", "c"]).pairings
    assert first.refused is not None
    assert first.refused.startswith("b was measured on a machine that was too noisy (spread 40\u00a0%")
    assert "measure again" in first.refused
    assert first.figures == ()
    assert second.refused is None
    assert second.figures


def test_against_a_noisy_first_report_everything_is_refused(report):
    noisy = changed(report, noise=Noise(spread=0.4, stolen=0.1, verdict="noisy", sentence="Noisy."))
    found = compare([noisy, report, report], ["a", "b", "c"])
    assert all(each.refused is not None and each.refused.startswith("a was") for each in found.pairings)


NOT_COMPARED = {
    "few rounds": (Figure.of("x", "us", [1.0, 1.1, 1.0, 1.1]), "4 and 4 rounds, at least 5 of each"),
    "zeros": (Figure.of("x", "us", [0.0] * 9), "not above zero"),
    "negatives": (Figure.of("x", "us", [-1.0] * 9), "not above zero"),
}


@pytest.mark.parametrize(("figure", "why"), NOT_COMPARED.values(), ids=NOT_COMPARED.keys())
def test_what_allows_no_claim_is_not_compared(report, figure, why):
    one = report.model_copy(update={"figures": {"x_us": figure}})
    found = differences(one, one)["x_us"]
    assert found.verdict.startswith("not compared: ")
    assert why in found.verdict
    assert not found.is_shown
    assert found.ratio is None


def test_a_figure_that_one_report_lacks_or_counts_otherwise_is_not_compared(report):
    figure = Figure.of("x", "us", [1.0] * 9)
    first = report.model_copy(update={"figures": {"x": figure, "y": figure}})
    second = report.model_copy(update={"figures": {"x": figure.model_copy(update={"unit": "ms"}), "z": figure}})
    found = differences(first, second)
    assert found["x"].verdict == "not compared: one is in us, the other in ms"
    assert found["y"].verdict == found["z"].verdict == "not compared: only one of the two reports has it"
    assert (found["y"].second, found["z"].first) == (None, None)


def test_too_many_figures_for_so_few_rounds_are_said_so(report):
    first = report.model_copy(
        update={"figures": {f"{name}_us": Figure.of("x", "us", [1.0, 1.1, 1.2, 1.1, 1.0]) for name in "abcdefghij"}}
    )
    found = differences(first, first)["a_us"]
    assert found.needed is None
    assert "none can be with 5 and 5 rounds; measure more" in found.verdict


def test_other_pictures_leave_only_what_does_not_depend_on_them(report):
    other = changed(report, frames=report.frames.model_copy(update={"sha256": "2" * 64}))
    found = compare([report, other], ["a", "b"]).pairings[0]
    assert found.caveats[0].startswith(
        "Different frames (version 1, ab01ab01ab01, 30/s; version 1, 222222222222, 30/s)"
    )
    compared = {each.name for each in found.figures if each.ratio is not None}
    assert compared == {"bare_invoke_us", "start_to_first_label_s", "start_import_s"}
    assert "the pictures were not the same" in next(
        each.verdict for each in found.figures if each.name == "label_ratio"
    )


CAVEATS = {
    "model": ({"sha256": "1" * 64, "version": "0.5"}, "Different models (waste-mobilenetv2 0.4.1, 9f2c9f2c9f2c; "),
    "input": ({"input_px": (112, 112)}, "Different inputs (224 x 224; 112 x 112 pixels)"),
    "threads": ({"threads": 2}, "Different runtimes (LiteRT 2.3.0, 1 thread, with delegate; LiteRT 2.3.0, 2 threads"),
    "delegate": ({"has_delegate": False}, "Different runtimes"),
}


@pytest.mark.parametrize(("changes", "caveat"), CAVEATS.values(), ids=CAVEATS.keys())
def test_other_work_is_said_loudly_and_compared(report, changes, caveat):
    other = changed(report, model=report.model.model_copy(update=changes))
    found = compare([report, other], ["a", "b"]).pairings[0]
    assert any(each.startswith(caveat) for each in found.caveats)
    assert any(each.ratio is not None for each in found.figures)


def test_another_machine_and_another_state_of_it_are_said(report):
    machine = report.machine.model_copy(
        update={"board": "Raspberry Pi 5", "governor": None, "kernel": "6.12", "libraries": {"numpy": "1.26.4"}}
    )
    other = changed(report, machine=machine, settings={**report.settings, "rounds": 5})
    found = compare([report, other], ["a", "b"]).pairings[0].caveats
    for caveat in (
        "Different machines (Raspberry Pi 4 Model B Rev 1.4, aarch64, 4 cores, 3885 MB; Raspberry Pi 5, aarch64",
        "Different governor: ondemand; not told.",
        "Different kernel: 6.6.51+rpt-rpi-v8; 6.12.",
        "Different numpy: 2.4.6; 1.26.4.",
        "Different ai-edge-litert: 2.3.0; not told.",
        "Different settings: rounds.",
    ):
        assert any(each.startswith(caveat) for each in found), caveat


def test_the_same_report_has_no_caveat_but_what_the_machine_tells(report):
    machine = report.machine.model_copy(update={"throttled_meaning": ()})
    same = report.model_copy(update={"machine": machine})
    assert compare([same, same], ["a", "b"]).pairings[0].caveats == ()


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]], ids=str)
def test_two_reports_and_two_names_are_needed(report, names):
    with pytest.raises(ValueError, match="names"):
        compare([report] * min(2, len(names)), names)


def test_reports_of_the_same_name_are_told_apart(report):
    noisy = changed(report, noise=Noise(spread=0.4, stolen=0.1, verdict="noisy", sentence="Noisy."))
    found = compare([report, noisy, changed(report), changed(report)], ["pi", "pi", "pi (2)", "pi"])
    assert found.baseline == "pi"
    assert [each.name for each in found.pairings] == ["pi (2)", "pi (2) (2)", "pi (3)"]
    assert found.pairings[0].refused.startswith("pi (2) was measured on a machine that was too noisy")


@pytest.fixture(scope="module")
def comparison(report: Report) -> Comparison:
    noisy = changed(report, noise=Noise(spread=0.4, stolen=0.1, verdict="noisy", sentence="Noisy."))
    frames = report.frames.model_copy(update={"sha256": "2" * 64})
    return compare([report, changed(report, frames=frames), noisy], ["a|1.json", "b [red].json", "c.json"])


def test_a_comparison_survives_its_json(comparison):
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


def test_markdown_of_a_comparison(comparison):
    text = comparison_to_markdown(comparison)
    assert "# Against a\\|1.json" in text
    assert "- **Different frames** (version 1, ab01ab01ab01" in text
    assert "**Not compared:** c.json was measured on a machine that was too noisy" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1


@pytest.mark.parametrize("width", [70, 100, 200])
def test_the_terminal_shows_a_comparison_in_a_hundred_columns(comparison, width):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    print_comparison(comparison, console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= min(width, 100)
    text = " ".join(" ".join(lines).split())
    assert "b [red].json" in text
    assert "! Different frames (version 1" in text
    assert "Not compared: c.json was measured" in text
    assert "not compared: the pictures were not the same: frame to label / bare invoke" in text
