"""Full-integer quantization: int8 in, int8 out, a scale for every output channel of the weights."""

import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.dataset import Split, class_root
from convert.graph import is_wholly_delegated
from convert.metadata import ModelText, add_metadata
from convert.network import MEAN, STD, to_real
from convert.pictures import chunks, training_pass
from convert.quiet import quiet
from convert.settings import Settings
from edge.bundle import InputTensor, OutputTensor
from edge.classify.interpreters import open_interpreter
from edge.errors import BundleError, ConfigError
from edge.preprocess import RESIZE

__all__ = ["describe", "is_wholly_delegated", "load_float", "quantize", "representative_pictures", "tensors"]

REPRESENTATIVE = 200


def representative_pictures(data: Path, split: Split, settings: Settings) -> npt.NDArray[np.uint8]:
    """Training pictures of every label, (N, side, side, 3) uint8 RGB, a black and a white one first.

    The two make the input's range exactly 0..255, so that a pixel becomes its tensor value by one XOR.
    """
    examples = [one for one in training_pass(class_root(data), split, settings, 0) if one.label is not None]
    rng = np.random.default_rng([settings.seed, 3])
    chosen = [examples[place] for place in rng.permutation(len(examples))[:REPRESENTATIVE]]
    shape = (1, settings.side_px, settings.side_px, 3)
    ends = [np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)]
    return np.concatenate([*ends, *chunks(chosen, settings.side_px)])


def quantize(model: Any, pictures: npt.NDArray[np.uint8]) -> bytes:
    """Convert a Keras model to a TFLite file.

    Args:
        model: takes (1, side, side, 3) float32 in -1..1.
        pictures: (N, side, side, 3) uint8 RGB, to find the ranges of the activations.
    Raises: ConfigError if TensorFlow is not installed; BundleError if a tensor is not int8 in the end.
    """
    try:
        import tensorflow as tf
    except ImportError as exc:
        raise ConfigError("TensorFlow is not installed; install the `convert` extra") from exc

    def representative() -> Iterator[list[npt.NDArray[np.float32]]]:
        for picture in pictures:
            yield [to_real(picture[None])]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    # Keras prints the exported signature, and TensorFlow warns of a lack of ranges that it was given.
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        content = bytes(converter.convert())
    found, _ = tensors(content)
    if not (np.isclose(found.scale, 2 / 255, rtol=1e-5) and found.zero_point == -1):
        raise BundleError(
            f"the model's input has scale {found.scale:.8f} and zero point {found.zero_point}, expected 2/255 and -1; "
            "the representative pictures must span 0..255"
        )
    return content


def tensors(model: bytes) -> tuple[InputTensor, OutputTensor]:
    """The manifest's description of a TFLite model's input and output, as the runtime finds them.

    Raises: BundleError if they are not what `edge` can feed.
    """
    interpreter = open_interpreter("litert", model, threads=1)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1:
        raise BundleError(f"the model has {len(inputs)} inputs and {len(outputs)} outputs, expected one of each")
    sides = tuple(int(side) for side in inputs[0]["shape"])
    labels = tuple(int(side) for side in outputs[0]["shape"])
    (in_scale, in_zero), (out_scale, out_zero) = inputs[0]["quantization"], outputs[0]["quantization"]
    fields = {
        "shape": sides,
        "dtype": np.dtype(inputs[0]["dtype"]).name,
        "colour": "rgb",
        "crop": "full",
        "resize": RESIZE,
        "mean": MEAN,
        "std": STD,
        "scale": float(in_scale),
        "zero_point": int(in_zero),
    }
    result = {
        "shape": labels,
        "dtype": np.dtype(outputs[0]["dtype"]).name,
        "kind": "logits",
        "scale": float(out_scale),
        "zero_point": int(out_zero),
    }
    try:
        return InputTensor.model_validate(fields), OutputTensor.model_validate(result)
    except ValueError as exc:
        raise BundleError(f"the quantized model's tensors are not what the runtime feeds: {exc}") from exc


def describe(model: bytes, name: str, version: str, split: Split, settings: Settings) -> bytes:
    """Add the TFLite Metadata."""
    text = ModelText(
        name=name,
        version=version,
        description="Names the material of one waste item on a sorter's tray.",
        author="edge-sorter",
        licence="Apache-2.0",
        labels=split.labels,
        mean=MEAN,
        std=STD,
        side_px=settings.side_px,
    )
    return add_metadata(model, text)


def load_float(path: Path, remedy: str = "run `edge-convert train` again") -> Any:
    """A trained Keras model.

    Args:
        remedy: what to do if it cannot be read.
    Raises: ConfigError if it is missing or damaged, or Keras is not installed.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is missing; {remedy}")
    try:
        import keras
    except ImportError as exc:
        raise ConfigError(f"Keras is not installed in {sys.prefix}; install the `convert` extra") from exc
    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as exc:
        reason = str(exc).strip().partition("\n")[0]
        raise ConfigError(f"{path} is no Keras model ({reason}); {remedy}") from exc
