"""Sensors under test, and drops that are measured: nothing is missed, and the times that are proposed are explained."""

import json
import signal
from pathlib import Path

import pytest

from edge.calibrate.desk import StoppedError
from edge.calibrate.drop import Drop, DropPlan, measure_drops, proposal
from edge.calibrate.guard import HeldError
from edge.calibrate.sensors import switches_of, watch_sensors
from edge.config import Config
from edge.configfile import parse_config
from edge.errors import ActuatorError, ConfigError
from tests.calibrate_rig import CalibrateRig

SERVO, DROP, ESTOP = 18, 23, 5
CONFIG = """\
gate:
  home_switch: {pin: 24}
drop_sensor: {kind: beam, pin: 23}  # across the chute
presence:
  beam: {pin: 25}
panel:
  estop: {pin: 5}
  resume_button: {pin: 6}
bins:
  sensors:
    residue: {kind: beam, pin: 12, active_high: true}
"""
BEAM = "drop_sensor: {kind: beam, pin: 23}\n"
EVERY = (
    "drop_sensor",
    "presence.beam",
    "gate.home_switch",
    "panel.estop",
    "panel.resume_button",
    "bins.sensors.residue",
)


@pytest.fixture
def make(tmp_path: Path, monkeypatch):
    rigs = []

    def make_rig(config: str = CONFIG) -> CalibrateRig:
        rigs.append(CalibrateRig(tmp_path, monkeypatch, config))
        return rigs[-1]

    yield make_rig
    for rig in rigs:
        rig.close()


