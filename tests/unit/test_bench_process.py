"""Whole processes: how long they take to start, what they hold, and what is said when they fail."""

import json
from pathlib import Path

import pytest

from edge.bench import process
from edge.bench.frames import still_frames
from edge.bench.process import figures_of, measure_process
from edge.config import Config
from edge.errors import SorterError
from tests.rigs import SHIPPED_BUNDLE, edit_manifest

STILL = still_frames()[0]


def test_starts_and_memory_are_those_of_real_processes():
    found = measure_process(Config(), SHIPPED_BUNDLE, STILL, "litert", 1)
    assert len(found.label_s) == len(found.least_s) == len(found.sorting_s) == 1, "the first one is not counted"
    assert min(found.label_s[0], found.least_s[0], found.sorting_s[0]) > 0.0
    assert found.sorting_s[0] < found.ready_s[0], "one after the other in the same process"
    (memory,) = found.memory
    assert 20.0 < memory.end_mb <= memory.peak_mb < 1000.0
    figures = figures_of(found)
    assert figures["start_ratio"].median == pytest.approx(found.label_s[0] / found.least_s[0])
    assert set(figures) >= {"start_to_label_s", "start_to_sorting_s", "memory_peak_mb"}


def test_they_run_by_the_given_configuration_but_move_nothing(tmp_path: Path, monkeypatch):
    """Real pins, a beam and labels of one's own: none of it may stop the bench, or move a gate."""
    asked: list[list[str]] = []
    monkeypatch.setattr(process, "_first_line_s", lambda arguments: asked.append(list(arguments)) or 0.1)
    monkeypatch.setattr(
        process, "_sorting_s", lambda settings, ledger: asked.append([settings.read_text()]) or (0.2, 0.3)
    )
    monkeypatch.setattr(process, "_memory", lambda settings, folder: process.Memory(1.0, 1.0))
    config = Config.model_validate(
        {
            "source": {"spec": "v4l2:/dev/video7"},
            "pins": {"factory": "lgpio"},
            "drop_sensor": {"kind": "beam"},
            "vote": {"min_frames": 4},
            "gate": {"home_deg": 80.0},
        }
    )
    measure_process(config, SHIPPED_BUNDLE, STILL, "litert", 1)
    (written,) = {text for (text,) in (one for one in asked if len(one) == 1)}
    path = tmp_path / "c.yaml"
    path.write_text(written)
    from edge.configfile import load_config

    found = load_config(path)
    assert (found.source.spec, found.pins.factory, found.drop_sensor.kind) == ("sim", "mock", "none")
    assert (found.vote.min_frames, found.gate.home_deg) == (4, 80.0)
    assert found.model.path == str(SHIPPED_BUNDLE.resolve())
    assert all("--config" in one for one in asked if one[0] == "-m")


def test_a_bundle_with_labels_of_its_own_is_measured_by_its_own_routes(bundle_dir: Path):
    labels = json.loads((bundle_dir / "manifest.json").read_text())["labels"]
    assert labels[-1] == "trash"
    config = Config.model_validate({"routes": dict.fromkeys(labels, "residue"), "drop_sensor": {"kind": "beam"}})
    found = measure_process(config, bundle_dir, STILL, "litert", 1)
    assert len(found.label_s) == 1


def test_a_command_that_fails_says_what_it_said(bundle_dir: Path):
    edit_manifest(bundle_dir, lambda manifest: manifest.update(sha256="0" * 64))
    with pytest.raises(SorterError, match=r"edge-sorter classify .* ended with 4 \(.*has SHA-256.*\); run it by hand"):
        measure_process(Config(), bundle_dir, STILL, "litert", 1)
