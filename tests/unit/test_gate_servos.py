"""Two servos, and the home switch of a flap: one servo at a time, in order; a jam is found, tried again and cut off."""

import pytest

from edge.config import ServoFlapConfig, SwitchConfig, TwoServosConfig
from edge.errors import ActuatorError, JamError
from tests import mechanisms as m
from tests.doubles import Motors, ServoDouble
from tests.pin_rig import MockBench

SWITCH = SwitchConfig(pin=22)
DIVERTER, DOOR = 12, 13


@pytest.fixture
def bench():
    bench = MockBench()
    yield bench
    bench.close()


def driven(rig: m.Rig) -> m.Drive:
    gate = rig.make()
    gate.open()
    return m.Drive(gate, rig)


@pytest.fixture
def flap(bench) -> m.Drive:
    return driven(m.FlapRig(bench, ServoFlapConfig(**m.FLAP, home_switch=SWITCH, home_timeout_s=0.6, jam_retries=2)))


@pytest.fixture
def pair(bench) -> m.Drive:
    return driven(m.TwoServosRig(bench, TwoServosConfig(**m.TWO_SERVOS, home_switch=SWITCH, home_timeout_s=0.6)))


def test_a_flap_that_meets_its_switch_is_home_without_further_wait(bench, flap):
    report = flap.home()
    assert report.ended_s - report.started_s == pytest.approx(0.25 + 0.02 + 0.01, abs=0.011)


def test_a_switch_that_closes_late_but_in_time_is_waited_for_under_power(bench, flap):
    flap.driver.switch.stick(False)
    flap.gate.home(flap.now_s)
    flap.run(0.6)
    assert flap.driver.is_powered()
    flap.driver.switch.stick(None)
    assert flap.finish().target == "home"
    assert not flap.driver.is_powered()


def test_a_jammed_flap_pushes_again_and_is_then_cut_off_and_told(bench, flap):
    flap.home()
    flap.route("residue")
    flap.finish()
    flap.driver.servo.is_jammed = True
    flap.gate.home(flap.now_s)
    powered = []
    with pytest.raises(JamError, match=r"way home, tried 3 x: flap is not home, the switch on GPIO22 \(J8:15\) stayed"):
        while True:
            flap.tick()
            if not powered or powered[-1] != flap.driver.is_powered():
                powered.append(flap.driver.is_powered())
    assert powered == [True, False, True, False, True], "without power in each pause"
    assert not flap.driver.is_powered()
    assert not flap.gate.is_moving


def test_a_flap_that_frees_itself_in_a_pause_comes_home(bench, flap):
    flap.home()
    flap.route("residue")
    flap.finish()
    flap.driver.servo.is_jammed = True
    flap.gate.home(flap.now_s)
    flap.until(lambda: not flap.driver.is_powered())
    flap.driver.servo.is_jammed = False
    assert flap.finish().target == "home"


def test_two_servos_move_one_after_the_other_in_either_direction(bench):
    rig = m.TwoServosRig(bench, TwoServosConfig(**m.TWO_SERVOS))
    diverter, door = ServoDouble(bench, rig.config.diverter), ServoDouble(bench, rig.config.door)
    motors = Motors(bench, (DIVERTER, DOOR), {})
    drive = driven(rig)
    drive.home()
    order: list[set[int]] = []

    def note() -> None:
        if motors.powered and (not order or order[-1] != motors.powered):
            order.append(motors.powered)

    drive.route("recyclable")
    while drive.tick() is None:
        note()
        if door.angle_deg != pytest.approx(10.0):
            assert diverter.angle_deg == pytest.approx(150.0), "the door opens before the chute is there"
    assert order == [{DOOR}, {DIVERTER}, {DOOR}], "a door that a hand opened is closed first"
    assert door.angle_deg == pytest.approx(100.0)
    drive.gate.home(drive.now_s)
    order.clear()
    while drive.tick() is None:
        note()
        if diverter.angle_deg != pytest.approx(150.0):
            assert door.angle_deg == pytest.approx(10.0), "the chute turns under an open door"
    assert order == [{DOOR}, {DIVERTER}]
    assert motors.crowds == []
    assert motors.powered == set()


def test_the_way_is_open_only_once_the_door_is(bench, pair):
    pair.home()
    pair.route("residue")
    pair.until(lambda: pair.gate.open_to is not None)
    assert pair.driver.door.angle_deg == pytest.approx(100.0)


