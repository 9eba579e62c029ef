"""The regression gate: what is kept of a report, and what counts as worse."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge.bench import gate
from edge.bench.gate import Record
from edge.bench.report import Noise
from edge.errors import ConfigError
from tests.bench_rig import make_report

NOISY = Noise(spread=0.4, stolen=0.1, verdict="noisy", sentence="This machine was too noisy: spread 40.0%.")


def record(seed: int = 1, commit: str | None = "abc", **worse: float) -> Record:
    """Nine rounds of each ratio, scattered by one per cent; `worse` multiplies some of them."""
    rng = np.random.default_rng(seed)
    middles = {"label_ratio": 1.04, "turn_ratio": 1.1, "throughput_ratio": 0.96}
    ratios = {
        name: tuple((middle * worse.get(name, 1.0) * (1 + rng.normal(0, 0.01, 9))).tolist())
        for name, middle in middles.items()
    }
    better = {name: "higher" if name == "throughput_ratio" else "lower" for name in middles}
    return Record(
        commit=commit,
        utc="2026-11-26T00:00:00.000Z",
        version="0.1.0",
        machine="Pi 5, 4 x aarch64",
        model_sha256="0" * 64,
        ratios=ratios,
        better=better,
    )


def test_of_a_report_only_its_ratios_are_kept():
    report = make_report(1)
    kept = gate.record_of(report)
    ratios = {name for name, figure in report.figures.items() if figure.unit == "ratio"}
    assert set(kept.ratios) == (ratios | {"idle_share"}) - gate.NOT_OURS
    assert kept.ratios["label_ratio"] == pytest.approx(report.figures["label_ratio"].rounds, abs=1e-5)
    assert "_us" not in kept.model_dump_json()
    assert str(report.machine.cores) in kept.machine


def test_a_noisy_machine_records_nothing():
    with pytest.raises(ConfigError, match=r"too noisy: spread 40.0%. Nothing was recorded") as raised:
        gate.record_of(make_report(1, noise=NOISY))
    assert raised.value.exit_code == 2


def test_the_same_code_passes_whatever_its_noise():
    failures = sum(bool(gate.check([record(seed)], record(seed + 1000))) for seed in range(60))
    assert failures <= 3


@pytest.mark.parametrize(
    ("worse", "name"),
    [({"label_ratio": 1.06}, "label_ratio"), ({"throughput_ratio": 0.85}, "throughput_ratio")],
    ids=["a ratio that grew", "one that should be high and fell"],
)
def test_a_ratio_that_got_worse_is_named_with_its_figures(worse: dict[str, float], name: str):
    (sentence,) = gate.check([record(1)], record(2, **worse)).values()
    assert sentence.startswith(f"{name} is ")
    assert "worse than in abc" in sentence
    assert "p 0.0" in sentence


def test_a_ratio_that_got_better_is_no_failure():
    assert gate.check([record(1)], record(2, label_ratio=0.9, throughput_ratio=1.1)) == {}


def test_a_loss_too_small_to_matter_is_no_failure_however_sure():
    exact = record(1)
    slightly = exact.model_copy(
        update={"ratios": {name: tuple(value * 1.01 for value in values) for name, values in exact.ratios.items()}}
    )
    assert gate.check([exact], slightly) == {}


def test_records_are_kept_line_by_line_and_one_of_the_same_commit_is_replaced(tmp_path: Path):
    path = tmp_path / "deep" / "ratios.json"
    assert gate.read_records(path) == []
    first, second = record(1, "one"), record(2, "two")
    gate.write_record(path, first)
    gate.write_record(path, second)
    assert gate.read_records(path) == [first, second]
    again = record(3, "one")
    gate.write_record(path, again)
    assert gate.read_records(path) == [second, again]
    lines = path.read_text().splitlines()
    assert len(lines) == 4, "a record a line, so that a change shows as one"
    assert json.loads(path.read_text())["records"][0]["commit"] == "two"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_another_models_record_of_the_same_commit_is_kept(tmp_path: Path):
    path = tmp_path / "ratios.json"
    other = record(2, "one").model_copy(update={"model_sha256": "1" * 64})
    gate.write_record(path, record(1, "one"))
    gate.write_record(path, other)
    assert gate.read_records(path) == [record(1, "one"), other]


@pytest.mark.parametrize("commit", [None, "abc+"])
def test_only_a_commit_is_recorded(tmp_path: Path, commit: str | None):
    with pytest.raises(ConfigError, match="commit what was changed first"):
        gate.write_record(tmp_path / "ratios.json", record(1, commit))
    assert list(tmp_path.iterdir()) == []


def test_only_records_of_the_same_machine_and_model_count():
    own, other = record(1, "one"), record(2, "two").model_copy(update={"machine": "another"})
    assert gate.same_kind([own, other], own.machine, own.model_sha256) == [own]
    assert len(gate.same_kind([own] * 9, own.machine, own.model_sha256)) == gate.KEPT
    with pytest.raises(ConfigError, match="no ratios are recorded for Pi 5, 4 x aarch64 with this model"):
        gate.same_kind([other, own.model_copy(update={"model_sha256": "1" * 64})], own.machine, own.model_sha256)


def test_small_losses_that_add_up_are_found_beside_the_best_of_the_last_records():
    creeping = [record(1, f"c{step}", label_ratio=1.018**step) for step in range(4)]
    assert gate.check(creeping[:1], creeping[1]) == {}
    (sentence,) = gate.check(creeping[:3], creeping[3].model_copy(update={"commit": "new"})).values()
    assert sentence.startswith("label_ratio is ")
    assert "worse than in c0" in sentence


def test_a_ratio_that_is_not_measured_any_more_is_named():
    old, new = record(1), record(2)
    ratios = {name: rounds for name, rounds in new.ratios.items() if name != "turn_ratio"}
    (sentence,) = gate.check([old], new.model_copy(update={"ratios": ratios})).values()
    assert sentence == "turn_ratio was recorded in abc and is not measured any more"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"records": [{}]}', '{"records": 3}', "\x00", "[" * 100_000], ids=lambda text: text[:9]
)
def test_a_damaged_file_of_records_is_told(tmp_path: Path, text: str):
    path = tmp_path / "ratios.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"ratios.json holds no ratios of `bench record`.*check --records"):
        gate.read_records(path)


def test_a_folder_that_takes_no_file_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="check --records"):
        gate.write_record(tmp_path / "file" / "ratios.json", record())
