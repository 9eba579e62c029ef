"""What a training is made of, as a readable file: strict YAML, every field with its unit and bounds.

The shipped recipes lie in `config/recipes`, in an installed package beside this module.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from convert.settings import Settings
from edge.configfile import parse_model
from edge.errors import ConfigError

__all__ = [
    "BACKBONES",
    "DEFAULT_RECIPE",
    "Distillation",
    "Head",
    "Loss",
    "NetworkPlan",
    "Phase",
    "Pictures",
    "Recipe",
    "changed",
    "load_recipe",
    "parse_recipe",
    "recipe_names",
]

DEFAULT_RECIPE = "ours"
_INSTALLED = Path(__file__).parent / "recipes"
FOLDER = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "config" / "recipes"
BACKBONES = ("mobilenet_v2", "vgg16", "xception")
"""Families with ImageNet weights; half of their stride of 32 divides their input."""
STRIDE = 16


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class NetworkPlan(_Section):
    """The layers below the head."""

    family: Literal["mobilenet_v2", "vgg16", "xception", "cnn"] = Field(description="architecture")
    width: float = Field(1.0, ge=0.1, le=2, description="factor of the number of channels")
    side_px: int = Field(224, ge=32, le=512, description="height and width of the model's input")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.family in BACKBONES and self.side_px % STRIDE:
            raise ValueError(f"side_px {self.side_px} is no multiple of {STRIDE}; take 224, or 96 for a quick trial")
        if self.family in ("vgg16", "xception") and self.width != 1.0:
            raise ValueError(f"width {self.width} is not offered by {self.family}; take 1.0")
        return self


class Head(_Section):
    """The layers behind the trunk; the last one, with an output for every label, comes by itself."""

    pool: Literal["average", "flatten"] = Field("average", description="how a map becomes a vector")
    dense: tuple[int, ...] = Field((), strict=False, description="units of the layers before the last, ReLU")
    batch_norm: bool = Field(False, description="batch normalization behind each of them")
    dropout: tuple[float, ...] = Field(
        (0.2,), strict=False, description="behind each of them; without any, before the last layer"
    )
    l2: float = Field(0.0, ge=0, le=1, description="penalty on the kernels of the head")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wanted = max(1, len(self.dense))
        if len(self.dropout) not in (0, wanted):
            raise ValueError(f"dropout has {len(self.dropout)} values, expected {wanted}, one a layer, or none")
        if not all(0 <= share < 1 for share in self.dropout):
            raise ValueError("dropout must be at least 0 and less than 1")
        if not all(1 <= units <= 8192 for units in self.dense):
            raise ValueError("dense must be 1 to 8192 units a layer")
        if self.pool == "flatten" and not self.dense:
            raise ValueError("dense must name a layer where pool is flatten")
        return self


class Phase(_Section):
    """Some epochs in which the same layers learn."""

    learns: str = Field(description="head, all, top:N (the trunk's last N layers too) or from:LAYER")
    epochs: int = Field(ge=0, le=10_000, description="passes over the pictures")
    rate: float = Field(gt=0, le=1, description="largest learning rate")
    schedule: Literal["constant", "cosine"] = Field("constant", description="how the rate goes on after the warm-up")
    warmup_epochs: float = Field(0.0, ge=0, le=1000, description="epochs in which the rate grows from a tenth of it")
    last_share: float = Field(0.01, ge=0, le=1, description="share of the rate that a cosine ends at")
    optimizer: Literal["adam", "adamw"] = Field("adam", description="adamw: with decoupled weight decay")
    weight_decay: float = Field(0.0, ge=0, le=1, description="of the kernels, for adamw")
    passes: int | None = Field(None, ge=1, description="copies of the pictures that it takes in turn; none: all")
    batch_norm: Literal["frozen", "train"] = Field("frozen", description="the trunk's own: as it came, or learning")
    soup: bool = Field(
        False,
        description="its end is averaged with where it began; the best of both and their mean is kept",
    )

    @field_validator("learns")
    @classmethod
    def _known(cls, value: str) -> str:
        kind, colon, rest = value.partition(":")
        is_number = kind == "top" and rest.isdecimal() and int(rest) > 0
        if not ((value in ("head", "all")) or is_number or (kind == "from" and colon and rest)):
            raise ValueError(f"is {value!r}, expected head, all, top:N or from:LAYER")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError("weight_decay needs optimizer: adamw")
        return self


class Pictures(_Section):
    """What the network is shown."""

    augmentation: Literal["own", "published", "field"] = Field(
        description="own: photographs as they are; published: rotation, zoom, flip; field: what a camera may see"
    )
    passes: int = Field(8, ge=1, le=1000, description="differently augmented copies that epochs take in turn")
    flip_horizontal: float = Field(0.0, ge=0, le=1, description="share of the pictures flipped when a batch is made")
    flip_vertical: float = Field(0.0, ge=0, le=1, description="the same, upside down")
    repeat_power: float = Field(
        0.0, ge=0, le=1, description="photographs of a rare label stand (median count / its count) ^ this times a pass"
    )
    repeat_most: int = Field(3, ge=1, le=100, description="at most so often")
    rendered: int = Field(0, ge=0, le=100_000, description="simulated items a pass")
    outliers: int = Field(0, ge=0, le=100_000, description="pictures of no waste a pass, with the uniform target")
    rendered_val: int = Field(240, ge=0, le=100_000, description="simulated items of validation")
    rendered_test: int = Field(600, ge=0, le=100_000, description="simulated items that check the finished model")


class Loss(_Section):
    """How an error counts. Cross-entropy of softmax outputs, always."""

    class_weights: Literal["none", "balanced", "power"] = Field(
        "none", description="of a label: 1, or in proportion to 1/count, or to count to the power of -class_power"
    )
    class_power: float = Field(0.5, ge=0, le=2, description="for class_weights: power")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all labels")
    mixup_alpha: float = Field(0.0, ge=0, le=10, description="of the beta distribution of mixtures; 0: no mixup")
    mixup_share: float = Field(0.5, ge=0, le=1, description="share of the batches that are mixed")
    outlier_weight: float = Field(1.0, ge=0, le=10, description="weight of a picture of no waste")


class Distillation(_Section):
    """A larger model that has been trained before, whose opinion of every picture is part of the target."""

    teacher: str = Field(
        min_length=1, description="its float model, as `edge-convert train` writes it: path of a .keras file"
    )
    share: float = Field(0.7, gt=0, le=1, description="of the teacher's opinion in the target; the label has the rest")
    temperature: float = Field(1.5, ge=0.5, le=10, description="that the teacher's logits are divided by")


class Recipe(_Section):
    """The choices of a training; the same recipe, data and machine give the same model."""

    name: str = Field(min_length=1, description="stands in reports and in the manifest")
    seed: int = Field(1, ge=0, description="of the split, the pictures, the head's first weights and the batches")
    network: NetworkPlan
    head: Head = Head()
    pictures: Pictures
    loss: Loss = Loss()
    distill: Distillation | None = Field(None, description="none: labels alone are learned from")
    start: str | None = Field(
        None,
        min_length=1,
        description="float model of a training that this MobileNetV2 is cut out of, instead of ImageNet's weights; "
        "with distill, its teacher unless given",
    )
    batch: int = Field(32, ge=1, le=4096, description="pictures a step")
    average: float = Field(0.0, ge=0, lt=1, description="momentum of the weights' moving average; 0: none")
    patience: int | None = Field(None, ge=1, description="a phase ends after so many epochs without a better one")
    best_by: Literal["f1", "loss"] = Field("f1", description="what makes an epoch the best, over the checks")
    phases: tuple[Phase, ...] = Field(min_length=1, strict=False, description="one after the other")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.network.family == "cnn" and any(phase.learns != "all" for phase in self.phases):
            raise ValueError("phases of a cnn must all say `learns: all`: it has no trained trunk")
        if self.phases[0].soup:
            raise ValueError("phases.0 cannot say `soup: true`: there is no phase before it")
        for before, phase in pairwise(self.phases):
            if phase.soup and not before.epochs:
                raise ValueError("a phase with `soup: true` needs epochs in the one before it")
        if self.start is not None and self.network.family != "mobilenet_v2":
            raise ValueError("start is for the family mobilenet_v2: no other can be cut out of a trained model")
        return self

    @property
    def origin(self) -> Path | None:
        """The trained float model that its first weights come from; None: ImageNet's, or none at all."""
        if self.network.family != "mobilenet_v2":
            return None
        if self.start is not None:
            return Path(self.start)
        return None if self.distill is None else Path(self.distill.teacher)

    def record(self) -> dict[str, Any]:
        """For JSON. Of the models that are learned from only the file's name: where it lay is this machine's own."""
        fields = self.model_dump(mode="json")
        if self.distill is not None:
            fields["distill"]["teacher"] = Path(self.distill.teacher).name
        if self.start is not None:
            fields["start"] = Path(self.start).name
        return fields

    def is_recorded_as(self, record: Any) -> bool:
        """True if `record` gave this one; what it does not say, as of an older version, has its default."""
        try:
            return Recipe.model_validate(record).record() == self.record()
        except ValueError:
            return False

    def settings(self, residue: Sequence[str] = ("trash",)) -> Settings:
        """What the later steps need of it."""
        pictures = self.pictures
        return Settings(
            seed=self.seed,
            side_px=self.network.side_px,
            alpha=self.network.width,
            augmentation=pictures.augmentation,
            repeat_power=pictures.repeat_power,
            repeat_most=pictures.repeat_most,
            rendered=pictures.rendered,
            outliers=pictures.outliers,
            rendered_val=pictures.rendered_val,
            rendered_test=pictures.rendered_test,
            residue=tuple(residue),
        )


