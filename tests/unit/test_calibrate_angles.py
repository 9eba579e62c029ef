"""Jogging: only where the servo reaches, only while nothing forbids it, and without power as soon as nobody jogs."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from gpiozero import LED

from edge.calibrate.angles import calibrate_angles, set_angle
from edge.calibrate.desk import StoppedError
from edge.calibrate.guard import Guard, HeldError
from edge.calibrate.jog import HELD_UP_S, Jog
from edge.errors import ActuatorError, ConfigError
from tests.calibrate_rig import CAROUSEL, FLAP, TWO, CalibrateRig
from tests.rigs import WAIT_S

SERVO, ESTOP, LID = 18, 5, 13
PANEL = "panel:\n  estop: {pin: 5}\n  lid: {pin: 13}\n  resume_button: {pin: 6}\n"
SOLENOID = "gate:\n  kind: solenoid\n  bin_pins: {recyclable: 20, residue: null}\n"
STEP_DUTY = 2.0 / 180.0 * 0.1
"""Two degrees, as a share of a period of 20 ms in which 180 degrees are 2 ms."""


@pytest.fixture
def make(tmp_path: Path, monkeypatch):
    rigs = []

    def make_rig(config: str = FLAP) -> CalibrateRig:
        rigs.append(CalibrateRig(tmp_path, monkeypatch, config))
        return rigs[-1]

    yield make_rig
    for rig in rigs:
        rig.close()


def duty(angle_deg: float) -> float:
    return (0.5 + angle_deg / 180.0 * 2.0) / 20.0


def test_an_angle_is_found_by_jogging_and_stored_with_the_comments_kept(make):
    rig = make()
    calibrate_angles(rig.store(), rig.desk("residue", "", "+", "++", "-0.5", "s", "home", "", "91.26", "s", "", "y"))
    assert rig.path.read_text() == FLAP.replace("residue: 40.0", "residue: 45.5").replace("90.0", "91.3")
    assert rig.path.with_name("config.yaml.1").read_text() == FLAP


def test_the_servo_takes_the_gates_own_ramp(make):
    rig = make()
    calibrate_angles(rig.store(), rig.desk("residue", "", "140", "q", ""))
    pulses = rig.pulses(SERVO)
    assert pulses[0] == pytest.approx(duty(40.0)), "the first motion jumps"
    assert pulses[-1] == pytest.approx(duty(140.0))
    assert len(pulses) == 51
    assert max(after - before for before, after in pairwise(pulses)) == pytest.approx(STEP_DUTY)


def test_the_power_goes_off_three_seconds_after_a_motion_and_at_the_end(make):
    rig = make()
    powered = []

    def look() -> None:
        powered.append(rig.is_powered(SERVO))

    calibrate_angles(rig.store(), rig.desk("home", "", look, 2.5, look, 0.6, look, "+", look, "o", look, "+", "q", ""))
    assert powered == [True, True, False, True, False]
    assert not rig.is_powered(SERVO)


REFUSED = [
    ("beyond the servo's reach", "181", "181 is outside 0 to 180 degrees"),
    ("below the servo's reach", "=-1", "-1 is outside 0 to 180 degrees"),
    ("no number", "left", "'left' is no motion"),
    ("not a number", "nan", "'nan' is no motion"),
    ("endless", "+inf", "'+inf' is no motion"),
    ("a sign alone too often", "+++", "'+++' is no motion"),
]


@pytest.mark.parametrize(("line", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_line_that_is_no_motion_moves_nothing(make, capsys, line, reason):
    rig = make()
    calibrate_angles(rig.store(), rig.desk("home", "", line, "s", ""))
    assert reason in capsys.readouterr().out
    assert rig.pulses(SERVO) == [pytest.approx(duty(90.0))]


def test_an_angle_that_makes_the_configuration_invalid_is_not_kept(make, capsys):
    rig = make()
    calibrate_angles(rig.store(), rig.desk("residue", "", "140", "s", "q", ""))
    assert "bins_deg gives two bins the same angle" in capsys.readouterr().out
    assert rig.path.read_text() == FLAP


@pytest.mark.parametrize("answer", ["", "n", "maybe"], ids=["Enter", "no", "maybe"])
def test_nothing_is_stored_without_a_yes(make, answer):
    rig = make()
    calibrate_angles(rig.store(), rig.desk("home", "", "+", "s", "", answer))
    assert rig.path.read_text() == FLAP


def test_what_was_found_and_then_undone_is_no_change(make):
    rig = make()
    calibrate_angles(rig.store(), rig.desk("home", "", "+", "s", "home", "", "-", "s", ""))
    assert rig.path.read_text() == FLAP


def test_bins_that_only_the_defaults_name_are_written_whole(make):
    rig = make("# nothing yet\n")
    set_angle(rig.store(), rig.desk(), "residue", 45.0, is_agreed=True)
    assert rig.store().config.gate.bins_deg == {"recyclable": 140.0, "residue": 45.0}


def test_without_power_for_the_emergency_stop_nothing_moves(make, capsys):
    rig = make(FLAP + PANEL)

    def press() -> None:
        rig.drive(ESTOP, True)

    def release() -> None:
        rig.drive(ESTOP, False)

    seen = []
    calibrate_angles(
        rig.store(), rig.desk(press, "home", "", lambda: seen.append(rig.pulses(SERVO)), "+", release, "+", "q", "")
    )
    assert seen == [[]]
    out = capsys.readouterr().out
    assert out.count("the emergency stop is pressed: nothing moves") == 2
    assert "release it, or check panel.estop with calibrate sensors" in out
    assert rig.pulses(SERVO) == [pytest.approx(duty(91.0))], "one degree more than where it was asked to be"


@pytest.mark.parametrize("bcm", [ESTOP, LID], ids=["emergency stop", "lid"])
def test_a_stop_in_mid_motion_cuts_the_servo_off_within_a_tick_or_two(make, bcm):
    rig = make(FLAP + PANEL)
    rig.drive(LID, False)
    rig.drive(ESTOP, False)
    cut = []
    rig.clock.at(0.3, lambda: rig.drive(bcm, True))
    rig.clock.at(0.35, lambda: cut.append(rig.is_powered(SERVO)))
    with ExitStack() as stack:
        config = rig.store().config
        guard = Guard(config, rig.factory)
        guard.open(stack)
        jog = Jog(config, rig.factory, guard, rig.desk())
        jog.open(stack)
        jog.move("gate.servo_pin", 0.0)
        with pytest.raises(HeldError, match="nothing moves, and no motor has power"):
            jog.move("gate.servo_pin", 180.0)
        assert rig.clock.now_s() < 0.35, "180 degrees take 0.9 s"
        rig.clock.wait_until(0.4)
    assert cut == [False]


def test_a_stop_while_the_servo_holds_cuts_it_off(make, capsys):
    rig = make(FLAP + PANEL)
    rig.drive(LID, False)
    rig.drive(ESTOP, False)

    def press() -> None:
        rig.drive(ESTOP, True)

    powered = []
    calibrate_angles(
        rig.store(), rig.desk("home", "", press, 0.1, lambda: powered.append(rig.is_powered(SERVO)), "q", "")
    )
    assert powered == [False]
    assert "the emergency stop is pressed" in capsys.readouterr().out


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str)
def test_a_signal_in_mid_motion_leaves_the_servo_without_power(make, signum):
    rig = make()
    powered = []
    rig.clock.at(0.5, lambda: powered.append(rig.is_powered(SERVO)))
    rig.clock.at(0.5, lambda: rig.stop(signum))
    with pytest.raises(StoppedError, match=r"stopped by SIG"):
        calibrate_angles(rig.store(), rig.desk("residue", "", "140", "s", "", "y"))
    assert powered == [True]
    assert not rig.is_powered(SERVO)
    assert rig.path.read_text() == FLAP


def test_a_signal_while_a_line_is_awaited_leaves_the_servo_without_power(make):
    rig = make()
    with pytest.raises(StoppedError):
        calibrate_angles(rig.store(), rig.desk("home", "", lambda: rig.stop(signal.SIGTERM), 1.0))
    assert not rig.is_powered(SERVO)


def test_an_input_that_ends_leaves_the_servo_without_power(make):
    rig = make()
    with pytest.raises(ConfigError, match="the input has ended where a key was expected"):
        calibrate_angles(rig.store(), rig.desk("home", "", "+"))
    assert not rig.is_powered(SERVO)


def test_a_pin_that_is_taken_is_told(make):
    rig = make()
    with (
        LED(SERVO, pin_factory=rig.factory),
        pytest.raises(ActuatorError, match=r"servo on GPIO18 refused: .*gate.servo_pin"),
    ):
        calibrate_angles(rig.store(), rig.desk(""))


def test_one_servo_has_power_at_a_time(make):
    rig = make(TWO)
    powered = []

    def look() -> None:
        powered.append((rig.is_powered(18), rig.is_powered(19)))

    calibrate_angles(
        rig.store(), rig.desk("residue", "", look, "q", "door_open", "", look, "-100", "=-20", "s", "", "y")
    )
    assert powered == [(True, False), (False, True)]
    assert rig.store().config.gate.door_open_deg == -20.0


def test_a_door_is_jogged_while_the_carousels_driver_is_off_and_its_bins_are_typed(make):
    rig = make(CAROUSEL)
    levels = []

    def look() -> None:
        levels.append(rig.factory.pin(16).state)

    calibrate_angles(
        rig.store(),
        rig.desk("door_open", "", look, "+", "s", "residue", "200", "residue", "x", "residue", "400", "", "y"),
    )
    assert levels == [True], "enable is active low"
    gate = rig.store().config.gate
    assert (gate.door_open_deg, gate.bins_deg["residue"]) == (91.0, 200.0)


@pytest.mark.parametrize("answer", ["", "n", "y"], ids=["Enter", "no", "yes"])
def test_a_steppers_angle_is_stored_only_after_a_yes(make, capsys, answer):
    rig = make(CAROUSEL)
    set_angle(rig.store(), rig.desk(answer), "residue", 200.0, is_agreed=False)
    assert rig.store().config.gate.bins_deg["residue"] == (200.0 if answer == "y" else 180.0)
    assert "residue is turned to by the stepper. Store 200 degrees? [y/N]" in capsys.readouterr().out


def test_a_steppers_angle_that_was_agreed_to_is_stored_without_a_question(make):
    rig = make(CAROUSEL)
    set_angle(rig.store(), rig.desk(), "residue", 200.0, is_agreed=True)
    assert rig.store().config.gate.bins_deg["residue"] == 200.0


@contextmanager
def a_jog(rig: CalibrateRig) -> Iterator[Jog]:
    with ExitStack() as stack:
        config = rig.store().config
        jog = Jog(config, rig.factory, Guard(config, rig.factory), rig.desk())
        jog.open(stack)
        yield jog


def test_a_servo_is_cut_off_while_the_program_is_held_up_and_the_operator_told_once(make):
    rig = make()
    with a_jog(rig) as jog:
        jog.move("gate.servo_pin", 90.0)
        rig.clock.advance(HELD_UP_S - 0.01)
        jog.look_after()
        assert rig.is_powered(SERVO)
        # The thread may have been quicker.
        rig.clock.advance(0.02)
        jog.look_after()
        assert not rig.is_powered(SERVO)
        with pytest.raises(HeldError, match="the program was held up"):
            jog.idle(rig.clock.now_s())
        jog.idle(rig.clock.now_s())
        jog.move("gate.servo_pin", 91.0)
        assert rig.is_powered(SERVO)


def test_a_program_that_was_held_up_in_mid_motion_does_not_go_on_with_it(make):
    rig = make()
    with a_jog(rig) as jog:
        jog.move("gate.servo_pin", 0.0)

        def hold_up() -> None:
            rig.clock.advance(HELD_UP_S)
            jog.look_after()

        rig.clock.at(rig.clock.now_s() + 0.3, hold_up)
        with pytest.raises(HeldError, match="the program was held up"):
            jog.move("gate.servo_pin", 180.0)
        assert not rig.is_powered(SERVO)
        assert rig.pulses(SERVO)[-1] < duty(90.0)


def test_the_thread_that_watches_over_a_jog_cuts_it_off_by_itself(make, monkeypatch):
    rig = make()
    with a_jog(rig) as jog:
        jog.move("gate.servo_pin", 90.0)
        is_off = threading.Event()
        cut = jog.cut
        monkeypatch.setattr(jog, "cut", lambda: (cut(), is_off.set()))
        rig.clock.advance(HELD_UP_S)
        assert is_off.wait(WAIT_S)
        assert not rig.is_powered(SERVO)
    assert "jog" not in {thread.name for thread in threading.enumerate()}


def test_a_solenoid_has_no_angles(make):
    rig = make(SOLENOID)
    with pytest.raises(ConfigError, match="a solenoid gate has no angles"):
        calibrate_angles(rig.store(), rig.desk())


def test_a_scripted_angle_is_moved_to_and_stored(make):
    rig = make()
    set_angle(rig.store(), rig.desk(), "recyclable", 137.5, is_agreed=True)
    assert rig.pulses(SERVO) == [pytest.approx(duty(137.5))]
    assert not rig.is_powered(SERVO)
    assert rig.store().config.gate.bins_deg["recyclable"] == 137.5


@pytest.mark.parametrize(("answers", "moves"), [(["n"], 0), (["y", "n"], 1)], ids=["hands are in", "it is wrong"])
def test_a_scripted_angle_is_asked_for_unless_agreed(make, answers, moves):
    rig = make()
    set_angle(rig.store(), rig.desk(*answers), "recyclable", 137.5, is_agreed=False)
    assert len(rig.pulses(SERVO)) == moves
    assert rig.path.read_text() == FLAP


SCRIPTED_REFUSALS = [
    ("no such point", "paper", 50.0, "the gate has no point 'paper', only home, recyclable, residue"),
    ("beyond the reach", "residue", 200.0, "residue is 200, outside 0 to 180 degrees"),
    ("two bins at one angle", "residue", 140.0, "gives two bins the same angle"),
]


@pytest.mark.parametrize(
    ("name", "angle_deg", "reason"), [row[1:] for row in SCRIPTED_REFUSALS], ids=[row[0] for row in SCRIPTED_REFUSALS]
)
def test_a_scripted_angle_that_cannot_be_moves_nothing(make, name, angle_deg, reason):
    rig = make()
    with pytest.raises(ConfigError, match=reason):
        set_angle(rig.store(), rig.desk(), name, angle_deg, is_agreed=True)
    assert rig.pulses(SERVO) == []
    assert rig.path.read_text() == FLAP
