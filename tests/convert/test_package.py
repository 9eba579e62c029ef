"""Bundles appear complete and checked, or not at all."""

import dataclasses
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import convert.files
import convert.package
from convert.card import card
from convert.package import Parts, candidate_parts, package_versions, write_bundle
from edge.bundle import load_bundle
from edge.classify.tflite import TfliteClassifier
from edge.errors import BundleError, ConfigError


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_written_bundle_is_one_that_a_device_takes(parts: Parts, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "tiny", parts, card(parts))
    assert names(tmp_path / "tiny") == {"model.tflite", "manifest.json", "golden", "CARD.md"}
    assert bundle.labels == parts.labels
    assert len(bundle.manifest.golden) == 3
    assert len(TfliteClassifier(bundle).logits(np.zeros((48, 64, 3), np.uint8))) == len(parts.labels)
    assert names(tmp_path) == {"tiny"}


def test_golden_images_need_no_resize_for_it_rounds_differently_on_arm(parts: Parts, tmp_path: Path) -> None:
    write_bundle(tmp_path / "tiny", parts, None)
    for path in (tmp_path / "tiny" / "golden").iterdir():
        assert cv2.imread(str(path)).shape == (32, 32, 3)


def test_the_same_parts_give_the_same_bytes(parts: Parts, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_bundle(tmp_path / name, parts, card(parts))
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name


def test_a_newer_bundle_replaces_the_old_one(parts: Parts, tmp_path: Path) -> None:
    write_bundle(tmp_path / "tiny", parts, card(parts))
    newer = candidate_parts(load_bundle(tmp_path / "tiny"), version="2", temperature=2.0)
    write_bundle(tmp_path / "tiny", newer, None)
    manifest = load_bundle(tmp_path / "tiny").manifest
    assert (manifest.version, manifest.temperature) == ("2", 2.0)
    assert names(tmp_path / "tiny") == {"model.tflite", "manifest.json", "golden"}
    assert names(tmp_path) == {"tiny"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("glass", "paper")}, "labels"),
        ({"labels": ("glass", "trash", "paper")}, "not those inside the model"),
        ({"name": "No Name"}, "refused"),
        ({"temperature": -1.0}, "refused"),
        ({"model": b"no model at all"}, "does not take the model"),
    ],
)
def test_a_bundle_that_would_be_refused_never_replaces_the_old_one(
    parts: Parts, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    write_bundle(tmp_path / "tiny", parts, None)
    before = (tmp_path / "tiny" / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match=message):
        write_bundle(tmp_path / "tiny", dataclasses.replace(parts, **change), None)
    assert (tmp_path / "tiny" / "manifest.json").read_bytes() == before
    assert names(tmp_path) == {"tiny"}


def test_a_stop_in_the_middle_leaves_the_old_bundle(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path / "tiny", parts, None)

    def stop(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(convert.package, "load_bundle", stop)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "tiny", dataclasses.replace(parts, version="2"), None)
    assert load_bundle(tmp_path / "tiny").manifest.version == "1"
    assert names(tmp_path) == {"tiny"}


@pytest.mark.parametrize("can_exchange", [True, False])
def test_an_old_bundle_makes_room_whatever_the_file_system_can(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr(convert.files, "exchange", lambda first, second: False)
    for version in ("1", "2"):
        write_bundle(tmp_path / "tiny", dataclasses.replace(parts, version=version), None)
        assert load_bundle(tmp_path / "tiny").manifest.version == version
        assert names(tmp_path) == {"tiny"}


@pytest.mark.parametrize("stop_before", [True, False])
@pytest.mark.parametrize("stop_at", [1, 2])
def test_ctrl_c_between_the_two_renames_keeps_a_whole_bundle(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int, stop_before: bool
) -> None:
    write_bundle(tmp_path / "tiny", parts, None)
    rename, calls = Path.rename, []

    def interrupted(self: Path, target: Path) -> Path:
        calls.append(target)
        is_here = len(calls) == stop_at
        if is_here and stop_before:
            raise KeyboardInterrupt
        result = rename(self, target)
        if is_here:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(convert.files, "exchange", lambda first, second: False)
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "tiny", dataclasses.replace(parts, version="2"), None)
    expected = "2" if (stop_at, stop_before) == (2, False) else "1"
    assert load_bundle(tmp_path / "tiny").manifest.version == expected
    assert names(tmp_path) == {"tiny"}


def test_the_only_copy_is_kept_where_it_cannot_be_put_back(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path / "tiny", parts, None)
    rename = Path.rename

    def only_away(self: Path, target: Path) -> Path:
        if self.name == "tiny":
            return rename(self, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(convert.files, "exchange", lambda first, second: False)
    monkeypatch.setattr(Path, "rename", only_away)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "tiny", dataclasses.replace(parts, version="2"), None)
    [attic] = tmp_path.glob(".tiny.*")
    assert load_bundle(attic / "old").manifest.version == "1"


def test_a_folder_that_is_no_bundle_is_left_alone(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(ConfigError, match=r"no manifest\.json"):
        write_bundle(tmp_path / "photos", parts, None)
    assert names(tmp_path / "photos") == {"holiday.jpg"}


def test_a_file_in_the_way_is_named(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "tiny").write_text("file")
    with pytest.raises(ConfigError, match="is a file"):
        write_bundle(tmp_path / "tiny", parts, None)


def test_an_output_that_cannot_be_written_is_named(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("file")
    with pytest.raises(ConfigError, match="cannot write"):
        write_bundle(tmp_path / "file" / "tiny", parts, None)


def test_the_manifest_holds_no_path_of_this_machine(parts: Parts, tmp_path: Path) -> None:
    write_bundle(
        tmp_path / "tiny", dataclasses.replace(parts, training={**parts.training, "packages": package_versions()}), None
    )
    text = (tmp_path / "tiny" / "manifest.json").read_text()
    assert str(tmp_path) not in text
    assert sys.prefix not in text
    assert json.loads(text)["training"]["packages"]["numpy"]
