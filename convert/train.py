"""Training: a head on frozen features first, then the upper layers with it.

Only Keras's backend-neutral interface is used; the pictures come as NumPy batches.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.dataset import Split
from convert.files import replacing
from convert.network import Network, build_network, to_real
from convert.pictures import Example, augmented, chunks, plain, rendered_examples, repeats, training_pass
from convert.scores import confusion, macro_f1
from convert.settings import Settings, Workspace

__all__ = ["class_weights", "train"]

_log = logging.getLogger(__name__)
Say = Callable[[str], None]
_Float = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bank:
    """Pictures that went through the trunk.

    Attributes:
        features: (N, h, w, c) float16.
        targets: (N,) index of the label.
    """

    features: npt.NDArray[np.float16]
    targets: npt.NDArray[np.int64]


def train(
    root: Path, split: Split, settings: Settings, weights: str | None, work: Workspace, say: Say
) -> dict[str, Any]:
    """Train and write the float model into the work folder.

    Args:
        root: folder of the class folders.
        weights: ImageNet weights, see `find_weights`.
        say: takes one line of progress.
    Returns: settings, class weights, history and time, ready for JSON.
    """
    import keras

    start_s = time.monotonic()
    keras.utils.set_random_seed(settings.seed)
    network = build_network(settings, len(split.labels), weights)
    passes, checks = collect(network, root, split, settings, say)
    weight = class_weights(split, settings.class_power)
    _train_head(network, passes, settings, weight, say)
    history = _fine_tune(network, passes, checks, settings, weight, say)
    report = {
        "settings": asdict(settings),
        "class_weights": dict(zip(split.labels, np.round(weight, 3).tolist(), strict=True)),
        "pictures_per_pass": len(passes[0].targets),
        "history": history,
        "train_s": round(time.monotonic() - start_s),
    }
    with replacing(work.float_model) as partial:
        network.whole.save(partial)
    return report


def collect(
    network: Network, root: Path, split: Split, settings: Settings, say: Say
) -> tuple[list[Bank], dict[str, Bank]]:
    """Draw all pictures and send them through the trunk: the passes of training, and the sets that check them."""

    def bank(examples: Sequence[Example], what: str) -> Bank:
        return _bank(network, examples, split.labels, settings, say, what)

    passes = [
        bank(training_pass(root, split, settings, number), f"pass {number + 1}/{settings.passes}")
        for number in range(settings.passes)
    ]
    photos = split.part("val")
    checks = {
        "photos": bank(plain(root, photos), "validation, plain"),
        "augmented": bank(augmented(root, photos, settings.seed, "val"), "validation, augmented"),
    }
    simulated = rendered_examples(split.labels, settings.rendered_val, settings.seed, "val", is_degraded=False)
    if simulated:
        checks["rendered"] = bank(simulated, "validation, rendered")
    return passes, checks


def class_weights(split: Split, power: float) -> _Float:
    """Weigh rarer labels more, mildly: (labels,) float32, the mean over the photographs of a pass 1."""
    times = repeats(split)
    counts = np.array([split.counts()["train"][label] * times[label] for label in split.labels], np.float32)
    weight = np.maximum(counts, 1) ** -power
    return np.asarray(weight * counts.sum() / (weight * counts).sum(), dtype=np.float32)


def _bank(
    network: Network,
    examples: Sequence[Example],
    labels: Sequence[str],
    settings: Settings,
    say: Say,
    what: str,
) -> Bank:
    start_s = time.monotonic()
    parts = []
    for pixels in chunks(examples, settings.side_px):
        parts.append(np.asarray(network.trunk.predict_on_batch(to_real(pixels)), dtype=np.float16))
    say(f"{what}: {len(examples)} pictures in {time.monotonic() - start_s:.0f} s")
    return Bank(np.concatenate(parts), np.array([labels.index(example.label) for example in examples]))


def _train_head(network: Network, passes: Sequence[Bank], settings: Settings, weight: _Float, say: Say) -> None:
    """First phase: the pooled features of two passes are fixed, so the head learns in seconds."""
    import keras

    if not settings.epochs_frozen:
        return
    used = passes[:2]
    features = np.concatenate([_predict(network.pooled, bank.features, settings.batch) for bank in used])
    targets = np.concatenate([bank.targets for bank in used])
    steps = settings.epochs_frozen * -(-len(targets) // settings.batch)
    network.head.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(settings.head_rate, steps)),
        loss=_loss(settings),
    )
    rng = np.random.default_rng([settings.seed, 1])
    hot = np.eye(len(weight), dtype=np.float32)[targets]
    losses = [0.0]
    for _ in range(settings.epochs_frozen):
        losses = [
            float(network.head.train_on_batch(features[rows], hot[rows], sample_weight=weight[targets[rows]]))
            for rows in _batches(rng, len(targets), settings.batch)
        ]
    say(f"head: {settings.epochs_frozen} epochs, loss {np.mean(losses):.3f}")


def _fine_tune(
    network: Network,
    passes: Sequence[Bank],
    checks: dict[str, Bank],
    settings: Settings,
    weight: _Float,
    say: Say,
) -> list[dict[str, float]]:
    """Second phase. Leaves the weights of the best epoch, by macro-F1 over all checks, in the network."""
    import keras

    model = network.upper
    longest = max(len(bank.targets) for bank in passes)
    steps = max(1, settings.epochs_fine * -(-longest // settings.batch))
    rate = keras.optimizers.schedules.CosineDecay(settings.fine_rate, steps, alpha=0.02)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=_loss(settings))
    average = MovingAverage(model, settings.average)
    rng = np.random.default_rng([settings.seed, 2])
    start_s = time.monotonic()
    history = [_check(model, checks)]
    best, best_weights = _merit(history[0]), model.get_weights()
    say(f"epoch 0: {_line(history[0])}")
    for epoch in range(settings.epochs_fine):
        bank = passes[epoch % len(passes)]
        hot = np.eye(len(weight), dtype=np.float32)[bank.targets]
        losses = []
        for rows in _batches(rng, len(bank.targets), settings.batch):
            features = bank.features[rows].astype(np.float32)
            losses.append(float(model.train_on_batch(features, hot[rows], sample_weight=weight[bank.targets[rows]])))
            average.update()
        loss = float(np.mean(losses))
        learning = average.swap_in()
        found = _check(model, checks)
        if _merit(found) >= best:
            best, best_weights = _merit(found), model.get_weights()
        average.swap_out(learning)
        history.append({"epoch": epoch + 1, "loss": round(loss, 4), **found})
        done = (time.monotonic() - start_s) / (epoch + 1)
        left_s = done * (settings.epochs_fine - epoch - 1)
        say(f"epoch {epoch + 1}/{settings.epochs_fine}: loss {loss:.3f}, {_line(found)}, {left_s / 60:.1f} min left")
    model.set_weights(best_weights)
    return history


class MovingAverage:
    """A moving average of a model's trainable weights; it is what gets validated and shipped."""

    def __init__(self, model: Any, momentum: float) -> None:
        self._variables = model.trainable_variables
        self._momentum = momentum
        self._steps = 0
        self._values = self._read()

    def update(self) -> None:
        """Take the present weights in; young averages forget faster."""
        self._steps += 1
        keep = min(self._momentum, self._steps / (self._steps + 10))
        for value, present in zip(self._values, self._read(), strict=True):
            value *= keep
            value += (1 - keep) * present

    def swap_in(self) -> list[_Float]:
        """Put the average into the model; returns what was there."""
        present = self._read()
        self.swap_out(self._values)
        return present

    def swap_out(self, values: Sequence[_Float]) -> None:
        """Put these values into the model."""
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    def _read(self) -> list[_Float]:
        import keras

        return [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables]


