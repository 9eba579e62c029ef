"""A bundle is refused unless its files hold together, with a sentence that names the file and the remedy."""

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.bundle import load_bundle
from edge.errors import BundleError
from tests.rigs import SHIPPED_BUNDLE, edit_manifest, rehash

REMEDY = r"install the bundle|package|update edge-sorter|check --model"


def refusal(folder: Path) -> str:
    """The sentence that a bundle is refused with; it always says what to do."""
    with pytest.raises(BundleError, match=REMEDY) as refused:
        load_bundle(folder)
    message = str(refused.value)
    assert "\n" not in message
    assert str(folder) in message, "the sentence names the place"
    return message


def test_the_shipped_bundle_is_sound():
    bundle = load_bundle(SHIPPED_BUNDLE)
    manifest = json.loads((SHIPPED_BUNDLE / "manifest.json").read_text())
    assert (bundle.id.name, bundle.id.version, bundle.id.sha256) == (
        manifest["name"],
        manifest["version"],
        manifest["sha256"],
    )
    assert list(bundle.labels) == manifest["labels"]
    assert bundle.model == (SHIPPED_BUNDLE / "model.tflite").read_bytes()
    for golden in bundle.manifest.golden:
        assert bundle.golden_image(golden).startswith(b"\x89PNG")


def test_a_folder_that_is_none_is_refused(tmp_path):
    assert "is no folder" in refusal(tmp_path / "nowhere")


FileChange = Callable[[Path], object]
FILES: list[tuple[str, FileChange, str]] = [
    ("no manifest", lambda f: (f / "manifest.json").unlink(), r"cannot read .*manifest\.json \(No such file"),
    ("no model", lambda f: (f / "model.tflite").unlink(), r"cannot read .*model\.tflite \(No such file"),
    (
        "a folder for a model",
        lambda f: ((f / "model.tflite").unlink(), (f / "model.tflite").mkdir()),
        r"Is a directory",
    ),
    ("an empty model", lambda f: (f / "model.tflite").write_bytes(b""), r"model\.tflite has SHA-256 .*\(0 bytes\)"),
    (
        "a model cut short",
        lambda f: (f / "model.tflite").write_bytes((f / "model.tflite").read_bytes()[:-1]),
        r"model\.tflite has SHA-256 .*truncated or was changed",
    ),
    (
        "one flipped bit",
        lambda f: (f / "model.tflite").write_bytes(flipped((f / "model.tflite").read_bytes())),
        r"model\.tflite has SHA-256",
    ),
    ("an empty manifest", lambda f: (f / "manifest.json").write_bytes(b""), r"manifest\.json is no JSON"),
    ("half a manifest", lambda f: (f / "manifest.json").write_text('{"schema": 1'), r"manifest\.json is no JSON"),
    ("no text at all", lambda f: (f / "manifest.json").write_bytes(b"\xff\xfe\x00"), r"manifest\.json is no JSON"),
    ("a list", lambda f: (f / "manifest.json").write_text("[1]"), r"manifest\.json has schema None"),
    ("a number", lambda f: (f / "manifest.json").write_text("1"), r"manifest\.json has schema None"),
]


def flipped(model: bytes) -> bytes:
    middle = len(model) // 2
    return model[:middle] + bytes([model[middle] ^ 1]) + model[middle + 1 :]


