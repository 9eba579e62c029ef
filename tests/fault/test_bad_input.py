"""Bad input to a sorter that is to start: one sentence, the right exit status, and the ledger as it was before."""

import json
import re
import sys
from functools import partial

import cv2
import pytest

from edge.ledger import SqliteLedger
from edge.records import Event
from edge.sources.sim import Simulation
from tests.cli_rig import ROOT, invoke, ledger_records, sentence
from tests.replay.rig import CAN, FPS

SIZE = (320, 240)


@pytest.fixture
def book(tmp_path):
    """A ledger that was in use before, and what it holds."""
    path = tmp_path / "book" / "ledger.db"
    ledger = SqliteLedger(path)
    ledger.open()
    records = [ledger.append(Event("boot", 0.0, {"reason": "before"}))]
    ledger.close()
    return path, records


@pytest.fixture
def refused(book):
    """Run the sorter on bad input; returns the sentence."""

    def run(code, *arguments):
        path, records = book
        items = () if "--source" in arguments else ("--items", "1")
        result = invoke("run", "--ledger", path, "--pace", "fast", *items, *arguments)
        assert (result.code, result.out) == (code, ""), result.err
        assert ledger_records(path) == records
        return sentence(result)

    return run


def change_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_bytes(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


def swap_labels(folder):
    labels = manifest_of(folder)["labels"]
    change_manifest(folder, labels=[labels[1], labels[0], *labels[2:]])


def promise_other_outputs(folder):
    golden = manifest_of(folder)["golden"]
    golden[0]["output"] = golden[0]["output"][::-1]
    change_manifest(folder, golden=golden)


BAD_MODELS = {
    "model missing": (lambda folder: (folder / "model.tflite").unlink(), r"cannot read \S+/model.tflite \(No such"),
    "manifest missing": (lambda folder: (folder / "manifest.json").unlink(), r"cannot read \S+/manifest.json"),
    "manifest cut": (lambda folder: (folder / "manifest.json").write_text('{"schema": 1,'), "manifest.json is no JSON"),
    "manifest of another schema": (partial(change_manifest, schema=2), "has schema 2, this program reads 1"),
    "truncated": (
        lambda folder: (folder / "model.tflite").write_bytes((folder / "model.tflite").read_bytes()[:100_000]),
        r"\(100000 bytes\).*truncated or was changed",
    ),
    "tampered": (lambda folder: change_bytes(folder / "model.tflite", 1_000_000), "truncated or was changed"),
    "labels in another order": (swap_labels, "not those inside the model"),
    "too few labels": (partial(change_manifest, labels=["glass", "trash"]), "2 labels for 6 outputs"),
    "other outputs": (promise_other_outputs, "the manifest promises"),
    "golden image missing": (lambda folder: (folder / "golden" / "0.png").unlink(), r"cannot read \S+/golden/0.png"),
}


@pytest.mark.parametrize(("spoil", "reason"), BAD_MODELS.values(), ids=BAD_MODELS.keys())
def test_a_bundle_that_does_not_hold_is_refused(refused, bundle_dir, spoil, reason):
    spoil(bundle_dir)
    found = refused(4, "--model", bundle_dir)
    assert re.search(reason, found), found
    for command in (("model", "verify", bundle_dir), ("classify", ROOT, "--model", bundle_dir)):
        result = invoke(*command)
        assert (result.code, result.out, sentence(result)) == (4, "", found)


def test_a_bundle_that_is_not_there_is_refused(refused, tmp_path):
    assert refused(4, "--model", tmp_path / "gone") == (
        f"model bundle {tmp_path / 'gone'} is no folder; check --model or model.path"
    )


def test_a_bundle_that_is_not_there_is_told_with_the_line_that_names_it(refused, tmp_path, bundle_dir):
    path, gone = tmp_path / "config.yaml", tmp_path / "gone"
    path.write_text(f"pins:\n  factory: mock\nmodel:\n  path: {gone}\n")
    found = refused(4, "--config", path)
    assert found == f"{path}:4: model.path is '{gone}', which is no folder; mend the path or leave it out"
    for command in (("config", "check", path), ("classify", ROOT, "--config", path)):
        result = invoke(*command)
        assert (result.code, result.out, sentence(result)) == (4, "", found)
    assert invoke("classify", bundle_dir / "golden" / "0.png", "--config", path, "--model", bundle_dir).code == 0
    assert "--model" in refused(4, "--config", path, "--model", tmp_path / "other")


ROUTES = "routes: {cardboard: recyclable, glass: recyclable, metal: recyclable, paper: recyclable,"
BAD_CONFIGS = {
    "unknown key": (
        "settle:\n  quiet_s: 0.2\nvote:\n  min_confidnce: 0.5\n",
        ":4: unknown key 'vote.min_confidnce', did you mean 'min_confidence'?",
    ),
    "unknown section": ("gates:\n  hold_s: 1.0\n", ":1: unknown key 'gates', did you mean 'gate'?"),
    "wrong type": ("gate:\n  hold_s: long\n", ":2: gate.hold_s is 'long': input should be a valid number"),
    "text for a number": (
        'gate:\n  servo_pin: "18"\n',
        ":2: gate.servo_pin: '18' is no pin; give a BCM number such as 18, or a header pin such as J8:12",
    ),
    "out of bounds": ("source:\n  fps: 1000.0\n", ":2: source.fps is 1000.0: input should be less than or equal to"),
    "not a number": ("source:\n  fps: .nan\n", ":2: source.fps is nan: input should be a finite number"),
    "route to no bin": (
        f"pins:\n  factory: mock\n{ROUTES} plastic: compost, trash: residue}}\n",
        "routes.plastic is 'compost', which is no bin of gate.bins_deg (recyclable, residue)",
    ),
    "angle out of reach": ("gate:\n  home_deg: 200.0\n", "home_deg is 200, outside 0 to 180 degrees"),
    "two devices on one pin": (
        "drop_sensor:\n  kind: beam\n  pin: 18\n",
        "gate.servo_pin and drop_sensor.pin are both GPIO18; give each device its own pin",
    ),
    "a key twice": ("gate:\n  hold_s: 1.0\n  hold_s: 2.0\n", ":3: 'hold_s' stands here twice"),
    "no YAML": ("gate: [\n", "no valid YAML"),
    "a list": ("- gate\n", ":1: expected sections such as `source:`, found list"),
}


@pytest.mark.parametrize(("text", "reason"), BAD_CONFIGS.values(), ids=BAD_CONFIGS.keys())
def test_a_bad_config_is_named_with_file_and_line(refused, tmp_path, text, reason):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    found = refused(2, "--config", path)
    place, _, _ = found.partition(": ")
    assert place.removeprefix(f"{path}:").isdecimal(), found
    assert reason in found
    result = invoke("config", "check", path)
    assert (result.code, result.out, sentence(result)) == (2, "", found)


BAD_ROUTES = {
    "no label": (f"{ROUTES} plastik: recyclable, plastic: recyclable, trash: residue}}", "did you mean 'plastic'?"),
    "a label without a bin": (f"{ROUTES} plastic: recyclable}}", "routes has no bin for the model's label 'trash'"),
}


@pytest.mark.parametrize(("text", "reason"), BAD_ROUTES.values(), ids=BAD_ROUTES.keys())
def test_routes_and_labels_of_the_model_must_match(refused, tmp_path, text, reason):
    path = tmp_path / "config.yaml"
    path.write_text(f"pins:\n  factory: mock\n{text}\n")
    found = refused(2, "--config", path)
    assert found.startswith(f"{path}:3: routes")
    assert reason in found
    assert sentence(invoke("config", "check", path)) == found


def test_a_config_that_cannot_be_read_is_named(refused, tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"# \xe4\n")
    assert "is no UTF-8 text" in refused(2, "--config", tmp_path / "latin.yaml")
    assert "No such file" in refused(2, "--config", tmp_path / "gone.yaml")
    assert "Is a directory" in refused(2, "--config", tmp_path)


BAD_SOURCES = {
    "unknown kind": ("webcam", 2, "source 'webcam' is none of sim[:SEED], video:PATH, images:DIR, picamera2[:INDEX]"),
    "no kind": ("", 2, "source '' is none of"),
    "seed no number": ("sim:lucky", 2, "sim:lucky is no seed; give a whole number"),
    "video without a path": ("video:", 2, "source video:PATH needs what comes after the colon"),
    "video missing": ("video:{folder}/gone.mp4", 2, "video {folder}/gone.mp4 does not exist"),
    "video empty": ("video:{folder}/empty.mp4", 2, "{folder}/empty.mp4 (0 bytes) cannot be opened as a video"),
    "no video": ("video:{folder}/text.mp4", 2, "{folder}/text.mp4 (5 bytes) cannot be opened as a video"),
    "video cut in its head": ("video:{folder}/head.avi", 2, "cannot be opened as a video; it is empty, truncated, or"),
    "images missing": ("images:{folder}/gone", 2, "{folder}/gone is no folder; check --source images:DIR"),
    "images empty": ("images:{folder}/empty", 2, "{folder}/empty holds no picture"),
    "fast camera": ("v4l2:/dev/video77", 2, "--pace fast needs a recorded source; a camera runs in real time"),
}


@pytest.mark.parametrize(("spec", "code", "reason"), BAD_SOURCES.values(), ids=BAD_SOURCES.keys())
def test_a_source_that_cannot_be_is_refused(refused, tmp_path, spec, code, reason):
    film(tmp_path / "whole.avi", 1.0)
    (tmp_path / "head.avi").write_bytes((tmp_path / "whole.avi").read_bytes()[:200])
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("film\n")
    (tmp_path / "empty").mkdir()
    assert reason.format(folder=tmp_path) in refused(code, "--source", spec.format(folder=tmp_path))


def test_a_camera_that_is_missing_is_exit_3(book, tmp_path):
    path, records = book
    device = tmp_path / "video0"
    result = invoke("run", "--ledger", path, "--source", f"v4l2:{device}")
    assert result.code == 3
    assert sentence(result).startswith(f"camera {device} does not exist; plug it in")
    assert ledger_records(path) == records


def test_pins_without_a_gpio_are_exit_3_and_nothing_falls_back_to_simulated_ones(refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    path = tmp_path / "config.yaml"
    path.write_text("pins:\n  factory: lgpio\n")
    assert "pins.factory lgpio does not work here" in refused(3, "--config", path)


def test_events_that_cannot_be_written_and_a_truth_that_nobody_knows_are_refused(refused, tmp_path):
    (tmp_path / "file").touch()
    assert "check --events" in refused(2, "--events", tmp_path / "file" / "events.jsonl")
    assert "check --events" in refused(2, "--events", tmp_path)
    assert "needs --source sim" in refused(2, "--source", f"images:{tmp_path}", "--truth", tmp_path / "truth.json")


def film(path, until_s):
    """Record the simulated tray with one item on it, as MJPEG: each frame stands for itself."""
    simulation = Simulation(seed=1, items=0, fps=FPS, width_px=SIZE[0], height_px=SIZE[1], script=[CAN])
    simulation.open()
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE)
    while (next_s := simulation.next_s()) is not None and next_s <= until_s:
        video.write(simulation.take().image)
    video.release()


WARNED = "edge-sorter: WARNING: the source ended while an item was on the tray; it was not decided and is not counted"


@pytest.mark.parametrize(("until_s", "items", "warning"), [(2.45, 0, WARNED + "\n"), (2.8, 1, "")])
def test_a_video_that_ends_in_mid_item_is_exit_0_and_warns_if_the_item_was_not_decided(
    tmp_path, until_s, items, warning
):
    film(tmp_path / "tray.avi", until_s)
    ledger = tmp_path / "ledger.db"
    result = invoke("run", "--source", f"video:{tmp_path / 'tray.avi'}", "--pace", "fast", "--ledger", ledger)
    assert (result.code, result.err) == (0, warning)
    assert f"{items} item{'' if items == 1 else 's'} in " in result.out
    assert [record["type"] for record in ledger_records(ledger)] == ["boot"] + ["item"] * items


def test_a_video_file_that_was_cut_is_sorted_as_far_as_it_goes_and_says_so(tmp_path):
    film(tmp_path / "whole.avi", 6.0)
    content = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) * 3 // 4])
    ledger = tmp_path / "ledger.db"
    result = invoke("run", "--source", f"video:{tmp_path / 'cut.avi'}", "--pace", "fast", "--ledger", ledger)
    assert result.code == 0
    (line,) = result.err.splitlines()
    assert "WARNING: video" in line
    assert "the file is damaged or was cut" in line
    assert [record["type"] for record in ledger_records(ledger)] == ["boot", "item"]


@pytest.mark.parametrize("option", ["--truth", "--events"])
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".lock", ".new"])
def test_a_run_that_would_write_over_its_own_ledger_is_exit_2_before_anything_is_opened(tmp_path, option, suffix):
    result = invoke("run", "--ledger", tmp_path / "ledger.db", option, tmp_path / f"ledger.db{suffix}")
    assert (result.code, result.out) == (2, "")
    assert sentence(result) == (
        f"{option} {tmp_path}/ledger.db{suffix} is ledger.db{suffix}, which belongs to the ledger; name another file"
    )
    assert list(tmp_path.iterdir()) == []