def records(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_input_is_watched_once():
    config = parse_config(CONFIG, "c.yaml")
    assert tuple(switches_of(config)) == EVERY
    inputs = {use.bcm for use in config.pin_uses() if use.signal == "input"}
    assert {switch.pin for switch in switches_of(config).values()} == inputs


def test_levels_changes_and_what_never_changed_are_told(make, capsys):
    rig = make()
    rig.drive(ESTOP, False)
    rig.clock.at(1.0, lambda: rig.drive(DROP, False))
    rig.clock.at(1.5, lambda: rig.drive(DROP, True))
    rig.clock.at(2.0, lambda: rig.drive(ESTOP, True))
    mute = watch_sensors(rig.store().config, rig.desk(is_quiet=True), duration_s=3.0, as_json=True)
    found = records(capsys)
    assert [record["sensor"] for record in found if record["type"] == "level"] == list(EVERY)
    assert not any(record["is_actuated"] for record in found if record["type"] == "level")
    changes = [record for record in found if record["type"] == "change"]
    assert [(record["sensor"], record["is_actuated"]) for record in changes] == [
        ("drop_sensor", True),
        ("drop_sensor", False),
        ("panel.estop", True),
    ]
    assert [record["t_s"] for record in changes] == [1.0, pytest.approx(1.5, abs=0.03), 2.0]
    assert changes[0]["pin"] == "GPIO23 (J8:16)"
    assert found[-1]["changes"]["drop_sensor"] == 2
    assert (
        tuple(found[-1]["never_changed"])
        == mute
        == tuple(key for key in EVERY if key not in ("drop_sensor", "panel.estop"))
    )


def test_a_break_that_is_over_before_anybody_looks_is_not_missed(make, capsys):
    rig = make(BEAM)
    rig.clock.at(1.001, lambda: rig.drive(DROP, False))
    rig.clock.at(1.002, lambda: rig.drive(DROP, True))
    watch_sensors(rig.store().config, rig.desk(is_quiet=True), duration_s=2.0, as_json=True)
    changes = [record["is_actuated"] for record in records(capsys) if record["type"] == "change"]
    assert changes == [True, False]


def test_two_breaks_between_two_looks_are_two(make, capsys):
    rig = make(BEAM)

    def twice() -> None:
        for t_s in (0.0, 0.1):
            rig.clock.advance(t_s)
            rig.drive(DROP, False)
            rig.drive(DROP, True)

    rig.clock.at(1.0, twice)
    watch_sensors(rig.store().config, rig.desk(is_quiet=True), duration_s=2.0, as_json=True)
    assert [record["is_actuated"] for record in records(capsys) if record["type"] == "change"] == [
        True,
        False,
        True,
        False,
    ]


def test_a_contact_that_bounces_is_one_actuation(make, capsys):
    rig = make(BEAM)
    for number in range(5):
        rig.clock.at(1.0 + number / 1000, lambda: rig.drive(DROP, False))
        rig.clock.at(1.0005 + number / 1000, lambda: rig.drive(DROP, True))
    watch_sensors(rig.store().config, rig.desk(is_quiet=True), duration_s=2.0, as_json=True)
    assert [record["is_actuated"] for record in records(capsys) if record["type"] == "change"] == [True, False]


def test_without_a_time_it_ends_with_enter(make, capsys):
    rig = make(BEAM)
    mute = watch_sensors(
        rig.store().config, rig.desk(0.5, lambda: rig.drive(DROP, False), 0.5, ""), duration_s=None, as_json=False
    )
    out = capsys.readouterr().out
    assert mute == ()
    assert "drop_sensor on GPIO23 (J8:16): at rest" in out
    assert "0.500 s  drop_sensor: actuated" in out
    assert "Every sensor was seen to change." in out


def test_a_configuration_without_sensors_has_nothing_to_test(make):
    rig = make("pins: {factory: mock}\n")
    with pytest.raises(ConfigError, match="no sensor, switch or button"):
        watch_sensors(rig.store().config, rig.desk(), duration_s=1.0, as_json=False)


def test_a_signal_ends_the_watch(make):
    rig = make(BEAM)
    rig.clock.at(0.5, lambda: rig.stop(signal.SIGTERM))
    with pytest.raises(StoppedError):
        watch_sensors(rig.store().config, rig.desk(), duration_s=60.0, as_json=False)
    assert rig.clock.now_s() < 0.6


class Chute:
    """Breaks the beam so long after the gate left home."""

    def __init__(self, rig: CalibrateRig, *delays_s: float | None) -> None:
        self._rig = rig
        self._delays_s = list(delays_s)

    def drop(self) -> None:
        delay_s = self._delays_s.pop(0)
        if delay_s is not None:
            now_s = self._rig.clock.now_s()
            self._rig.clock.at(now_s + delay_s, lambda: self._rig.drive(DROP, False))
            self._rig.clock.at(now_s + delay_s + 0.03, lambda: self._rig.drive(DROP, True))


def test_drops_are_measured_from_the_first_command_and_the_times_stored_when_agreed(make, capsys):
    rig = make(BEAM)
    chute = Chute(rig, 0.8, 1.0, 0.9)
    lines = ["", chute.drop, "", chute.drop, "", chute.drop, ""]
    assert measure_drops(rig.store(), rig.desk(*lines, "y"), DropPlan(bin="residue", repeat=3))
    out = capsys.readouterr().out
    assert "3 of 3 drops were seen, after 0.80 to 1.00 s, in the median 0.90 s" in out
    config = rig.store().config
    assert config.drop_sensor.timeout_s == 2.0, "1.0 x 1.5 + 0.5"
    assert config.gate.hold_s == pytest.approx(1.1), "1.00 - 0.24 (50 degrees by 2 in 10 ms) + 0.3, rounded up"
    assert not rig.is_powered(SERVO)


def test_a_script_gets_json_and_stores_only_when_told(make, capsys):
    rig = make(BEAM)
    rig.clock.at(3.5, lambda: rig.drive(DROP, False))
    rig.clock.at(3.6, lambda: rig.drive(DROP, True))
    plan = DropPlan(repeat=2, wait_s=3.0, is_agreed=True, as_json=True)
    assert measure_drops(rig.store(), rig.desk(is_quiet=True), plan)
    (record,) = records(capsys)
    assert (record["bin"], record["items"], record["seen"], record["is_stored"]) == ("recyclable", 2, 1, False)
    assert record["drops_s"][1] is None
    assert record["max_s"] == pytest.approx(0.21, abs=0.01), "homing takes 0.29 s, the pause 3 s"
    assert record["proposal"]["drop_sensor.timeout_s"] == pytest.approx(0.9, abs=0.1)
    assert rig.path.read_text() == BEAM


def test_where_no_drop_was_seen_nothing_is_proposed(make, capsys):
    rig = make(BEAM)
    assert not measure_drops(rig.store(), rig.desk(), DropPlan(repeat=1, is_agreed=True, is_storing=True))
    assert "no drop was seen" in capsys.readouterr().out
    assert rig.path.read_text() == BEAM


def test_the_operator_ends_before_all_items_fell(make, capsys):
    rig = make(BEAM)
    chute = Chute(rig, 0.8)
    assert measure_drops(rig.store(), rig.desk("", chute.drop, "", "q", "n"), DropPlan(repeat=9))
    assert "1 of 1 drops were seen" in capsys.readouterr().out
    assert rig.path.read_text() == BEAM


REFUSALS = [
    ("no sensor", "pins: {factory: mock}\n", DropPlan(), ConfigError, "drop_sensor.kind is none"),
    ("no such bin", BEAM, DropPlan(bin="paper"), ConfigError, "no bin 'paper', only recyclable, residue"),
]


@pytest.mark.parametrize(
    ("text", "plan", "error", "reason"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_what_cannot_be_measured_is_refused_before_anything_moves(make, text, plan, error, reason):
    rig = make(text)
    with pytest.raises(error, match=reason):
        measure_drops(rig.store(), rig.desk(), plan)


def test_a_sensor_that_is_blocked_measures_nothing(make):
    rig = make(BEAM)
    rig.drive(DROP, False)
    with pytest.raises(ActuatorError, match="is actuated before anything fell"):
        measure_drops(rig.store(), rig.desk(), DropPlan(is_agreed=True))
    assert not rig.is_powered(SERVO)


@pytest.mark.parametrize("what", ["emergency stop", "signal"])
def test_a_stop_in_mid_motion_cuts_the_gate_off(make, what):
    rig = make(BEAM + "panel:\n  estop: {pin: 5}\n  resume_button: {pin: 6}\n")
    rig.drive(ESTOP, False)
    powered = []
    rig.clock.at(3.4, lambda: powered.append(rig.is_powered(SERVO)))
    rig.clock.at(3.4, lambda: rig.drive(ESTOP, True) if what == "emergency stop" else rig.stop(signal.SIGTERM))
    rig.clock.at(3.43, lambda: powered.append(rig.is_powered(SERVO)))
    with pytest.raises(HeldError if what == "emergency stop" else StoppedError):
        measure_drops(rig.store(), rig.desk(), DropPlan(is_agreed=True))
    rig.clock.wait_until(4.0)
    assert powered == [True, False]


PROPOSALS = [
    ("nothing was seen", [Drop(0.3, None)], {}),
    ("one drop", [Drop(0.3, 1.0)], {"timeout_s": 2.0, "hold_s": 1.0}),
    ("the slowest counts", [Drop(0.3, 0.5), Drop(0.3, 2.0), Drop(0.3, None)], {"timeout_s": 3.5, "hold_s": 2.0}),
    ("a drop before the way was fully open", [Drop(0.5, 0.4)], {"timeout_s": 1.1, "hold_s": 0.3}),
    ("a way that never opened", [Drop(None, 0.4)], {"timeout_s": 1.1}),
    ("no more than the configuration allows", [Drop(0.3, 25.0)], {"timeout_s": 30.0, "hold_s": 25.0}),
]


@pytest.mark.parametrize(("drops", "expected"), [row[1:] for row in PROPOSALS], ids=[row[0] for row in PROPOSALS])
def test_what_is_proposed(drops, expected):
    found = proposal(drops, Config().gate)
    assert {key[-1]: value for key, value in found.items()} == expected


COIL = "gate:\n  kind: solenoid\n  bin_pins: {recyclable: 20, residue: null}\n"


def test_a_solenoid_is_not_held_longer_than_it_may_be_on():
    assert proposal([Drop(0.0, 9.0)], parse_config(COIL, "c.yaml").gate)["gate", "hold_s"] == 1.8
    gate = parse_config(f"{COIL}  max_on_s: 9.0\n  rest_s: 40.0\n", "c.yaml").gate
    found = proposal([Drop(0.0, 9.0)], gate)
    assert found["gate", "hold_s"] == 1.2, "no longer than the longest rest allows"
    assert found["gate", "rest_s"] == 60.0


DUTIES = [("longer on", 1.0, 1.4, 1.7, 2.2), ("as short as now", 1.0, 0.3, 0.6, None), ("no rest", 0.0, 1.4, 1.7, None)]


@pytest.mark.parametrize(
    ("rest_s", "drop_s", "hold_s", "proposed_rest_s"), [row[1:] for row in DUTIES], ids=[row[0] for row in DUTIES]
)
def test_a_coil_that_is_on_for_longer_rests_for_longer(rest_s, drop_s, hold_s, proposed_rest_s):
    gate = parse_config(f"{COIL}  rest_s: {rest_s}\n", "c.yaml").gate
    found = proposal([Drop(0.0, drop_s)], gate)
    assert found["gate", "hold_s"] == hold_s
    assert found.get(("gate", "rest_s")) == proposed_rest_s
    assert proposed_rest_s is None or hold_s / (hold_s + proposed_rest_s) <= gate.hold_s / (gate.hold_s + rest_s)


def test_a_coil_keeps_its_duty_cycle_while_it_is_measured(make):
    rig = make(f"{COIL}  rest_s: 1.0\n{BEAM}")
    changes = []
    for number in range(3000):
        rig.clock.at(number / 100, lambda: changes.append(rig.factory.pin(20).state))
    measure_drops(rig.store(), rig.desk(), DropPlan(repeat=3, wait_s=0.0, is_agreed=True))
    first = changes.index(True)
    last = len(changes) - 1 - changes[::-1].index(True)
    while_measured = changes[first : last + 1]
    assert sum(while_measured) == pytest.approx(540, abs=12), "three items, each for as long as max_on_s leaves"
    # Between the three are two rests.
    assert while_measured.count(False) >= 2 * 1.8 / 0.8 * 100 * 0.98


def test_a_conveyor_is_not_given_a_time_to_hold():
    bins = "bins_deg: {recyclable: 140.0, residue: 40.0}"
    text = f"gate:\n  kind: conveyor\n  belt_pin: 20\n  diverter: {{pin: 18}}\n  {bins}\n"
    assert list(proposal([Drop(0.5, 2.0)], parse_config(text, "c.yaml").gate)) == [("drop_sensor", "timeout_s")]
