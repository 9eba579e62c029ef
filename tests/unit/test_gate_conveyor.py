"""The conveyor: diverter, then belt; ramps, exit sensor, stall, and a belt that stops by itself."""

import itertools

import pytest

from edge.config import ConveyorConfig, SwitchConfig
from edge.errors import JamError
from tests import mechanisms as m
from tests.doubles import HandTimer, Motors, ServoDouble
from tests.pin_rig import MockBench

EXIT = SwitchConfig(pin=23, active_high=True)
TURN = SwitchConfig(pin=24)
BELT, DIVERTER = 19, 12


@pytest.fixture
def bench():
    bench = MockBench()
    yield bench
    bench.close()


@pytest.fixture
def timer() -> HandTimer:
    return HandTimer()


def driven(bench, timer, **changes) -> m.Drive:
    rig = m.ConveyorRig(bench, ConveyorConfig(**m.CONVEYOR | changes), timer)
    gate = rig.make()
    gate.open()
    drive = m.Drive(gate, rig)
    drive.home()
    return drive


def running_s(drive: m.Drive) -> float:
    """How long the belt runs until the motion is reported."""
    seconds = 0.0
    while drive.tick() is None:
        seconds += drive.TICK_S * (drive.driver.speed() > 0)
    return seconds


def test_the_belt_runs_once_the_diverter_is_there_and_let_go(bench, timer):
    motors = Motors(bench, (DIVERTER,), {BELT: True})
    drive = driven(bench, timer)
    diverter = ServoDouble(bench, drive.driver.config.diverter)
    drive.route("recyclable")
    drive.until(lambda: drive.driver.speed() > 0)
    assert diverter.angle_deg == pytest.approx(150.0)
    assert motors.powered == {BELT}
    assert drive.gate.open_to == "recyclable"
    assert drive.finish().commanded_deg == pytest.approx(150.0)
    assert motors.powered == set()
    assert drive.gate.open_to == "recyclable", "the diverter leads there until it goes home"
    assert motors.crowds == []


def test_the_belt_runs_for_its_time(bench, timer):
    drive = driven(bench, timer, run_s=1.5)
    drive.route("recyclable")
    assert running_s(drive) == pytest.approx(1.5, abs=0.021)
    assert timer.running == []


def test_the_belts_speed_rises_and_falls_by_ramps(bench, timer):
    drive = driven(bench, timer, belt_pwm_hz=100, belt_ramp_s=0.2, run_s=0.5)
    drive.route("recyclable")
    speeds = []
    while drive.tick() is None:
        speeds.append(drive.driver.speed())
    changes = [after - before for before, after in itertools.pairwise(speeds)]
    assert max(speeds) == 1.0
    assert max(changes) <= 0.05 + 1e-9
    assert min(changes) >= -0.05 - 1e-9
    assert speeds.count(1.0) * 0.01 == pytest.approx(0.5, abs=0.05)
    assert drive.driver.speed() == 0.0


def test_a_late_tick_makes_the_ramp_longer_and_not_steeper(bench, timer):
    drive = driven(bench, timer, belt_pwm_hz=100, belt_ramp_s=0.2)
    drive.route("recyclable")
    drive.until(lambda: drive.driver.speed() > 0.1)
    before = drive.driver.speed()
    drive.now_s += 0.4
    drive.tick()
    assert drive.driver.speed() <= before + 0.05 + 1e-9


def test_the_exit_sensor_stops_the_belt_once_the_item_has_passed(bench, timer):
    drive = driven(bench, timer, exit_sensor=EXIT)
    drive.route("recyclable")
    assert running_s(drive) == pytest.approx(drive.driver.EXIT_S[1], abs=0.03)


def exit_sees(drive: m.Drive, is_there: bool, looks: int) -> None:
    drive.driver.switch("exit_sensor").set(is_there)
    for _ in range(looks):
        drive.tick()


