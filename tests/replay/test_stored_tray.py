"""A sorter whose stored picture of the tray no longer fits: whatever it shows, it sorts again well within a minute."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.app import open_session
from edge.config import Config, LedgerConfig, SourceConfig
from edge.presence.tray_picture import tray_picture_path
from edge.records import Grey
from edge.sources.sim import Simulation, Truth
from edge.thumbnail import thumbnail
from tests.replay.rig import counts_per_item
from tests.replay.test_scenes import Events

ITEMS = 7
LIMIT_S = 25.0
"""From here on every item counts, though the sorter had to find out first that the picture is wrong."""


def with_a_blob(tray: Grey) -> Grey:
    return cv2.circle(tray.copy(), (40, 30), 8, 20, thickness=-1)


def rolled(tray: Grey) -> Grey:
    return np.roll(tray, 6, axis=1)


def a_gradient(tray: Grey) -> Grey:
    return np.tile(np.linspace(80, 170, tray.shape[1]).astype(np.uint8), (tray.shape[0], 1))


def unchanged(tray: Grey) -> Grey:
    return tray


OLD = [
    ("a stain that was wiped off", with_a_blob),
    ("a camera that was turned a little", rolled),
    ("a plain sheet", a_gradient),
]


def run(folder: Path, spoil: Callable[[Grey], Grey]) -> tuple[list[dict], list[Truth]]:
    """Sort the simulation with a stored picture made from its empty tray."""
    source = SourceConfig(spec="sim:1", width_px=320, height_px=240, sim_items=ITEMS)
    config = Config(source=source, ledger=LedgerConfig(path=str(folder / "ledger.db")))
    empty = Simulation(seed=1, items=1, fps=source.fps, width_px=source.width_px, height_px=source.height_px)
    empty.open()
    tray = np.mean([thumbnail(empty.take().image) for _ in range(10)], axis=0).round().astype(np.uint8)
    file = folder / "config.yaml"
    assert cv2.imwrite(str(tray_picture_path(file, source)), spoil(tray))
    events = Events()
    with open_session(config, "fast", [events], file) as session:
        session.runtime.run(lambda: False)
        return events.records, session.truth.truth()


@pytest.mark.parametrize("spoil", [row[1] for row in OLD], ids=[row[0] for row in OLD])
def test_an_old_picture_costs_the_first_items_at_most(tmp_path: Path, spoil):
    records, truth = run(tmp_path, spoil)
    late = [item.t_in_s for item in truth if item.t_in_s > LIMIT_S]
    assert len(late) >= 3
    assert counts_per_item(records, late)[1:] == [1] * len(late)
    assert not [record for record in records if record["type"] == "fault"]


def test_a_picture_that_fits_costs_nothing(tmp_path: Path):
    records, truth = run(tmp_path, unchanged)
    assert counts_per_item(records, [item.t_in_s for item in truth]) == [0] + [1] * ITEMS
