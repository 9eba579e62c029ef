"""The same network in other number formats, measured side by side on the same pictures."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.network import MEAN, STD, to_real
from convert.quiet import quiet
from convert.scores import binary_scores, label_scores, softmax
from edge.classify.interpreters import open_interpreter
from edge.errors import BundleError
from edge.preprocess import RESIZE, InputSpec

__all__ = [
    "FORMATS",
    "FormatScore",
    "Runner",
    "as_json",
    "compare_formats",
    "convert_format",
    "markdown",
    "side_by_side",
]

FORMATS = ("float32", "float16", "dynamic_range")
"""What is written for comparison: weights and activations float32; weights float16; weights int8, activations float32
that the kernels quantize as they go."""
_Logits = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FormatScore:
    """A row of the comparison.

    Attributes:
        name: number format.
        size_bytes: of the file.
        accuracy: share of pictures with the right label.
        binary_accuracy: share with the right route (recyclable or residue), None where no label is residue.
        time_ratio: median time of one inference on this machine, over that of int8.
        same_label: share of pictures on which it names the label that the float Keras model names.
    """

    name: str
    size_bytes: int
    accuracy: float
    binary_accuracy: float | None
    time_ratio: float
    same_label: float


class Runner:
    """Runs one TFLite model on resized pictures, whatever its input and output type; one thread, XNNPACK."""

    def __init__(self, model: bytes) -> None:
        self._interpreter = open_interpreter("litert", model, threads=1)
        source, target = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]
        self._source = self._interpreter.tensor(source["index"])
        self._target = self._interpreter.tensor(target["index"])
        self._step, self._zero = target["quantization"] if target["dtype"] != np.float32 else (1.0, 0)
        self._table = None if source["dtype"] == np.float32 else _table(source)

    def __call__(self, picture: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float64], float]:
        """Classify one (side, side, 3) uint8 RGB picture.

        Returns: (labels,) float64 logits, and the seconds of the bare inference.
        """
        self._source()[...] = to_real(picture) if self._table is None else self._table[picture]
        start_s = time.perf_counter()
        self._interpreter.invoke()
        elapsed_s = time.perf_counter() - start_s
        return (self._target()[0].astype(np.float64) - self._zero) * self._step, elapsed_s

    def logits(self, pictures: npt.NDArray[np.uint8]) -> _Logits:
        """(N, side, side, 3) uint8 RGB to (N, labels) float64 logits."""
        return np.stack([self(picture)[0] for picture in pictures])


def _table(source: dict[str, Any]) -> npt.NDArray[Any]:
    """The tensor value of every pixel value, computed by the device's own code."""
    scale, zero = source["quantization"]
    spec = InputSpec(
        height=int(source["shape"][1]),
        width=int(source["shape"][2]),
        resize=RESIZE,
        dtype=np.dtype(source["dtype"]).name,
        mean=MEAN,
        std=STD,
        scale=float(scale),
        zero_point=int(zero),
    )
    return spec.quantization_table()


def convert_format(model: Any, name: str) -> bytes:
    """Convert a Keras model to one of FORMATS; input and output are float32.

    Args:
        model: takes (1, side, side, 3) float32 in -1..1.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if name != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if name == "float16":
        converter.target_spec.supported_types = [tf.float16]
    with quiet():
        return bytes(converter.convert())


def side_by_side(
    models: dict[str, bytes], pictures: npt.NDArray[np.uint8]
) -> tuple[dict[str, _Logits], dict[str, float]]:
    """Run all models picture by picture in turn, so that whatever else the machine does slows them alike.

    Returns: logits of each model, (N, labels) float64, and its median seconds an inference.
    """
    runners = {name: Runner(model) for name, model in models.items()}
    rows: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in models}
    times: dict[str, list[float]] = {name: [] for name in models}
    for runner in runners.values():
        runner(pictures[0])  # the first inference also packs weights
    for picture in pictures:
        for name, runner in runners.items():
            logits, elapsed_s = runner(picture)
            rows[name].append(logits)
            times[name].append(elapsed_s)
    medians = {name: float(np.median(found)) for name, found in times.items()}
    return {name: np.stack(found) for name, found in rows.items()}, medians


def compare_formats(
    models: dict[str, bytes],
    float_logits: _Logits,
    pictures: npt.NDArray[np.uint8],
    targets: npt.NDArray[np.int64],
    labels: Sequence[str],
    residue: Sequence[str],
) -> list[FormatScore]:
    """Measure number formats on the same pictures.

    Args:
        models: TFLite files by name; "int8" must be one of them.
        float_logits: (N, labels) of the float Keras model.
        pictures: (N, side, side, 3) uint8 RGB, resized as the device does.
        targets: (N,) index of the true label.
    Raises: BundleError if int8 is missing or LiteRT refuses a model.
    """
    if "int8" not in models:
        raise BundleError("there is no int8 model to compare with; quantize first")
    logits, medians = side_by_side(models, pictures)
    rows = []
    for name, found in logits.items():
        binary = binary_scores(targets, softmax(found, 1.0), labels, residue)
        rows.append(
            FormatScore(
                name=name,
                size_bytes=len(models[name]),
                accuracy=label_scores(targets, found.argmax(axis=1), labels)["accuracy"],
                binary_accuracy=binary["accuracy"] if binary else None,
                time_ratio=round(medians[name] / medians["int8"], 2),
                same_label=round(float((found.argmax(axis=1) == float_logits.argmax(axis=1)).mean()), 4),
            )
        )
    return rows


def as_json(rows: Sequence[FormatScore]) -> list[dict[str, Any]]:
    """The rows, ready for JSON."""
    return [asdict(row) for row in rows]


def markdown(rows: Sequence[FormatScore]) -> str:
    """The rows as a table."""
    lines = [
        "| format | size | labels right | route right | label of float Keras | time, int8 = 1 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        route = "–" if row.binary_accuracy is None else f"{row.binary_accuracy:.1%}"
        lines.append(
            f"| {row.name} | {row.size_bytes / 1e6:.2f} MB | {row.accuracy:.1%} | {route} | {row.same_label:.1%} "
            f"| {row.time_ratio:.2f} |"
        )
    return "\n".join(lines) + "\n"
