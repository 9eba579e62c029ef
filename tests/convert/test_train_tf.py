"""Training on tiny made pictures: every recipe runs, what learns is what shall, and an interruption costs nothing."""

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import convert.fit
import convert.train
from convert.dataset import Split, make_split
from convert.network import Network, build_network, learner
from convert.recipe import Phase, Recipe, load_recipe, recipe_names
from convert.settings import Workspace
from convert.train import forget_training, train

# TensorFlow's variables do not know NumPy 2's `copy` yet; Keras meets that when it saves.
pytestmark = [
    pytest.mark.convert,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]
keras = pytest.importorskip("keras")

LABELS = ("glass", "paper", "trash")
LEAST = ["pictures.passes=1", "batch=4", "average=0.5"]
SMALL = {"mobilenet_v2": ["network.width=0.35", "network.side_px=32"], "vgg16": ["network.side_px=32"]}
SMALL |= {"xception": ["network.side_px=96"], "cnn": ["network.side_px=50", "network.width=0.2"]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of one colour each, with noise."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(1)
    for place, label in enumerate(LABELS):
        (folder / label).mkdir()
        for number in range(8):
            picture = rng.integers(0, 120, (48, 64, 3), dtype=np.uint8)
            picture[..., place] += 100
            cv2.imwrite(str(folder / label / f"{label}{number * 50}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def split(root: Path) -> Split:
    return make_split(root, 1)


def small(name: str, *changes: str) -> Recipe:
    recipe = load_recipe(name)
    given = [*SMALL[recipe.network.family], *LEAST, "pictures.rendered=0", "pictures.outliers=3"]
    epochs = [f"phases.{place}.epochs=1" for place in range(len(recipe.phases))]
    return load_recipe(name, [*given, *epochs, *changes])


def run(root: Path, split: Split, recipe: Recipe, folder: Path, **options: Any) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    return train(root, split, recipe, None, Workspace(folder), said.append, **options), said


@pytest.mark.parametrize("name", [name for name in recipe_names() if load_recipe(name).distill is None])
def test_a_shipped_recipe_trains_and_gives_logits_of_the_same_input(
    name: str, root: Path, split: Split, tmp_path: Path
) -> None:
    recipe = small(name)
    report, said = run(root, split, recipe, tmp_path)
    epochs = [(row["phase"], row["epoch"]) for row in report["history"] if "soup" not in row]
    assert epochs == [(phase, epoch) for phase in range(1, len(recipe.phases) + 1) for epoch in (0, 1)]
    model = keras.models.load_model(tmp_path / "float.keras", compile=False)
    side_px = recipe.network.side_px
    logits = np.asarray(model(np.random.default_rng(1).uniform(-1, 1, (2, side_px, side_px, 3)).astype(np.float32)))
    assert logits.shape == (2, 3)
    assert np.isfinite(logits).all()
    assert any("no ImageNet weights" in line for line in said) == (recipe.network.family != "cnn")
    assert report["recipe"]["name"] == name
    assert (tmp_path / "cache").exists()
    forget_training(Workspace(tmp_path), split, recipe)
    left = {path.name for path in tmp_path.iterdir()}
    assert left - {"curves.png"} == {"float.keras"}


def test_colours_are_learned(root: Path, split: Split, tmp_path: Path) -> None:
    recipe = small("cnn", "phases.0.epochs=25", "average=0", "pictures.outliers=0", "network.width=0.5")
    report, _ = run(root, split, recipe, tmp_path)
    first, last = report["history"][0], report["history"][-1]
    assert last["loss"] < first["photos_loss"] / 2
    assert last["photos_accuracy"] == 1.0


@pytest.mark.parametrize("learns", ["head", "top:30", "from:block_3_expand", "all"])
def test_a_learner_computes_what_the_whole_network_does(learns: str) -> None:
    network = build_network(small("ours"), 3, None)
    stir(network)
    part = learner(network, Phase(learns=learns, epochs=1, rate=0.1), 32)
    picture = np.random.default_rng(1).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    features = picture if part.trunk is None else part.trunk(picture)
    wanted = np.asarray(network.whole(picture))
    assert np.ptp(wanted, axis=0).max() > 0.01
    np.testing.assert_allclose(np.asarray(part.model(features)), wanted, rtol=1e-4, atol=1e-4)


def stir(network: Network) -> None:
    """Scale the kernels so that a signal does not fade on its way up, as it does through the weights Keras draws."""
    for variable in network.base.weights:
        if variable.path.endswith("kernel"):
            is_depthwise = variable.shape[0] == 3 and variable.shape[3] == 1
            variable.assign(variable.numpy() * 1.45 * (variable.shape[2] ** 0.5 if is_depthwise else 1.0))


@pytest.mark.parametrize(
    ("learns", "mode"), [("head", "frozen"), ("top:30", "frozen"), ("top:30", "train"), ("all", "train")]
)
def test_what_learns_is_what_the_phase_says(learns: str, mode: str) -> None:
    network = build_network(small("ours"), 3, None)
    layers = network.base.layers
    part = learner(network, Phase(learns=learns, epochs=1, rate=0.01, batch_norm=mode), 32)
    first = {"head": len(layers), "top:30": len(layers) - 30, "all": 0}[learns]
    lower = {id(variable) for layer in layers[:first] for variable in layer.weights}
    upper = [layer for layer in layers[first:] if layer.weights]
    is_norm = {layer.name: isinstance(layer, keras.layers.BatchNormalization) for layer in upper}
    expected = {v.path for layer in upper if mode == "train" or not is_norm[layer.name] for v in layer.weights}
    expected = {path for path in expected if "moving" not in path}
    found = {v.path for v in part.model.trainable_variables}
    assert found == expected | {"logits/kernel", "logits/bias"}
    assert not lower & {id(v) for v in part.model.trainable_variables}
    norms = sum(is_norm.values()) if mode == "train" else 0
    assert len(part.statistics) == 2 * norms


def test_a_phase_moves_what_learns_and_nothing_else(
    root: Path, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Network] = []
    before: dict[str, np.ndarray] = {}

    def stirred(*given: Any) -> Network:
        kept.append(build_network(*given))
        stir(kept[0])
        before.update({variable.path: np.array(variable.numpy()) for variable in kept[0].whole.weights})
        return kept[0]

    monkeypatch.setattr(convert.train, "build_network", stirred)
    marks = iter(range(100))
    monkeypatch.setattr(convert.fit, "merit", lambda found, best_by: next(marks))  # the last epoch is the best
    run(root, split, small("mobilenetv2-finetuned", "phases.1.rate=0.01"), tmp_path)
    lower = {variable.path for layer in kept[0].base.layers[:-30] for variable in layer.weights}
    for variable in kept[0].whole.weights:
        has_moved = bool((variable.numpy() != before[variable.path]).any())
        if variable.path in lower or "moving_" in variable.path:
            assert not has_moved, variable.path
        elif variable.path.endswith("kernel"):
            assert has_moved, variable.path


def test_vgg16_gets_the_numbers_that_its_weights_want() -> None:
    network = build_network(small("vgg16-frozen"), 3, None)
    pixels = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3)).astype(np.float32)
    found = np.asarray(network.prepare[0](pixels / 127.5 - 1))
    wanted = keras.applications.vgg16.preprocess_input(pixels.copy())
    np.testing.assert_allclose(found, wanted, atol=1e-3)


CASES = {
    "cnn": (
        [
            *("average=0.9", "head.batch_norm=true", "pictures.passes=2"),
            """phases=[{learns: all, epochs: 2, rate: 0.01},
                       {learns: all, epochs: 3, rate: 0.003, schedule: cosine, warmup_epochs: 1,
                        optimizer: adamw, weight_decay: 0.01},
                       {learns: all, epochs: 2, rate: 0.005, soup: true},
                       {learns: all, epochs: 2, rate: 0.005, soup: true}]""",
        ],
        (1, 7, 14, 16, 19, 25),
    ),
    "ours": (
        [
            *("average=0.9", "head.dropout=[0.5]", "pictures.passes=2", "batch=6"),
            "phases=[{learns: 'top:9', epochs: 2, rate: 0.01, batch_norm: train}]",
        ],
        (3,),
    ),
}
"""Recipe, its changes, and the steps before which it is interrupted: three a epoch of `cnn`, two of `ours`."""


@pytest.mark.parametrize("name", CASES)
def test_an_interrupted_training_ends_with_the_same_numbers(
    name: str, root: Path, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, stops = CASES[name]
    base = [*SMALL[load_recipe(name).network.family], *LEAST, "pictures.rendered=0", "pictures.outliers=3"]
    recipe = load_recipe(name, [*base, *changes])

    def stirred(*given: Any) -> Network:
        network = build_network(*given)
        stir(network)
        return network

    if recipe.network.family == "mobilenet_v2":
        monkeypatch.setattr(convert.train, "build_network", stirred)
    whole, _ = run(root, split, recipe, tmp_path / "whole")
    assert len({row["photos_loss"] for row in whole["history"]}) > 2
    made = convert.fit.make_batch
    for stop in stops:
        count = iter(range(stop + 1))

        def stopping(*given: Any, count: Any = count, stop: int = stop) -> Any:
            if next(count) == stop:
                raise KeyboardInterrupt
            return made(*given)

        folder = tmp_path / str(stop)
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(convert.fit, "make_batch", stopping)
            run(root, split, recipe, folder)
        assert not (folder / "float.keras").exists()
        resumed, said = run(root, split, recipe, folder)
        assert any("going on" in line for line in said) == (stop > 1)
        assert resumed["history"] == whole["history"]
        assert read_weights(folder) == read_weights(tmp_path / "whole")


@pytest.mark.parametrize(
    ("marks", "taken", "members"),
    [((0.5, 0.5, 0.6), "mean", 2), ((0.7, 0.5, 0.6), "before", 1), ((0.5, 0.7, 0.6), "this phase", 1)],
)
def test_the_best_of_beginning_end_and_their_mean_is_kept(
    root: Path,
    split: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    marks: tuple[float, float, float],
    taken: str,
    members: int,
) -> None:
    recipe = small(
        "cnn", "phases=[{learns: all, epochs: 1, rate: 0.01}, {learns: all, epochs: 2, rate: 0.02, soup: true}]"
    )
    # Each phase rates the network before it and after its epochs; in the end the three are rated. Of the phase that is
    # averaged the end counts, though it is rated worse than the epoch before.
    rated = iter([0.0, 1.0, 1.0, 0.8, 0.4, *marks])
    monkeypatch.setattr(convert.fit, "merit", lambda found, best_by: next(rated))
    starts: list[Any] = []
    epochs: list[Any] = []
    begin, rate_epoch = convert.fit.Fit._begin, convert.fit.Fit._rate_epoch

    def began(self: Any, phase: Phase) -> None:
        begin(self, phase)
        starts.append(self._network.whole.get_weights())

    def rated_epoch(self: Any, *given: Any) -> None:
        rate_epoch(self, *given)
        epochs.append(self._network.whole.get_weights())

    monkeypatch.setattr(convert.fit.Fit, "_begin", began)
    monkeypatch.setattr(convert.fit.Fit, "_rate_epoch", rated_epoch)
    report, said = run(root, split, recipe, tmp_path)
    last = report["history"][-1]
    assert (last["soup"], last["members"]) == (taken, members)
    assert f"taken: {taken}" in said
    shipped = keras.models.load_model(tmp_path / "float.keras", compile=False).get_weights()
    for mine, first, begun, end in zip(shipped, epochs[0], starts[1], epochs[2], strict=True):
        np.testing.assert_array_equal(begun, first)
        wanted = {"mean": (begun + end) / 2, "before": begun, "this phase": end}[taken]
        np.testing.assert_allclose(mine, wanted, rtol=1e-6)
    assert any((first != last).any() for first, last in zip(epochs[0], epochs[2], strict=True))


def read_weights(folder: Path) -> list[bytes]:
    model = keras.models.load_model(folder / "float.keras", compile=False)
    return [value.tobytes() for value in model.get_weights()]


def test_the_time_left_in_all_is_told_where_all_epochs_are_alike(root: Path, split: Split, tmp_path: Path) -> None:
    alike = {"learns": "all", "epochs": 1, "rate": 0.001}
    base = [*SMALL["mobilenet_v2"], *LEAST, "pictures.rendered=0", "pictures.outliers=3"]
    recipe = load_recipe("ours", base)
    phases = [recipe.phases[0].model_copy(update={"epochs": 1}), *[Phase(**alike)] * 2]
    _, said = run(root, split, recipe.model_copy(update={"phases": tuple(phases)}), tmp_path)
    left = [line for line in said if "min left" in line]
    assert [re.sub(r"\d+(\.\d+)?", "N", line).endswith("N min left in this phase, N min in all") for line in left] == [
        False,
        True,
        False,
    ]


def test_a_restart_forgets_what_was_learned(root: Path, split: Split, tmp_path: Path) -> None:
    run(root, split, small("cnn"), tmp_path)
    _, going_on = run(root, split, small("cnn"), tmp_path)
    _, anew = run(root, split, small("cnn"), tmp_path, restarts=True)
    _, other = run(root, split, small("cnn", "batch=5"), tmp_path)
    assert [any("going on" in line for line in said) for said in (going_on, anew, other)] == [True, False, False]
    assert any("is of another recipe" in line for line in other)


def test_patience_ends_a_phase_with_its_best_epoch(
    root: Path, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = iter([0.1, 0.9, 0.5, 0.4, 0.3, 0.2])
    monkeypatch.setattr(convert.fit, "merit", lambda found, best_by: next(marks))
    kept: list[Any] = []
    rate_epoch = convert.fit.Fit._rate_epoch

    def spied(self: Any, *given: Any) -> None:
        rate_epoch(self, *given)
        kept.append(self._network.whole.get_weights())

    monkeypatch.setattr(convert.fit.Fit, "_rate_epoch", spied)
    recipe = small("cnn", "phases.0.epochs=5", "patience=2")
    report, said = run(root, split, recipe, tmp_path)
    assert [row["epoch"] for row in report["history"]] == [0, 1, 2, 3]
    assert any("no better epoch in 2" in line for line in said)
    shipped = keras.models.load_model(tmp_path / "float.keras", compile=False).get_weights()
    for mine, best, last in zip(shipped, kept[0], kept[-1], strict=True):
        np.testing.assert_array_equal(mine, best)
        assert (best != last).any()
