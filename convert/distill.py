"""Learning from a larger model: its opinion of every picture is part of the target.

After Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015): soft targets tell what a picture
is alike, which a label does not. Here they are mixed into the target before the loss, so that mixup, weights and label
smoothing work on them as on any other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.batches import Shown
from convert.files import sha256_of
from convert.network import to_real
from convert.pictures import Example, chunks
from convert.provenance import read_step
from convert.quantize import load_float
from convert.recipe import Distillation
from convert.scores import softmax
from convert.settings import Workspace
from edge.errors import ConfigError

__all__ = ["Teacher", "body_of", "check_teacher", "open_float", "open_teacher"]


@dataclass(frozen=True, slots=True)
class Teacher:
    """A finished float model, as `edge-convert train` writes it, and how much it has to say.

    Attributes:
        model: Keras model, (N, side, side, 3) float32 -1..1 to logits.
        plan: share and temperature.
    """

    model: Any
    plan: Distillation

    def logits(self, examples: Sequence[Example]) -> Iterator[npt.NDArray[np.float32]]:
        """(n, labels) a chunk; the pictures are drawn anew at the teacher's own size, as the device resizes them."""
        for pixels in chunks(examples, int(self.model.input.shape[1])):
            yield np.asarray(self.model.predict_on_batch(to_real(pixels)), dtype=np.float32)

    def soften(self, shown: Shown, examples: Sequence[Example], logits: npt.NDArray[Any]) -> Shown:
        """Mix the teacher's opinion into the targets; what is no waste keeps its uniform target.

        Args:
            logits: (N, labels), of the same examples in the same order.
        """
        soft = softmax(np.asarray(logits, dtype=np.float64), self.plan.temperature).astype(np.float32)
        share = np.float32([0.0 if example.label is None else self.plan.share for example in examples])[:, None]
        return replace(shown, targets=(1 - share) * shown.targets + share * soft)


def open_float(path: Path, key: str) -> Any:
    """A float model as `edge-convert train` writes it.

    Args:
        key: of the recipe, where the path stands.
    Raises: ConfigError if it cannot be read.
    """
    return load_float(path, f"train it first, or pass --set {key}=FILE")


def body_of(model: Any) -> Any:
    """A float model's layers below the head, to cut a narrower network out of. Raises: ConfigError if it has none."""
    import keras

    bodies = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if len(bodies) != 1:
        raise ConfigError("the model to start from is none of `edge-convert train`; check start and distill.teacher")
    return bodies[0]


def open_teacher(path: Path, plan: Distillation, labels: int) -> Teacher:
    """Raises: ConfigError if it cannot be read or knows another number of labels."""
    model = open_float(path, "distill.teacher")
    if model.output.shape[-1] != labels:
        raise ConfigError(f"teacher {path} knows {model.output.shape[-1]} labels, the data has {labels}")
    return Teacher(model, plan)


def check_teacher(path: Path, work: Workspace) -> None:
    """A model that is learned from must know the same split, or it passes on what it saw of the test photographs.

    Args:
        path: its float model, in the work folder that it was trained in.
        work: where the student is trained.
    Raises: ConfigError if it lies where the student will, or was trained on another split, or does not say on which.
    """
    if path.resolve() == work.float_model.resolve():
        raise ConfigError(f"{path} would be replaced by the model that learns from it; pass another --work")
    report = read_step(path.with_name(work.training.name), "train")
    if report.get("split_sha256") != sha256_of(work.split):
        raise ConfigError(
            f"{path} was trained on another split than {work.split}: it may have seen the test photographs; "
            "split with the same seed and ratios, or train it again"
        )
