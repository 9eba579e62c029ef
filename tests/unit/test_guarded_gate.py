"""The guard of the gate's power: a second process, which ends a program that stands still in mid-motion."""

import logging
import os
import signal
import subprocess
import sys
import threading

import pytest

from edge.errors import ActuatorError
from edge.gates import power_guard
from edge.gates.guarded import BEAT_S, GuardedGate, PowerGuard
from edge.gates.power_guard import watch

LONG_S = 20.0
"""Whatever takes so long is not going to happen."""
PROGRAM = """\
import select, sys
from edge.gates.guarded import PowerGuard
guard = PowerGuard()
guard.powered()
{then}
"""


def run_program(then: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "faulthandler", "-c", PROGRAM.format(then=then)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONG_S)


def test_a_program_that_stands_still_while_the_gate_has_power_is_ended():
    done = run_program("select.select([], [], [])")
    assert done.returncode == -signal.SIGABRT
    assert "the loop stood still for 0.6 s while the gate had power" in done.stderr
    assert "Current thread" in done.stderr, "where it stood is written down"


def test_a_program_that_holds_the_interpreters_lock_is_ended():
    done = run_program("import ctypes; ctypes.PyDLL(None).sleep(1000)")
    assert done.returncode == -signal.SIGABRT


def test_a_program_that_was_stopped_is_ended():
    done = run_program("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
    assert done.returncode == -signal.SIGKILL


def test_silence_of_a_gate_at_rest_is_none():
    done = run_program("guard.resting(); select.select([], [], [], 1.0); guard.close(); print('alive')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")


def test_the_guard_ends_with_the_program_also_when_that_is_killed_in_mid_motion():
    # The guard holds the other end of this pipe as long as it lives.
    reader, writer = os.pipe()
    then = f"import os, signal; os.set_inheritable({writer}, True); os.kill(os.getpid(), signal.SIGKILL)"
    command = [sys.executable, "-c", PROGRAM.format(then=then)]
    subprocess.run(command, check=False, timeout=LONG_S, pass_fds=[writer])
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b""


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_it_is_told_at_the_first_power_and_then_every_few_steps(monkeypatch):
    words = []
    monkeypatch.setattr(PowerGuard, "_say", lambda self, word: words.append(word))
    clock = Clock()
    guard = PowerGuard(clock)
    for _ in range(3):
        guard.powered()
    assert words == [b"1"]
    clock.now_s = BEAT_S
    guard.powered()
    guard.resting()
    guard.resting()
    guard.powered()
    assert words == [b"1", b"1", b"0", b"1"]
    guard.close()
    guard.close()


def test_a_guard_that_was_killed_is_replaced_before_the_next_motion_with_a_warning(caplog):
    guard = PowerGuard()
    process = guard._process
    assert process is not None
    process.kill()
    process.wait()
    with caplog.at_level(logging.WARNING):
        guard.powered()
    assert "another one takes its place" in caplog.text
    assert guard._process is not None and guard._process.poll() is None
    guard.resting()
    guard.close()


def test_a_guard_that_cannot_be_started_is_a_fault_before_anything_moves(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ActuatorError, match=r"cannot start the guard of the gate's power: No such file"):
        PowerGuard()


def test_a_beat_in_between_begins_the_count_anew(monkeypatch):
    """Two thirds of the limit are silent, twice; only the third silence is a whole one."""
    ended = []
    monkeypatch.setattr(power_guard, "_end", ended.append)
    turns = iter([True, *[False] * 4, True, *[False] * 4, True, *[False] * 6])
    reader, writer = os.pipe()

    def select(readers, *_):
        if next(turns):
            os.write(writer, b"1")
            return readers, [], []
        return [], [], []

    monkeypatch.setattr(power_guard.select, "select", select)
    assert watch(reader, 1234)
    assert (ended, list(turns)) == ([1234], [])
    os.close(reader)
    os.close(writer)


def test_a_number_that_is_no_longer_the_parents_is_left_alone(monkeypatch):
    killed = []
    monkeypatch.setattr(power_guard.os, "kill", lambda *what: killed.append(what))
    power_guard._end(os.getppid() + 1)
    assert killed == []


class Failing:
    """A gate whose pin refuses in mid-motion; the power is off then."""

    is_moving = True

    def tick(self, now_s):
        self.is_moving = False
        raise ActuatorError("pin")

    def stop(self):
        raise ActuatorError("pin")

    def close(self):
        raise ActuatorError("pin")


def test_the_guard_hears_of_the_end_of_a_motion_also_by_an_error():
    said = []

    class Told:
        def powered(self):
            said.append("powered")

        def resting(self):
            said.append("resting")

        def close(self):
            said.append("close")

    gate = GuardedGate(Failing(), Told())
    for act in (lambda: gate.tick(0.0), gate.stop, gate.close):
        with pytest.raises(ActuatorError):
            act()
    assert said == ["resting", "resting", "close"]


def test_no_guard_is_left_when_the_loop_ends_in_another_thread():
    guard = PowerGuard()
    process = guard._process
    closer = threading.Thread(target=guard.close)
    closer.start()
    closer.join()
    assert process is not None and process.returncode == 0
