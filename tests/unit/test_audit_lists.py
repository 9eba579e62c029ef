"""The lists of packages for other environments fit the pins, name nothing that is not needed, and carry hashes."""

from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tools import audit, lists
from tools.installed import Package, installed
from tools.lists import Entry

ROOT = Path(__file__).parents[2]
HASH = "--hash=sha256:" + "0" * 64
PINNED = {"numpy": "2.4.6", "rich": "15.0.0"}


def read(folder: Path, text: str) -> list[Entry]:
    file = folder / "list.txt"
    file.write_text(text)
    return lists.entries(file)


def entry(name: str, specifier: str = "", hashes: int = 1) -> Entry:
    return Entry("list.txt:1", name, SpecifierSet(specifier), hashes)


def package(name: str, licence: str | None) -> Package:
    return Package(name, name, "1.0", licence, (), ())


def test_this_projects_lists_have_no_complaints(monkeypatch):
    monkeypatch.chdir(ROOT)
    found, count = audit.elsewhere(installed())
    assert found == []
    assert count >= 27


def test_the_audit_fails_for_a_complaint_about_a_list(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(lists, "wheel_complaints", lambda *_: iter(["list.txt:1: numpy has no hash"]))
    assert audit.main([]) == 1
    assert "audit: list.txt:1: numpy has no hash" in capsys.readouterr().err


def test_a_list_is_read_with_its_hashes_and_lines(tmp_path):
    text = f"# why\nNumPy==2.4.6 \\\n    {HASH} \\\n    {HASH}\n\nrich>=13.0  # a bound\n"
    numpy, rich = read(tmp_path, text)
    assert (numpy.name, numpy.pin, numpy.hashes, numpy.place.endswith("list.txt:2")) == ("numpy", "2.4.6", 2, True)
    assert (rich.name, rich.pin, rich.hashes, rich.place.endswith("list.txt:6")) == ("rich", None, 0, True)


def test_a_line_that_is_no_requirement_is_told_with_its_place(tmp_path):
    with pytest.raises(ValueError, match=r"list\.txt:2: 'numpy == == 2' is no requirement"):
        read(tmp_path, "rich>=13.0\nnumpy == == 2\n")


@pytest.mark.parametrize(
    ("wheel", "says"),
    [
        (entry("numpy", "==2.4.6"), None),
        (entry("numpy", ">=2"), "numpy is not pinned"),
        (entry("numpy", "==2.*"), "numpy is not pinned"),
        (entry("numpy", "==2.4.6", hashes=0), "numpy has no hash"),
        (entry("numpy", "==2.4.5"), "numpy 2.4.5 is shipped, but 2.4.6 is what is tested"),
        (entry("stranger", "==1"), "stranger 1 is shipped, but none is what is tested"),
        (entry("opencv-python-headless", "==4.11.0.86"), None),
        (entry("opencv-python-headless", "==5.0"), "opencv-python-headless 5.0 is outside <4.12"),
    ],
)
def test_a_wheel_is_pinned_with_its_hash_to_what_is_tested_or_within_its_bound(wheel, says):
    found = list(lists.wheel_complaints([wheel], PINNED, [entry("opencv-python-headless", "<4.12")]))
    assert [says in sentence for sentence in found] == ([] if says is None else [True])


def test_a_bound_bounds_something_that_is_pinned():
    assert list(lists.bound_complaints([entry("numpy", "<2")], PINNED)) == []
    (empty,) = lists.bound_complaints([entry("numpy")], PINNED)
    assert "numpy has no bound" in empty
    (stranger,) = lists.bound_complaints([entry("stranger", "<2")], PINNED)
    assert "nothing pins it" in stranger


def test_what_is_not_pinned_asks_for_what_the_project_asks_for():
    wanted = {"rich": [SpecifierSet(">=13.0")]}
    assert list(lists.unpinned_complaints([entry("rich", ">=13.0")], wanted)) == []
    (sentence,) = lists.unpinned_complaints([entry("rich", ">=14.0")], wanted)
    assert "rich>=14.0 is asked for, pyproject.toml asks for >=13.0" in sentence


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        ("rich", None),
        ("lgpio", None),
        ("stranger", "nothing needs stranger"),
        ("silent", "no licence of silent is known here"),
        ("absent", "no licence of absent is known here"),
        ("strict", "strict is under GPL-3.0-only, which"),
    ],
)
def test_what_is_listed_is_needed_and_under_an_allowed_licence(listed, says):
    packages = {
        "rich": package("rich", "MIT AND (BSD-3-Clause OR Zlib)"),
        "stranger": package("stranger", "MIT"),
        "silent": package("silent", None),
        "strict": package("strict", "GPL-3.0-only"),
    }
    needed = {"rich", "lgpio", "silent", "absent", "strict"}
    found = list(lists.foreign_complaints([entry(listed, "==1")], packages, needed, audit.ALLOWED))
    assert [says in sentence for sentence in found] == ([] if says is None else [True])


def test_the_project_requires_more_than_one_machine_does():
    assert {"ai-edge-litert", "lgpio", "tflite-runtime", "numpy"} <= set(lists.required())
    assert "lgpio" not in lists.required(())
    assert "pytest" not in lists.required()


def test_a_folder_without_lists_is_no_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="is missing"):
        lists.wheel_lists()