def scripted(bench, timer, **changes) -> m.Drive:
    """A belt that runs, whose exit sensor shows what the test says."""
    drive = driven(bench, timer, exit_sensor=EXIT, **changes)
    drive.driver.has_item = False
    drive.driver.advance = lambda step_s: None
    drive.gate.route("recyclable", drive.now_s)
    drive.until(lambda: drive.driver.speed() > 0)
    return drive


def test_the_shortest_item_breaks_the_exits_beam_for_two_looks(bench, timer):
    drive = scripted(bench, timer)
    exit_sees(drive, True, 2)
    exit_sees(drive, False, 2)
    assert drive.driver.speed() == 0.0


@pytest.mark.parametrize("looks", [0, 1])
def test_a_spike_in_the_exits_wire_is_no_item(bench, timer, looks):
    drive = scripted(bench, timer)
    for _ in range(5):
        exit_sees(drive, True, looks)
        exit_sees(drive, False, 3)
    assert drive.driver.speed() == 1.0


def test_what_lies_at_the_exit_is_carried_off_and_does_not_count_as_the_item(bench, timer):
    drive = driven(bench, timer, exit_sensor=EXIT)
    drive.driver.switch("exit_sensor").stick(True)
    drive.route("recyclable")
    drive.until(lambda: drive.driver.speed() > 0)
    drive.run(0.1)
    drive.driver.switch("exit_sensor").stick(None)
    assert running_s(drive) == pytest.approx(drive.driver.EXIT_S[1] - 0.1, abs=0.04)


def test_an_item_that_never_comes_is_a_jam_after_bounded_tries(bench, timer):
    drive = driven(bench, timer, exit_sensor=EXIT, jam_retries=1, max_run_s=2.0)
    drive.driver.has_item = False
    drive.route("residue")
    seconds = 0.0
    with pytest.raises(
        JamError,
        match=r"to residue, tried 2 x: no item passed the exit sensor while the belt on GPIO19 \(J8:35\) ran for 2 s",
    ):
        for _ in range(3000):
            drive.tick()
            seconds += 0.01 * (drive.driver.speed() > 0)
    assert seconds == pytest.approx(4.0, abs=0.1)
    assert not drive.driver.is_powered()


def test_an_exit_sensor_that_is_always_blocked_is_a_jam(bench, timer):
    drive = driven(bench, timer, exit_sensor=EXIT, jam_retries=0)
    drive.driver.switch("exit_sensor").stick(True)
    drive.route("residue")
    seconds = 0.0
    with pytest.raises(JamError, match=r"GPIO19 \(J8:35\) did not carry off what lies at the exit; clear the belt, or"):
        for _ in range(3000):
            drive.tick()
            seconds += 0.01 * (drive.driver.speed() > 0)
    assert seconds == pytest.approx(drive.driver.config.run_s, abs=0.03)
    assert drive.driver.speed() == 0.0


def test_a_stalled_belt_is_off_within_its_time_and_tried_again(bench, timer):
    drive = driven(bench, timer, turn_sensor=TURN, stall_s=0.5, jam_retries=2, jam_pause_s=0.3)
    drive.route("recyclable")
    drive.until(lambda: drive.driver.speed() > 0)
    drive.run(0.3)
    drive.driver.is_jammed = True
    # The last pulse came up to a whole period before the jam.
    assert 0.5 - 2 * drive.driver.PULSE_S - 0.02 <= running_s_until_off(drive) <= 0.52
    drive.driver.is_jammed = False
    assert drive.finish().target == "recyclable"


def running_s_until_off(drive: m.Drive) -> float:
    seconds = 0.0
    while drive.driver.speed() > 0:
        drive.tick()
        seconds += drive.TICK_S
    return seconds


def test_a_belt_that_stays_stalled_is_told(bench, timer):
    drive = driven(bench, timer, turn_sensor=TURN, jam_retries=1)
    drive.driver.is_jammed = True
    drive.route("recyclable")
    with pytest.raises(
        JamError, match=r"tried 2 x: belt on GPIO19 \(J8:35\) did not turn for 0\.5 s; free it, or check"
    ):
        drive.finish()
    assert not drive.driver.is_powered()
    assert timer.running == []


