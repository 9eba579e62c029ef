"""The guard of the gate's power: a second process, which ends a program that stands still in mid-motion."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from edge.clock import TICK_S
from edge.config import ServoFlapConfig
from edge.ending import STOP_SIGNALS
from edge.errors import ActuatorError
from edge.gates import power_guard
from edge.gates.guarded import BEAT_S, GuardedGate, PowerGuard
from edge.gates.power_guard import watch
from edge.homing import bring_home
from tests.mechanisms import FlapRig
from tests.pin_rig import open_bench
from tests.rigs import FakeClock

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
    # It has the program's standard error, whose other end is read until nobody has it any more.
    done = run_program("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


@pytest.mark.parametrize("fill", [False, True], ids=["nobody reads", "full"])
def test_a_standard_error_that_takes_nothing_saves_no_program_from_its_end(fill):
    reader, writer = os.pipe()
    if fill:
        os.set_blocking(writer, False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(writer, b"x" * 65536)
    else:
        os.close(reader)
    # Stopped, so that only the guard may have something to say.
    then = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    command = [sys.executable, "-c", PROGRAM.format(then=then)]
    assert subprocess.run(command, stderr=writer, check=False, timeout=LONG_S).returncode == -signal.SIGKILL
    os.close(writer)
    if fill:
        os.close(reader)


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


def kill(guard: PowerGuard) -> None:
    process = guard._process
    assert process is not None
    process.kill()
    process.wait()


def test_a_guard_that_was_killed_is_replaced_with_a_warning_once_in_a_motion(caplog):
    clock = Clock()
    guard = PowerGuard(clock)
    guard.powered()
    kill(guard)
    clock.now_s = BEAT_S
    guard.powered()
    assert caplog.messages == ["the guard of the gate's power has ended; another one takes its place"]
    assert guard._process is not None and guard._process.poll() is None
    kill(guard)
    clock.now_s = 2 * BEAT_S
    with pytest.raises(ActuatorError, match="ends again and again"):
        guard.powered()
    guard.close()


def test_a_guard_that_was_lost_in_a_motion_is_replaced_at_its_end(caplog):
    guard = PowerGuard()
    guard.powered()
    kill(guard)
    guard.resting()
    assert len(caplog.messages) == 1
    guard.powered()
    guard.resting()
    guard.close()


def test_a_guard_that_ends_as_soon_as_it_is_started_is_a_fault_before_anything_moves(monkeypatch, tmp_path):
    monkeypatch.setattr(power_guard, "__file__", str(tmp_path / "gone.py"))
    guard = PowerGuard()
    with pytest.raises(ActuatorError, match="did not start within 5 s"):
        guard.powered()
    with pytest.raises(ActuatorError, match="is closed"):
        guard.powered()


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
    """A gate whose pin refuses in mid-motion."""

    is_moving = True

    def __init__(self, stops: bool) -> None:
        self._stops = stops

    def home(self, now_s): ...

    def tick(self, now_s):
        raise ActuatorError("the pin")

    def stop(self):
        if not self._stops:
            raise ActuatorError("the pin again")

    def close(self):
        self.stop()


class Told:
    def __init__(self) -> None:
        self.said: list[str] = []

    def powered(self):
        self.said.append("powered")
        return True

    def resting(self):
        self.said.append("resting")

    def close(self):
        self.said.append("close")


@pytest.mark.parametrize(("stops", "is_told"), [(True, ["resting"]), (False, [])], ids=["cut", "not cut"])
def test_a_gate_that_failed_is_at_rest_only_if_its_power_could_be_cut(stops, is_told):
    told = Told()
    gate = GuardedGate(Failing(stops), told)
    gate.home(0.0)
    with pytest.raises(ActuatorError, match=r"the pin$"):
        gate.tick(0.0)
    assert told.said == ["powered", "powered", *is_told]


class Slow(Told):
    """A guard that is not there yet when it is told of the first motion."""

    def __init__(self, clock: FakeClock, took_s: float) -> None:
        super().__init__()
        self._clock, self._took_s = clock, took_s

    def powered(self):
        super().powered()
        is_prompt = self._took_s == 0.0
        self._clock.advance(self._took_s)
        self._took_s = 0.0
        return is_prompt


def test_a_guard_that_takes_its_time_to_start_cuts_no_motion_short():
    clock = FakeClock()
    with closing(open_bench()) as bench:
        rig = FlapRig(bench, ServoFlapConfig(servo_pin=18))
        gate = GuardedGate(rig.make(), Slow(clock, took_s=3.0))
        gate.open()
        powered_s = 0.0

        def look(now_s):
            nonlocal powered_s
            powered_s += TICK_S * rig.is_powered()
            return True

        assert bring_home(gate, clock, 60.0, look)
        gate.close()
    assert powered_s >= rig.config.servo.settle_s


class Deaf(Told):
    def powered(self):
        raise ActuatorError("the guard")


def test_a_gate_whose_guard_fails_is_stopped():
    stopped = []
    gate = Failing(stops=True)
    gate.stop = lambda: stopped.append("stop")
    with pytest.raises(ActuatorError, match="the guard"):
        GuardedGate(gate, Deaf()).home(0.0)
    assert stopped == ["stop"]


def test_a_gate_that_cannot_be_closed_leaves_no_guard():
    told = Told()
    with pytest.raises(ActuatorError):
        GuardedGate(Failing(stops=False), told).close()
    assert told.said == ["close"]


def test_a_guard_does_not_hear_what_asks_the_program_for_an_end():
    with closing(PowerGuard()) as guard:
        process = guard._process
        assert process is not None
        for number in STOP_SIGNALS:
            process.send_signal(number)
        guard.powered()
        _, _, pending = Path(f"/proc/{process.pid}/status").read_text().partition("ShdPnd:\t")
        waiting = int(pending.split()[0], 16)
        assert all(waiting >> (number - 1) & 1 for number in STOP_SIGNALS), "for ever, in the kernel"
        assert process.poll() is None
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set(), "the program hears them"


def test_a_guard_that_is_closed_before_it_was_needed_ends_in_order(capfd):
    guard = PowerGuard()
    process = guard._process
    guard.close()
    assert process is not None and process.returncode == 0
    assert capfd.readouterr().err == ""
