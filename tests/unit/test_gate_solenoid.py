"""Coils and the outputs that go off by themselves: never two, never long, never before they rested."""

import threading
from contextlib import ExitStack

import pytest

from edge.config import SolenoidConfig, SwitchConfig
from edge.errors import ActuatorError, JamError
from edge.gates.limited import LimitedOutput, start_timer
from edge.gates.solenoid import Solenoids
from tests import mechanisms as m
from tests.doubles import HandTimer, Motors
from tests.pin_rig import MockBench
from tests.rigs import WAIT_S

SWITCH = SwitchConfig(pin=22)
RECYCLABLE, RESIDUE = 5, 6


@pytest.fixture
def bench():
    bench = MockBench()
    yield bench
    bench.close()


@pytest.fixture
def timer() -> HandTimer:
    return HandTimer()


def driven(bench, timer, **changes) -> m.Drive:
    rig = m.SolenoidRig(bench, SolenoidConfig(**m.SOLENOID | changes), timer)
    gate = rig.make()
    gate.open()
    return m.Drive(gate, rig)


def rested(bench, timer, **changes) -> m.Drive:
    """At home for longer than the coils must rest."""
    drive = driven(bench, timer, **changes)
    drive.home()
    drive.run(0.6)
    return drive


def test_a_coil_is_on_for_as_long_as_the_way_is_held_open_and_no_longer(bench, timer):
    drive = rested(bench, timer)
    drive.route("recyclable")
    start_s = drive.now_s
    drive.until(lambda: drive.driver.on() == [RECYCLABLE])
    assert drive.gate.open_to == "recyclable"
    report = drive.finish()
    assert report.ended_s - start_s == pytest.approx(0.8, abs=0.011)
    assert report.commanded_deg is None
    assert drive.driver.on() == []
    assert drive.gate.open_to is None, "the spring has closed the way"
    assert timer.running == []


def test_a_coil_goes_off_by_its_timer_while_the_loop_hangs(bench, timer):
    drive = rested(bench, timer)
    drive.route("residue")
    drive.run(0.1)
    assert [limit_s for limit_s, _ in timer.running] == [2.0]
    assert drive.driver.on() == [RESIDUE]
    timer.expire()
    assert drive.driver.on() == []
    drive.now_s += 60.0
    assert drive.finish().target == "residue"
    assert drive.driver.on() == []


def test_the_real_timer_switches_a_coil_off_without_a_single_tick(bench):
    went_off = threading.Event()
    drive = driven(bench, start_timer, hold_s=0.02, max_on_s=0.22, rest_s=0.0)
    drive.home()
    drive.route("residue")
    drive.tick()
    pin = bench.factory.pin(RESIDUE)
    change = pin._change_state

    def changed(state):
        has_changed = change(state)
        went_off.set()
        return has_changed

    pin._change_state = changed
    if drive.driver.on():
        assert went_off.wait(WAIT_S)
    assert drive.driver.on() == []
    drive.gate.close()


def test_a_coil_that_goes_off_by_itself_before_its_time_is_a_jam(bench, timer):
    drive = rested(bench, timer, jam_retries=0)
    drive.route("residue")
    drive.run(0.3)
    timer.expire()
    with pytest.raises(
        JamError, match=r"coil of bin residue went off by itself before gate\.hold_s was over; raise gate"
    ):
        drive.finish()
    assert drive.driver.on() == []


def test_coming_home_waits_for_no_coil_to_cool(bench, timer):
    drive = driven(bench, timer, rest_s=30.0)
    report = drive.home()
    assert report.ended_s == report.started_s


def test_only_what_is_left_of_the_rest_is_waited_for(bench, timer):
    drive = rested(bench, timer, rest_s=0.5)
    drive.route("residue")
    drive.finish()
    off_s = drive.now_s
    drive.home()
    drive.run(0.3)
    drive.route("recyclable")
    drive.until(lambda: drive.driver.on() == [RECYCLABLE])
    assert drive.now_s - off_s == pytest.approx(0.5, abs=0.021)


def test_a_coil_that_was_seen_off_long_ago_is_pulled_at_once(bench, timer):
    drive = rested(bench, timer, rest_s=0.5)
    drive.route("residue")
    drive.tick()
    assert drive.driver.on() == [RESIDUE]


def test_a_switch_that_stays_closed_under_a_pulled_coil_is_a_jam(bench, timer):
    drive = rested(bench, timer, home_switch=SWITCH, jam_retries=0)
    drive.driver.switch.stick(True)
    drive.route("residue")
    with pytest.raises(
        JamError, match=r"what the coils pull did not leave home, the switch on GPIO22 .* stayed closed"
    ):
        drive.finish()
    assert drive.opened_to == {None}
    assert drive.driver.on() == []


def test_the_springs_own_bin_leaves_the_switch_closed(bench, timer):
    drive = rested(bench, timer, home_switch=SWITCH, bin_pins={"glass": 5, "residue": None})
    drive.route("residue")
    assert drive.finish().target == "residue"


def test_a_coil_rests_before_any_is_pulled_again(bench, timer):
    drive = rested(bench, timer, rest_s=0.5)
    drive.route("residue")
    drive.run(0.2)
    drive.gate.stop()
    drive.route("recyclable")
    start_s = drive.now_s
    drive.until(lambda: drive.driver.on() == [RECYCLABLE])
    assert drive.now_s - start_s == pytest.approx(0.5, abs=0.021)


