"""The carousel: home by its switch from wherever it stands, lost steps found, jams bounded, one motor at a time."""

import itertools

import pytest

from edge.config import CarouselConfig, ServoConfig, SwitchConfig
from edge.errors import ActuatorError, JamError
from tests import mechanisms as m
from tests.doubles import Motors, ServoDouble
from tests.pin_rig import MockBench

DOOR = ServoConfig(pin=13, **m.DOOR)
STEP, ENABLE = 5, 26


@pytest.fixture
def bench():
    bench = MockBench()
    yield bench
    bench.close()


def driven(bench, start_deg: float = 33.0, **changes) -> m.Drive:
    rig = m.CarouselRig(bench, CarouselConfig(**m.CAROUSEL | changes), start_deg)
    gate = rig.make()
    gate.open()
    return m.Drive(gate, rig)


def home_or_jam(drive: m.Drive) -> None:
    drive.gate.home(drive.now_s)
    drive.finish()


@pytest.mark.parametrize("start_deg", [0.0, 0.3, 4.0, 7.9, 8.1, 33.0, 180.0, 351.0, 359.9])
def test_home_is_the_near_edge_of_the_switch_from_wherever_it_stands(bench, start_deg):
    drive = driven(bench, start_deg)
    report = drive.home()
    assert drive.driver.angle_deg == pytest.approx(0.0, abs=0.3)
    assert report.commanded_deg == 0.0
    assert not drive.driver.is_enabled()


def test_a_search_that_begins_on_the_switch_takes_a_run_up_so_that_play_does_not_count(bench):
    drive = driven(bench, start_deg=4.0)
    drive.gate.home(drive.now_s)
    lowest = 0
    while drive.tick() is None:
        lowest = min(lowest, drive.driver.steps)
    assert lowest <= -10 / 360 * 1600


def test_every_bin_comes_under_the_chute_and_the_next_home_needs_no_search(bench):
    drive = driven(bench)
    drive.home()
    for target, angle_deg in drive.driver.config.bins_deg.items():
        drive.route(target)
        report = drive.finish()
        assert drive.driver.angle_deg == pytest.approx(angle_deg, abs=0.3)
        assert report.commanded_deg == pytest.approx(angle_deg, abs=0.12)
        given = drive.driver.given
        assert drive.home().ended_s
        assert drive.driver.angle_deg == pytest.approx(0.0, abs=0.3)
        assert drive.driver.given - given < 1600 * 0.6, "it searched"


def test_the_shortest_way_is_taken_in_either_direction(bench):
    drive = driven(bench)
    drive.home()
    given = drive.driver.given
    drive.route("residue")
    drive.finish()
    assert drive.driver.given - given == round(60 / 360 * 1600)


def test_the_motor_is_held_while_the_way_is_open_and_free_when_parked(bench):
    drive = driven(bench)
    drive.home()
    drive.route("glass")
    drive.finish()
    drive.run(5.0)
    assert drive.driver.is_enabled()
    drive.home()
    assert not drive.driver.is_enabled()


def test_the_first_way_to_a_bin_finds_home_by_itself(bench):
    drive = driven(bench, start_deg=200.0)
    drive.route("paper")
    drive.finish()
    assert drive.driver.angle_deg == pytest.approx(180.0, abs=0.3)


def test_a_carousel_that_does_not_turn_is_a_jam_after_bounded_tries(bench):
    drive = driven(bench, jam_retries=1)
    drive.driver.is_jammed = True
    with pytest.raises(
        JamError, match=r"way home, tried 2 x: the home switch on GPIO22 \(J8:15\) was not met in a full turn; free"
    ):
        home_or_jam(drive)
    assert drive.driver.given <= 2 * 1.11 * 1600
    assert not drive.driver.is_enabled()


