"""`edge-sorter classify`: name image files with the model, one after the other."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.app import open_classifier, vote_policy
from edge.classify.tflite import TfliteClassifier
from edge.commands.common import load, log_to_stderr
from edge.errors import ConfigError, SourceError
from edge.policy import VotePolicy, route_masses
from edge.preprocess import fit_frame
from edge.sources.images import find_images, read_image

__all__ = ["classify_paths"]


def classify_paths(paths: Sequence[Path], *, as_json: bool, config: Path | None, model: Path | None) -> int:
    """Classify files and folders; results go to standard output as they come.

    Returns: the exit status, 2 if something could not be read.
    Raises: ConfigError, BundleError.
    """
    log_to_stderr()
    settings = load(config, model=model)
    bundle, classifier = open_classifier(settings)
    policy = vote_policy(settings, bundle)
    show = _print_json if as_json else _print_line
    failures = 0
    for path in paths:
        try:
            for file in _files(path):
                try:
                    show(_classify_file(file, classifier, policy))
                except SourceError as exc:
                    failures += 1
                    print(f"edge-sorter: error: {exc}", file=sys.stderr)
        except ConfigError as exc:
            failures += 1
            print(f"edge-sorter: error: {exc}", file=sys.stderr)
    return ConfigError.exit_code if failures else 0


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise ConfigError(f"{path} does not exist; check the path")
    if not path.is_dir():
        yield path
        return
    found = find_images(path)
    if not found:
        raise ConfigError(f"{path} holds no picture; check the path")
    yield from found


def _classify_file(path: Path, classifier: TfliteClassifier, policy: VotePolicy) -> dict[str, Any]:
    """One picture has one vote; it is confident if that vote clears the thresholds that a tray's votes must."""
    prediction = classifier.classify(fit_frame(read_image(path)))
    masses = route_masses(prediction, policy)
    leader = max(masses, key=masses.__getitem__)
    runner_up = max((mass for route, mass in masses.items() if route != leader), default=0.0)
    is_confident = masses[leader] >= policy.min_confidence and masses[leader] - runner_up >= policy.min_margin
    return {
        "path": str(path),
        "label": prediction.label,
        "route": leader if is_confident else policy.uncertain_route,
        "decision": "confident" if is_confident else "uncertain",
        "confidence": round(masses[leader], 4),
        "probabilities": {
            label: round(probability, 4)
            for label, probability in zip(prediction.labels, prediction.probabilities, strict=True)
        },
        "latency_ms": round(prediction.elapsed_s * 1000, 3),
    }


def _print_json(fields: dict[str, Any]) -> None:
    print(json.dumps(fields), flush=True)


def _print_line(fields: dict[str, Any]) -> None:
    print(
        f"{fields['label']:<12} {fields['probabilities'][fields['label']]:6.1%}  -> {fields['route']:<12} "
        f"{fields['decision']:<10} {fields['latency_ms']:6.1f} ms  {fields['path']}",
        flush=True,
    )
