"""What is exported is what the training's own reader takes: class folders, names with numbers, whole pictures."""

from pathlib import Path

import numpy as np
import pytest

from convert.dataset import class_folders, load_photo, make_split
from convert.grouping import group_of
from edge.capture.export import export
from edge.capture.shelf import Shelf
from tests.capture_rig import about, keeper

COUNT = 80
STEP = 3
"""Between two unsure items of the ledger lie some that were sure."""


def thing(number: int) -> np.ndarray:
    """Blocks of one object's own colours."""
    draw = np.random.default_rng(number)
    blocks = draw.integers(0, 256, (4, 4, 3)) * draw.uniform(0.2, 1.0, 3)
    return np.kron(blocks.astype(np.uint8), np.ones((24, 32, 1), np.uint8))


@pytest.fixture
def exported(tmp_path):
    one = keeper(tmp_path / "captures")
    one.open()
    for number in range(STEP, STEP * COUNT + 1, STEP):
        one.put(thing(number), about(number))
    one.close()
    shelf = Shelf(tmp_path / "captures")
    for entry in shelf.scan():
        shelf.set_label(entry, ("glass", "paper")[entry.number % 2])
    export(shelf, tmp_path / "data", with_predicted=False, with_simulated=False)
    return tmp_path / "data"


def test_the_training_reads_the_classes_and_every_picture(exported):
    assert class_folders(exported) == ["glass", "paper"]
    split = make_split(exported, seed=1)
    assert split.skipped == ()
    assert len(split.photos) == COUNT
    assert all(split.part(part) for part in ("train", "val", "test"))
    assert {load_photo(exported, photo).shape for photo in split.photos} == {(96, 128, 3)}


def test_pictures_of_neighbouring_events_stay_in_one_part(exported):
    """One person's bottle may lie there five times in a row."""
    numbers = {int(path.stem.removeprefix("b1-")) for path in Path(exported, "glass").iterdir()}
    groups = {group_of(f"glass/b1-{number}.jpg") for number in numbers}
    assert groups == {f"glass/b1-#{number // 10}" for number in numbers}
    assert len(groups) < len(numbers) / 1.5
