"""What an interrupted training leaves: its state, and the pictures it drew."""

import ast
import importlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import convert.cache
from convert.cache import DRAWERS, ArrayCache, drawing_key, write_array
from convert.checkpoint import Progress, load_progress, recipe_of, save_progress
from convert.curves import draw_curves, gaps
from convert.dataset import Photo, Split
from convert.pictures import Example
from convert.recipe import load_recipe
from convert.train import TRAINERS, training_key
from edge.errors import ConfigError

SIDE = 8
RECIPE = load_recipe().record()


def progress() -> Progress:
    return Progress(
        phase=1,
        epoch=3,
        history=[{"phase": 1, "epoch": 0, "photos_f1": 0.5}],
        best_merit=0.5,
        steps=7,
        weights=[np.arange(6, dtype=np.float32).reshape(2, 3), np.float32([1.5])],
        optimizer=[np.array(12, np.int64)],
    )


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    save_progress(tmp_path / "state.npz", "key", RECIPE, progress())
    found = load_progress(tmp_path / "state.npz", "key")
    assert found is not None
    assert (found.phase, found.epoch, found.history, found.steps) == (1, 3, progress().history, 7)
    for mine, saved in zip(found.weights, progress().weights, strict=True):
        np.testing.assert_array_equal(mine, saved)
    assert found.optimizer[0].dtype == np.int64
    assert found.best == []


def test_a_state_of_another_training_is_not_taken(tmp_path: Path) -> None:
    save_progress(tmp_path / "state.npz", "key", RECIPE, progress())
    assert load_progress(tmp_path / "state.npz", "other") is None
    assert load_progress(tmp_path / "none.npz", "key") is None


def test_a_state_says_of_which_recipe_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    assert recipe_of(path) is None
    save_progress(path, "key", RECIPE, progress())
    assert recipe_of(path) == RECIPE
    path.write_bytes(path.read_bytes()[:100])
    assert recipe_of(path) is None


def test_a_damaged_state_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    save_progress(path, "key", RECIPE, progress())
    content = path.read_bytes()
    for damaged in (content[:100], b"", b"PK" + b"x" * 50):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match="--restart"):
            load_progress(path, "key")


def test_an_initial_state_survives_its_infinity(tmp_path: Path) -> None:
    save_progress(tmp_path / "state.npz", "key", RECIPE, Progress())
    found = load_progress(tmp_path / "state.npz", "key")
    assert found is not None
    assert found.best_merit == float("-inf")


def split_of(parts: str = "ttv") -> Split:
    names = {"t": "train", "v": "val"}
    photos = tuple(Photo(f"glass/{n}.png", "glass", f"g{n}", names[part]) for n, part in enumerate(parts))
    return Split(1, ("glass",), "digest", photos, ())


def test_a_key_tells_trainings_apart(tmp_path: Path) -> None:
    recipe = load_recipe("ours")
    base = training_key(split_of(), recipe, None)
    assert training_key(split_of(), recipe, None) == base
    (tmp_path / "a.h5").write_bytes(b"a")
    others = {
        training_key(split_of("tvt"), recipe, None),
        training_key(split_of(), load_recipe("ours", ["phases.1.rate=0.1"]), None),
        training_key(split_of(), recipe, "imagenet"),
        training_key(split_of(), recipe, str(tmp_path / "a.h5")),
    }
    assert len(others | {base}) == 5


def test_pictures_do_not_depend_on_how_they_are_learned_from() -> None:
    ours, slower = load_recipe("ours"), load_recipe("ours", ["phases.1.rate=0.1"])
    wider = load_recipe("ours", ["pictures.rendered=12"])
    keys = [drawing_key(split_of(), recipe.settings()) for recipe in (ours, slower, wider)]
    assert keys[0] == keys[1] != keys[2]


def examples(number: int, seen: list[int]) -> list[Example]:
    def draw(place: int) -> Callable[[], np.ndarray]:
        def one() -> np.ndarray:
            seen.append(place)
            return np.full((12, 16, 3), place % 256, np.uint8)

        return one

    return [Example("glass", draw(place)) for place in range(number)]


def test_pictures_are_drawn_once_and_found_again(tmp_path: Path) -> None:
    seen: list[int] = []
    cache = ArrayCache(tmp_path / "cache", "key", SIDE)
    first = np.array(cache.pictures("pass-0", examples(300, seen)))
    assert first.shape == (300, SIDE, SIDE, 3)
    assert first[:, 0, 0, 0].tolist() == [place % 256 for place in range(300)]
    cache.close(keeps=True)
    again = ArrayCache(tmp_path / "cache", "key", SIDE)
    np.testing.assert_array_equal(again.pictures("pass-0", examples(300, seen)), first)
    assert sorted(seen) == list(range(300))
    again.close(keeps=False)
    assert not (tmp_path / "cache").exists()


