"""`capture list|show|label|export|prune`: data on stdout, messages on stderr, and nobody's files harmed."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.capture import export as export_module
from edge.capture.shelf import Shelf
from edge.config import Config
from tests.capture_rig import about, filled, keeper, names, noise
from tests.cli_rig import ENVIRONMENT, invoke, sentence


@pytest.fixture
def folder(tmp_path):
    return filled(tmp_path / "captures", 4)


def label(folder, id_, *arguments):
    return invoke("capture", "label", id_, *arguments, "--folder", folder)


def listed(folder, *arguments):
    return invoke("capture", "list", "--folder", folder, "--json", *arguments).records


def test_list_shows_what_is_kept_oldest_first(folder):
    assert label(folder, "b1-2", "paper").code == 0
    rows = listed(folder)
    assert [row["id"] for row in rows] == ["b1-1", "b1-2", "b1-3", "b1-4"]
    assert rows[1] == {
        "id": "b1-2",
        "number": 2,
        "utc": about(2)["utc"],
        "decision": "uncertain",
        "reason": None,
        "predicted": "glass",
        "confidence": 0.5,
        "label": "paper",
        "bytes": rows[1]["bytes"],
    }
    assert [row["id"] for row in listed(folder, "--unlabelled")] == ["b1-1", "b1-3", "b1-4"]


def test_the_table_fits_a_terminal_and_cannot_steer_it(folder):
    path = folder / "00000001-b1-1.json"
    path.write_text(json.dumps(about(1, label="\x1b[31mred[/bold]", utc="\n2026")))
    result = invoke("capture", "list", "--folder", folder)
    assert result.code == 0
    assert "\x1b" not in result.out
    assert "\\x1b[31mred[/bold]" in result.out
    assert all(len(line) <= 100 for line in result.out.splitlines())
    assert "4 pictures" in result.err
    shown = invoke("capture", "show", "b1-1", "--folder", folder)
    assert "\x1b" not in shown.out


def test_an_empty_folder_is_no_error(tmp_path):
    result = invoke("capture", "list", "--folder", tmp_path)
    assert (result.code, result.out) == (0, "")
    assert "0 pictures" in result.err


def test_a_folder_that_is_named_and_not_there_is_exit_2(tmp_path):
    result = invoke("capture", "list", "--folder", tmp_path / "none")
    assert (result.code, result.out) == (2, "")
    assert "is no folder; check --folder" in result.err
    assert not (tmp_path / "none").exists()


def test_a_folder_that_is_configured_and_not_made_yet_is_no_error(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"capture: {{path: {tmp_path / 'none'}}}\n")
    result = invoke("capture", "list", "--config", config)
    assert (result.code, result.out) == (0, "")
    assert "0 pictures" in result.err


def test_without_a_folder_it_is_the_one_beside_the_configured_ledger(tmp_path):
    filled(tmp_path / "captures", 1)
    config = tmp_path / "c.yaml"
    config.write_text(f"ledger:\n  path: {tmp_path}/ledger.db\n")
    assert [row["id"] for row in invoke("capture", "list", "--config", config, "--json").records] == ["b1-1"]


def test_show_tells_all_and_where_the_file_is(folder):
    result = invoke("capture", "show", "3", "--folder", folder, "--json")
    (fields,) = result.records
    assert fields["path"] == str(folder / "00000003-b1-3.jpg")
    assert fields["about"]["event_id"] == "b1-3"
    assert "width_px" in invoke("capture", "show", "b1-3", "--folder", folder).out


@pytest.mark.parametrize("id_", ["b1-9", "9", "../b1-1", "/etc/passwd", "", "b1-1.jpg", "00000001-b1-1", "٣", "-1 "])
@pytest.mark.parametrize("command", [["show"], ["label"]])
def test_an_unknown_id_is_refused_in_one_sentence(folder, command, id_):
    before = names(folder)
    arguments = ["--", id_, *(["glass"] if command == ["label"] else [])]
    result = invoke("capture", *command, "--folder", folder, *arguments)
    assert result.code == 2
    assert "no picture" in sentence(result)
    assert names(folder) == before


def test_a_label_that_the_model_does_not_know_needs_a_word_more(folder):
    result = label(folder, "b1-1", "glas")
    assert result.code == 2
    assert "did you mean 'glass'?" in sentence(result)
    assert "--new" in sentence(result)
    assert listed(folder)[0]["label"] is None
    assert label(folder, "b1-1", "battery", "--new").code == 0
    assert listed(folder)[0]["label"] == "battery"


BAD_LABELS = [
    "../up",
    "a/b",
    "..",
    ".hidden",
    "",
    " glass",
    "two\nlines",
    "\x1b[2J",
    "x" * 65,
    "a\\b",
    "c:d",
    "\u202egnp",
    "\U0001f37e" * 64,
]


@pytest.mark.parametrize("bad", BAD_LABELS)
def test_a_label_that_can_be_no_class_folder_is_refused_even_as_a_new_one(folder, bad):
    result = invoke("capture", "label", "--new", "--folder", folder, "--", "b1-1", bad)
    assert result.code == 2
    assert "class folder" in sentence(result)
    assert listed(folder)[0]["label"] is None


def test_a_label_can_be_changed_and_taken_off(folder):
    label(folder, "b1-1", "glass")
    label(folder, "b1-1", "paper")
    assert listed(folder)[0]["label"] == "paper"
    assert label(folder, "b1-1", "--remove").code == 0
    assert listed(folder)[0]["label"] is None


@pytest.mark.parametrize("arguments", [[], ["glass", "--remove"]])
def test_a_label_is_given_or_taken_off_and_not_both(folder, arguments):
    assert "or --remove" in sentence(label(folder, "b1-1", *arguments))


def test_export_makes_class_folders(folder, tmp_path):
    label(folder, "b1-1", "glass")
    label(folder, "b1-2", "paper")
    out = tmp_path / "data"
    result = invoke("capture", "export", out, "--folder", folder)
    assert result.code == 0
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.jpg")} == {"glass/b1-1.jpg", "paper/b1-2.jpg"}
    assert (out / "glass" / "b1-1.jpg").read_bytes() == (folder / "00000001-b1-1.jpg").read_bytes()
    assert "2 left out: without a label" in result.err
    assert result.out.split() == ["glass", "1", "paper", "1"]


def test_export_by_predicted_label_lets_a_persons_word_count_more(folder, tmp_path):
    label(folder, "b1-1", "paper")
    result = invoke("capture", "export", tmp_path / "data", "--predicted", "--folder", folder, "--json")
    assert result.records[0]["labels"] == {"paper": 1, "glass": 3}


def test_a_picture_that_was_labelled_anew_does_not_stand_in_two_classes(folder, tmp_path):
    out = tmp_path / "data"
    (out / "glass").mkdir(parents=True)
    (out / "glass" / "mine-1.jpg").write_bytes(b"mine")
    label(folder, "b1-1", "glass")
    invoke("capture", "export", out, "--folder", folder)
    label(folder, "b1-1", "paper")
    result = invoke("capture", "export", out, "--folder", folder, "--json")
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.jpg")} == {"glass/mine-1.jpg", "paper/b1-1.jpg"}
    assert (result.records[0]["new"], result.records[0]["moved"]) == (0, 1)


def test_pictures_of_the_simulated_tray_are_left_out_unless_asked_for(tmp_path):
    folder = filled(tmp_path / "captures", 2, source="sim:3")
    result = invoke("capture", "export", tmp_path / "data", "--predicted", "--folder", folder)
    assert "2 left out: of the simulated tray" in result.err
    assert not (tmp_path / "data").exists()
    result = invoke("capture", "export", tmp_path / "data", "--predicted", "--simulated", "--folder", folder, "--json")
    assert result.records[0]["new"] == 2


@pytest.mark.parametrize("hostile", ["../../out", "/tmp/out", ".ssh", 7, None, ["a"], "x" * 500])
def test_a_predicted_label_from_a_spoilt_file_makes_no_folder(folder, tmp_path, hostile):
    for number in range(1, 5):
        (folder / f"0000000{number}-b1-{number}.json").write_text(json.dumps(about(number, label=hostile)))
    result = invoke("capture", "export", tmp_path / "deep" / "er" / "data", "--predicted", "--folder", folder)
    assert result.code == 0
    assert "4 left out" in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["captures"]


def test_export_among_the_pictures_or_onto_a_file_is_refused(folder, tmp_path):
    (tmp_path / "file").touch()
    for target, said in ((folder, "lies among"), (folder / "x", "lies among"), (tmp_path / "file", "no folder")):
        assert said in sentence(invoke("capture", "export", target, "--folder", folder))


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--labelled"], ["b1-1", "b1-3", "b1-4"]),
        (["--unlabelled"], ["b1-2"]),
        (["--labelled", "--unlabelled"], []),
        (["--to-mb", "0.017"], ["b1-2"]),
        ([], ["b1-1", "b1-2", "b1-3", "b1-4"]),
    ],
)
def test_prune_removes_what_is_asked_for_while_the_sorter_runs(folder, arguments, left):
    label(folder, "b1-2", "paper")
    sorter = keeper(folder)
    sorter.open()
    result = invoke("capture", "prune", *arguments, "--folder", folder)
    assert result.code == 0
    assert [row["id"] for row in listed(folder)] == left
    sorter.put(noise(), about(9))
    assert [row["id"] for row in listed(folder)] == [*left, "b1-9"]


def test_prune_without_options_holds_the_configured_limits(folder, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("capture:\n  max_count: 1\n  keep_free_mb: 0\n")
    assert "removed 3" in invoke("capture", "prune", "--config", config, "--folder", folder).err
    assert [row["id"] for row in listed(folder)] == ["b1-4"]


def test_a_picture_that_cannot_be_read_is_named_and_the_rest_exported(folder, tmp_path, monkeypatch):
    for number in ("1", "2"):
        label(folder, f"b1-{number}", "glass")
    read = Shelf.picture

    def spoilt(shelf, entry):
        if entry.number == 1:
            raise OSError(5, "Input/output error")
        return read(shelf, entry)

    monkeypatch.setattr(Shelf, "picture", spoilt)
    result = invoke("capture", "export", tmp_path / "data", "--folder", folder)
    assert "b1-1 (Input/output error)" in result.err
    assert [path.name for path in (tmp_path / "data").rglob("*.jpg")] == ["b1-2.jpg"]


def test_a_label_that_the_target_cannot_have_costs_its_picture_only(folder, tmp_path, monkeypatch):
    label(folder, "b1-1", "paper")
    label(folder, "b1-2", "glass")
    write = export_module.write_whole

    def narrow(path, content):
        if path.parent.name == "paper":
            raise OSError(errno.ENAMETOOLONG, "File name too long", str(path))
        write(path, content)

    monkeypatch.setattr(export_module, "write_whole", narrow)
    result = invoke("capture", "export", tmp_path / "data", "--folder", folder)
    assert result.code == 0
    assert "b1-1 (File name too long)" in result.err
    assert [path.name for path in (tmp_path / "data").rglob("*.jpg")] == ["b1-2.jpg"]


def test_a_target_that_is_full_ends_the_export_in_one_sentence(folder, tmp_path, monkeypatch):
    for number in ("1", "2"):
        label(folder, f"b1-{number}", "glass")

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(export_module, "write_whole", full)
    result = invoke("capture", "export", tmp_path / "data", "--folder", folder)
    assert result.code != 0
    assert "No space left on device" in sentence(result)


class Platter:
    """Names that were made, and those that a power cut now would leave."""

    def __init__(self, monkeypatch) -> None:
        self.synced: list[Path] = []
        sync, paths = os.fsync, {}
        open_ = os.open

        def note_open(path, *rest, **more):
            handle = open_(path, *rest, **more)
            paths[handle] = Path(os.fspath(path))
            return handle

        def note_sync(handle):
            sync(handle)
            if paths[handle].is_dir():
                self.synced.append(paths[handle])

        monkeypatch.setattr(os, "open", note_open)
        monkeypatch.setattr(os, "fsync", note_sync)


def test_a_persons_label_is_on_the_disk_when_the_command_returns(folder, monkeypatch):
    platter, shelf = Platter(monkeypatch), Shelf(folder)
    shelf.set_label(shelf.scan()[0], "glass")
    assert platter.synced == [folder]
    shelf.set_label(shelf.scan()[0], None)
    assert platter.synced == [folder] * 2


def test_what_was_exported_is_on_the_disk_with_its_folders(folder, tmp_path, monkeypatch):
    platter, shelf, out = Platter(monkeypatch), Shelf(folder), tmp_path / "new" / "data"
    shelf.set_label(shelf.scan()[0], "glass")
    platter.synced.clear()
    export_module.export(shelf, out, with_predicted=False, with_simulated=False)
    assert platter.synced == [tmp_path, tmp_path / "new", out, out / "glass"]
    shelf.set_label(shelf.scan()[0], "paper")
    platter.synced.clear()
    export_module.export(shelf, out, with_predicted=False, with_simulated=False)
    assert platter.synced == [out, out / "paper", out / "glass"]


def test_listing_loads_neither_numpy_nor_opencv(folder):
    code = (
        "import sys; from edge.cli import main\n"
        f"sys.argv = ['edge-sorter', 'capture', 'list', '--folder', {str(folder)!r}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'cv2', 'numpy', 'edge.config', 'edge.records'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_default_keeps_every_kind_within_the_documented_limits():
    capture = Config().capture
    assert list(capture.kinds) == ["uncertain", "rejected", "deadline", "fault"]
    assert (capture.max_mb, capture.max_count, capture.max_days, capture.keep_free_mb) == (256.0, 2000, 90.0, 200.0)
