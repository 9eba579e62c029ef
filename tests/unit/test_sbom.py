"""What is installed is known: pinned, needed, under an allowed licence, and listed in the bill of materials."""

import json
import re
from dataclasses import replace
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest

from tools import audit
from tools.installed import PROJECT, Library, Package, installed, needed_by
from tools.sbom import bill, models_in
from tools.sbom import main as write_bill

ROOT = Path(__file__).parents[2]
PINNED = {"numpy": "2.0", "rich": "1.0"}


def package(name: str, version: str = "1.0", licence: str | None = "MIT", needs: tuple[str, ...] = ()) -> Package:
    return Package(name.lower(), name, version, licence, needs, ())


SOUND = {
    PROJECT: package(PROJECT, "0.1", "Apache-2.0", ("numpy", "rich")),
    "numpy": package("numpy", "2.0", "BSD-3-Clause AND Zlib"),
    "rich": package("Rich"),
    "pip": package("pip", "23.0"),
}


def complaints(**changed: Package | None) -> list[str]:
    packages = {name: found for name, found in {**SOUND, **changed}.items() if found is not None}
    return list(audit.complaints(packages, {"numpy", "rich"}, PINNED, "constraints.txt"))


def test_a_sound_environment_has_no_complaints():
    assert complaints() == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"stranger": package("Stranger")}, "Stranger 1.0 is installed, but nothing needs it"),
        ({"rich": package("Rich", "2.0")}, "Rich 2.0 is installed, constraints.txt pins 1.0"),
        ({"rich": package("Rich", licence=None)}, "Rich 1.0 names no licence"),
        (
            {"rich": package("Rich", licence="GPL-3.0-only")},
            "Rich is under GPL-3.0-only, which tools/audit.py does not",
        ),
        ({"rich": package("Rich", licence="MIT AND (BSD-3-Clause OR AGPL-3.0-only)")}, "Rich is under AGPL-3.0-only"),
    ],
)
def test_a_complaint_is_made_of(changed, says):
    (sentence,) = complaints(**changed)
    assert sentence.startswith(says)


def test_a_package_that_is_not_pinned_is_told_with_the_line_that_pins_it():
    found = list(audit.complaints(SOUND, {"numpy", "rich", "pip"}, PINNED, "constraints.txt"))
    assert found == ["pip is not pinned; add pip==23.0 to constraints.txt"]


def test_this_environment_is_as_pinned_but_for_what_a_developer_added():
    packages = installed()
    needed = needed_by(packages, ("dev", "pi", "tflite"))
    found = list(audit.complaints(packages, needed, audit.pins([ROOT / "constraints.txt"]), "constraints.txt"))
    assert [sentence for sentence in found if "nothing needs it" not in sentence] == []


def test_what_the_sorter_needs_is_found_through_what_that_needs():
    needed = needed_by(installed())
    assert {"numpy", "pydantic", "pydantic-core", "colorzero", "protobuf"} <= needed
    assert not {"pytest", "ruff", PROJECT} & needed
    assert {"pytest", "pluggy"} <= needed_by(installed(), ("dev",))


def test_a_line_of_the_constraints_that_pins_nothing_is_told(tmp_path):
    file = tmp_path / "c.txt"
    file.write_text("# a comment\nnumpy==2.0  # why\n\nopencv<4\n")
    with pytest.raises(ValueError, match=r"c\.txt:4: 'opencv<4' pins nothing, expected NAME==VERSION"):
        audit.pins([file])


@pytest.mark.parametrize("entry", ['id = "X"', 'id = "X"\npackage = "p"\nreason = "r"\nuntil = "soon"'])
def test_an_accepted_advisory_needs_a_reason_and_a_date(tmp_path, entry):
    file = tmp_path / "a.toml"
    file.write_text(f"[[accepted]]\n{entry}\n")
    with pytest.raises(ValueError, match=r"a\.toml: an entry"):
        audit.accepted(file)