def _loss(settings: Settings) -> Any:
    import keras

    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing)


def _batches(rng: np.random.Generator, number: int, size: int) -> list[npt.NDArray[np.int64]]:
    """All rows once, shuffled. A last batch of a single row is dropped, for it would pull too hard."""
    order = rng.permutation(number)
    rows = [order[start : start + size] for start in range(0, number, size)]
    return rows if len(rows) == 1 or len(rows[-1]) > 1 else rows[:-1]


def _predict(model: Any, features: npt.NDArray[Any], batch: int) -> _Float:
    parts = [
        np.asarray(model.predict_on_batch(features[start : start + batch].astype(np.float32)))
        for start in range(0, len(features), batch)
    ]
    return np.concatenate(parts)


def _check(model: Any, checks: dict[str, Bank]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, bank in checks.items():
        logits = _predict(model, bank.features, 64).astype(np.float64)
        table = confusion(bank.targets, logits.argmax(1), logits.shape[1])
        shifted = logits - logits.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        found[f"{name}_loss"] = round(float(-log_p[np.arange(len(log_p)), bank.targets].mean()), 4)
        found[f"{name}_accuracy"] = round(float(np.trace(table) / table.sum()), 4)
        found[f"{name}_f1"] = round(macro_f1(table), 4)
    return found


def _merit(found: dict[str, float]) -> float:
    """Rate an epoch: mean macro-F1 on plain and on bent photographs, and on simulated items."""
    scores = [value for name, value in found.items() if name.endswith("_f1")]
    return sum(scores) / len(scores)


def _line(found: dict[str, float]) -> str:
    return ", ".join(f"{name[:-3]} F1 {value:.3f}" for name, value in found.items() if name.endswith("_f1"))
