"""What doctor says of the model and of the event book, and how it knows a running sorter."""

import os
from pathlib import Path

import pytest

from edge.board.processes import Program, program_of, programs
from edge.classify.tflite import TfliteClassifier
from edge.config import Config
from edge.configfile import parse_config
from edge.doctor.book import check_ledger
from edge.doctor.model import check_model
from edge.doctor.running import other_sorters, running_sorter
from edge.ledger import SqliteLedger
from edge.ledger_format import sidecar
from tests.doctor_rig import a_pi, found, is_good, pi_config
from tests.ledger_rig import fill, item, run_sql


def model(machine, text="{}"):
    return list(check_model(machine, parse_config(text, "x.yaml"), None))


def book(machine, path, sorter=None):
    return list(check_ledger(machine, path, sorter))


def ticking(step_s):
    """A clock that each look moves by so much."""
    now_s = [0.0]

    def clock_s():
        now_s[0] += step_s
        return now_s[0]

    return clock_s


def test_the_shipped_model_holds_and_its_pace_is_told(tmp_path):
    findings = model(a_pi(tmp_path, clock_s=ticking(0.005)), "model: {threads: 1}")
    assert is_good(findings)
    assert [finding.check.partition(".")[2] for finding in findings] == [
        "bundle",
        "runtime",
        "golden",
        "threads",
        "pace",
    ]
    assert found(findings, "model.pace").found == "an inference takes 5.0 ms with 1 thread"


def test_threads_that_are_not_known_yet_are_a_note(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert found(model(a_pi(tmp_path)), "model.threads").level == "note"


def test_a_model_that_is_too_slow_for_the_deadline_is_a_warning(tmp_path):
    finding = found(model(a_pi(tmp_path, clock_s=ticking(0.8))), "model.pace")
    assert finding.level == "warning"
    assert "vote.deadline_s (1.5 s)" in finding.found


def test_a_runtime_that_is_not_installed_is_a_blocker(tmp_path):
    (finding,) = model(a_pi(tmp_path), "model: {runtime: tflite_runtime}")
    assert (finding.check, finding.level) == ("model.runtime", "blocker")
    assert finding.remedy == "install it in this environment"


def test_a_bundle_that_was_changed_is_a_blocker(tmp_path, bundle_dir):
    path = bundle_dir / "model.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    (finding,) = model(a_pi(tmp_path / "root"), f"model: {{path: {bundle_dir}}}")
    assert (finding.check, finding.level) == ("model.bundle", "blocker")
    assert "install the bundle again" in finding.remedy


def test_a_golden_image_that_does_not_come_out_is_a_blocker(tmp_path, bundle_dir):
    for path in (bundle_dir / "golden").iterdir():
        path.write_bytes(b"")
    finding = found(model(a_pi(tmp_path / "root"), f"model: {{path: {bundle_dir}}}"), "model.golden")
    assert finding.level == "blocker"


def test_routes_that_do_not_fit_the_labels_are_a_blocker(tmp_path):
    (finding,) = model(a_pi(tmp_path), "routes: {glass: recyclable}")
    assert finding.level == "blocker"


def test_a_library_that_cannot_be_loaded_is_a_blocker(tmp_path, monkeypatch):
    def broken(*_):
        raise ImportError("libc.so.6: version GLIBC_2.38 not found")

    monkeypatch.setattr("edge.doctor.model.TfliteClassifier", broken)
    finding = found(model(a_pi(tmp_path)), "model.runtime")
    assert finding.level == "blocker"
    assert "GLIBC_2.38" in finding.found


def test_a_graph_that_no_delegate_takes_is_a_warning(tmp_path, monkeypatch):
    class Slow(TfliteClassifier):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.is_delegated = False

    monkeypatch.setattr("edge.doctor.model.TfliteClassifier", Slow)
    assert found(model(a_pi(tmp_path)), "model.runtime").level == "warning"


def test_a_sound_book_is_ok_and_stays_as_it_was(tmp_path, ledger):
    fill(ledger, [item(), item()])
    before = {path.name: path.read_bytes() for path in tmp_path.glob("ledger*")}
    (finding,) = book(a_pi(tmp_path / "root"), ledger)
    assert finding.level == "ok"
    assert "2 rows" in finding.found
    assert {path.name: path.read_bytes() for path in tmp_path.glob("ledger*")} == before


def test_a_book_that_is_not_there_yet_is_ok_and_is_not_made(tmp_path, ledger):
    (finding,) = book(a_pi(tmp_path / "root"), ledger)
    assert finding.level == "ok"
    assert not ledger.exists()


def test_a_book_that_may_not_be_made_is_a_blocker(tmp_path):
    machine = a_pi(tmp_path / "root", may=lambda path, mode: False)
    (finding,) = book(machine, tmp_path / "edge-sorter/ledger.db")
    assert (finding.check, finding.level) == ("ledger.access", "blocker")
    assert f"install -d -o pi {tmp_path}/edge-sorter" in finding.remedy


def test_a_book_that_may_not_be_written_is_a_blocker(tmp_path, ledger):
    fill(ledger, [item()])
    findings = book(a_pi(tmp_path / "root", may=lambda path, mode: mode & os.W_OK == 0), ledger)
    assert found(findings, "ledger.access").level == "blocker"
    assert found(findings, "ledger.rows").level == "ok"


def test_a_book_that_was_lost_is_a_blocker(tmp_path, ledger):
    sidecar(ledger, "-wal").write_bytes(b"x")
    (finding,) = book(a_pi(tmp_path / "root"), ledger)
    assert (finding.check, finding.level) == ("ledger.file", "blocker")


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"\xff" * 100])
def test_a_file_that_is_no_book_is_a_blocker(tmp_path, ledger, content):
    ledger.write_bytes(content)
    assert found(book(a_pi(tmp_path / "root"), ledger), "ledger.rows").level == "blocker"


