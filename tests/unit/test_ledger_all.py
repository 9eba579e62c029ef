"""`ledger summary|export|verify --all`, and what doctor says of a book's surroundings."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from edge.commands.ledger import app
from edge.doctor.book import check_ledger
from edge.errors import ConfigError
from edge.ledger import ROTATION_PAUSE_S, SqliteLedger
from edge.ledger_format import refuse_collision
from edge.records import Event
from tests.doctor_rig import a_pi
from tests.ledger_rig import INTENT, damage, fill, item


@pytest.fixture
def path(tmp_path):
    """A book of five items, two of them in the archive."""
    path = tmp_path / "ledger.db"
    book = SqliteLedger(path, boot_id="b1", rotate_bytes=1)
    book.open()
    for n in range(5):
        book.append(item())
        if n < 2:
            book.maintain(n * ROTATION_PAUSE_S)
    book.close()
    return path


def invoke(*arguments, path, exit_code=0):
    result = CliRunner().invoke(app, [*arguments, "--ledger", str(path)])
    if isinstance(result.exception, Exception):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result


def test_summary_of_all_files(path):
    assert json.loads(invoke("summary", "--json", path=path).stdout)["events"] == {"item": 3}
    assert json.loads(invoke("summary", "--all", "--json", path=path).stdout)["events"] == {"item": 5}
    assert "5 events, 1 boots" in invoke("summary", "--all", path=path).stdout


def test_export_of_all_files_in_order(path):
    lines = invoke("export", "--all", path=path).stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3, 4, 5]
    rows = invoke("export", "--all", "--format", "csv", "--type", "item", path=path).stdout.splitlines()
    assert len(rows) == 6


@pytest.mark.parametrize("command", ["summary", "export", "verify"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_without_all_the_full_files_that_are_left_out_are_told(path, command, form):
    told = "2 full files in archive/ are not counted; --all counts them"
    assert told in invoke(command, *form, path=path).stderr.splitlines()
    assert "archive/" not in invoke(command, *form, "--all", path=path).stderr
    (path.parent / "archive" / "ledger-000001.db").unlink()
    assert "1 full file in archive/ is not counted; --all counts it" in invoke(command, *form, path=path).stderr


def test_tail_of_all_files_reaches_back_as_far_as_it_must(path):
    def shown(*arguments):
        result = invoke("tail", "--json", *arguments, path=path)
        return [json.loads(line)["seq"] for line in result.stdout.splitlines()], result.stderr

    assert shown("-n", "3") == ([3, 4, 5], "")
    assert shown("-n", "4") == ([3, 4, 5], "2 full files in archive/ are not shown; --all shows them\n")
    assert shown("--all", "-n", "4") == ([2, 3, 4, 5], "")
    assert shown("--all") == ([1, 2, 3, 4, 5], "")
    # A file that is not needed is not opened.
    (path.parent / "archive" / "ledger-000001.db").write_bytes(b"x" * 5000)
    assert shown("--all", "-n", "4") == ([2, 3, 4, 5], "")
    assert "4" in invoke("tail", "--all", "-n", "2", path=path).stdout


def test_a_full_file_by_itself_has_no_archive(path):
    assert "archive/" not in invoke("summary", path=path.parent / "archive" / "ledger-000001.db").stderr


def test_verify_of_all_files_is_one_verdict(path):
    assert "5 rows of 1 boots, clean" in invoke("verify", "--all", path=path).stderr
    archive = path.parent / "archive" / "ledger-000001.db"
    archive.write_bytes(b"x" * 5000)
    result = invoke("verify", "--all", "--json", path=path, exit_code=5)
    assert "ledger-000001.db" in json.loads(result.stdout)["problems"][0]


def test_verify_tells_an_open_intent_and_is_content(path):
    book = SqliteLedger(path, boot_id="b2")
    book.open()
    book.intend(INTENT)
    book.close()
    result = invoke("verify", path=path)
    assert "note: an intent is open: glass for recyclable" in result.stderr
    assert "clean" in result.stderr
    assert len(json.loads(invoke("verify", "--json", path=path).stdout)["notes"]) == 1


@pytest.mark.parametrize("folder", ["archive", "damaged"])
def test_nothing_is_exported_among_the_old_files(path, folder):
    with pytest.raises(ConfigError, match="old files"):
        refuse_collision("--output", path.parent / folder / "out.jsonl", path)


def findings(path, tmp_path):
    return {one.check: one for one in check_ledger(a_pi(tmp_path / "root"), path, None)}


def test_doctor_warns_of_books_that_were_set_aside(path, tmp_path):
    fill(path, [item() for _ in range(40)], boot_id="b2")
    assert "ledger.damaged" not in findings(path, tmp_path)
    damage(path, 8)
    book = SqliteLedger(path, when_damaged="set_aside")
    book.open()
    book.close()
    found = findings(path, tmp_path)["ledger.damaged"]
    assert (found.level, "holds 1 " in found.found) == ("warning", True)


def test_doctor_notes_an_item_that_was_interrupted(path, tmp_path):
    assert "ledger.intent" not in findings(path, tmp_path)
    book = SqliteLedger(path)
    book.open()
    book.intend(INTENT)
    book.close()
    found = findings(path, tmp_path)["ledger.intent"]
    assert (found.level, "glass for recyclable" in found.found) == ("note", True)


def test_doctor_calls_a_book_that_is_gone_lost_and_one_between_two_files_not(path, tmp_path):
    path.unlink()
    assert findings(path, tmp_path)["ledger.file"].level == "blocker"
    shutil.copyfile(path.parent / "archive" / "ledger-000001.db", path.with_name("ledger.db.next"))
    assert findings(path, tmp_path)["ledger.file"].level == "ok"


def test_a_type_that_a_later_version_writes_is_counted_all_the_same(tmp_path):
    path = tmp_path / "other.db"
    fill(path, [Event("clock", 1.0, {"step_s": 3.0}), Event("something_new", 2.0)])
    assert json.loads(invoke("summary", "--json", path=path).stdout)["events"] == {"clock": 1, "something_new": 1}
    assert len(invoke("export", "--type", "clock", path=path).stdout.splitlines()) == 1
