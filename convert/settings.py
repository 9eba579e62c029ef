"""What a training run is made of. Every field is written into the bundle's manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ConfigError

__all__ = ["Settings", "Workspace", "find_weights"]

WEIGHTS_NAME = "mobilenet_v2_imagenet_notop.weights.h5"


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of a training run; the same settings and data give the same pictures in the same order.

    Attributes:
        seed: of the split, the pictures and the weights of the head.
        epochs_frozen: passes over the pooled features with only the head learning.
        epochs_fine: passes with the upper layers learning too.
        passes: differently augmented copies of the training part that epochs take in turn.
        rendered: simulated items a pass.
        rendered_val, rendered_test: simulated items that check an epoch, and the finished model.
        side_px: height and width of the model's input.
        alpha: width of MobileNetV2.
        fine_tune_from: first layer that learns in the second phase.
        batch: pictures a step.
        head_rate, fine_rate: largest learning rates of the two phases; the second falls as a cosine.
        dropout: before the last layer.
        label_smoothing: share of the target spread over all labels.
        class_power: a label's weight is its count to the power of minus this.
        average: momentum of the moving average of the weights; 0 turns it off.
        residue: labels that are not recyclable.
    """

    seed: int = 1
    epochs_frozen: int = 15
    epochs_fine: int = 24
    passes: int = 12
    rendered: int = 480
    rendered_val: int = 240
    rendered_test: int = 600
    side_px: int = 224
    alpha: float = 1.0
    fine_tune_from: str = "block_6_expand"
    batch: int = 32
    head_rate: float = 2e-3
    fine_rate: float = 2e-4
    dropout: float = 0.2
    label_smoothing: float = 0.05
    class_power: float = 0.5
    average: float = 0.99
    residue: tuple[str, ...] = ("trash",)

    def __post_init__(self) -> None:
        if (
            min(self.epochs_frozen, self.epochs_fine, self.rendered, self.rendered_val, self.rendered_test) < 0
            or self.passes < 1
        ):
            raise ConfigError("epochs and numbers of rendered items must not be negative and passes must be at least 1")
        if self.side_px % 32 or self.side_px < 32:
            raise ConfigError(f"input side {self.side_px} px is no multiple of 32; take 224, or 96 for a quick trial")

    def check_residue(self, labels: Sequence[str]) -> None:
        """Raises: ConfigError if a residue label is not among the labels of the data, or of the bundle."""
        unknown = sorted(set(self.residue) - set(labels))
        if unknown:
            raise ConfigError(
                f"residue {', '.join(unknown)} is not among the labels {', '.join(labels)}; pass --residue LABEL"
            )


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of intermediate files, one a step."""

    folder: Path

    @property
    def split(self) -> Path:
        """The split of the photographs, JSON."""
        return self.folder / "split.json"

    @property
    def float_model(self) -> Path:
        """The trained model, Keras format."""
        return self.folder / "float.keras"

    @property
    def training(self) -> Path:
        """Settings and history of the training, JSON."""
        return self.folder / "training.json"

    @property
    def candidate(self) -> Path:
        """The quantized model as a bundle that is not measured yet."""
        return self.folder / "candidate"

    @property
    def metrics(self) -> Path:
        """Result of the evaluation, JSON; a Markdown table stands beside it."""
        return self.folder / "metrics.json"


def find_weights(wanted: str | None, data: Path) -> str | None:
    """Where the ImageNet weights are: a path, "imagenet" (Keras fetches them), or None for random ones.

    Args:
        wanted: a path, "imagenet" or "none"; None looks for the file in the data folder.
    Raises: ConfigError if the file is missing.
    """
    if wanted == "none":
        return None
    if wanted == "imagenet":
        return wanted
    path = data / WEIGHTS_NAME if wanted is None else Path(wanted)
    if not path.is_file():
        raise ConfigError(
            f"ImageNet weights {path} are missing; set SORTER_DATA to the folder that holds them, or pass "
            "--weights FILE, or --weights imagenet on a networked machine"
        )
    return str(path)