def test_a_switch_that_stays_actuated_is_a_jam(bench):
    drive = driven(bench, jam_retries=0)
    drive.driver.switch.stick(True)
    with pytest.raises(JamError, match=r"switch on GPIO22 \(J8:15\) stayed actuated over half a turn"):
        home_or_jam(drive)
    assert drive.driver.given <= 0.51 * 1600


@pytest.mark.parametrize("lost_deg", [6.0, 20.0, 90.0])
def test_lost_steps_are_found_on_the_way_home_and_home_is_searched_anew(bench, lost_deg):
    drive = driven(bench, jam_retries=1)
    drive.home()
    drive.driver.loses = round(lost_deg / 360 * 1600)
    drive.route("paper")
    drive.finish()
    assert drive.driver.angle_deg != pytest.approx(180.0, abs=1.0)
    drive.home()
    assert drive.driver.angle_deg == pytest.approx(0.0, abs=0.3)
    drive.route("glass")
    drive.finish()
    assert drive.driver.angle_deg == pytest.approx(60.0, abs=0.3)


@pytest.mark.parametrize(
    ("target", "lost_deg", "how"),
    [
        ("paper", 22.5, "not met within 5 degrees"),
        ("residue", 6.3, r"met 6\.[0-9] degrees from where it should be"),
        ("residue", 12.0, "actuated before it was reached"),
    ],
)
def test_lost_steps_are_a_jam_where_no_retry_is_left(bench, target, lost_deg, how):
    drive = driven(bench, jam_retries=0)
    drive.home()
    drive.driver.loses = round(lost_deg / 360 * 1600)
    drive.route(target)
    drive.finish()
    with pytest.raises(
        JamError, match=rf"lost steps, its home switch on GPIO22 \(J8:15\) was ({how}); free it, or lower"
    ):
        home_or_jam(drive)
    assert not drive.driver.is_enabled()
    home_or_jam(drive)
    assert drive.driver.angle_deg == pytest.approx(0.0, abs=0.3), "it searches now"


@pytest.mark.parametrize("target", ["glass", "residue"])
def test_a_few_lost_steps_within_the_tolerance_are_made_up_for(bench, target):
    drive = driven(bench, jam_retries=0)
    drive.home()
    for _ in range(5):
        drive.driver.loses = 18
        drive.route(target)
        drive.finish()
        drive.home()
        assert drive.driver.angle_deg == pytest.approx(0.0, abs=0.3)


def test_a_parked_carousel_that_was_turned_by_hand_finds_home_before_the_bin(bench):
    drive = driven(bench)
    drive.home()
    drive.driver.turn_by_hand(-70.0)
    drive.route("glass")
    drive.finish()
    assert drive.driver.angle_deg == pytest.approx(60.0, abs=0.3)


def test_a_stop_in_mid_turn_forgets_the_position_and_home_is_searched(bench):
    drive = driven(bench)
    drive.home()
    drive.route("paper")
    drive.run(0.5)
    assert 10 < drive.driver.angle_deg < 170
    drive.gate.stop()
    assert not drive.driver.is_enabled()
    drive.driver.turn_by_hand(25.0)
    drive.home()
    assert drive.driver.angle_deg == pytest.approx(0.0, abs=0.3)


def test_home_in_mid_turn_brakes_by_a_ramp_and_loses_no_step(bench):
    drive = driven(bench, jam_retries=0)
    drive.home()
    drive.route("paper")
    drive.run(0.5)
    given = [drive.driver.given]
    drive.gate.home(drive.now_s)
    for _ in range(30):
        drive.tick()
        given.append(drive.driver.given)
    steps = [after - before for before, after in itertools.pairwise(given)]
    assert steps[0] >= 6, "it went on"
    assert max(abs(after - before) for before, after in itertools.pairwise(steps)) <= 2, "it stopped dead"
    assert drive.finish().target == "home"
    assert drive.driver.angle_deg == pytest.approx(0.0, abs=0.3)


