"""What the steps share: settings of a training, the files of the work folder, and where weights come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ConfigError

__all__ = ["Settings", "Workspace", "find_weights"]

WEIGHTS_NAMES = {
    "mobilenet_v2": ("mobilenet_v2_imagenet_notop.weights.h5",),
    "vgg16": ("vgg16_imagenet_notop.weights.h5", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    "xception": ("xception_imagenet_notop.weights.h5", "xception_weights_tf_dim_ordering_tf_kernels_notop.h5"),
}
"""What the file of ImageNet weights may be called in the data folder."""
MAY_LACK = {"vgg16", "xception"}
"""Families that run from random weights where there is no file, for their figures are compared, not shipped."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What every step needs to know of a training; a recipe gives it. The same settings and data, the same pictures.

    Attributes:
        seed: of the split, the pictures and the weights of the head.
        side_px: height and width of the model's input.
        alpha: width of the network.
        augmentation: own, published or field, see `convert.recipe.Pictures`.
        repeat_power, repeat_most: how often photographs of rare labels stand in a pass.
        rendered: simulated items a pass.
        outliers: pictures of no waste a pass.
        rendered_val, rendered_test: simulated items that check an epoch, and the finished model.
        residue: labels that are not recyclable.
    """

    seed: int = 1
    side_px: int = 224
    alpha: float = 1.0
    augmentation: str = "field"
    repeat_power: float = 0.5
    repeat_most: int = 3
    rendered: int = 480
    outliers: int = 0
    rendered_val: int = 240
    rendered_test: int = 600
    residue: tuple[str, ...] = ("trash",)

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
    def checkpoint(self) -> Path:
        """Where an unfinished training stands, NumPy archive."""
        return self.folder / "checkpoint.npz"

    @property
    def cache(self) -> Path:
        """Folder of the pictures that a training drew."""
        return self.folder / "cache"

    @property
    def curves(self) -> Path:
        """Loss, accuracy and their gaps over the epochs, PNG."""
        return self.folder / "curves.png"

    @property
    def candidate(self) -> Path:
        """The quantized model as a bundle that is not measured yet."""
        return self.folder / "candidate"

    @property
    def metrics(self) -> Path:
        """Result of the evaluation, JSON; a Markdown table stands beside it."""
        return self.folder / "metrics.json"


def find_weights(wanted: str | None, data: Path, family: str = "mobilenet_v2") -> str | None:
    """Where the ImageNet weights are: a path, "imagenet" (Keras fetches them), or None for random ones.

    Args:
        wanted: a path, "imagenet" or "none"; None looks for the file in the data folder.
        family: of the network; one of MAY_LACK does without where the data folder holds no file.
    Raises: ConfigError if the file is missing, or the family has no such weights.
    """
    if wanted == "none":
        return None
    if family not in WEIGHTS_NAMES:
        if wanted is not None:
            raise ConfigError(f"there are no ImageNet weights for a {family}; leave --weights {wanted} out")
        return None
    if wanted == "imagenet":
        return wanted
    places = [data / name for name in WEIGHTS_NAMES[family]] if wanted is None else [Path(wanted)]
    found = next((path for path in places if path.is_file()), None)
    if found is None and wanted is None and family in MAY_LACK:
        return None
    if found is None:
        raise ConfigError(
            f"ImageNet weights {places[0]} are missing; set SORTER_DATA to the folder that holds them, or pass "
            "--weights FILE, or --weights imagenet on a networked machine"
        )
    return str(found)
