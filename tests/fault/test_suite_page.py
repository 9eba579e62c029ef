"""What the fault suite reports: bounds, rows, and a page that hides nothing."""

import pytest

from tests.fault.suite.page import is_complete, page_text
from tests.fault.suite.rows import MATRIX, Rows, bound, read_rows


def entry(rows: Rows, row: str, *, is_held: bool = True) -> None:
    rows.add(row, fault=f"a {row}", injected_by="hand", required="all", figure="1 | 2", is_held=is_held, wall_s=3.21)


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


def test_a_suite_is_complete_only_if_every_row_was_run_and_held(tmp_path):
    rows = Rows("a", tmp_path)
    for row in list(MATRIX)[1:]:
        entry(rows, row)
    assert not is_complete(read_rows(tmp_path))
    assert "Not run: power cut while idle, committing, moving." in page_text(read_rows(tmp_path))
    entry(rows, "power-cut")
    assert is_complete(read_rows(tmp_path))
    entry(rows, "disk", is_held=False)
    assert not is_complete(read_rows(tmp_path))
    text = page_text(read_rows(tmp_path), ["long-run"])
    assert "10 of 11 injections held. Did not end well: long-run." in text
    assert "| a disk | hand | all | 1 \\| 2 | **no** | 3 s |" in text