def recipe_names() -> list[str]:
    """The shipped recipes, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_recipe(which: str = DEFAULT_RECIPE, changes: Sequence[str] = (), seed: int | None = None) -> Recipe:
    """Read a recipe.

    Args:
        which: name of a shipped one, or a path of a YAML file.
        changes: `key=value` for quick trials, dots between keys and places: `phases.0.epochs=1`.
        seed: instead of the recipe's.
    Raises: ConfigError with file, line, what was expected, what was found.
    """
    path = FOLDER / f"{which}.yaml" if which in recipe_names() else Path(which)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no recipe {which!r}; take a YAML file or one of {', '.join(recipe_names())}"
        ) from None
    except OSError as exc:
        raise ConfigError(f"cannot read recipe {path} ({exc.strerror}); check --recipe") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"recipe {path} is no UTF-8 text; check --recipe") from exc
    return changed(parse_recipe(text, str(path)), [*changes, *([] if seed is None else [f"seed={seed}"])])


def parse_recipe(text: str, name: str) -> Recipe:
    """The recipe in a YAML text; `name` stands in errors. Raises: ConfigError."""
    return parse_model(text, name, Recipe, "config/recipes")


def changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """A recipe with some values changed. Raises: ConfigError that names the change."""
    values = recipe.model_dump(mode="json")
    for change in changes:
        key, equals, text = change.partition("=")
        place: Any = values
        *parents, last = key.strip().split(".")
        try:
            for parent in parents:
                place = place[int(parent)] if isinstance(place, list) else place[parent]
            if (
                not equals
                or (isinstance(place, list) and int(last) >= len(place))
                or not isinstance(place, dict | list)
            ):
                raise KeyError(last)
        except (KeyError, ValueError, IndexError, TypeError):
            raise ConfigError(
                f"--set {change!r} is no KEY=VALUE of the recipe; write such as network.side_px=96"
            ) from None
        place[int(last) if isinstance(place, list) else last] = _value(text)
    try:
        return Recipe.model_validate(values)
    except ValidationError as exc:
        error = exc.errors()[0]
        message = "is no key of a recipe" if error["type"] == "extra_forbidden" else error["msg"]
        where = ".".join(str(part) for part in error["loc"]) or "the recipe"
        raise ConfigError(f"--set {where}: {message.removeprefix('Value error, ')}") from exc


def _value(text: str) -> Any:
    """A YAML scalar or list; `1e-3`, which YAML takes for text, is a number too."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ConfigError(f"--set value {text!r} is no YAML ({str(exc).splitlines()[0]})") from exc
    try:
        return float(found) if isinstance(found, str) else found
    except ValueError:
        return found
