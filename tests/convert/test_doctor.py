"""The doctor names what is wrong with photographs, each with a remedy, and finds nothing in good ones."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import convert.mislabelled
from convert.doctor import examine, findings_markdown
from convert.mislabelled import by_colours
from convert.similar import looks_of
from edge.errors import BundleError, ConfigError
from edge.reading import read_whole
from edge.records import BgrImage, Prediction
from tests.photo_rig import draw_object, save_photo

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    for seed in range(8):
        save_photo(tmp_path / ("glass", "paper")[seed % 2] / f"{seed}.jpg", draw_object(seed))
    return tmp_path


def kinds(root: Path) -> dict[str, str]:
    return {finding.file: finding.kind for finding in examine(root).findings}


def test_nothing_is_wrong_with_good_photographs(photographs: Path) -> None:
    found = examine(photographs)
    assert found.findings == ()
    assert found.photographs == {"glass": 4, "paper": 4}
    assert "Nothing is wrong" in findings_markdown(found)


def test_every_fault_is_named(photographs: Path) -> None:
    glass = photographs / "glass"
    (glass / "empty.jpg").write_bytes(b"")
    whole = (glass / "0.jpg").read_bytes()
    (glass / "half.jpg").write_bytes(whole[: len(whole) // 2])
    spoilt = bytearray(cv2.imencode(".jpg", draw_object(22))[1].tobytes())
    middle = len(spoilt) // 2
    spoilt[middle : middle + 200] = bytes(200)  # whole to the end mark, but no codes that mean anything
    (glass / "spoilt.jpg").write_bytes(spoilt)
    stray = cv2.imencode(".jpg", draw_object(23))[1].tobytes()
    (glass / "stray.jpg").write_bytes(stray[:-2] + b"abcdefgh" + stray[-2:])  # the decoder says so; nothing is lost
    lost = cv2.imencode(".jpg", draw_object(24))[1].tobytes()
    (glass / "lost.jpg").write_bytes(lost[:-2] + b"abcdefgh" * 3 + lost[-2:])  # as where it has lost its place
    (glass / "phone.heic").write_bytes(b"x")
    (glass / "away.jpg").symlink_to(photographs / "nowhere.jpg")
    (glass / ".DS_Store").write_bytes(b"x")
    save_photo(glass / "tiny.png", draw_object(20, 100, 100))
    save_photo(glass / "long.png", draw_object(21, 640, 150))
    save_photo(glass / "blank.png", np.full((240, 320, 3), 200, np.uint8))
    save_photo(glass / "copy.png", cv2.resize(draw_object(0), (200, 150)))
    (photographs / "paper" / "wrong.jpg").write_bytes(whole)
    assert kinds(photographs) == {
        "glass/empty.jpg": "unreadable",
        "glass/half.jpg": "unreadable",
        "glass/spoilt.jpg": "damaged",
        "glass/lost.jpg": "damaged",
        "glass/away.jpg": "no photograph",
        "glass/phone.heic": "no photograph",
        "glass/tiny.png": "tiny",
        "glass/long.png": "elongated",
        "glass/blank.png": "uniform",
        "glass/copy.png": "duplicate",
        "paper/wrong.jpg": "duplicate in two classes",
    }
    report = findings_markdown(examine(photographs))
    assert "- glass/half.jpg: truncated" in report
    assert "- glass/spoilt.jpg: Corrupt JPEG data" in report
    assert "- paper/wrong.jpg: identical to glass/0.jpg" in report


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, max_bytes: int) -> bytes:
        if path.name in ("1.jpg", "2.jpg"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read_whole(path, max_bytes)

    monkeypatch.setattr("convert.photographs.read_whole", refuse)
    found = examine(photographs)
    assert {(finding.file, finding.kind) for finding in found.findings} == {
        ("glass/2.jpg", "unreadable"),
        ("paper/1.jpg", "unreadable"),
    }
    assert "Permission denied" in found.findings[0].detail
    assert found.photographs == {"glass": 3, "paper": 3}


def test_a_name_that_is_no_text_is_listed_in_letters_that_can_be_printed(photographs: Path) -> None:
    try:
        (photographs / "glass" / os.fsdecode(b"jar\xff.jpg")).write_bytes(b"x")
        (photographs / "glass" / os.fsdecode(b"foto.m\xfcll")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes no such names")
    report = findings_markdown(examine(photographs))
    assert r"- glass/jar\udcff.jpg: the name of 'jar\udcff.jpg'" in report
    assert r"- glass/foto.m\udcfcll: suffix .m\udcfcll" in report
    report.encode("utf-8")


def coloured(label: str, number: int) -> BgrImage:
    """Photographs of two classes that colours tell apart."""
    rng = np.random.default_rng([len(label), number])
    hue = (40, 60, 200) if label == "glass" else (200, 90, 30)
    image = np.full((150, 200, 3), 220, np.float64)
    x, y = (int(value) for value in rng.integers(30, 90, 2))
    image[y : y + 60, x : x + 60] = np.array(hue) + rng.integers(-2, 3, 3)
    return (image + rng.normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8)


def test_exchanged_labels_are_found_by_colours(tmp_path: Path) -> None:
    files, looks = [], []
    for label in ("glass", "papers"):
        for number in range(40):
            shown = {"glass": "papers", "papers": "glass"}[label] if number in (3, 17) else label
            files.append(f"{label}/{number}.jpg")
            looks.append(looks_of(coloured(shown, number)))
    found = by_colours(files, looks)
    assert {suspicion.file for suspicion in found} == {"glass/3.jpg", "glass/17.jpg", "papers/3.jpg", "papers/17.jpg"}
    assert {suspicion.label for suspicion in found if suspicion.file.startswith("glass")} == {"papers"}


def test_few_photographs_prove_nothing_about_labels() -> None:
    looks = [looks_of(coloured("glass", number)) for number in range(10)]
    assert by_colours([f"{'paper' if number == 3 else 'glass'}/{number}.jpg" for number in range(10)], looks) == []


def test_a_model_judges_the_labels_it_knows(
    photographs: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Model:
        """Calls everything paper, the third photograph of glass not surely."""

        def __init__(self, bundle: object, runtime: str) -> None:
            self.calls = 0

        def classify(self, image: BgrImage) -> Prediction:
            assert image.shape[2] == 3
            self.calls += 1
            sure = 0.8 if self.calls == 3 else 0.97
            return Prediction(0.0, ("glass", "paper"), (1 - sure, sure), 0.001)

    monkeypatch.setattr(convert.mislabelled, "load_bundle", lambda folder: SimpleNamespace(labels=("glass", "paper")))
    monkeypatch.setattr(convert.mislabelled, "TfliteClassifier", Model)
    found = examine(photographs, tmp_path_factory.mktemp("bundle"))
    assert [finding.file for finding in found.findings] == ["glass/0.jpg", "glass/2.jpg", "glass/6.jpg"]
    assert found.findings[0].detail == "looks like paper, 97.0% against 3.0%"
    assert found.judge == "bundle bundle0"


def test_a_bundle_of_other_labels_is_refused(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert.mislabelled, "load_bundle", lambda folder: SimpleNamespace(labels=("cat", "dog")))
    with pytest.raises(ConfigError, match="knows cat, dog"):
        examine(photographs, Path("pets"))


def test_a_bundle_that_is_none_is_refused(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        examine(photographs, tmp_path / "nothing")


def test_an_empty_class_is_named_and_no_classes_are_an_error(photographs: Path, tmp_path: Path) -> None:
    (photographs / "metal").mkdir()
    assert "Classes without a photograph: metal" in findings_markdown(examine(photographs))
    (tmp_path / "other").mkdir()
    with pytest.raises(ConfigError, match="no class folders"):
        examine(tmp_path / "other")


def test_the_command_ends_well_whatever_it_finds(photographs: Path) -> None:
    (photographs / "glass" / "empty.jpg").write_bytes(b"")
    words = [sys.executable, "-m", "convert", "doctor", "--data", str(photographs), "--json"]
    done = subprocess.run(words, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    finding = json.loads(done.stdout)["findings"][0]
    assert (finding["file"], finding["kind"], finding["detail"]) == ("glass/empty.jpg", "unreadable", "empty file")
    assert "remove it" in finding["remedy"]