@pytest.mark.parametrize(("change", "says"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_a_bundle_is_refused_with(bundle_dir: Path, change: FileChange, says: str):
    change(bundle_dir)
    assert re.search(says, refusal(bundle_dir))


ManifestChange = Callable[[dict[str, Any]], object]
FIELDS: list[tuple[str, ManifestChange, str]] = [
    ("a newer schema", lambda m: m.update(schema=2), "has schema 2, this program reads 1; update edge-sorter"),
    ("no schema", lambda m: m.pop("schema"), "has schema None"),
    ("a key that nobody knows", lambda m: m.update(treshold=1), "treshold: Extra inputs"),
    ("an unknown key within", lambda m: m["input"].update(layout="x"), "input.layout: Extra inputs"),
    ("a key that is missing", lambda m: m.pop("temperature"), "temperature: Field required"),
    ("a name that is a path", lambda m: m.update(name="../x"), "name: String should match"),
    ("text for a number", lambda m: m["input"].update(scale="0.1"), "input.scale: "),
    ("a scale of zero", lambda m: m["output"].update(scale=0.0), "output.scale: "),
    ("no temperature", lambda m: m.update(temperature=0.0), "temperature: "),
    ("an endless temperature", lambda m: m.update(temperature=float("inf")), "temperature: "),
    ("a mean that is no number", lambda m: m["input"].update(mean=float("nan")), "input.mean: "),
    ("a threshold above one", lambda m: m["thresholds"].update(margin=1.5), "thresholds.margin: "),
    ("an energy that is no number", lambda m: m["thresholds"].update(energy=float("nan")), "thresholds.energy: "),
    ("another colour order", lambda m: m["input"].update(colour="bgr"), "input.colour: "),
    ("four channels", lambda m: m["input"].update(shape=[1, 224, 224, 4]), "input.shape.3: "),
    ("no golden image", lambda m: m.update(golden=[]), "golden: "),
    ("a single label", lambda m: m.update(labels=["glass"]), "labels: "),
    ("a golden image elsewhere", lambda m: m["golden"][0].update(file="../0.png"), "'../0.png' lies outside"),
    ("a golden image at the root", lambda m: m["golden"][1].update(file="/0.png"), "'/0.png' lies outside"),
    ("a label too few", lambda m: m["labels"].pop(), "names 5 labels for 6 outputs"),
    ("an output too many", lambda m: m["output"].update(shape=[1, 7]), "names 6 labels for 7 outputs"),
    ("a golden output too few", lambda m: m["golden"][2]["output"].pop(), "golden image 2 has 5 outputs for 6 labels"),
    ("two labels alike", lambda m: m["labels"].__setitem__(0, "glass"), "name one twice"),
    ("an empty label", lambda m: m["labels"].__setitem__(0, ""), "are empty"),
    ("labels in another order", lambda m: m["labels"].reverse(), "are not those inside the model (cardboard, glass"),
    ("another hash", lambda m: m.update(sha256="0" * 64), "the manifest promises 000000000000"),
]


@pytest.mark.parametrize(("change", "says"), [row[1:] for row in FIELDS], ids=[row[0] for row in FIELDS])
def test_a_manifest_is_refused_with(bundle_dir: Path, change: ManifestChange, says: str):
    edit_manifest(bundle_dir, change)
    assert says in refusal(bundle_dir)


@pytest.mark.parametrize("energy", [None, 1.25])
def test_a_limit_of_the_energy_may_be_missing(bundle_dir: Path, energy: float | None):
    edit_manifest(bundle_dir, lambda m: m["thresholds"].pop("energy", None))
    if energy is not None:
        edit_manifest(bundle_dir, lambda m: m["thresholds"].update(energy=energy))
    assert load_bundle(bundle_dir).manifest.thresholds.energy == energy


def test_a_model_without_labels_inside_is_believed_to_be_what_the_manifest_says(bundle_dir):
    model = bundle_dir / "model.tflite"
    model.write_bytes(model.read_bytes().replace(b"labels.txt", b"labelz.txt"))
    rehash(bundle_dir)
    assert load_bundle(bundle_dir).labels == load_bundle(SHIPPED_BUNDLE).labels


def test_labels_inside_the_model_are_compared_in_order_and_number(bundle_dir):
    model = bundle_dir / "model.tflite"
    with zipfile.ZipFile(model) as archive:
        labels = archive.read("labels.txt").decode().split()
    assert tuple(labels) == load_bundle(SHIPPED_BUNDLE).labels
    plain = model.read_bytes().replace(b"labels.txt", b"labelz.txt")
    model.write_bytes(plain)
    with zipfile.ZipFile(model, "a") as archive:
        archive.writestr("labels.txt", "\n".join([*labels, "bricks"]))
    rehash(bundle_dir)
    assert "bricks" in refusal(bundle_dir)


def test_a_missing_golden_image_is_named(bundle_dir):
    (bundle_dir / "golden" / "1.png").unlink()
    bundle = load_bundle(bundle_dir)
    with pytest.raises(BundleError, match=r"cannot read .*1\.png .*install the bundle waste again"):
        bundle.golden_image(bundle.manifest.golden[1])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(key=st.sampled_from(sorted(json.loads((SHIPPED_BUNDLE / "manifest.json").read_text()))), value=JSON)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_in_a_manifest_raises_anything_but_a_refusal(bundle_dir: Path, key: str, value: Any):
    (bundle_dir / "manifest.json").write_bytes((SHIPPED_BUNDLE / "manifest.json").read_bytes())
    edit_manifest(bundle_dir, lambda manifest: manifest.update({key: value}))
    try:
        bundle = load_bundle(bundle_dir)
    except BundleError as refused:
        assert str(bundle_dir) in str(refused)
    else:
        assert len(bundle.labels) == bundle.manifest.output.shape[1]
