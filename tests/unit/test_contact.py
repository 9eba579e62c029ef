"""A contact in every combination of level and pull resistor, and how it refuses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import FailSafeSwitchConfig, SwitchConfig
from edge.contact import Contact
from edge.errors import ActuatorError
from edge.pins import open_factory

PIN = 16
PULLS = ("auto", "up", "down", "none")
GPIOZERO_PULL = {"up": "up", "down": "down", "none": "floating"}


@pytest.fixture
def factory():
    factory = open_factory("mock")
    yield factory
    factory.close()


def drive(factory, is_high: bool) -> None:
    pin = factory.pin(PIN)
    if is_high:
        pin.drive_high()
    else:
        pin.drive_low()


@pytest.mark.parametrize("pull", PULLS)
@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("has_callback", [True, False])
def test_a_contact_is_actuated_at_its_level_whatever_the_resistor(factory, active_high, pull, has_callback):
    config = SwitchConfig(pin=PIN, active_high=active_high, pull=pull)
    contact = Contact(config, factory, "lid", "panel.lid", (lambda: None) if has_callback else None)
    contact.open()
    assert factory.pin(PIN).pull == GPIOZERO_PULL[config.resolved_pull]
    for is_high in (True, False, True):
        drive(factory, is_high)
        assert contact.is_actuated() is (is_high is active_high)
    contact.close()


@pytest.mark.parametrize("active_high", [True, False])
def test_nothing_connected_reads_as_not_actuated_by_default(factory, active_high):
    contact = Contact(SwitchConfig(pin=PIN, active_high=active_high), factory, "button", "panel.pause_button")
    contact.open()
    assert not contact.is_actuated()
    contact.close()


def test_a_cut_wire_reads_as_actuated_where_it_must_fail_safe(factory):
    contact = Contact(FailSafeSwitchConfig(pin=PIN), factory, "emergency stop", "panel.estop")
    contact.open()
    assert contact.is_actuated()
    drive(factory, False)
    assert not contact.is_actuated()
    contact.close()


@given(active_high=st.booleans(), pull=st.sampled_from(PULLS), levels=st.lists(st.booleans(), max_size=12))
@settings(deadline=None)
def test_every_edge_towards_actuated_calls_once_and_none_away_from_it(active_high, pull, levels):
    factory = open_factory("mock")
    drive(factory, not active_high)
    calls: list[bool] = []
    contact = Contact(
        SwitchConfig(pin=PIN, active_high=active_high, pull=pull),
        factory,
        "lid",
        "panel.lid",
        lambda: calls.append(True),
    )
    contact.open()
    expected, was_actuated = 0, contact.is_actuated()
    for is_high in levels:
        drive(factory, is_high)
        is_actuated = is_high is active_high
        expected += is_actuated and not was_actuated
        was_actuated = is_actuated
        assert len(calls) == expected
    contact.close()
    drive(factory, not active_high)
    drive(factory, active_high)
    assert len(calls) == expected, "a closed contact called"
    factory.close()


def test_a_pin_that_is_taken_is_refused_by_what_it_is_and_where(factory):
    first = Contact(SwitchConfig(pin=PIN), factory, "lid", "panel.lid")
    first.open()
    second = Contact(SwitchConfig(pin=PIN), factory, "emergency stop", "panel.estop")
    with pytest.raises(
        ActuatorError, match=r"^emergency stop on GPIO16 \(J8:36\) refused: .*; check panel\.estop\.pin$"
    ) as refused:
        second.open()
    assert refused.value.__cause__ is not None
    second.close()
    assert not first.is_actuated()
    first.close()
    second.open()
    second.close()


def test_a_pin_that_refuses_its_callback_is_given_back(factory, monkeypatch):
    pin = factory.pin(PIN)

    def fail(*_: object) -> None:
        raise OSError("no edges here")

    monkeypatch.setattr(type(pin), "_set_edges", fail)
    contact = Contact(SwitchConfig(pin=PIN), factory, "lid", "panel.lid", lambda: None)
    with pytest.raises(ActuatorError, match="no edges here"):
        contact.open()
    monkeypatch.undo()
    contact.open()
    contact.close()


def test_a_pin_that_does_not_answer_is_told(factory, monkeypatch):
    contact = Contact(SwitchConfig(pin=PIN), factory, "emergency stop", "panel.estop")
    with pytest.raises(ActuatorError, match=r"emergency stop on GPIO16 \(J8:36\) is not open"):
        contact.is_actuated()
    contact.open()

    def fail(*_: object) -> None:
        raise OSError("bus error")

    monkeypatch.setattr(type(factory.pin(PIN)), "_get_state", fail)
    with pytest.raises(ActuatorError, match=r"GPIO16 \(J8:36\) does not answer: bus error") as told:
        contact.is_actuated()
    assert isinstance(told.value.__cause__, OSError)
    monkeypatch.undo()
    contact.close()
    contact.close()
