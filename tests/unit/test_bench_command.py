"""`edge-sorter bench …` from its command line: what is written, what is refused, and nothing measured before that."""

import json
from pathlib import Path

import pytest

import edge.commands.bench_run as bench_run
from edge.bench.facts import machine_facts
from edge.bench.report import Contender, Noise, Report, json_schema
from edge.bundle import load_bundle
from edge.errors import ConfigError
from tests.bench_rig import make_report
from tests.cli_rig import invoke
from tests.rigs import SHIPPED_BUNDLE

NOISY = Noise(spread=0.4, stolen=0.1, verdict="noisy", sentence="This machine was too noisy: spread 40.0%.")


@pytest.fixture
def measured(monkeypatch) -> list[dict[str, object]]:
    """What was asked to be measured; the answer is a made-up report."""
    asked: list[dict[str, object]] = []

    def measure(config, plan, fps, command, progress, *, file=None, has_processes=True) -> Report:
        asked.append({"config": config, "plan": plan, "fps": fps, "command": command})
        return make_report(1, matrix=(), peers=(), soak=None, command=command)

    monkeypatch.setattr(bench_run, "measure", measure)
    return asked


def test_every_form_is_written_and_the_figures_are_printed(tmp_path: Path, measured):
    paths = {option: tmp_path / f"r.{option}" for option in ("json", "report", "markdown", "csv")}
    result = invoke("bench", *(word for option, path in paths.items() for word in (f"--{option}", path)))
    assert (result.code, result.err) == (0, "")
    assert "1.037" in result.out and "≤" in result.out
    report = Report.read(paths["json"].read_text())
    assert report.command.startswith("edge-sorter bench --json ")
    assert paths["report"].read_text().startswith("<!DOCTYPE html>")
    assert "| frame to label / bare invoke" in paths["markdown"].read_text().replace("→", "->")
    assert paths["csv"].read_text().splitlines()[0].startswith("section,")
    assert len(measured) == 1


