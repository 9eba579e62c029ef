"""`edge-sorter classify`: name image files with the model, one after the other."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.classifier import open_classifier, vote_policy
from edge.classify.tflite import TfliteClassifier
from edge.commands.common import load, log_to_stderr
from edge.configfile import config_file
from edge.errors import ConfigError, SorterError, SourceError
from edge.policy import VotePolicy, decide
from edge.preprocess import fit_frame
from edge.printable import printable
from edge.sources.images import find_images, read_image

__all__ = ["classify_paths"]


def classify_paths(paths: Sequence[Path], *, as_json: bool, config: Path | None, model: Path | None) -> int:
    """Classify files and folders; results go to standard output as they come.

    Returns: the exit status, 2 if something could not be read.
    Raises: ConfigError, BundleError; OSError if the results cannot be printed.
    """
    log_to_stderr()
    settings = load(config, model=model)
    bundle, classifier = open_classifier(settings, config_file(config))
    # One picture has one vote, and must clear the thresholds that a tray's votes must.
    policy = replace(vote_policy(settings, bundle), max_frames=1, min_frames=1)
    show = _print_json if as_json else _print_line
    failures = 0
    for path in paths:
        files, errors = _find(path)
        failures += len(errors)
        for error in errors:
            _complain(error)
        for file in files:
            try:
                found = _classify_file(file, classifier, policy)
            except SourceError as exc:
                failures += 1
                _complain(exc)
            else:
                show(found)
    return ConfigError.exit_code if failures else 0


def _find(path: Path) -> tuple[list[Path], Sequence[SorterError]]:
    """The files that a path stands for, and what is wrong with it."""
    try:
        if not path.exists():
            return [], [ConfigError(f"{path} does not exist; check the path")]
        if not path.is_dir():
            return [path], []
    except OSError as exc:
        return [], [ConfigError(f"cannot read {path} ({exc.strerror}); check the path")]
    files, errors = find_images(path)
    if not files and not errors:
        return [], [ConfigError(f"{path} holds no picture; check the path")]
    return files, errors


def _complain(error: SorterError) -> None:
    print(f"edge-sorter: error: {printable(str(error))}", file=sys.stderr)


def _classify_file(path: Path, classifier: TfliteClassifier, policy: VotePolicy) -> dict[str, Any]:
    prediction = classifier.classify(fit_frame(read_image(path)))
    decision = decide((prediction,), policy, prediction.t_s, is_late=True)
    if decision is None:  # a late decision is always one
        raise SourceError(f"{path} could not be decided")
    return {
        "path": str(path),
        "label": decision.label,
        "route": decision.route,
        "decision": decision.kind.value,
        "confidence": round(decision.confidence, 4),
        "energy": round(prediction.energy, 4),
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
        f"{fields['label']:<12} -> {fields['route']:<12} {fields['decision']:<10} {fields['confidence']:6.1%} "
        f"{fields['latency_ms']:6.1f} ms  {printable(fields['path'])}",
        flush=True,
    )
