"""A bundle is nobody's word: what it names lies inside it, is a plain file, and is no larger than it may be."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import bundle as bundles
from edge.bundle import MAX_MANIFEST_BYTES, load_bundle
from edge.classify.tflite import TfliteClassifier
from edge.errors import BundleError
from tests import hostile_files as hostile
from tests.cli_rig import invoke
from tests.rigs import SHIPPED_BUNDLE, edit_manifest, rehash

ROOT = Path(__file__).parents[2]
LOAD = """
import re
import sys
from pathlib import Path
from edge.bundle import load_bundle
from edge.errors import BundleError
try:
    load_bundle(Path(sys.argv[1]))
except BundleError as exc:
    print("refused:", exc)
# Of this program alone: what getrusage tells begins with the memory of whoever started it.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10)
"""


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as refused:
        TfliteClassifier(load_bundle(folder), "litert")
    return str(refused.value)


def replaced_by_link(file: Path, target: Path) -> None:
    file.unlink()
    file.symlink_to(target)


def replaced_by_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def grown(file: Path, size: int) -> None:
    with file.open("ab") as stream:
        stream.truncate(size)


Change = Callable[[Path], object]
FILES: list[tuple[str, Change, str]] = [
    ("a manifest that is a pipe", lambda f: replaced_by_pipe(f / "manifest.json"), "it is a pipe"),
    ("a model that is a pipe", lambda f: replaced_by_pipe(f / "model.tflite"), "it is a pipe"),
    ("a golden image that is a pipe", lambda f: replaced_by_pipe(f / "golden/0.png"), "it is a pipe"),
    ("a model elsewhere", lambda f: replaced_by_link(f / "model.tflite", SHIPPED_BUNDLE / "model.tflite"), "leads out"),
    ("a manifest elsewhere", lambda f: replaced_by_link(f / "manifest.json", Path("/etc/hostname")), "leads out"),
    ("a golden image elsewhere", lambda f: replaced_by_link(f / "golden/0.png", Path("/etc/shadow")), "leads out"),
    ("a device", lambda f: replaced_by_link(f / "model.tflite", Path("/dev/zero")), "leads out"),
    ("a link to itself", lambda f: replaced_by_link(f / "model.tflite", f / "model.tflite"), "cannot read"),
    (
        "a folder of golden images elsewhere",
        lambda f: (shutil.rmtree(f / "golden"), (f / "golden").symlink_to(SHIPPED_BUNDLE / "golden")),
        "leads out",
    ),
    ("a huge manifest", lambda f: grown(f / "manifest.json", MAX_MANIFEST_BYTES + 1), "larger than the 4 MiB"),
    ("a huge model", lambda f: grown(f / "model.tflite", 1 << 40), "larger than the 64 MiB"),
    ("a huge golden image", lambda f: grown(f / "golden/0.png", 1 << 40), "larger than the 4 MiB"),
    ("a golden bomb", lambda f: (f / "golden/0.png").write_bytes(hostile.png_bomb(30000, 30000, 8)), "claims 30000"),
]


@pytest.mark.parametrize(("change", "says"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_a_bundle_is_refused_with(bundle_dir: Path, change: Change, says: str):
    change(bundle_dir)
    assert says in refusal(bundle_dir)


def test_links_within_a_bundle_and_to_a_bundle_are_followed(bundle_dir: Path, tmp_path: Path):
    (bundle_dir / "model.tflite").rename(bundle_dir / "v1.tflite")
    (bundle_dir / "model.tflite").symlink_to("v1.tflite")
    (tmp_path / "current").symlink_to(bundle_dir)
    assert load_bundle(tmp_path / "current").labels == load_bundle(SHIPPED_BUNDLE).labels


FIELDS: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("a golden image above", lambda m: m["golden"][0].update(file="golden/../../x.png"), "lies outside"),
    ("a golden image with a zero byte", lambda m: m["golden"][0].update(file="a\0b"), "cannot read"),
    ("a golden image with no end of a name", lambda m: m["golden"][0].update(file="a" * 5000), "golden.0.file: "),
    ("a golden image that is the folder", lambda m: m["golden"][0].update(file="."), "Is a directory"),
    ("ten thousand golden images", lambda m: m.update(golden=m["golden"][:1] * 10_000), "golden: "),
    ("an input of 10^12 pixels", lambda m: m["input"].update(shape=[1, 10**6, 10**6, 3]), "input.shape.1: "),
    ("an input of no pixels", lambda m: m["input"].update(shape=[1, 0, 224, 3]), "input.shape.1: "),
    ("a label that steers", lambda m: m["labels"].__setitem__(0, hostile.ESCAPES), "cannot be shown"),
    ("a label of a megabyte", lambda m: m["labels"].__setitem__(0, "x" * 10**6), "longer than 64"),
    ("a version that steers", lambda m: m.update(version="1\x1b[2J"), "cannot be shown"),
    ("a hundred thousand labels", lambda m: m.update(labels=[str(n) for n in range(10**5)]), "labels: "),
]


@pytest.mark.parametrize(("change", "says"), [row[1:] for row in FIELDS], ids=[row[0] for row in FIELDS])
def test_a_manifest_is_refused_with(bundle_dir: Path, change: Callable[[dict[str, Any]], object], says: str):
    edit_manifest(bundle_dir, change)
    message = refusal(bundle_dir)
    assert says in message
    assert len(message) < 1000, "a sentence, however much the manifest holds"


def with_archive(folder: Path, archive: bytes) -> None:
    """Put another archive of metadata behind the model."""
    model = folder / "model.tflite"
    model.write_bytes(model.read_bytes().replace(b"PK", b"--") + archive)
    rehash(folder)


def encrypted(archive: bytes) -> bytes:
    place = archive.index(b"PK\1\2") + 8
    return archive[:place] + b"\1\0" + archive[place + 2 :]


ARCHIVES = [
    ("that unpacks to a gigabyte", hostile.labels_bomb(64 << 20, 64 << 20), "takes more than 256 KiB"),
    ("that unpacks to more than it says", hostile.labels_bomb(64 << 20, 100), "metadata is damaged"),
    ("packed by bzip2", hostile.labels_bomb(1 << 20, 100, zipfile.ZIP_BZIP2), "packed by method 12"),
    ("that is encrypted", encrypted(hostile.labels_bomb(1 << 20, 100)), "metadata is damaged"),
    ("larger than the end that is looked at", hostile.labels_bomb(2 << 20, 2 << 20, zipfile.ZIP_STORED), "damaged or"),
]


@pytest.mark.parametrize(("archive", "says"), [row[1:] for row in ARCHIVES], ids=[row[0] for row in ARCHIVES])
def test_metadata_are_refused(bundle_dir: Path, archive: bytes, says: str):
    with_archive(bundle_dir, archive)
    assert says in refusal(bundle_dir)


def test_an_archive_that_lies_about_its_size_is_not_unpacked_into_memory(bundle_dir: Path):
    with_archive(bundle_dir, hostile.labels_bomb(256 << 20, 100))
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(bundle_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    told, peak_mib = done.stdout.splitlines()
    assert told.startswith("refused:")
    assert int(peak_mib) < 200, "of 50 that the program takes anyway"


@given(place=st.integers(0, 400), value=st.integers(0, 255))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_byte_of_an_archive_raises_anything_but_a_refusal(place: int, value: int):
    model = bytearray((SHIPPED_BUNDLE / "model.tflite").read_bytes())
    model[len(model) - 1 - place] = value
    try:
        labels = bundles._embedded_labels(bytes(model))
    except bundles.METADATA_ERRORS:
        return
    assert labels is None or len(labels) < 1000


@pytest.mark.parametrize("depth", [500, 900, 960, 985, 2000, 100_000])
def test_metrics_without_an_end_of_depth_are_shown_or_refused(bundle_dir: Path, depth: int):
    path = bundle_dir / "manifest.json"
    text = path.read_text().replace(
        '"metrics": {', '"metrics": {"deep": ' + '{"a": ' * depth + "1" + "}" * depth + ", ", 1
    )
    path.write_text(text)
    result = invoke("model", "show", bundle_dir)
    assert result.code in (0, BundleError.exit_code)
    assert "Traceback" not in result.err


def test_a_metric_that_steers_is_shown_printable(bundle_dir: Path):
    edit_manifest(bundle_dir, lambda m: m["metrics"]["test"]["int8"].update(accuracy=hostile.ESCAPES))
    result = invoke("model", "show", bundle_dir)
    assert "2J" in result.out
    assert not any(sign in result.out for sign in hostile.STEERING)


def test_what_a_manifest_says_reaches_no_terminal_as_it_stands(bundle_dir: Path):
    edit_manifest(bundle_dir, lambda m: m.update({f"key{hostile.ESCAPES}": 1}))
    result = invoke("model", "show", bundle_dir)
    assert result.code == BundleError.exit_code
    assert result.err.count("\n") == 1
    assert not any(sign in result.out + result.err for sign in hostile.STEERING)