def test_a_late_tick_gives_no_more_steps_than_another(bench):
    drive = driven(bench)
    drive.home()
    drive.route("paper")
    drive.run(0.4)
    given = drive.driver.given
    drive.now_s += 5.0
    drive.tick()
    assert drive.driver.given - given <= 9


def test_the_door_and_the_carousel_never_move_at_once(bench):
    drive = driven(bench, door=DOOR)
    door = ServoDouble(bench, DOOR)
    motors = Motors(bench, (DOOR.pin,), {}, STEP)
    drive.home()
    for target in ("glass", "residue", "paper"):
        drive.route(target)
        drive.until(lambda: drive.gate.open_to is not None)
        assert door.angle_deg == pytest.approx(90.0)
        drive.finish()
    drive.gate.home(drive.now_s)
    drive.finish()
    assert door.angle_deg == pytest.approx(0.0)
    assert motors.crowds == []


def test_stop_cuts_the_stepper_although_the_door_refuses(bench, monkeypatch):
    drive = driven(bench, door=DOOR)
    drive.home()
    drive.route("glass")
    drive.until(lambda: drive.gate.open_to is not None)

    def fail(state) -> None:
        raise OSError("bus error")

    monkeypatch.setattr(bench.factory.pin(DOOR.pin), "_set_state", fail)
    with pytest.raises(ActuatorError, match="servo on GPIO13 cannot be released"):
        drive.gate.stop()
    assert not drive.driver.is_enabled()
    monkeypatch.undo()
    drive.gate.close()


def test_a_switch_pin_that_is_taken_gives_the_others_back(bench):
    from edge.contact import Contact

    taken = Contact(SwitchConfig(pin=22), bench.factory, "lid", "panel.lid")
    taken.open()
    rig = m.CarouselRig(bench, CarouselConfig(**m.CAROUSEL))
    with pytest.raises(
        ActuatorError, match=r"home switch on GPIO22 \(J8:15\) refused: .*; check gate\.home_switch\.pin"
    ):
        rig.make().open()
    taken.close()
    gate = rig.make()
    gate.open()
    gate.close()


@pytest.mark.parametrize("is_home", [True, False])
def test_a_door_that_a_hand_opened_is_closed_before_the_carousel_turns(bench, is_home):
    drive = driven(bench, door=DOOR)
    door = ServoDouble(bench, DOOR)
    drive.home()
    if not is_home:
        drive.route("glass")
        drive.run(2.0)
        drive.gate.stop()
    door.angle_deg = 70.0
    given = drive.driver.given
    if is_home:
        drive.route("paper")
    else:
        drive.gate.home(drive.now_s)
    drive.until(lambda: drive.driver.given != given)
    assert door.angle_deg == pytest.approx(0.0)


def test_a_carousel_that_is_stuck_on_its_way_home_is_noticed_where_its_switch_should_have_been(bench):
    drive = driven(bench, jam_retries=0)
    drive.home()
    drive.route("paper")
    drive.finish()
    drive.driver.is_jammed = True
    given = drive.driver.given
    with pytest.raises(JamError, match="not met within 5 degrees"):
        home_or_jam(drive)
    # Back to twice the tolerance before the switch, then forwards to once behind it.
    assert drive.driver.given - given == pytest.approx((190 - 20 + 15) / 360 * 1600, abs=2 + 20 / 360 * 1600)


def test_a_search_from_the_switch_ends_a_little_behind_where_it_left_it(bench):
    drive = driven(bench, start_deg=4.0, jam_retries=0)
    drive.gate.home(drive.now_s)
    drive.until(lambda: drive.driver.angle_deg > 340.0)
    drive.until(lambda: drive.driver.angle_deg < 351.0)
    drive.driver.is_jammed = True
    given = drive.driver.given
    with pytest.raises(JamError, match="was not met again where it was left; free the carousel"):
        drive.finish()
    assert drive.driver.given - given <= (20 + 10 + 1) / 360 * 1600
