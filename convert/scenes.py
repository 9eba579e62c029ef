"""Measures a bundle on recorded tray videos with known items: frames at rest, as the device would see them."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from convert.dataset import Split
from edge.bundle import Bundle
from edge.classify.tflite import TfliteClassifier
from edge.errors import ConfigError
from edge.policy import VotePolicy, decide
from edge.records import Prediction

__all__ = ["measure_scenes"]

REST_MARGIN_S = 0.2
"""Frames count from so long after an item came to rest."""
BINS = ("recyclable", "residue")


def measure_scenes(folder: Path, split: Split, bundle: Bundle, residue: Sequence[str]) -> dict[str, Any]:
    """Classify every frame at rest of every video with a JSON beside it; empty where there is none.

    An item's route is what the device's own vote makes of its frames, with the default policy and the bundle's
    thresholds; an uncertain item counts as residue, as on the device. The items are told apart by the part that
    their photograph was in: only `test` says anything about unseen items.

    Raises: ConfigError if a video does not open or its JSON is broken.
    """
    classifier = TfliteClassifier(bundle, runtime="litert", threads=1)
    part_of = {photo.file: photo.part for photo in split.photos}
    columns = [place for place, label in enumerate(bundle.labels) if label in residue]
    policy = _policy(bundle, residue)
    result: dict[str, Any] = {}
    for path in sorted(folder.glob("*.mp4")):
        rows = []
        for item, votes in _votes(path, classifier):
            p = np.array([vote.probabilities for vote in votes])
            is_residue = item["label"] in residue
            rows.append(
                {
                    "part": part_of.get(f"{item['label']}/{item['file']}", "unknown"),
                    "file": item["file"],
                    "frames": len(votes),
                    "label_right": int((p.argmax(1) == bundle.labels.index(item["label"])).sum()),
                    "route_right": int(((p[:, columns].sum(1) > 0.5) == is_residue).sum()),
                    "item_right": _route(votes, policy) == BINS[is_residue],
                }
            )
        result[path.stem] = {
            "all": _sum(rows),
            **{
                part: _sum([row for row in rows if row["part"] == part])
                for part in sorted({str(row["part"]) for row in rows})
            },
            "wrong": [row["file"] for row in rows if not row["item_right"]],
        }
    return result


def _votes(path: Path, classifier: TfliteClassifier) -> list[tuple[dict[str, Any], list[Prediction]]]:
    """What the classifier says of every frame of every item at rest; items of unknown labels are left out.

    Frames are classified as they are read: a minute of video would take a gigabyte.
    """
    try:
        script = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        fps = float(script["fps"])
        spans = [
            (item, (item["t_rest_s"] + REST_MARGIN_S) * fps, item["t_out_s"] * fps)
            for item in script["items"]
            if item["label"] in classifier.labels
        ]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigError(
            f"{path.with_suffix('.json')} does not describe {path.name} ({exc!r}); fetch both again"
        ) from exc
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise ConfigError(f"{path} does not open as a video; fetch it again")
    found: list[tuple[dict[str, Any], list[Prediction]]] = [(item, []) for item, _, _ in spans]
    index = -1
    try:
        while True:
            is_read, frame = video.read()
            index += 1
            if not is_read:
                break
            shown = [votes for (_, votes), (_, start, stop) in zip(found, spans, strict=True) if start <= index < stop]
            if shown:
                vote = classifier.classify(np.asarray(frame, dtype=np.uint8))
                for votes in shown:
                    votes.append(vote)
    finally:
        video.release()
    return [(item, votes) for item, votes in found if votes]


def _policy(bundle: Bundle, residue: Sequence[str]) -> VotePolicy:
    """The default configuration's vote: two frames or more, 60 % agreed, until the sequential test is sure."""
    thresholds = bundle.manifest.thresholds
    return VotePolicy(
        routes={label: BINS[label in residue] for label in bundle.labels},
        bins=BINS,
        uncertain_route=BINS[1],
        max_frames=50,
        min_frames=2,
        agreement=0.6,
        min_confidence=thresholds.confidence,
        min_margin=thresholds.margin,
        min_energy=-math.inf if thresholds.energy is None else thresholds.energy,
        noise=None if thresholds.frames is None else thresholds.frames.noise(),
    )


def _route(votes: Sequence[Prediction], policy: VotePolicy) -> str:
    for number in range(1, len(votes) + 1):
        decision = decide(votes[:number], policy, votes[number - 1].t_s, is_late=number == len(votes))
        if decision is not None:
            return decision.route
    return policy.uncertain_route


def _sum(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    frames = sum(int(row["frames"]) for row in rows)
    return {
        "items": len(rows),
        "items_routed_right": sum(bool(row["item_right"]) for row in rows),
        "frames": frames,
        "label_right": _share(sum(int(row["label_right"]) for row in rows), frames),
        "route_right": _share(sum(int(row["route_right"]) for row in rows), frames),
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
