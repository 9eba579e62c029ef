"""Tray videos are measured with the vote that a device takes by default."""

import json
import math
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from convert.dataset import Photo, Split
from convert.scenes import _policy, measure_scenes
from edge.bundle import Bundle, load_bundle
from edge.classify.tflite import TfliteClassifier
from edge.config import Config
from edge.errors import ConfigError
from edge.records import BgrImage, Prediction
from tests.rigs import SHIPPED_BUNDLE
from tests.tiny_bundle import COLOURS, bundle_in, model_of

FPS = 10
EMPTY = (128, 128, 128)
ITEMS = [
    {"label": "glass", "file": "glass1.jpg", "t_rest_s": 1.0, "t_out_s": 2.0},
    {"label": "trash", "file": "trash1.jpg", "t_rest_s": 3.0, "t_out_s": 4.0},
    {"label": "cat", "file": "cat1.jpg", "t_rest_s": 5.0, "t_out_s": 6.0},
    {"label": "paper", "file": "paper1.jpg", "t_rest_s": 9.0, "t_out_s": 9.1},
]
SHOWN = {"glass1.jpg": "glass", "trash1.jpg": "paper", "cat1.jpg": "glass"}
"""What the picture looks like while an item is at rest: the trash is mistaken for paper."""


def make_video(folder: Path, items: list[dict[str, Any]] = ITEMS) -> None:
    folder.mkdir(exist_ok=True)
    writer = cv2.VideoWriter(str(folder / "tray.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (64, 48))
    for index in range(7 * FPS):
        at_rest = (item for item in items if item["t_rest_s"] <= index / FPS < item["t_out_s"])
        item = next(at_rest, None)
        colour = EMPTY if item is None else COLOURS[SHOWN[item["file"]]]
        writer.write(np.full((48, 64, 3), colour, np.uint8))
    writer.release()
    (folder / "tray.json").write_text(json.dumps({"fps": FPS, "items": items}), encoding="utf-8")


@pytest.fixture
def bundle(tmp_path: Path, tiny_model: Callable[..., bytes]) -> Bundle:
    return load_bundle(bundle_in(tmp_path / "tiny", model_of(tiny_model, {0: 2, 1: 1, 2: 0}), tuple(COLOURS)))


def split_with(*photos: Photo) -> Split:
    return Split(1, tuple(COLOURS), "", photos)


def test_items_at_rest_are_counted_by_the_part_of_their_photograph(tmp_path: Path, bundle: Bundle) -> None:
    make_video(tmp_path / "scenes")
    split = split_with(
        Photo("glass/glass1.jpg", "glass", "g", "test"), Photo("trash/trash1.jpg", "trash", "t", "train")
    )
    found = measure_scenes(tmp_path / "scenes", split, bundle, ("trash",))
    # Frames from 0.2 s after rest; the cat has no label of the bundle's, and the paper comes after the video's end.
    assert found == {
        "tray": {
            "all": {"items": 2, "items_routed_right": 1, "frames": 16, "label_right": 0.5, "route_right": 0.5},
            "test": {"items": 1, "items_routed_right": 1, "frames": 8, "label_right": 1.0, "route_right": 1.0},
            "train": {"items": 1, "items_routed_right": 0, "frames": 8, "label_right": 0.0, "route_right": 0.0},
            "wrong": ["trash1.jpg"],
        }
    }


def test_no_more_than_one_frame_is_kept(tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    make_video(tmp_path / "scenes")
    alive: list[int] = []
    classify = TfliteClassifier.classify

    def counting(self: TfliteClassifier, image: BgrImage, t_s: float = 0.0) -> Prediction:
        kept.append(weakref.ref(image))
        alive.append(sum(one() is not None for one in kept))
        return classify(self, image, t_s)

    kept: list[weakref.ref[BgrImage]] = []
    monkeypatch.setattr(TfliteClassifier, "classify", counting)
    measure_scenes(tmp_path / "scenes", split_with(), bundle, ("trash",))
    assert len(alive) == 16
    assert max(alive) <= 2


@pytest.mark.parametrize("script", ["{", "{}", '{"fps": 10, "items": [{"label": "glass"}]}', None])
def test_a_video_without_a_sound_description_is_refused(tmp_path: Path, bundle: Bundle, script: str | None) -> None:
    make_video(tmp_path / "scenes")
    described = tmp_path / "scenes" / "tray.json"
    described.unlink() if script is None else described.write_text(script, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tray.json does not describe tray.mp4 .*fetch both again"):
        measure_scenes(tmp_path / "scenes", split_with(), bundle, ("trash",))


def test_what_is_no_video_is_refused(tmp_path: Path, bundle: Bundle) -> None:
    make_video(tmp_path / "scenes")
    (tmp_path / "scenes" / "tray.mp4").write_bytes(b"no video")
    with pytest.raises(ConfigError, match="does not open as a video"):
        measure_scenes(tmp_path / "scenes", split_with(), bundle, ("trash",))


def test_the_vote_is_that_of_the_default_configuration() -> None:
    config, bundle = Config(), load_bundle(SHIPPED_BUNDLE)
    policy = _policy(bundle, ("trash",))
    assert policy.bins == config.bin_names
    assert policy.uncertain_route == config.uncertain_route
    assert dict(policy.routes) == dict(config.routes)
    vote = config.vote
    assert (policy.max_frames, policy.min_frames, policy.agreement) == (
        vote.max_frames,
        vote.min_frames,
        vote.agreement,
    )
    assert vote.min_confidence is None, "the policy takes the bundle's threshold"
    assert vote.min_margin is None, "the policy takes the bundle's threshold"
    thresholds = bundle.manifest.thresholds
    assert (policy.min_confidence, policy.min_margin) == (thresholds.confidence, thresholds.margin)
    assert policy.min_energy == (-math.inf if thresholds.energy is None else thresholds.energy)
