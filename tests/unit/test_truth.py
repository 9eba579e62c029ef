"""What a run is compared with: the score, the truth file, and `run --against`."""

import json

import pytest

from edge.commands.truth import Score, TrueItem, read_truth, score, write_truth
from edge.errors import ConfigError
from tests.cli_rig import invoke, sentence

GLASS = TrueItem("glass", "recyclable", 2.0, 2.5, 5.0)
TRASH = TrueItem("trash", "residue", 6.0, 6.5, None)
ROW = {"label": "glass", "route": "recyclable", "t_in_s": 2.0, "t_rest_s": 2.5, "t_out_s": 5.0}

SCORES = {
    "all right": ([(3.0, "recyclable"), (6.9, "residue")], Score(2, 2, 2, 0, 0.45)),
    "wrong bin": ([(3.0, "residue"), (6.9, "residue")], Score(2, 2, 1, 0, 0.45)),
    "missed": ([(6.9, "residue")], Score(2, 1, 1, 0, 0.4)),
    "double": ([(3.0, "recyclable"), (4.0, "recyclable"), (6.9, "residue")], Score(2, 1, 1, 1, 0.4)),
    "double of two opinions": ([(3.0, "recyclable"), (4.0, "residue")], Score(2, 0, 0, 1, None)),
    "phantom before the first item": ([(1.0, "residue"), (3.0, "recyclable")], Score(2, 1, 1, 1, 0.5)),
    "as the next item comes into view": ([(6.0, "residue")], Score(2, 1, 1, 0, -0.5)),
    "after the last item": ([(99.0, "residue")], Score(2, 1, 1, 0, 92.5)),
    "nothing": ([], Score(2, 0, 0, 0, None)),
}


@pytest.mark.parametrize(("decisions", "expected"), SCORES.values(), ids=SCORES.keys())
def test_score(decisions, expected):
    found = score([GLASS, TRASH], decisions)
    assert (found.items, found.counted_once, found.right, found.phantoms) == (
        expected.items,
        expected.counted_once,
        expected.right,
        expected.phantoms,
    )
    assert found.decide_s == (None if expected.decide_s is None else pytest.approx(expected.decide_s))


def test_without_an_item_every_decision_is_a_phantom():
    assert score([], [(1.0, "residue"), (2.0, "residue")]) == Score(0, 0, 0, 2, None)


def test_a_score_describes_itself_in_one_line():
    assert Score(2, 1, 1, 3, 0.45).describe() == (
        "2 items: 1 counted exactly once, median 0.45 s after rest; 1 sorted right; 3 phantoms or doubles"
    )
    assert "median" not in Score(2, 0, 0, 0, None).describe()


def test_a_truth_file_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "deep" / "truth.json"
    write_truth(path, {"fps": 20.0, "source": "sim:1", "items": [ROW, ROW | {"t_out_s": None, "kind": "jar"}]})
    assert read_truth(path) == [GLASS, TrueItem("glass", "recyclable", 2.0, 2.5, None)]
    assert [file.name for file in path.parent.iterdir()] == ["truth.json"]


MALFORMED = {
    "empty": "",
    "no JSON": "{",
    "a list": "[]",
    "a number": "7",
    "no items": "{}",
    "items is no list": '{"items": 7}',
    "an item is no object": '{"items": [7]}',
    "a field is missing": json.dumps({"items": [{name: value for name, value in ROW.items() if name != "t_out_s"}]}),
    "a time is text": json.dumps({"items": [ROW | {"t_in_s": "soon"}]}),
    "a time is null": json.dumps({"items": [ROW | {"t_rest_s": None}]}),
    "no Unicode": b"\xff\xfe\xff",
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_file_that_is_no_truth_is_refused_by_name(tmp_path, content):
    path = tmp_path / "truth.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=rf"{path} is no truth file .*; check --against"):
        read_truth(path)


def test_a_truth_that_is_missing_or_a_folder_is_refused_by_name(tmp_path):
    for path in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(ConfigError, match=f"cannot read the truth {path}"):
            read_truth(path)


def test_run_against_a_truth_shows_its_score(tmp_path, ledger, small):
    truth = tmp_path / "truth.json"
    run = ("run", "--config", small, "--pace", "fast", "--items", "2", "--ledger", ledger)
    first = invoke(*run, "--truth", truth)
    assert first.code == 0, first.err
    assert "2 items: 2 counted exactly once" in first.out
    fields = json.loads(truth.read_text())
    for item in fields["items"]:
        item["route"] = "elsewhere"
    fields["items"].append(ROW | {"t_in_s": 900.0, "t_rest_s": 901.0})
    truth.write_text(json.dumps(fields))
    second = invoke(*run, "--against", truth)
    assert second.code == 0, second.err
    shown = " ".join(second.out.replace("│", " ").split())
    assert "3 items: 2 counted exactly once" in shown
    assert "0 sorted right; 0 phantoms or doubles" in shown


def test_run_against_a_file_that_is_no_truth_is_exit_2_before_anything_is_opened(tmp_path, ledger):
    truth = tmp_path / "truth.json"
    truth.write_text("[]")
    result = invoke("run", "--pace", "fast", "--ledger", ledger, "--against", truth, "--json")
    assert (result.code, result.out) == (2, "")
    assert sentence(result).startswith(f"{truth} is no truth file")
    assert not ledger.exists()


def test_a_truth_that_cannot_be_written_is_one_sentence(tmp_path, ledger, small, gate):
    (tmp_path / "file").touch()
    truth = tmp_path / "file" / "truth.json"
    arguments = ("--pace", "fast", "--items", "1", "--ledger", ledger, "--truth", truth, "--json")
    result = invoke("run", "--config", small, *arguments)
    assert result.code == 2
    assert sentence(result).startswith(f"cannot write the truth to {truth} (")
    assert not gate, "it is refused before a pin is claimed"
