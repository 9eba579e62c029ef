"""Steps work only on what belongs together; everything here runs without TensorFlow."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import convert.pipeline
import convert.train
from convert.checkpoint import Progress, save_progress
from convert.dataset import Split, load_split
from convert.files import sha256_of, write_text
from convert.measure import run_evaluate
from convert.package import Parts, candidate_parts, write_bundle
from convert.pipeline import run_all, run_package, run_quantize, run_split, run_train
from convert.provenance import inherited_weights, measured, trained
from convert.recipe import Recipe, load_recipe
from convert.settings import Settings, Workspace
from convert.steps import Job
from convert.tables import markdown
from convert.train import training_key
from edge.bundle import Thresholds, load_bundle
from edge.errors import ConfigError


def write_photo(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8))


@pytest.fixture
def job(tmp_path: Path, parts: Parts, labels: tuple[str, ...]) -> Job:
    """A work folder as `split`, `train` and `quantize` leave it."""
    for label in labels:
        for number in range(6):
            write_photo(tmp_path / "data" / label / f"{label}{number * 5}.png", number)
    job = Job(
        tmp_path / "data", Workspace(tmp_path / "work"), Settings(seed=4, rendered_test=3), lambda line: None, "x"
    )
    split = run_split(job)
    job.work.float_model.write_bytes(b"trained")
    report = {
        **trained(job.work, split, None),
        "settings": {"seed": 4, "alpha": 1.0, "side_px": 32, "residue": ["trash"], "rendered": 10},
    }
    write_text(job.work.training, json.dumps(report))
    data = {"source": None, "photographs": split.counts(), "digest_sha256": split.digest, "split_seed": split.seed}
    made = replace(parts, seed=4, data=data, training={**report, "utc_date": "2026-11-22"})
    bundle = write_bundle(job.work.candidate, made, None)
    write_text(job.work.metrics, json.dumps({"of": measured(bundle)}))
    return job


def change_json(path: Path, **values: Any) -> None:
    write_text(path, json.dumps({**json.loads(path.read_text()), **values}))


def new_float_model(job: Job) -> None:
    job.work.float_model.write_bytes(b"trained again")


def new_seed(job: Job) -> None:
    run_split(Job(job.data, job.work, Settings(seed=5), job.say, job.command))


def new_photographs_and_split(job: Job) -> None:
    new_photograph(job)
    run_split(job)


def new_photograph(job: Job) -> None:
    write_photo(job.data / "glass" / "glass99.png", 99)


def edited_split(job: Job) -> None:
    fields = json.loads(job.work.split.read_text())
    groups: dict[str, list[dict[str, str]]] = {}
    for photo in fields["photos"]:
        groups.setdefault(photo["group"], []).append(photo)
    for photo in next(iter(groups.values())):
        photo["part"] = {"train": "test", "val": "train", "test": "train"}[photo["part"]]
    write_text(job.work.split, json.dumps(fields))


def old_record(job: Job) -> None:
    change_json(job.work.training, float_sha256=None)


@pytest.mark.parametrize("step", ["quantize", "evaluate"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (new_float_model, "edge-convert train"),
        (new_seed, "has seed 5"),
        (new_photographs_and_split, "edge-convert train"),
        (new_photograph, "edge-convert split"),
        (edited_split, "was changed since the training"),
        (old_record, "none on record"),
        (lambda job: job.work.float_model.unlink(), "run `edge-convert train` first"),
        (lambda job: change_json(job.work.training, settings=None), "holds no settings"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    job: Job, step: str, change: Callable[[Job], None], message: str
) -> None:
    change(job)
    with pytest.raises(ConfigError, match=message):
        if step == "quantize":
            run_quantize(job, "tiny", "1")
        else:
            run_evaluate(job, None)


def test_a_candidate_of_an_earlier_training_is_not_measured(job: Job) -> None:
    new_float_model(job)
    change_json(job.work.training, float_sha256=sha256_of(job.work.float_model))
    with pytest.raises(ConfigError, match="run `edge-convert quantize` again"):
        run_evaluate(job, None)


def test_training_on_photographs_that_changed_since_the_split_is_refused(job: Job) -> None:
    new_photograph(job)
    with pytest.raises(ConfigError, match="edge-convert split"):
        run_train(job, "none")


def test_a_residue_that_is_no_label_is_refused(job: Job) -> None:
    wrong = Job(job.data, job.work, Settings(residue=("trash", "rubbish")), job.say, job.command)
    for step in (lambda: run_train(wrong, "none"), lambda: run_evaluate(wrong, job.work.candidate)):
        with pytest.raises(ConfigError, match="residue rubbish is not among the labels glass, paper, trash"):
            step()


@pytest.mark.parametrize("is_there", [True, False])
def test_the_record_names_weights_that_lie_here_with_their_hash(job: Job, tmp_path: Path, is_there: bool) -> None:
    split = run_split(job)
    (tmp_path / "imagenet.h5").write_bytes(b"weights")
    found = trained(job.work, split, str(tmp_path / "imagenet.h5") if is_there else "imagenet")["weights"]
    digest = sha256_of(tmp_path / "imagenet.h5")
    assert found == ({"file": "imagenet.h5", "sha256": digest} if is_there else {"file": "imagenet", "sha256": None})


def test_a_student_has_the_weights_that_the_larger_model_had_started_from(job: Job, tmp_path: Path) -> None:
    split = run_split(job)
    weights = {"file": "imagenet.h5", "sha256": "0" * 64}
    write_text(tmp_path / "wide" / "training.json", json.dumps({"weights": weights}))
    inherited = inherited_weights(tmp_path / "wide" / "float.keras")
    assert trained(job.work, split, None, inherited)["weights"] == weights


def test_a_recipe_that_starts_from_a_model_of_ours_takes_no_other_weights(job: Job, tmp_path: Path) -> None:
    student = replace(job, recipe=load_recipe("fast", ["distill.teacher=wide/float.keras"]))
    with pytest.raises(ConfigError, match=r"starts from wide/float.keras; leave --weights out"):
        run_train(student, "imagenet")
    with pytest.raises(ConfigError, match=r"wide/float.keras is missing; train it first"):
        run_train(student, None)


def test_a_finished_training_is_not_begun_again(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one skipped that differs in anything: recipe, weights, photographs, code, residue or its float model."""
    monkeypatch.setattr(convert.pipeline, "need", lambda *modules: None)

    class _TrainsError(Exception):
        pass

    def train(*given: Any, **options: Any) -> None:
        raise _TrainsError

    monkeypatch.setattr(convert.train, "train", train)
    for step in ("run_quantize", "run_evaluate", "run_package"):
        monkeypatch.setattr(convert.pipeline, step, lambda *given, **options: None)

    def trains(job: Job, **options: Any) -> bool:
        try:
            run_all(job, Path("out"), "none", "tiny", "1", "auto", **options)
        except _TrainsError:
            return True
        return False

    assert trains(job), "without a key nobody knows what was trained"
    key = training_key(load_split(job.work.split), load_recipe(), None)
    change_json(job.work.training, key=key)
    assert not trains(job)
    with monkeypatch.context() as patched:
        patched.setattr(convert.train, "sources_digest", lambda modules: "other")
        assert trains(job), "other code may train otherwise"
    assert trains(job, restarts=True)
    save_progress(job.work.checkpoint, key, load_recipe().record(), Progress())
    assert trains(job), "a training anew that was interrupted goes on"
    job.work.checkpoint.unlink()
    assert trains(replace(job, recipe=load_recipe("ours", ["phases.1.epochs=3"])))
    assert trains(replace(job, settings=replace(job.settings, residue=("glass",))))
    job.work.float_model.write_bytes(b"another")
    assert trains(job)
    new_photograph(job)
    change_json(job.work.training, float_sha256=sha256_of(job.work.float_model))
    assert trains(job)