def test_what_is_drawn_ahead_is_what_comes_next(tmp_path: Path) -> None:
    seen: list[int] = []
    cache = ArrayCache(tmp_path / "cache", "key", SIDE)
    cache.draw_ahead("pass-1", examples(5, seen))
    found = cache.pictures("pass-1", examples(5, seen))
    assert found[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert sorted(seen) == [0, 1, 2, 3, 4]
    cache.close(keeps=False)


def test_a_failure_in_the_background_is_raised_where_the_pictures_are_wanted(tmp_path: Path) -> None:
    def vanished() -> np.ndarray:
        raise ConfigError("glass/1.png vanished")

    cache = ArrayCache(tmp_path / "cache", "key", SIDE)
    cache.draw_ahead("pass-1", [Example("glass", vanished)])
    with pytest.raises(ConfigError, match="vanished"):
        cache.pictures("pass-1", [Example("glass", vanished)])
    cache.close(keeps=True)
    assert list((tmp_path / "cache" / "key").iterdir()) == []


def test_pictures_of_other_settings_are_removed_and_so_are_features(tmp_path: Path) -> None:
    old = ArrayCache(tmp_path / "cache", "old", SIDE)
    old.pictures("pass-0", examples(2, []))
    old.features("features-0-pass-0", lambda: [np.zeros((2, 4))], 2)
    old.close(keeps=True)
    again = ArrayCache(tmp_path / "cache", "old", SIDE)
    again.close(keeps=True)
    assert [path.name for path in (tmp_path / "cache" / "old").iterdir()] == ["pass-0.npy"]
    ArrayCache(tmp_path / "cache", "new", SIDE).close(keeps=True)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["new"]


def test_a_full_disk_is_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ArrayCache(tmp_path / "cache", "key", SIDE)
    cache.pictures("pass-0", examples(2, []))
    usage = convert.cache.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(convert.cache.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert cache.need({"pass-0": 10**9}) == 0
    with pytest.raises(ConfigError, match=r"need 954 MiB .* 0 MiB are free; make room"):
        cache.need({"pass-0": 10**9, "pass-1": 10**9})
    cache.close(keeps=False)


def test_an_array_is_whole_or_not_there(tmp_path: Path) -> None:
    def rows():
        yield np.ones((2, 3), np.float16)
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigError, match="No space"):
        write_array(tmp_path / "a.npy", rows(), 4)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="2 rows came, expected 4"):
        write_array(tmp_path / "a.npy", iter([np.ones((2, 3))]), 4)


@pytest.mark.convert
def test_curves_show_the_gap(tmp_path: Path) -> None:
    row = {"train_loss": 0.1, "train_accuracy": 0.99, "photos_loss": 0.4, "photos_accuracy": 0.9}
    history = [{"phase": phase, "epoch": epoch, **row} for phase in (1, 2) for epoch in range(2)]
    assert gaps(history)[0] == {"loss": 0.3, "accuracy": 0.09}
    json.dumps(gaps(history))
    pytest.importorskip("matplotlib")
    said: list[str] = []
    draw_curves(history, "ours", tmp_path / "curves.png", said.append)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert said == []


SILENT = {"convert.files", "convert.grouping", "convert.dealing", "convert.similar", "convert.settings"}
"""Imported by what draws, without a say in how a picture looks."""


def test_whatever_draws_is_part_of_the_key() -> None:
    """A module that is cut in two must not let old pictures pass for new ones."""
    known = {module.__name__ for module in DRAWERS}
    for module in DRAWERS:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("convert"):
                names = {f"convert.{one.name}" for one in node.names} if node.module == "convert" else {node.module}
                assert names <= known | SILENT, f"{module.__name__} draws with {names - known}"


BYSTANDERS = {"files", "cache", "checkpoint", "curves", "provenance", "quantize", "recipe", "settings"}
"""Imported by what trains, without a say in what comes of it, or part of the key themselves."""


def test_whatever_trains_is_part_of_the_digest() -> None:
    known = {*TRAINERS, *(module.__name__ for module in DRAWERS), *(f"convert.{name}" for name in BYSTANDERS)}
    for name in TRAINERS:
        for node in ast.walk(ast.parse(inspect.getsource(importlib.import_module(name)))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("convert"):
                names = {f"convert.{one.name}" for one in node.names} if node.module == "convert" else {node.module}
                assert names <= known, f"{name} trains with {names - known}"