def test_a_late_look_at_a_belt_that_turns_is_no_stall(bench, timer):
    drive = driven(bench, timer, turn_sensor=TURN)
    drive.route("recyclable")
    drive.until(lambda: drive.driver.speed() > 0)
    for _ in range(3):
        drive.driver.advance(0.6)
        drive.now_s += 0.6
        drive.tick()
    assert drive.finish().target == "recyclable"


def test_the_belt_stops_by_its_timer_while_the_loop_hangs(bench, timer):
    drive = driven(bench, timer, max_run_s=3.0)
    drive.route("recyclable")
    drive.until(lambda: drive.driver.speed() > 0)
    assert [limit_s for limit_s, _ in timer.running] == [3.0]
    timer.expire()
    assert drive.driver.speed() == 0.0
    drive.now_s += 60.0
    assert drive.finish().target == "recyclable"
    assert drive.driver.speed() == 0.0


def test_a_belt_that_its_timer_stopped_before_the_item_passed_is_a_jam(bench, timer):
    drive = driven(bench, timer, exit_sensor=EXIT, jam_retries=0)
    drive.route("recyclable")
    drive.until(lambda: drive.driver.speed() > 0)
    timer.expire()
    with pytest.raises(JamError, match="went off by itself before its time"):
        drive.finish()


def test_a_belt_that_its_timer_stopped_before_its_time_is_a_jam(bench, timer):
    drive = driven(bench, timer, jam_retries=0)
    drive.route("recyclable")
    drive.until(lambda: drive.driver.speed() > 0)
    drive.run(0.3)
    timer.expire()
    with pytest.raises(JamError, match=r"belt on GPIO19 \(J8:35\) went off by itself before its time"):
        drive.finish()
    assert not drive.driver.is_powered()


def test_home_while_the_belt_runs_slows_it_down_before_the_diverter_turns(bench, timer):
    motors = Motors(bench, (DIVERTER,), {})
    drive = driven(bench, timer, belt_pwm_hz=100, belt_ramp_s=0.2)
    drive.route("recyclable")
    drive.until(lambda: drive.driver.speed() == 1.0)
    drive.gate.home(drive.now_s)
    speeds = []
    while DIVERTER not in motors.powered:
        drive.tick()
        speeds.append(drive.driver.speed())
    assert len(speeds) > 15
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[-1] == 0.0
    assert drive.finish().target == "home"


def test_a_diverter_that_does_not_come_home_is_a_jam(bench, timer):
    drive = driven(bench, timer, home_switch=SwitchConfig(pin=22), jam_retries=0)
    drive.route("recyclable")
    drive.finish()
    drive.driver.servo.is_jammed = True
    drive.gate.home(drive.now_s)
    with pytest.raises(JamError, match="diverter is not home, the switch on GPIO22"):
        drive.finish()
    assert not drive.driver.is_powered()


def test_a_diverters_switch_that_is_stuck_closed_is_a_jam_before_the_belt_runs(bench, timer):
    motors = Motors(bench, (), {BELT: True})
    drive = driven(bench, timer, home_switch=SwitchConfig(pin=22), jam_retries=1)
    drive.driver.switch("home_switch").stick(True)
    drive.route("recyclable")
    powered = set()
    with pytest.raises(
        JamError, match=r"tried 2 x: diverter did not leave home, the switch on GPIO22 .* stayed closed"
    ):
        for _ in range(3000):
            drive.tick()
            powered |= motors.powered
    assert powered == set()


def test_a_switch_may_stay_closed_for_the_bin_at_home(bench, timer):
    bins_deg = {"recyclable": 150.0, "residue": 90.0}
    drive = driven(bench, timer, home_switch=SwitchConfig(pin=22), bins_deg=bins_deg)
    drive.route("residue")
    assert drive.finish().target == "residue"