def test_the_bin_that_the_springs_lead_to_needs_no_power(bench, timer):
    drive = driven(bench, timer, bin_pins={"glass": 5, "residue": None})
    motors = Motors(bench, (), {5: True})
    drive.home()
    drive.route("residue")
    drive.until(lambda: drive.gate.open_to == "residue")
    drive.finish()
    assert motors.powered == set()
    assert timer.running == []


def test_going_to_another_bin_lets_the_first_coil_go_before_the_second_is_pulled(bench, timer):
    motors = Motors(bench, (), {RECYCLABLE: True, RESIDUE: True})
    drive = driven(bench, timer, rest_s=0.0)
    drive.home()
    for target in ("recyclable", "residue", "recyclable"):
        drive.route(target)
        drive.run(0.3)
        drive.gate.home(drive.now_s)
        drive.tick()
        assert drive.driver.on() == []
        drive.gate.stop()
    assert motors.crowds == []


def test_what_does_not_spring_back_is_a_jam(bench, timer):
    drive = driven(bench, timer, home_switch=SWITCH, jam_retries=1)
    drive.home()
    drive.route("residue")
    drive.finish()
    drive.driver.switch.stick(False)
    drive.gate.home(drive.now_s)
    with pytest.raises(JamError, match=r"tried 2 x: what the coils pull is not home, the switch on GPIO22"):
        drive.finish()
    assert drive.driver.on() == []


def test_a_pin_that_is_taken_is_refused_by_its_bin(bench, timer):
    first = driven(bench, timer)
    second = Solenoids(SolenoidConfig(**m.SOLENOID | {"bin_pins": {"recyclable": 5, "residue": 13}}), bench.factory)
    with pytest.raises(
        ActuatorError, match=r"coil of bin recyclable on GPIO5 \(J8:29\) refused: .*; check gate\.bin_pins\.recyclable"
    ):
        second.open()
    first.gate.close()


class Device:
    """An output that a test can let fail."""

    def __init__(self) -> None:
        self.level = 0.0
        self.is_broken = False
        self.written: list[float] = []

    @property
    def value(self) -> float:
        return self.level

    @value.setter
    def value(self, level: float) -> None:
        if self.is_broken:
            raise OSError("bus error")
        self.level = level
        self.written.append(level)

    def close(self) -> None: ...


@pytest.fixture
def limited(timer):
    device = Device()
    output = LimitedOutput(lambda: device, 2.0, "belt on GPIO19 (J8:35)", "gate.belt_pin", timer)
    with ExitStack() as stack:
        output.claim(stack)
        yield output, device


def test_an_output_that_has_expired_cannot_be_driven_until_it_is_started_anew(limited, timer):
    output, device = limited
    output.start(0.5)
    assert output.drive(0.7)
    timer.expire()
    assert (output.is_on, device.level) == (False, 0.0)
    assert not output.drive(1.0)
    assert device.level == 0.0
    output.start()
    assert (output.is_on, device.level) == (True, 1.0)


def test_a_timer_of_before_does_not_switch_off_what_was_started_since(limited, timer):
    output, device = limited
    output.start()
    (_, old) = timer.running[0]
    output.cut()
    output.start()
    old()
    assert (output.is_on, device.level) == (True, 1.0)


def test_a_timer_that_expires_at_once_waits_until_the_output_is_on_and_then_switches_it_off():
    device, threads = Device(), []

    def at_once(limit_s, expire):
        thread = threading.Thread(target=expire)
        thread.start()
        # Time enough for a thread that nothing holds back.
        thread.join(0.05)
        threads.append(thread)

    output = LimitedOutput(lambda: device, 2.0, "belt", "gate.belt_pin", at_once)
    with ExitStack() as stack:
        output.claim(stack)
        output.start()
        threads[0].join(WAIT_S)
        assert device.written == [0.0, 1.0, 0.0]
        assert not output.drive(1.0)


def test_an_output_that_was_never_started_is_not_driven(limited):
    output, device = limited
    assert not output.drive(1.0)
    assert device.level == 0.0


def test_nothing_goes_on_without_a_timer(timer):
    def no_thread(limit_s, expire):
        raise RuntimeError("can't start new thread")

    device = Device()
    output = LimitedOutput(lambda: device, 2.0, "belt", "gate.belt_pin", no_thread)
    with ExitStack() as stack:
        output.claim(stack)
        with pytest.raises(RuntimeError):
            output.start()
        assert device.level == 0.0


def test_an_output_that_did_not_go_off_by_itself_is_told_at_the_next_step(limited, timer):
    output, device = limited
    output.start()
    device.is_broken = True
    timer.expire()
    with pytest.raises(ActuatorError, match=r"belt on GPIO19 \(J8:35\) did not go off after 2 s") as told:
        output.drive(1.0)
    assert isinstance(told.value.__cause__, ActuatorError)
    with pytest.raises(ActuatorError, match="did not go to 0%: bus error"):
        output.cut()
    device.is_broken = False
    output.cut()
    assert device.level == 0.0


def test_an_output_that_cannot_be_cut_is_tried_again_by_its_timer(limited, timer):
    output, device = limited
    output.start()
    device.is_broken = True
    with pytest.raises(ActuatorError):
        output.cut()
    device.is_broken = False
    timer.expire()
    assert device.level == 0.0
