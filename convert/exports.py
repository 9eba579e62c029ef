"""The float model for other tools: Keras, TensorFlow SavedModel, TensorFlow.js.

A folder each, with the labels, a README and `export.json` beside the model. The int8 model needs no export: the bundle
holds it as an ordinary TFLite file with standard metadata.
"""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.choices import Format
from convert.dataset import load_split
from convert.files import replacing_folder
from convert.network import MEAN, STD
from convert.provenance import check_float, read_step
from convert.quantize import load_float
from convert.quiet import quiet
from convert.settings import Workspace
from edge.bundle import LABELS_NAME
from edge.errors import ConfigError

__all__ = ["Source", "export", "find_source", "find_tfjs_converter"]

MARKER = "export.json"
KERAS_NAME = "model.keras"
TFJS_CONVERTER = "tensorflowjs_converter"
TFJS_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported.

    Attributes:
        float_model: the trained Keras model; takes (N, side, side, 3) float32 in -1..1, gives (N, labels) logits.
        sha256: of that file.
        labels: in the order of the outputs.
        data_digest: SHA-256 of the photographs, or None.
        command: what the user typed.
    """

    float_model: Path
    sha256: str
    labels: tuple[str, ...]
    data_digest: str | None
    command: str


def find_source(work: Workspace, command: str) -> Source:
    """What a training left in the work folder.

    Raises: ConfigError if its files are missing or do not belong together.
    """
    split, report = load_split(work.split), read_step(work.training, "train")
    check_float(work, report)
    return Source(work.float_model, report["float_sha256"], split.labels, report.get("data_digest_sha256"), command)


def find_tfjs_converter(wanted: Path | None) -> Path:
    """The program that writes TensorFlow.js models: as given, beside this Python, or on the path.

    Raises: ConfigError that says how to install it. It pins other versions of TensorFlow than this program uses, hence
        an environment of its own.
    """
    beside = Path(sys.executable).with_name(TFJS_CONVERTER)
    found = (
        shutil.which(str(wanted)) if wanted is not None else shutil.which(str(beside)) or shutil.which(TFJS_CONVERTER)
    )
    if found is None:
        raise ConfigError(
            f"{wanted or TFJS_CONVERTER} is missing; install it in an environment of its own (`python3 -m venv tfjs && "
            f"tfjs/bin/pip install tensorflowjs ydf==0.12.0`) and pass --tfjs-converter tfjs/bin/{TFJS_CONVERTER}"
        )
    return Path(found)


def export(source: Source, format_: Format, output: Path, converter: Path | None, say: Callable[[str], None]) -> None:
    """Write the float model in a format; an older export in `output` is replaced as a whole.

    Args:
        converter: as `find_tfjs_converter` found it; needed for TensorFlow.js alone.
    Raises: ConfigError if `output` holds anything else, the model does not load, or a converter fails.
    """
    model = load_float(source.float_model)
    if not isinstance(model.input_shape, tuple) or model.output_shape[-1] != len(source.labels):
        raise ConfigError(
            f"{source.float_model} has outputs of shape {model.output_shape} for {len(source.labels)} labels; "
            "run `edge-convert train` again"
        )
    with replacing_folder(output, MARKER, "--output") as draft:
        if format_ is Format.KERAS:
            shutil.copyfile(source.float_model, draft / KERAS_NAME)
        elif format_ is Format.SAVED_MODEL:
            _write_saved_model(model, draft)
        else:
            with tempfile.TemporaryDirectory() as saved:
                _write_saved_model(model, Path(saved))
                _run_tfjs_converter(converter or find_tfjs_converter(None), Path(saved), draft)
        _describe(source, format_, model, draft)
    say(f"{format_.value} model written, {sum(path.stat().st_size for path in output.rglob('*')) / 1e6:.1f} MB")


def _write_saved_model(model: Any, folder: Path) -> None:
    """Two signatures: `serving_default` takes what the Keras model takes, `pixels` takes uint8 RGB."""
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"Keras runs on {keras.backend.backend()}; a SavedModel needs TensorFlow: unset KERAS_BACKEND"
        )
    shape = (None, *model.input_shape[1:])

    def real(image: Any) -> Any:
        return {"logits": model(image, training=False)}

    def pixels(image: Any) -> Any:
        return real((tf.cast(image, tf.float32) - MEAN) / STD)

    with quiet():
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serving_default", real, [tf.TensorSpec(shape, tf.float32, name="image")])
        archive.add_endpoint("pixels", pixels, [tf.TensorSpec(shape, tf.uint8, name="image")])
        archive.write_out(str(folder), verbose=False)


def _run_tfjs_converter(converter: Path, saved: Path, folder: Path) -> None:
    words = ["--input_format=tf_saved_model", "--output_format=tfjs_graph_model", "--signature_name=serving_default"]
    try:
        done = subprocess.run(
            [str(converter), *words, str(saved), str(folder)],
            capture_output=True,
            text=True,
            timeout=TFJS_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"{converter} was not done after {TFJS_LIMIT_S:.0f} s; try it by hand on a SavedModel"
        ) from None
    if done.returncode or not (folder / "model.json").is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it says nothing"]
        raise ConfigError(
            f"{converter} failed with status {done.returncode} ({lines[-1].strip()}); update it, or export a SavedModel"
        )


def _describe(source: Source, format_: Format, model: Any, folder: Path) -> None:
    side = model.input_shape[1]
    fields = {
        "format": format_.value,
        "labels": list(source.labels),
        "input": {"shape": [None, side, side, 3], "dtype": "float32", "colour": "rgb", "mean": MEAN, "std": STD},
        "output": {"shape": [None, len(source.labels)], "kind": "logits"},
        "float_sha256": source.sha256,
        "data_digest_sha256": source.data_digest,
        "command": source.command,
        "keras": importlib.metadata.version("keras"),
    }
    (folder / MARKER).write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    (folder / LABELS_NAME).write_text("".join(f"{label}\n" for label in source.labels), encoding="utf-8")
    (folder / "README.md").write_text(_readme(format_, side, source.labels), encoding="utf-8")


_USE = {
    Format.KERAS: """```python
model = keras.models.load_model("model.keras", compile=False)
logits = model.predict((pixels.astype("float32") - {mean}) / {std})
```""",
    Format.SAVED_MODEL: """Two signatures, both from `image` to `logits`:

| signature | `image` |
| --- | --- |
| `serving_default` | (N, {side}, {side}, 3) float32, as above |
| `pixels` | (N, {side}, {side}, 3) uint8, the pixels themselves |

```python
model = tf.saved_model.load(".")
logits = model.signatures["pixels"](image=pixels)["logits"]
```""",
    Format.TFJS: """```js
const model = await tf.loadGraphModel("model.json");
const pixels = tf.image.resizeBilinear(tf.browser.fromPixels(picture), [{side}, {side}]);
const logits = model.execute(pixels.sub({mean}).div({std}).expandDims(0));
```""",
}


def _readme(format_: Format, side: int, labels: tuple[str, ...]) -> str:
    use = _USE[format_].format(side=side, mean=MEAN, std=STD)
    return f"""# Float model of a waste sorter

Input: (N, {side}, {side}, 3) float32 RGB, a pixel p of 0..255 as (p - {MEAN}) / {STD}; the whole picture, resized
linearly. Output: (N, {len(labels)}) logits; a softmax gives probabilities. The labels in their order
(`labels.txt`): {", ".join(labels)}.

{use}

The probabilities are not calibrated and there are no thresholds: both belong to the int8 model in the bundle.
"""