def test_hours_of_another_recipe_are_not_lost_unless_asked_for(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(convert.pipeline, "need", lambda *modules: None)

    def train(root: Path, split: Split, recipe: Recipe, *given: Any, **options: Any) -> dict[str, Any]:
        begun.append(recipe.name)
        return {}

    monkeypatch.setattr(convert.train, "train", train)
    other = replace(job, recipe=load_recipe("cnn"))
    change_json(job.work.training, recipe=load_recipe().record())
    with pytest.raises(ConfigError, match=r"holds the finished training of recipe ours; pass another --work"):
        run_train(other, "none")
    before = job.work.split.read_bytes()
    with pytest.raises(ConfigError, match=r"training of recipe ours with other values; pass another --work"):
        run_all(replace(job, recipe=load_recipe("ours", seed=9)), Path("out"), "none", "tiny", "1")
    assert job.work.split.read_bytes() == before
    run_train(job, "none")
    assert begun == ["ours"], "other code, photographs or weights train anew"
    save_progress(job.work.checkpoint, "key", {"name": "fast"}, Progress())
    with pytest.raises(ConfigError, match=r"holds an unfinished training of recipe fast; finish it"):
        run_train(other, "none")
    run_train(other, "none", restarts=True)
    assert begun == ["ours", "cnn"]


def test_a_measured_candidate_ships(job: Job, tmp_path: Path) -> None:
    bundle = run_package(job, tmp_path / "out")
    assert "of" not in bundle.manifest.metrics
    assert "random weights" in (tmp_path / "out" / "CARD.md").read_text()


@pytest.mark.parametrize("change", [{"temperature": 2.0}, {"thresholds": Thresholds(confidence=0.7, margin=0.4)}])
def test_figures_of_another_calibration_do_not_ship(job: Job, tmp_path: Path, change: dict[str, Any]) -> None:
    write_bundle(job.work.candidate, candidate_parts(load_bundle(job.work.candidate), **change), None)
    with pytest.raises(ConfigError, match="run `edge-convert evaluate` first"):
        run_package(job, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("of", [None, [], {}, {"model_sha256": "0" * 64}])
def test_figures_of_another_model_do_not_ship(job: Job, tmp_path: Path, of: object) -> None:
    change_json(job.work.metrics, of=of)
    with pytest.raises(ConfigError, match="run `edge-convert evaluate` first"):
        run_package(job, tmp_path / "out")


def test_measuring_another_bundle_leaves_the_figures_of_the_candidate(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    before = job.work.metrics.read_bytes()
    text = markdown(run_evaluate(job, job.work.candidate))
    assert job.work.metrics.read_bytes() == before
    assert "| test photographs (blocks never trained on) | int8 |" in text
    assert caplog.text == ""


@pytest.mark.parametrize("change", [new_seed, new_photographs_and_split])
def test_photographs_that_a_bundle_was_not_made_from_are_not_called_unseen(
    job: Job, change: Callable[[Job], None], caplog: pytest.LogCaptureFixture
) -> None:
    change(job)
    text = markdown(run_evaluate(job, job.work.candidate))
    assert "never trained on" not in text
    assert "| photographs of the test part (perhaps trained on) | int8 |" in text
    assert "may have been trained on any of them" in caplog.text