def test_from_one_bin_to_another_the_door_closes_in_between(bench, pair):
    motors = Motors(bench, (DIVERTER, DOOR), {})
    diverter = ServoDouble(bench, pair.driver.config.diverter)
    pair.home()
    pair.route("residue")
    pair.finish()
    pair.route("recyclable")
    while diverter.angle_deg == pytest.approx(30.0):
        pair.tick()
    assert pair.driver.door.angle_deg == pytest.approx(10.0)
    pair.finish()
    assert motors.crowds == []


def test_home_while_the_diverter_turns_lets_it_go_before_the_door_moves(bench, pair):
    motors = Motors(bench, (DIVERTER, DOOR), {})
    pair.home()
    pair.route("residue")
    pair.until(lambda: motors.powered == {DIVERTER})
    pair.run(0.05)
    assert motors.powered == {DIVERTER}
    pair.gate.home(pair.now_s)
    pair.tick()
    assert motors.powered == set()
    pair.finish()
    assert motors.crowds == []


def test_a_door_that_stays_open_is_a_jam(bench, pair):
    pair.home()
    pair.route("residue")
    pair.finish()
    pair.driver.door.is_jammed = True
    pair.gate.home(pair.now_s)
    with pytest.raises(JamError, match=r"door or diverter is not home, the switch on GPIO22"):
        pair.finish()
    assert not pair.driver.is_powered()


def test_a_door_that_a_hand_opened_is_closed_before_the_diverter_turns(bench, pair):
    diverter = ServoDouble(bench, pair.driver.config.diverter)
    pair.home()
    pair.driver.door.angle_deg = 80.0
    pair.route("residue")
    pair.until(lambda: diverter.angle_deg != pytest.approx(90.0))
    assert pair.driver.door.angle_deg == pytest.approx(10.0)


def test_a_flaps_switch_that_is_stuck_closed_is_a_jam_before_the_way_counts_as_open(bench, flap):
    flap.home()
    flap.driver.switch.stick(True)
    flap.route("residue")
    with pytest.raises(
        JamError,
        match=r"to residue, tried 3 x: flap did not leave home, the switch on GPIO22 \(J8:15\) stayed closed for",
    ):
        flap.finish()
    assert flap.opened_to == {None}
    assert not flap.driver.is_powered()


def test_a_pairs_switch_that_is_stuck_closed_is_a_jam(bench, pair):
    pair.home()
    pair.driver.switch.stick(True)
    pair.route("residue")
    with pytest.raises(JamError, match="door or diverter did not leave home, the switch on GPIO22"):
        pair.finish()
    assert not pair.driver.is_powered()


def test_a_switch_may_stay_closed_at_a_bin_for_which_the_diverter_stays_home(bench):
    changes = {"home_switch": SWITCH, "bins_deg": {"recyclable": 150.0, "residue": 90.0}}
    pair = driven(m.TwoServosRig(bench, TwoServosConfig(**m.TWO_SERVOS | changes)))
    pair.home()
    pair.driver.switch.stick(True)
    pair.route("residue")
    assert pair.finish().target == "residue"


def test_both_servos_are_cut_although_one_of_them_refuses(bench, monkeypatch):
    drive = driven(m.TwoServosRig(bench, TwoServosConfig(**m.TWO_SERVOS)))
    drive.home()
    drive.route("residue")
    drive.until(lambda: drive.gate.open_to is not None)
    assert bench.is_pulsed(DOOR)

    def fail(state: float) -> None:
        raise OSError("bus error")

    monkeypatch.setattr(bench.factory.pin(DIVERTER), "_set_state", fail)
    with pytest.raises(ActuatorError, match="servo on GPIO12 cannot be released: bus error"):
        drive.gate.stop()
    assert not bench.is_pulsed(DOOR)
    monkeypatch.undo()
    drive.gate.close()


def test_a_servo_that_is_taken_is_refused_by_its_key_and_the_other_is_given_back(bench):
    from gpiozero import OutputDevice

    taken = OutputDevice(DOOR, pin_factory=bench.factory)
    rig = m.TwoServosRig(bench, TwoServosConfig(**m.TWO_SERVOS))
    with pytest.raises(ActuatorError, match=r"servo on GPIO13 refused: .*check gate\.door\.pin"):
        rig.make().open()
    taken.close()
    gate = rig.make()
    gate.open()
    gate.close()
