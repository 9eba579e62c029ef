"""What the fault suite reports: bounds, rows, and a page that hides nothing."""

import ast
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest

from tests.fault.suite import disks, run
from tests.fault.suite.page import LIMIT_S, ROOT, is_complete, page_text
from tests.fault.suite.rows import MATRIX, REQUIRED, SPOILED, Row, Rows, bound, read_rows

SOURCES = ("tests/fault/suite/*.py", "tests/rig/guest/**/*.py", "tests/rig/cuts/*.py")
LOOPS = {
    "tests.fault.suite.disks": {"fault": disks.FAULTS, "policy": disks.POLICIES},
    "tests.fault.suite.long_run": {"frames": [run.LONG_RUN_FRAMES]},
}
"""What the names in a `fault` text of the host's parts go through; the guests' tests say so by their parameters."""


def entry(rows: Rows, row: str, *, fault: str = "a fault") -> None:
    rows.add(row, fault=fault, injected_by="hand", required="all", figure="1 | 2", is_held=True, wall_s=3.21)


@pytest.mark.parametrize(
    ("failures", "trials", "told"),
    [
        (0, 300, "0/300 failed, at most 0.99 % (95%)"),
        (0, 3000, "0/3000 failed, at most 0.1 % (95%)"),
        (1, 200, "1/200 failed, at most 2.3 % (95%)"),
        (0, 1, "0/1 failed, at most 95 % (95%)"),
        (5, 5, "5/5 failed, at most 100 % (95%)"),
    ],
)
def test_a_bound_is_that_of_clopper_and_pearson(failures, trials, told):
    assert bound(failures, trials) == told


def test_rows_come_in_the_order_of_the_matrix_and_a_part_begins_anew(tmp_path):
    entry(Rows("b", tmp_path), "memory")
    entry(Rows("a", tmp_path), "memory")
    rows = Rows("a", tmp_path)
    entry(rows, "clock")
    entry(rows, "power-cut")
    assert [row.row for row in read_rows(tmp_path)] == ["power-cut", "clock", "memory"]


def test_a_row_that_the_matrix_does_not_have_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'weather' is no row of the matrix"):
        entry(Rows("a", tmp_path), "weather")
    (tmp_path / "a.jsonl").write_text('{"row": "clock"}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl, line 1: expected the keys"):
        read_rows(tmp_path)


def everything() -> list[Row]:
    return [
        Row(row, fault, "hand", "all", "1 | 2", is_held=True, wall_s=3.2)
        for row, faults in REQUIRED.items()
        for fault in faults
    ]


def test_a_suite_is_complete_if_all_that_is_required_was_run_and_held_in_time():
    rows = everything()
    assert is_complete(rows, wall_s=LIMIT_S)
    text = page_text(rows, wall_s=LIMIT_S)
    assert f"{len(rows)} of {len(rows)} injections held, 30.0 minutes altogether." in text
    assert "ot run" not in text


def test_a_row_that_nobody_reported_is_named_under_the_head_of_the_page():
    rows = [row for row in everything() if row.row != "power-cut"]
    assert not is_complete(rows)
    text = page_text(rows)
    assert "\n\n**Not run:**\n\n- power cut while idle, committing, moving\n\nA figure" in text
    assert "## Power cut while idle, committing, moving\n\nNot run.\n" in text


@pytest.mark.parametrize("row", MATRIX)
def test_a_single_fault_that_nobody_reported_is_named_although_its_row_has_others(row):
    lacking = REQUIRED[row][-1]
    rows = [entry for entry in everything() if (entry.row, entry.fault) != (row, lacking)]
    assert not is_complete(rows)
    assert f"\n- {MATRIX[row]}: {lacking}\n" in page_text(rows)


def test_what_was_not_held_did_not_end_well_or_took_too_long_is_told_and_spoils_the_suite():
    rows = everything()
    broken = Row("disk", "a disk", "hand", "all", "1 | 2", is_held=False, wall_s=3.2)
    assert not is_complete([*rows, broken])
    assert not is_complete(rows, ["long-run"])
    assert not is_complete(rows, wall_s=LIMIT_S + 1)
    text = page_text([*rows, broken], ["long-run"], LIMIT_S + 60)
    assert f"{len(rows)} of {len(rows) + 1} injections held, 31.0 minutes altogether: **longer than the 30 that" in text
    assert "**Did not end well: long-run.**" in text
    assert "| a disk | hand | all | 1 \\| 2 | **no** | 3 s |" in text


def test_a_page_of_rows_that_lie_there_tells_what_is_absent_by_its_exit_as_well(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SORTER_FAULT_ROWS", str(tmp_path))
    monkeypatch.setattr(run, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(sys, "argv", ["run", "--page"])
    *others, last = everything()
    rows = Rows("a")
    for row in others:
        entry(rows, row.row, fault=row.fault)
    assert run.main() == 1
    assert f"\n- {MATRIX[last.row]}: {last.fault}\n" in (tmp_path / "page.md").read_text()
    assert f"ABSENT {last.row}: {last.fault}\n" in capsys.readouterr().out
    entry(rows, last.row, fault=last.fault)
    assert run.main() == 0


def test_what_is_required_is_what_the_parts_report():
    reported = {pair for pattern in SOURCES for path in ROOT.glob(pattern) for pair in _reported_by(path)}
    assert reported == {(row, fault) for row, faults in REQUIRED.items() for fault in faults}
    assert list(REQUIRED) == list(MATRIX)


def _reported_by(path: Path) -> Iterator[tuple[str, str]]:
    """The rows and faults of each call in a file that adds an entry, with every value that its text goes through."""
    source = path.read_text(encoding="utf-8")
    if "fault=" not in source and "add_spoiled(" not in source:
        return
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    for function in functions:
        for call in ast.walk(function):
            if not isinstance(call, ast.Call):
                continue
            texts = [word.value for word in call.keywords if word.arg == "fault"]
            if texts and isinstance(call.args[0], ast.Constant):
                yield from ((call.args[0].value, text) for text in _texts(texts[0], name, function.name))
            elif isinstance(call.func, ast.Name) and call.func.id == "add_spoiled":
                assert isinstance(call.args[1], ast.Constant)
                yield call.args[1].value, SPOILED


def _texts(expression: ast.expr, module_name: str, function_name: str) -> Iterator[str]:
    module = import_module(module_name)
    marks = getattr(getattr(module, function_name), "pytestmark", [])
    loops = LOOPS.get(module_name) or dict(mark.args for mark in marks if mark.name == "parametrize")
    code = compile(ast.Expression(expression), module_name, "eval")
    for values in product(*loops.values()):
        yield eval(code, vars(module) | dict(zip(loops, values, strict=True)))
