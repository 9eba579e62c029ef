"""What width and input size cost and bring: the same short training for each, accuracy and time side by side."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from convert.dataset import Split, class_root
from convert.equalize import equalize
from convert.files import replacing, sources_digest, write_text
from convert.fold import fold_batch_norm
from convert.pictures import chunks, plain
from convert.quantize import load_float, quantize, representative_pictures, tensors
from convert.recipe import Recipe, changed
from convert.scores import binary_scores, label_scores, softmax
from convert.settings import Workspace
from convert.train import forget_training, train, training_key
from edge.classify.interpreters import open_interpreter
from edge.errors import ConfigError
from edge.preprocess import Preprocessor
from edge.records import BgrImage

__all__ = ["Variant", "as_json", "frame_times", "markdown", "measure_variants"]

ROUNDS = 60
"""Timed turns; in each, every model classifies one camera frame, one after the other."""
FRAME_PX = (480, 640)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Variant:
    """A row of the table.

    Attributes:
        width, side_px: of the network and its input.
        size_bytes: of the int8 model.
        labels, routes: share of the validation photographs with the right label and the right route, int8; `routes` is
            None where no label is residue.
        macro_f1: of the labels.
        frame_ms: median processor time from a 640 x 480 frame to the logits, one thread.
        speed: that time of the slowest variant over this one's.
    """

    width: float
    side_px: int
    size_bytes: int
    labels: float
    routes: float | None
    macro_f1: float
    frame_ms: float
    speed: float


def measure_variants(
    data: Path,
    split: Split,
    recipe: Recipe,
    sizes: Sequence[tuple[float, int]],
    folder: Path,
    say: Say,
    residue: tuple[str, ...] = ("trash",),
) -> list[Variant]:
    """Train, quantize and measure every (width, side in px); what an earlier call finished is taken over.

    Args:
        data: folder of the photographs, as the user named it.
        recipe: its network's width and side are replaced.
        folder: of the models and everything in between; the split of the recipe's `start` must be the same.
    Raises: ConfigError as `train` does.
    """
    models: dict[tuple[float, int], bytes] = {}
    by_side = sorted(set(sizes), key=lambda size: (size[1], size[0]))
    recipes = {size: _resized(recipe, size) for size in by_side}
    for number, size in enumerate(by_side, 1):
        say(f"variant {number} of {len(by_side)}: width {size[0]:g}, {size[1]} px")
        models[size] = _model(data, split, recipes[size], folder, say, residue)
        if number == len(by_side) or by_side[number][1] != size[1]:
            # The pictures of a side serve all of its widths; the next side draws its own.
            forget_training(Workspace(folder / str(size[1])), split, recipes[size])
    times = frame_times(models)
    slowest = max(times.values())
    rows = []
    for (width, side_px), model in models.items():
        labels, routes, f1 = _accuracy(data, split, model, side_px, residue)
        spent = times[width, side_px]
        rows.append(Variant(width, side_px, len(model), labels, routes, f1, spent * 1e3, slowest / spent))
    return sorted(rows, key=lambda row: -row.frame_ms)


def _resized(recipe: Recipe, size: tuple[float, int]) -> Recipe:
    """Raises: ConfigError if there is no such network, before the first one is trained."""
    width, side_px = size
    try:
        return changed(recipe, [f"network.width={width}", f"network.side_px={side_px}"])
    except ConfigError as exc:
        raise ConfigError(
            f"width {width:g} at {side_px} px cannot be trained ({exc}); check --widths and --sides"
        ) from exc


def _model(data: Path, split: Split, recipe: Recipe, folder: Path, say: Say, residue: tuple[str, ...]) -> bytes:
    side_px = recipe.network.side_px
    finished = folder / f"{recipe.network.width:g}-{side_px}.tflite"
    record = finished.with_suffix(".json")
    code = sources_digest(("convert.fold", "convert.equalize", "convert.quantize"))
    key = "-".join((training_key(split, recipe, None), code))
    if finished.is_file() and record.is_file() and json.loads(record.read_text(encoding="utf-8")) == {"key": key}:
        say(f"{finished.name} is there")
        return finished.read_bytes()
    work = Workspace(folder / str(side_px))
    work.folder.mkdir(parents=True, exist_ok=True)
    write_text(work.split, (folder / "split.json").read_text(encoding="utf-8"))
    train(class_root(data), split, recipe, None, work, say, residue=residue)
    settings = recipe.settings(residue)
    representative = representative_pictures(data, split, settings)
    model = quantize(equalize(fold_batch_norm(load_float(work.float_model)).model, representative), representative)
    record.unlink(missing_ok=True)
    with replacing(finished) as partial:
        partial.write_bytes(model)
    write_text(record, json.dumps({"key": key}) + "\n")
    forget_training(work, split, recipe, keeps_cache=True)
    return model


def frame_times(models: dict[tuple[float, int], bytes]) -> dict[tuple[float, int], float]:
    """Median seconds of processor time from a camera frame to the logits, the models in turn; one thread."""
    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        runs = {size: _classifier(model) for size, model in models.items()}
        frame = np.random.default_rng(0).integers(0, 256, (*FRAME_PX, 3), dtype=np.uint8)
        times: dict[tuple[float, int], list[int]] = {size: [] for size in models}
        for turn in range(ROUNDS + 1):
            for size, run in runs.items():
                start_ns = time.thread_time_ns()
                run(frame)
                if turn:  # the first inference also packs weights
                    times[size].append(time.thread_time_ns() - start_ns)
        return {size: float(np.median(found)) / 1e9 for size, found in times.items()}
    finally:
        cv2.setNumThreads(threads_before)


def _classifier(model: bytes) -> Callable[[BgrImage], npt.NDArray[Any]]:
    """From a frame to the raw logits, as the device does it."""
    interpreter = open_interpreter("litert", model, threads=1)
    source = interpreter.tensor(interpreter.get_input_details()[0]["index"])
    target = interpreter.tensor(interpreter.get_output_details()[0]["index"])
    preprocess = Preprocessor(tensors(model)[0].spec())

    def classify(frame: BgrImage) -> npt.NDArray[Any]:
        preprocess(frame, out=source())
        interpreter.invoke()
        return np.array(target()[0])

    return classify


def _accuracy(
    data: Path, split: Split, model: bytes, side_px: int, residue: tuple[str, ...]
) -> tuple[float, float | None, float]:
    """Labels, routes and the labels' macro-F1 on the validation photographs, as int8."""
    examples = plain(class_root(data), split.part("val"))
    truth = np.array([split.labels.index(str(example.label)) for example in examples])
    _, output = tensors(model)
    classify = _classifier(model)
    # Resized by `chunks`, in several threads; a picture of the input's own size is not resized again.
    rows = [classify(pixels[..., ::-1]) for part in chunks(examples, side_px) for pixels in part]
    logits = (np.array(rows, np.float64) - output.zero_point) * output.scale
    probabilities = softmax(logits, 1.0)
    labels = label_scores(truth, probabilities.argmax(axis=1), split.labels)
    routes = binary_scores(truth, probabilities, split.labels, residue)
    return labels["accuracy"], routes.get("accuracy"), labels["macro_f1"]


def as_json(rows: Sequence[Variant], n: int) -> dict[str, Any]:
    """The rows and how many photographs they are about."""
    return {"val_n": n, "variants": [asdict(row) for row in rows]}


def markdown(rows: Sequence[Variant], n: int) -> str:
    """The rows as a table, the slowest first."""
    lines = [
        f"Labels and routes right on {n} validation photographs, int8; processor time from a 640 x 480 frame to the "
        "logits, one thread, the models in turn. Each had the same short training.",
        "",
        "| width | input | model | frame to logits | times as fast | labels | macro-F1 | routes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        routes = "–" if row.routes is None else f"{row.routes:.1%}"
        lines.append(
            f"| {row.width:g} | {row.side_px} | {row.size_bytes / 1e6:.2f} MB | {row.frame_ms:.2f} ms "
            f"| {row.speed:.2f} | {row.labels:.1%} | {row.macro_f1:.3f} | {routes} |"
        )
    return "\n".join(lines) + "\n"