def test_a_book_with_a_gap_is_a_blocker_that_says_where_to_see_it(tmp_path, ledger):
    fill(ledger, [item(), item(), item()])
    run_sql(ledger, "DROP TRIGGER IF EXISTS events_no_delete", "DELETE FROM events WHERE seq = 2")
    finding = found(book(a_pi(tmp_path / "root"), ledger), "ledger.rows")
    assert finding.level == "blocker"
    assert "ledger verify" in finding.remedy


def test_a_large_book_is_only_opened(tmp_path, ledger, monkeypatch):
    fill(ledger, [item()])
    monkeypatch.setattr("edge.doctor.book.SMALL_BYTES", 100)
    finding = found(book(a_pi(tmp_path / "root"), ledger), "ledger.rows")
    assert finding.level == "note"
    assert "ledger verify" in finding.remedy


def test_a_sorter_that_writes_the_book_is_known_by_the_kernels_lock(tmp_path, ledger):
    machine = a_pi(tmp_path / "root")
    (tmp_path / "root/proc/locks").unlink()
    (tmp_path / "root/proc/locks").symlink_to("/proc/locks")
    writer = SqliteLedger(ledger)
    assert running_sorter(machine, ledger) is None
    writer.open()
    try:
        link = tmp_path / "link.db"
        link.symlink_to(ledger)
        found_sorter = running_sorter(machine, ledger)
        assert found_sorter == running_sorter(machine, link) == Program(os.getpid(), "")
        findings = book(machine, ledger, found_sorter)
        assert is_good(findings)
        assert str(os.getpid()) in found(findings, "ledger.writer").found
    finally:
        writer.close()
    assert running_sorter(machine, ledger) is None


@pytest.mark.parametrize(
    ("line", "is_running"),
    [
        ("1: FLOCK  ADVISORY  WRITE {pid} {device}:{inode} 0 EOF", True),
        ("1: FLOCK  ADVISORY  WRITE {pid} 00:99:{inode} 0 EOF", True),
        ("1: FLOCK  ADVISORY  WRITE 5 00:99:{inode} 0 EOF", False),
        ("1: -> FLOCK  ADVISORY  WRITE {pid} {device}:{inode} 0 EOF", False),
        ("1: POSIX  ADVISORY  WRITE {pid} {device}:{inode} 0 EOF", False),
        ("1: FLOCK  ADVISORY  READ {pid} {device}:{inode} 0 EOF", False),
        ("1: FLOCK  ADVISORY  WRITE {pid} {device}:0 0 EOF", False),
        ("1: FLOCK", False),
    ],
)
def test_which_line_of_the_kernels_list_is_the_sorters(tmp_path, line, is_running):
    ledger = tmp_path / "ledger.db"
    lock = sidecar(ledger, ".lock")
    lock.write_text(f"{4242:<10}\n")
    status = lock.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    text = line.format(pid=4242, device=device, inode=status.st_ino)
    machine = a_pi(tmp_path / "root", {"proc/locks": f"{text}\n"})
    assert running_sorter(machine, ledger) == (Program(4242, "") if is_running else None)


COMMANDS = [
    ("a script", "/usr/bin/python3\0/opt/edge-sorter/bin/edge-sorter\0run\0--config\0x.yaml\0", "run"),
    ("options first", "edge-sorter\0--verbose\0calibrate\0angles\0", "calibrate"),
    ("a module", "python\0-m\0edge\0run\0", "run"),
    ("an interpreter with options", "python\0-X\0dev\0edge-sorter\0run\0", ""),
    ("another program", "vi\0run\0", ""),
    ("no command", "edge-sorter\0", ""),
    ("nothing", "", ""),
]


@pytest.mark.parametrize(("line", "command"), [row[1:] for row in COMMANDS], ids=[row[0] for row in COMMANDS])
def test_what_a_process_does_is_told_by_its_command_line(tmp_path, line, command):
    (tmp_path / "proc/77").mkdir(parents=True)
    (tmp_path / "proc/77/cmdline").write_text(line)
    assert program_of(77, tmp_path) == Program(77, command)
    assert list(programs(tmp_path)) == ([Program(77, command)] if command else [])
    assert str(program_of(77, tmp_path)) == (f"process 77 (edge-sorter {command})" if command else "process 77")


def test_a_calibration_that_holds_the_book_is_called_so(tmp_path, ledger):
    finding = found(book(a_pi(tmp_path), ledger, Program(1234, "calibrate")), "ledger.writer")
    assert finding.found.endswith("is in use by process 1234 (edge-sorter calibrate)")


def test_a_sorter_with_another_book_is_a_note_on_a_machine_with_pins(tmp_path):
    commands = {"proc/77/cmdline": "edge-sorter\0run\0", "proc/78/cmdline": "edge-sorter\0calibrate\0"}
    machine = a_pi(tmp_path, commands)
    (finding,) = other_sorters(machine, pi_config(), None)
    assert (finding.level, finding.check) == ("note", "ledger.others")
    assert "process 77 (edge-sorter run)" in finding.found
    assert not list(other_sorters(machine, pi_config(), Program(77, "run")))
    assert not list(other_sorters(machine, Config(), None))


def test_without_a_lock_file_nobody_runs(tmp_path):
    assert running_sorter(a_pi(tmp_path), Path(tmp_path / "none.db")) is None


def test_the_default_configuration_is_what_the_model_is_checked_for():
    assert Config().model.path is None
