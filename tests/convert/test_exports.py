"""Exports of the float model: what is written is loaded again and computes the same."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import convert.cli
import convert.exports
from convert.choices import Format
from convert.exports import Source, export, find_source, find_tfjs_converter
from convert.files import write_text
from convert.settings import Workspace
from edge.errors import ConfigError

ROOT = Path(__file__).parents[2]
LABELS = ("glass", "paper", "trash")

WRITE_AND_READ = """
import hashlib, json, sys
from pathlib import Path
import keras, numpy as np, tensorflow as tf
from convert.choices import Format
from convert.exports import Source, export
from convert.network import to_real
from convert.quantize import load_float
from edge.errors import ConfigError

folder = Path(sys.argv[1])
keras.utils.set_random_seed(3)
picture = keras.Input((32, 32, 3), name="image")
features = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, strides=2, activation="relu")(picture))
features = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(features))
model = keras.Model(picture, keras.layers.Dense(3)(features))
model.save(folder / "float.keras")
source = Source(folder / "float.keras", "0" * 64, ("glass", "paper", "trash"), None, "x")
for kind in ("keras", "savedmodel", "savedmodel"):
    export(source, Format(kind), folder / kind, None, lambda line: None)

pixels = np.random.default_rng(2).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
expected = np.asarray(model(to_real(pixels), training=False))
again = keras.models.load_model(folder / "keras" / "model.keras", compile=False)
saved = tf.saved_model.load(str(folder / "savedmodel"))
answers = {
    "keras": again(to_real(pixels), training=False),
    "serving_default": saved.signatures["serving_default"](image=tf.constant(to_real(pixels)))["logits"],
    "pixels": saved.signatures["pixels"](image=tf.constant(pixels))["logits"],
}
inputs = {
    name: [saved.signatures[name].structured_input_signature[1]["image"].dtype.name]
    for name in ("serving_default", "pixels")
}
refusals = []
for content in (b"", b"no zip", (folder / "float.keras").read_bytes()[:2000]):
    (folder / "damaged.keras").write_bytes(content)
    try:
        load_float(folder / "damaged.keras")
    except ConfigError as exc:
        refusals.append(str(exc))
(folder / "damaged.keras").unlink()
print(json.dumps({
    "refusals": refusals, "spread": float(np.ptp(expected)), "inputs": inputs,
    **{name: float(np.abs(np.asarray(answer) - expected).max()) for name, answer in answers.items()},
}))
"""

CONVERTER = """#!{python}
import pathlib, sys
options, (saved, folder) = sys.argv[1:-2], sys.argv[-2:]
assert pathlib.Path(saved, "saved_model.pb").is_file()
assert "--output_format=tfjs_graph_model" in options
{action}
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "float.keras"
    path.write_bytes(b"trained")
    return Source(path, "0" * 64, LABELS, None, "python -m convert export")


@pytest.fixture
def converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A converter that works; the model is one of the right shape, and its SavedModel an empty file."""

    class Model:
        input_shape, output_shape = (None, 32, 32, 3), (None, 3)

    monkeypatch.setattr(convert.exports, "load_float", lambda path: Model())
    monkeypatch.setattr(
        convert.exports, "_write_saved_model", lambda model, folder: (folder / "saved_model.pb").write_bytes(b"")
    )
    return converter_that(tmp_path, "pathlib.Path(folder, 'model.json').write_text('{}')")


def converter_that(folder: Path, action: str) -> Path:
    path = folder / "tensorflowjs_converter"
    path.write_text(CONVERTER.format(python=sys.executable, action=action))
    path.chmod(0o755)
    return path


@pytest.mark.convert
def test_keras_and_savedmodel_compute_the_same_after_loading(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE_AND_READ, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["refusals"]) == 3
    for refusal in found["refusals"]:
        assert "damaged.keras is no Keras model" in refusal
        assert refusal.endswith("run `edge-convert train` again")
        assert "\n" not in refusal
    assert found["spread"] > 0.1
    assert found["inputs"] == {"serving_default": ["float32"], "pixels": ["uint8"]}
    for name in ("keras", "serving_default", "pixels"):
        assert found[name] < 1e-5, name
    for kind in ("keras", "savedmodel"):
        assert (tmp_path / kind / "labels.txt").read_text() == "glass\npaper\ntrash\n"
        assert json.loads((tmp_path / kind / "export.json").read_text())["input"]["mean"] == 127.5
        assert "glass, paper, trash" in (tmp_path / kind / "README.md").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["float.keras", "keras", "savedmodel"]


@pytest.mark.convert
def test_tensorflow_js_is_written_by_its_own_converter(source: Source, converter: Path, tmp_path: Path) -> None:
    export(source, Format.TFJS, tmp_path / "web", converter, lambda line: None)
    names = {path.name for path in (tmp_path / "web").iterdir()}
    assert names == {"model.json", "labels.txt", "export.json", "README.md"}
    assert "loadGraphModel" in (tmp_path / "web" / "README.md").read_text()


@pytest.mark.convert
@pytest.mark.parametrize(
    ("action", "message"),
    [("sys.exit('no module named six')", "no module named six"), ("pass", "it says nothing")],
)
def test_a_converter_that_fails_leaves_the_old_export(
    source: Source, converter: Path, tmp_path: Path, action: str, message: str
) -> None:
    export(source, Format.TFJS, tmp_path / "web", converter, lambda line: None)
    converter_that(tmp_path, action)
    with pytest.raises(ConfigError, match=message):
        export(source, Format.TFJS, tmp_path / "web", converter, lambda line: None)
    assert (tmp_path / "web" / "model.json").is_file()
    assert not list(tmp_path.glob(".web*"))


def test_a_missing_converter_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="pip install tensorflowjs") as caught:
        find_tfjs_converter(None)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="nowhere/converter is missing"):
        find_tfjs_converter(Path("nowhere/converter"))
    path = converter_that(tmp_path, "pass")
    assert find_tfjs_converter(None) == path
    assert find_tfjs_converter(path) == path


def test_a_folder_that_holds_something_else_is_kept(source: Source, converter: Path, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text("mine")
    with pytest.raises(ConfigError, match=r"no export\.json"):
        export(source, Format.TFJS, tmp_path / "web", converter, lambda line: None)
    assert [path.name for path in (tmp_path / "web").iterdir()] == ["index.html"]


def test_a_model_of_other_labels_is_refused(source: Source, converter: Path, tmp_path: Path) -> None:
    other = Source(source.float_model, source.sha256, ("glass", "trash"), None, "x")
    with pytest.raises(ConfigError, match="2 labels"):
        export(other, Format.TFJS, tmp_path / "web", converter, lambda line: None)


def test_only_a_model_that_training_recorded_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Workspace(tmp_path / "work")
    with pytest.raises(ConfigError, match="run `edge-convert split` first"):
        find_source(work, "x")
    monkeypatch.setattr(convert.exports, "load_split", lambda path: type("Split", (), {"labels": LABELS}))
    write_text(work.float_model, "trained")
    write_text(work.training, json.dumps({"float_sha256": hashlib.sha256(b"trained").hexdigest()}))
    assert find_source(work, "x").labels == LABELS
    write_text(work.float_model, "changed")
    with pytest.raises(ConfigError, match="run `edge-convert train` again"):
        find_source(work, "x")


def test_the_command_refuses_an_unknown_format(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="onnx"):
        convert.cli.app(["export", "--format", "onnx", "--output", "x"], standalone_mode=False)
