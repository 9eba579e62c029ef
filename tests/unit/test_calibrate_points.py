"""The points of a gate that can be jogged to: their names, and where the configuration has them."""

import pytest

from edge.calibrate.jog import points_of
from edge.config import Config
from edge.configfile import parse_config
from tests.calibrate_rig import CAROUSEL, CONVEYOR, FLAP, TWO

POINTS = [
    ("servo flap", FLAP, {"home": 90.0, "recyclable": 140.0, "residue": 40.0}),
    ("two servos", TWO, {"home": 90.0, "recyclable": 140.0, "residue": 40.0, "door_closed": 0.0, "door_open": 90.0}),
    ("carousel", CAROUSEL, {"recyclable": 90.0, "residue": 180.0, "door_closed": 0.0, "door_open": 90.0}),
    ("conveyor", CONVEYOR, {"home": 90.0, "recyclable": 140.0, "residue": 40.0}),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in POINTS], ids=[row[0] for row in POINTS])
def test_the_points_of_a_gate_are_where_the_configuration_has_them(text, expected):
    config = parse_config(text, "c.yaml")
    points = points_of(config.gate)
    assert {name: point.angle_deg for name, point in points.items()} == expected
    for point in points.values():
        at = config.model_dump()
        for part in point.key:
            at = at[part]
        assert at == point.angle_deg
        assert point.servo_key in {use.key for use in config.pin_uses()}


def test_a_bin_called_as_a_door_means_the_bin():
    config = parse_config(TWO.replace("residue: 40.0", "door_open: 40.0, residue: 30.0"), "c.yaml")
    assert points_of(config.gate)["door_open"].key == ("gate", "bins_deg", "door_open")


def test_the_defaults_have_points_too():
    assert set(points_of(Config().gate)) == {"home", "recyclable", "residue"}