def test_a_quick_run_and_a_number_of_rounds_are_passed_on(measured):
    invoke("bench", "--quick", "--rounds", "7", "--fps", "25", "--threads", "3")
    (asked,) = measured
    assert asked["plan"] == bench_run.replace(bench_run.QUICK, rounds=7)
    assert asked["fps"] == 25.0
    assert asked["config"].model.threads == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--json", "/nonexistent/r.json"],
            "cannot write /nonexistent/r.json (No such file or directory); check --json",
        ),
        (["--report", "/nonexistent/r.html"], "check --report"),
        (["--matrix", "threads"], "--matrix threads is no AXIS=V,V; axes are threads, model, runtime, frame"),
        (["--matrix", "colour=red"], "axes are threads, model, runtime, frame"),
        (["--matrix", "threads=0"], "--matrix threads=0 is no number from 1 to 64"),
        (["--matrix", "runtime=torch"], "--matrix runtime=torch is unknown; take litert or tflite_runtime"),
        (["--matrix", "frame=10x10"], "--matrix frame=10x10 is no size of 64x64 to 4096x4096"),
        (["--soak", "soon"], "--soak soon is no duration of one second to 30 days, such as 90s, 30m or 8h"),
        (["--soak", "0"], "--soak 0 is no duration"),
        (["--against", "nobody"], "nobody"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_before_anything_is_measured(measured, arguments, says):
    result = invoke("bench", *arguments)
    assert result.code == 2
    assert says in result.err
    assert result.err.count("\n") == 1
    assert measured == []


def test_a_path_that_is_only_tried_leaves_no_file(tmp_path: Path, measured):
    invoke("bench", "--json", tmp_path / "r.json", "--soak", "never")
    assert list(tmp_path.iterdir()) == []


def test_peers_and_a_matrix_go_into_the_report(tmp_path: Path, measured, monkeypatch):
    monkeypatch.setattr("edge.bench.against.measure_peers", lambda *arguments: (Contender(title="another"),))
    cells = []
    monkeypatch.setattr("edge.bench.matrix.measure_matrix", lambda *a: cells.append(a) or (Contender(title="cell"),))
    path = tmp_path / "r.json"
    result = invoke(
        "bench", "--json", path, "--against", "litert", "--matrix", "threads=1,2", "--matrix", "frame=320x240"
    )
    assert result.code == 0
    report = Report.read(path.read_text())
    assert [peer.title for peer in report.peers] == ["another"]
    assert [cell.title for cell in report.matrix] == ["cell"]
    assert cells[0][1] == (1, 2)
    assert cells[0][3] == ((320, 240),)


def test_a_report_is_shown_again(tmp_path: Path):
    path, page = tmp_path / "r.json", tmp_path / "r.html"
    path.write_text(make_report(1).write())
    shown = invoke("bench", "show", path)
    assert shown.code == 0
    assert "1.037" in shown.out and "≤" in shown.out
    written = invoke("bench", "show", path, "--report", page)
    assert (written.code, written.out) == (0, "")
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_two_reports_are_compared(tmp_path: Path):
    paths = [tmp_path / f"{name}.json" for name in ("a", "b")]
    for seed, path in enumerate(paths):
        path.write_text(make_report(seed).write())
    result = invoke("bench", "compare", *paths)
    assert result.code == 0
    assert "no difference shown" in result.out
    found = json.loads(invoke("bench", "compare", *paths, "--json").out)
    assert found["kind"] == "edge-sorter-bench-comparison"
    page, text = tmp_path / "c.html", tmp_path / "c.md"
    assert invoke("bench", "compare", *paths, "--report", page, "--markdown", text).code == 0
    assert page.exists() and text.exists()


def test_a_noisy_report_is_not_compared(tmp_path: Path):
    for name, noise in (("a", None), ("b", NOISY)):
        report = make_report(1) if noise is None else make_report(1, noise=noise)
        (tmp_path / f"{name}.json").write_text(report.write())
    result = invoke("bench", "compare", tmp_path / "a.json", tmp_path / "b.json")
    assert result.code == 0
    assert "40" in result.out and "nois" in result.out
    assert "no difference shown" not in result.out


def test_a_single_report_and_a_missing_one_are_refused(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text(make_report(1).write())
    assert "a comparison needs two reports at least" in invoke("bench", "compare", path).err
    result = invoke("bench", "compare", path, tmp_path / "b.json")
    assert result.code == 2
    assert "b.json" in result.err


@pytest.fixture
def here(measured, monkeypatch) -> Report:
    """A report of this machine, this model and a clean commit, which is what is measured from now on."""
    bundle = load_bundle(SHIPPED_BUNDLE)
    plain = make_report(1, commit="abc", machine=machine_facts())
    report = plain.model_copy(update={"model": plain.model.model_copy(update={"sha256": bundle.id.sha256})})
    monkeypatch.setattr(bench_run, "measure", lambda *arguments, **options: measured.append({}) or report)
    return report


def test_ratios_are_recorded_and_checked(tmp_path: Path, measured, here: Report, monkeypatch):
    path = tmp_path / "ratios.json"
    refused = invoke("bench", "check", "--records", path)
    assert refused.code == 2
    assert "no ratios are recorded for" in refused.err
    assert measured == [], "nothing is measured for nothing"
    assert invoke("bench", "record", "--records", path).code == 0
    passed = invoke("bench", "check", "--records", path)
    assert (passed.code, passed.err) == (0, "")
    figure = here.figures["label_ratio"]
    slow = figure.model_copy(update={"rounds": tuple(value * 1.1 for value in figure.rounds)})
    worse = here.model_copy(update={"figures": {**here.figures, "label_ratio": slow}})
    monkeypatch.setattr(bench_run, "measure", lambda *arguments, **options: worse)
    failed = invoke("bench", "check", "--records", path)
    assert failed.code == 1
    assert "in 3 runs: label_ratio is 10.0% worse than in abc" in failed.err
    runs = iter([worse, here])
    monkeypatch.setattr(bench_run, "measure", lambda *arguments, **options: next(runs))
    lucky = invoke("bench", "check", "--records", path)
    assert lucky.code == 0, "what is not worse in every run is no loss of the code"
    assert "label_ratio: worse than recorded; measured once more" in lucky.err


def test_a_noisy_machine_can_tell_nothing_which_is_no_failure_of_the_code(tmp_path: Path, here: Report, monkeypatch):
    path = tmp_path / "ratios.json"
    assert invoke("bench", "record", "--records", path).code == 0
    noisy = here.model_copy(update={"noise": NOISY})
    monkeypatch.setattr(bench_run, "measure", lambda *arguments, **options: noisy)
    result = invoke("bench", "check", "--records", path)
    assert result.code == 2
    assert "too noisy" in result.err


def test_what_was_measured_before_a_failure_is_kept(tmp_path: Path, measured, monkeypatch):
    def fail(*arguments: object) -> None:
        raise ConfigError("no peers today")

    monkeypatch.setattr("edge.bench.against.measure_peers", fail)
    path = tmp_path / "r.json"
    result = invoke("bench", "--json", path, "--against", "peers")
    assert (result.code, result.err.count("no peers today")) == (2, 1)
    assert Report.read(path.read_text()).figures


def test_the_schema_of_a_report_is_the_one_that_is_shipped():
    printed = json.loads(invoke("bench", "schema").out)
    assert printed == json_schema()
    assert printed == json.loads((Path(__file__).parents[2] / "config" / "bench.schema.json").read_text())


def test_how_cost_grows_is_refused_for_an_unknown_scale_or_folder(tmp_path: Path):
    assert "--scale is 'huge', expected quick or full" in invoke("bench", "growth", "--scale", "huge").err
    missing = invoke("bench", "growth", "--folder", tmp_path / "none")
    assert missing.code == 2
    assert "is no folder; check --folder" in missing.err
