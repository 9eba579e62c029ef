"""The phases and epochs of a training: steps, checks, the best epoch, and a state that can be gone on from."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.average import MovingAverage, assign, read
from convert.batches import batches, make_batch, rate_at, show, targets_of
from convert.cache import ArrayCache
from convert.checkpoint import Progress, fits, save_progress
from convert.checks import as_line, figures, merit
from convert.distill import Teacher
from convert.network import Learner, Network, learner, to_real
from convert.pictures import Example
from convert.recipe import Phase, Recipe
from convert.soup import mean_weights
from edge.errors import ConfigError

__all__ = ["Fit"]

CHUNK = 64
REPORT_S = 20.0
_MIB = 1 << 20
_Float = npt.NDArray[np.float32]


class Fit:
    """One training. Its `progress` is, between epochs, all that is needed to go on with it."""

    def __init__(
        self,
        *,
        recipe: Recipe,
        network: Network,
        labels: Sequence[str],
        weight: _Float,
        passes: Callable[[int], list[Example]],
        checks: dict[str, list[Example]],
        cache: ArrayCache,
        say: Callable[[str], None],
        save_to: tuple[Path, str],
        progress: Progress | None,
        teacher: Teacher | None = None,
    ) -> None:
        """Nothing is drawn or learned yet.

        Args:
            weight: (labels,) float32.
            passes: the examples of a pass, by number.
            save_to: file of the checkpoint, and the key that it is saved under.
            progress: of an earlier call, to go on from.
            teacher: whose opinion is part of the targets.
        """
        self.progress = progress or Progress()
        self._is_resumed = progress is not None
        self.is_saved = progress is not None
        """True once there is a checkpoint of this training to go on from."""
        self._recipe, self._network, self._labels, self._weight = recipe, network, tuple(labels), weight
        self._passes, self._checks, self._cache, self._say = passes, checks, cache, say
        self._save_to, self._teacher = save_to, teacher
        self._begun_s = time.monotonic() - self.progress.trained_s

    def run(self) -> None:
        """Go through what is left of the phases; the network then has the weights of the best epoch.

        Raises: ConfigError if the disk has no room for the pictures, or the checkpoint does not fit.
        """
        whole, phases = self._network.whole, self._recipe.phases
        if self._is_resumed:
            self._restore(whole.weights, self.progress.weights)
            where = f"in phase {self.progress.phase + 1} after epoch {self.progress.epoch}"
            self._say(f"going on {where if self.progress.phase < len(phases) else 'after the last epoch'}")
        for number in range(self.progress.phase, len(phases)):
            if phases[number].epochs:
                self._phase(number, phases[number])
            self.progress.phase, self.progress.epoch = number + 1, 0
            self._save()

    def _phase(self, number: int, phase: Phase) -> None:
        progress, whole = self.progress, self._network.whole
        part = learner(self._network, phase, self._recipe.network.side_px)
        self._announce(number, phase, part)
        model = part.model
        if not progress.epoch:
            self._begin(phase)
        _compile(model, phase, self._recipe.loss.label_smoothing)
        average = MovingAverage([*model.trainable_variables, *part.statistics], self._recipe.average)
        others = _others(model, whole)
        if self._is_resumed and progress.others:
            # Dropout draws on from phase to phase.
            self._restore(others, progress.others)
        self._is_resumed = False
        if progress.epoch:
            self._restore(model.optimizer.variables, progress.optimizer)
            self._restore(average.values, progress.average, is_array=True)
            average.values, average.steps = progress.average, progress.steps
        else:
            found = self._check(number, part)
            progress.history.append({"phase": number + 1, "epoch": 0, **found})
            progress.best_merit, progress.since_best = merit(found, self._recipe.best_by), 0
            progress.best = whole.get_weights()
            self._say(f"phase {number + 1}/{len(self._recipe.phases)}, epoch 0: {as_line(found)}")
        began_s, done = time.monotonic(), 0
        while progress.epoch < phase.epochs and not self._is_patience_over(phase):
            losses = self._epoch(number, phase, part, average)
            learning = average.swap_in()
            found = self._check(number, part)
            progress.epoch, done = progress.epoch + 1, done + 1
            self._rate_epoch(number, found, float(np.mean(losses)))
            average.swap_out(learning)
            progress.average, progress.steps = average.values, average.steps
            progress.optimizer, progress.others = read(model.optimizer.variables), read(others)
            self._save()
            left = self._time_left(number, (time.monotonic() - began_s) / done)
            self._say(
                f"phase {number + 1}/{len(self._recipe.phases)}, epoch {progress.epoch}/{phase.epochs}: "
                f"loss {np.mean(losses):.3f}, {as_line(found)}, {left}"
            )
        if self._is_patience_over(phase):
            self._say(f"no better epoch in {self._recipe.patience}: the phase ends early")
        whole.set_weights(progress.best)
        if phase.soup:
            self._stir(number, part)
        progress.optimizer, progress.average, progress.steps = [], [], 0
        self._cache.forget(f"features-{number}-")

    def _time_left(self, number: int, epoch_s: float) -> str:
        """Of the phase, and of the training where all that follows learns the same layers and so takes as long."""
        phase, later = self._recipe.phases[number], self._recipe.phases[number + 1 :]
        left = phase.epochs - self.progress.epoch
        text = f"{left * epoch_s / 60:.1f} min left in this phase"
        if not later or any(one.learns != phase.learns for one in later):
            return text
        return f"{text}, {(left + sum(one.epochs for one in later)) * epoch_s / 60:.0f} min in all"

    def _begin(self, phase: Phase) -> None:
        """Set aside what a phase with `soup: true` is averaged with in the end: what the phases before came to."""
        progress = self.progress
        if phase.soup:
            progress.soup = self._network.whole.get_weights()
        else:
            progress.soup, progress.members = [], 1

    def _stir(self, number: int, part: Learner) -> None:
        """Keep the best of: what the phases before came to, what this one did, and the mean of all members.

        A phase that goes up in rate and down again ends in another place of the same valley, and the mean of such
        places often generalizes better than each (Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
        Generalization", UAI 2018); where it does not, it is left out, as in the greedy soup of Wortsman et al. (2022).
        """
        progress, whole = self.progress, self._network.whole
        mean = mean_weights([*[progress.soup] * progress.members, progress.best])
        choices = {"before": progress.soup, "this phase": progress.best, "mean": mean}
        found: dict[str, dict[str, float]] = {}
        for name, weights in choices.items():
            whole.set_weights(weights)
            found[name] = self._check(number, part)
            self._say(f"phase {number + 1}, {name}: {as_line(found[name])}")
        taken = max(found, key=lambda name: merit(found[name], self._recipe.best_by))
        whole.set_weights(choices[taken])
        progress.members = {"before": progress.members, "this phase": 1, "mean": progress.members + 1}[taken]
        kept = {"soup": taken, "members": progress.members}
        progress.history.append({"phase": number + 1, "epoch": progress.epoch, **kept, **found[taken]})
        self._say(f"taken: {taken}")

    def _is_patience_over(self, phase: Phase) -> bool:
        """Never of a phase that is to be averaged: it gets worse before it gets better."""
        patience = self._recipe.patience
        return patience is not None and not phase.soup and self.progress.since_best >= patience

    def _rate_epoch(self, number: int, found: dict[str, float], loss: float) -> None:
        progress = self.progress
        rated = merit(found, self._recipe.best_by)
        progress.history.append({"phase": number + 1, "epoch": progress.epoch, "loss": round(loss, 4), **found})
        is_kept = rated >= progress.best_merit  # of equals the later one, which saw more
        progress.since_best = 0 if rated > progress.best_merit else progress.since_best + 1
        progress.best_merit = max(rated, progress.best_merit)
        # A phase that is to be averaged counts with its end: near its beginning it is all but what it is averaged with.
        if is_kept or self._recipe.phases[number].soup:
            progress.best = self._network.whole.get_weights()

    def _epoch(self, number: int, phase: Phase, part: Learner, average: MovingAverage) -> list[float]:
        epoch, recipe = self.progress.epoch, self._recipe
        passes = self._passes_of(phase)
        examples = self._passes(epoch % passes)
        name = f"pass-{epoch % passes:03d}"
        inputs = self._inputs(number, part, name, examples)
        if epoch + 1 < phase.epochs:
            following = (epoch + 1) % passes
            self._cache.draw_ahead(f"pass-{following:03d}", self._passes(following))
        shown = show(inputs, targets_of(examples, self._labels), self._weight, recipe.loss)
        if self._teacher is not None:
            opinion = partial(self._teacher.logits, examples)
            logits = self._cache.features(f"teacher-{name}", opinion, len(examples))
            shown = self._teacher.soften(shown, examples, logits)
        # A generator of its own for every epoch, so that a resumed training needs none of the earlier draws.
        rng = np.random.default_rng([recipe.seed, number + 1, epoch])
        rows = batches(len(examples), recipe.batch, rng)
        losses: list[float] = []
        reported_s = time.monotonic()
        for step, chosen in enumerate(rows):
            part.model.optimizer.learning_rate = rate_at(phase, epoch * len(rows) + step, len(rows))
            batch = make_batch(shown, chosen, recipe.pictures, recipe.loss, rng)
            loss = part.model.train_on_batch(batch.inputs, batch.targets, sample_weight=batch.weights)
            losses.append(float(np.asarray(loss).reshape(-1)[0]))
            if not np.isfinite(losses[-1]):
                raise ConfigError(f"the loss is {losses[-1]} in epoch {epoch + 1}; take a smaller rate in the recipe")
            average.update()
            if time.monotonic() - reported_s >= REPORT_S:
                reported_s = time.monotonic()
                self._say(f"epoch {epoch + 1}: step {step + 1}/{len(rows)}, loss {np.mean(losses):.3f}")
        return losses

    def _inputs(self, number: int, part: Learner, name: str, examples: Sequence[Example]) -> npt.NDArray[Any]:
        """Pictures, or where a trunk is frozen what it makes of them."""
        if part.trunk is None:
            return self._cache.pictures(name, examples)

        def features() -> Iterator[npt.NDArray[Any]]:
            pixels = self._cache.pictures(name, examples)
            for start in range(0, len(pixels), CHUNK):
                yield _predict(part.trunk, pixels[start : start + CHUNK])

        return self._cache.features(f"features-{number}-{name}", features, len(examples))

    def _check(self, number: int, part: Learner) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, examples in self._checks.items():
            inputs = self._inputs(number, part, f"check-{name}", examples)
            targets = targets_of(examples, self._labels)
            parts = [_predict(part.model, inputs[start : start + CHUNK]) for start in range(0, len(inputs), CHUNK)]
            found.update(figures(name, np.concatenate(parts).astype(np.float64), targets))
        return found

    def _announce(self, number: int, phase: Phase, part: Learner) -> None:
        """Say what the phase will do, and make sure of the room that it needs."""
        each = len(self._passes(0))
        names = {f"pass-{one:03d}": each for one in range(self._passes_of(phase))}
        names |= {f"check-{name}": len(examples) for name, examples in self._checks.items()}
        side_px = self._recipe.network.side_px
        sizes = {name: rows * side_px * side_px * 3 for name, rows in names.items()}
        if part.trunk is not None:
            one = 2 * int(np.prod(part.trunk.output.shape[1:]))
            sizes |= {f"features-{number}-{name}": rows * one for name, rows in names.items()}
        missing = self._cache.need(sizes)
        learned = sum(int(np.prod(variable.shape)) for variable in part.model.trainable_variables)
        self._say(
            f"phase {number + 1}/{len(self._recipe.phases)}: {phase.learns} learns, {learned / 1e6:.2f} M weights, "
            f"{phase.epochs} epochs of {each} pictures; {missing / _MIB:.0f} MiB of pictures to draw"
        )

    def _passes_of(self, phase: Phase) -> int:
        wanted = self._recipe.pictures.passes if phase.passes is None else phase.passes
        return max(1, min(wanted, self._recipe.pictures.passes, phase.epochs))

    def _restore(self, variables: Sequence[Any], values: list[npt.NDArray[Any]], *, is_array: bool = False) -> None:
        if not fits(variables, values):
            raise ConfigError(f"{self._save_to[0]} does not fit the network; pass --restart to begin the training anew")
        if not is_array:
            assign(variables, values)

    def _save(self) -> None:
        self.progress.weights = self._network.whole.get_weights()
        self.progress.trained_s = time.monotonic() - self._begun_s
        path, key = self._save_to
        save_progress(path, key, self._recipe.record(), self.progress)
        self.is_saved = True


def _compile(model: Any, phase: Phase, label_smoothing: float) -> None:
    import keras

    if phase.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(phase.rate, weight_decay=phase.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    else:
        optimizer = keras.optimizers.Adam(phase.rate)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)
    # On a CPU, TensorFlow's XLA takes ten times as long for these convolutions, and minutes to compile.
    model.compile(optimizer=optimizer, loss=loss, jit_compile=keras.backend.backend() == "jax")
    optimizer.build(model.trainable_variables)


def _others(model: Any, whole: Any) -> list[Any]:
    """State of the model that is no weight of the network: that of dropout."""
    known = {id(variable) for variable in whole.weights}
    return [variable for variable in model.variables if id(variable) not in known]


def _predict(model: Any, rows: npt.NDArray[Any]) -> _Float:
    inputs = to_real(rows) if rows.dtype == np.uint8 else rows.astype(np.float32)
    return np.asarray(model.predict_on_batch(inputs), dtype=np.float32)
