"""`config reload`: asks the sorter that runs, waits for its answer, and says what it was."""

import json
import signal
from pathlib import Path

import pytest

from edge.board.processes import Program
from edge.commands import reload
from edge.errors import ActuatorError, ConfigError

PID = 4711


class Sorter:
    """A sorter's status file; it answers when it is asked, after some waits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[int, int]] = []
        self.answer: dict[str, object] | None = {"number": 1, "is_ok": True, "detail": ""}
        self.waits = 3
        self.now_s = 0.0
        self.write()

    def write(self, **fields: object) -> None:
        status = {"schema": 1, "pid": PID, "ended": None, "reload": None, **fields}
        (self.folder / "status.json").write_text(json.dumps(status))

    def kill(self, pid: int, number: int) -> None:
        self.asked.append((pid, number))

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s
        self.waits -= 1
        if self.waits == 0 and self.answer is not None:
            self.write(reload=self.answer)

    def reload(self) -> str:
        return reload.reload_sorter(5.0, (self.folder,), self.kill, self.sleep, lambda: self.now_s)


@pytest.fixture
def sorter(tmp_path, monkeypatch) -> Sorter:
    monkeypatch.setattr(reload, "programs", lambda: [Program(12, "calibrate"), Program(PID, "run")])
    return Sorter(tmp_path)


def test_it_asks_by_sighup_and_waits_for_the_answer(sorter):
    assert sorter.reload() == "the sorter works with the new configuration"
    assert sorter.asked == [(PID, signal.SIGHUP)]


def test_a_refusal_is_an_error_of_the_configuration(sorter):
    sorter.answer = {"number": 1, "is_ok": False, "detail": "c.yaml:3: unknown key"}
    with pytest.raises(ConfigError, match="goes on as before: c\\.yaml:3: unknown key"):
        sorter.reload()


def test_an_answer_of_before_is_none(sorter):
    sorter.write(reload={"number": 1, "is_ok": False, "detail": "long ago"})
    sorter.answer = {"number": 2, "is_ok": True, "detail": ""}
    assert sorter.reload() == "the sorter works with the new configuration"


def test_a_sorter_that_does_not_answer_is_told(sorter):
    sorter.answer = None
    with pytest.raises(ActuatorError, match=rf"process {PID}\) has not taken the configuration within 5 s"):
        sorter.reload()


@pytest.mark.parametrize("fields", [{"pid": 99}, {"ended": {"exit_code": 0}}], ids=["not running", "ended"])
def test_a_status_of_a_sorter_that_is_gone_asks_nobody(sorter, fields):
    sorter.write(**fields)
    with pytest.raises(ActuatorError, match="no status of a sorter"):
        sorter.reload()
    assert sorter.asked == []


def test_a_sorter_of_another_user_wants_sudo(sorter):
    def refuse(pid: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    with pytest.raises(ActuatorError, match="run it with sudo"):
        reload.reload_sorter(5.0, (sorter.folder,), refuse, sorter.sleep, lambda: sorter.now_s)


def test_a_sorter_that_ended_instead_is_told_with_its_reason(sorter):
    sorter.answer = None
    wait = sorter.sleep

    def end(duration_s: float) -> None:
        wait(duration_s)
        sorter.write(ended={"exit_code": 3, "detail": "camera /dev/video9 does not exist"})

    sorter.sleep = end
    with pytest.raises(ConfigError, match="the sorter ended: camera /dev/video9 does not exist"):
        sorter.reload()
    assert sorter.now_s < 1.0
