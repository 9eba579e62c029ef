"""The whole of `build` on pictures made here: needs TensorFlow, takes about a minute and a half."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from convert.files import sha256_of
from convert.metadata import read_metadata
from convert.quantize import is_wholly_delegated
from convert.rendered import rendered_frame, rendered_plan
from edge.bundle import load_bundle
from edge.classify.tflite import TfliteClassifier

pytestmark = pytest.mark.convert
ROOT = Path(__file__).parents[2]
LABELS = ("glass", "paper", "trash")
CHANGES = (
    *("network.side_px=96", "network.width=0.35", "batch=6", "phases.0.epochs=1", "phases.1.epochs=1"),
    *("pictures.passes=1", "pictures.rendered=6", "pictures.outliers=2"),
    *("pictures.rendered_val=3", "pictures.rendered_test=9"),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    for label in LABELS:
        (folder / "data" / label).mkdir(parents=True)
        for number, item in enumerate(rendered_plan([label], 8, 3, "photographs")):
            frame = cv2.resize(rendered_frame(item, is_degraded=False), (160, 120), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / "data" / label / f"{label}{number * 5}.png"), frame)
    words = [
        *("build", "--data", "data", "--work", "work", "--output", "out/tiny", "--weights", "none", "--seed", "5"),
        *(word for change in CHANGES for word in ("--set", change)),
        *("--name", "tiny", "--bundle-version", "0.0.1"),
    ]
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from convert.cli import main; sys.argv[0] = 'x'; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == "out/tiny\n"
    (folder / "screen.txt").write_text(done.stderr)
    return folder


def test_the_bundle_is_one_that_a_device_takes(built: Path) -> None:
    bundle = load_bundle(built / "out" / "tiny")
    assert bundle.labels == LABELS
    assert TfliteClassifier(bundle, runtime="litert").is_delegated
    prediction = TfliteClassifier(bundle).classify(np.zeros((480, 640, 3), np.uint8))
    assert sum(prediction.probabilities) == pytest.approx(1)


def test_the_input_is_quantized_so_that_one_xor_fills_it(built: Path) -> None:
    manifest = load_bundle(built / "out" / "tiny").manifest
    assert manifest.input.dtype == "int8"
    every_pixel = np.arange(256, dtype=np.uint8)
    assert np.array_equal(manifest.input.spec().quantization_table().view(np.uint8), every_pixel ^ 0x80)


def test_one_delegate_takes_the_graph_and_the_metadata_can_be_read(built: Path) -> None:
    model = load_bundle(built / "out" / "tiny").model
    assert is_wholly_delegated(model)
    assert read_metadata(model).labels == LABELS


def test_the_manifest_says_how_the_bundle_was_made(built: Path) -> None:
    manifest = load_bundle(built / "out" / "tiny").manifest
    assert manifest.training["command"].startswith("python -m convert build --data data")
    assert manifest.training["settings"]["seed"] == manifest.training["recipe"]["seed"] == 5
    assert manifest.training["recipe"]["network"] == {"family": "mobilenet_v2", "width": 0.35, "side_px": 96}
    assert manifest.training["packages"]["keras"]
    assert manifest.data["digest_sha256"] == json.loads((built / "work" / "split.json").read_text())["digest"]
    assert set(manifest.metrics) >= {"test", "val", "rendered", "calibration"}
    assert manifest.metrics["test"]["int8"]["n"] == manifest.metrics["test"]["float"]["n"] > 0
    assert manifest.training["weights"] is None
    assert manifest.training["float_sha256"] == sha256_of(built / "work" / "float.keras")
    assert manifest.data["source"] is None
    of = json.loads((built / "work" / "metrics.json").read_text())["of"]
    assert (of["model_sha256"], of["temperature"]) == (manifest.sha256, manifest.temperature)
    assert "## Limits" in (built / "out" / "tiny" / "CARD.md").read_text()


def test_the_screen_shows_progress_and_no_chatter_of_tensorflow(built: Path) -> None:
    lines = (built / "screen.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith(("[", "WARNING: no confidence up to"))] == []


def convert(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from convert.cli import main; sys.argv[0] = 'x'; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_shipped_bundle_can_be_measured_again(built: Path) -> None:
    done = convert(built, "evaluate", "--data=data", "--work=work", "--bundle=out/tiny", "--rendered-test=3")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "| test photographs (blocks never trained on) | int8 |" in done.stdout
    assert "float" not in done.stdout


TINY = ("pictures.rendered=3", "pictures.outliers=1", "batch=6", "average=0")
SHORT = ("pictures.passes=1", "phases.0.epochs=1", "phases.1.epochs=1")


def test_widths_and_input_sizes_are_compared_and_what_is_finished_is_not_trained_again(built: Path) -> None:
    words = ["variants", "--data=data", "--work=work", "--sides=32,64", "--seed=5"]
    words += [f"--set={change}" for change in TINY + SHORT]
    first = convert(built, *words, "--widths=0.35")
    assert first.returncode == 0, first.stderr[-4000:]
    again = convert(built, *words, "--widths=0.2,0.35")
    assert again.returncode == 0, again.stderr[-4000:]
    assert first.stderr.count("epoch 1/1") == again.stderr.count("epoch 1/1") > 0
    assert [again.stderr.count(f"0.35-{side}.tflite is there") for side in (32, 64)] == [1, 1]
    found = json.loads((built / "work" / "sizes" / "variants.json").read_text())
    rows = found["variants"]
    assert sorted((row["width"], row["side_px"]) for row in rows) == [(0.2, 32), (0.2, 64), (0.35, 32), (0.35, 64)]
    assert rows[0]["speed"] == 1 < rows[-1]["speed"]
    assert all(0 <= row["labels"] <= 1 and row["frame_ms"] > 0 for row in rows)
    assert again.stdout == (built / "work" / "sizes" / "variants.md").read_text()
    assert not list((built / "work" / "sizes").rglob("*.npy")), "pictures are forgotten"


def test_variants_need_the_larger_model(built: Path) -> None:
    missing = convert(built, "variants", "--data=data", "--work=work", "--set=start=nowhere/float.keras")
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
    assert "nowhere/float.keras is missing; train it first" in missing.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--sides=32,100",), "width 0.35 at 100 px cannot be trained"),
        (("--sides=32.5",), "expected whole pixels"),
        (("--sides=1024",), "expected numbers from 32 to 512"),
        (("--widths=wide",), "expected numbers from 0.1 to 1"),
    ],
)
def test_a_size_that_cannot_be_is_refused_before_the_first_is_trained(
    built: Path, words: tuple[str, ...], sentence: str
) -> None:
    done = convert(built, "variants", "--data=data", "--work=work", "--seed=5", *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "epoch" not in done.stderr


def test_finished_trainings_are_averaged_if_the_mean_is_no_worse(built: Path) -> None:
    """A training and its own copy: the mean is the same network, and the record names both."""
    done = convert(built, "soup", "work", "work", "--data=data", "--work=mean")
    assert done.returncode == 0, done.stderr[-4000:]
    import keras

    one, mean = (keras.models.load_model(built / folder / "float.keras", compile=False) for folder in ("work", "mean"))
    for mine, other in zip(one.get_weights(), mean.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)
    record = json.loads((built / "mean" / "training.json").read_text())
    assert record["command"] == "python -m convert soup work work --data=data --work=mean"
    assert [member["float_sha256"] for member in record["members"]] == [sha256_of(built / "work" / "float.keras")] * 2
    assert record["float_sha256"] == sha256_of(built / "mean" / "float.keras")
    assert (built / "mean" / "split.json").read_bytes() == (built / "work" / "split.json").read_bytes()
    alone = convert(built, "soup", "work", "--data=data", "--work=alone")
    assert (alone.returncode, alone.stderr.count("\n")) == (2, 1)
    assert "needs two trainings or more" in alone.stderr
    assert not (built / "alone" / "float.keras").exists()
    before = sha256_of(built / "work" / "float.keras")
    onto = convert(built, "soup", "work", "mean", "--data=data", "--work=work")
    assert (onto.returncode, onto.stderr.count("\n")) == (2, 1)
    assert "--work work holds one of the trainings" in onto.stderr
    assert sha256_of(built / "work" / "float.keras") == before