def test_an_accepted_advisory_counts_until_its_date(tmp_path, monkeypatch, capsys):
    file = tmp_path / "a.toml"
    entry = '[[accepted]]\nid = "{}"\npackage = "p"\nreason = "r"\nuntil = {}\n'
    file.write_text(entry.format("OLD-1", "2020-01-01") + entry.format("NEW-1", date(9999, 1, 1)))
    monkeypatch.setattr(audit.accepted, "__defaults__", (file,))
    assert audit.main(["--ignored"]) == 0
    assert capsys.readouterr().out == "--ignore-vuln NEW-1\n"


def test_the_list_of_accepted_advisories_is_well_formed():
    audit.accepted()


@pytest.fixture
def written(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(ROOT)
    assert write_bill(["--output", str(tmp_path / "sbom.json")]) == 0
    return tmp_path / "sbom.json"


def test_the_bill_lists_every_package_with_its_version_and_licence(written):
    fields = json.loads(written.read_text())
    assert (fields["bomFormat"], fields["specVersion"], fields["version"]) == ("CycloneDX", "1.6", 1)
    listed = {component["name"]: component for component in fields["components"]}
    for name in ("numpy", "pydantic", "opencv-python-headless"):
        assert listed[name]["version"] == metadata.version(name)
        assert listed[name]["purl"] == f"pkg:pypi/{name}@{metadata.version(name)}"
        assert listed[name]["licenses"]
        assert listed[name]["scope"] == "required"
    assert listed["pytest"]["scope"] == "excluded"
    assert fields["metadata"]["component"]["name"] == PROJECT


def test_the_bill_names_native_libraries_inside_wheels_with_their_hashes(written):
    components = json.loads(written.read_text())["components"]
    (opencv,) = (component for component in components if component["name"] == "opencv-python-headless")
    inside = {part["name"].split("-")[0].split(".")[0]: part for part in opencv.get("components", ())}
    assert "libavcodec" in inside, "its licence, LGPL, is another than the wheel's"
    assert re.fullmatch("[0-9a-f]{64}", inside["libavcodec"]["hashes"][0]["content"])


def test_the_bill_names_the_models_with_the_hash_that_the_runtime_checks(written):
    components = json.loads(written.read_text())["components"]
    models = {part["name"]: part for part in components if part["type"] == "machine-learning-model"}
    manifest = json.loads((ROOT / "models/waste-mobilenetv2/manifest.json").read_text())
    assert models["waste-mobilenetv2"]["hashes"] == [{"alg": "SHA-256", "content": manifest["sha256"]}]


def test_references_of_the_bill_are_its_own_and_stand_once(written):
    fields = json.loads(written.read_text())
    parts = [part for component in fields["components"] for part in (component, *component.get("components", ()))]
    references = [part["bom-ref"] for part in parts] + [fields["metadata"]["component"]["bom-ref"]]
    assert len(references) == len(set(references))
    for dependency in fields["dependencies"]:
        assert {dependency["ref"], *dependency["dependsOn"]} <= set(references)


def test_the_same_environment_gives_the_same_bytes(written):
    again = written.with_name("again.json")
    write_bill(["--output", str(again)])
    assert again.read_bytes() == written.read_bytes()


def test_another_version_gives_another_serial_number():
    one = bill(SOUND, {"numpy", "rich"}, (), models_in(ROOT / "models"))
    other = bill({**SOUND, "rich": replace(SOUND["rich"], version="1.1")}, {"numpy", "rich"}, (), [])
    assert one["serialNumber"] != other["serialNumber"]


def test_a_library_without_a_known_hash_is_listed_without_one():
    carrying = replace(SOUND["rich"], libraries=(Library("liba.so", None),))
    fields = bill({**SOUND, "rich": carrying}, {"rich"}, (), [])
    assert fields["components"][0]["components"] == [
        {"type": "file", "bom-ref": "pkg:pypi/rich@1.0#liba.so", "name": "liba.so"}
    ]
