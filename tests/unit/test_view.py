"""The live view draws whatever the machine is at."""

import io

import numpy as np
import pytest
from rich.console import Console

import edge.machine as sm
from edge.commands.view import LiveView
from edge.commands.watchers import Tally
from edge.config import Config
from edge.records import Frame, Presence
from tests.ledger_rig import UTC, item
from tests.rigs import rules, vote

PRESENCE = Presence(1.0, True, True, False, False, 0.42, 0.0)
BASE = {"schema": 1, "event_id": "b1-1", "boot_id": "b1", "seq": 1, "utc": UTC, "t_s": 41.25}
BOOT = BASE | {"type": "boot", "model": {"name": "waste", "version": "1"}, "source": "sim"}
FAULT = BASE | {"type": "fault", "reason": "tray_blocked", "detail": "something lies there"}


@pytest.fixture
def screen(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("edge.commands.view.REFRESH_S", 0.0)
    monkeypatch.setattr(
        "edge.commands.view.Console", lambda: Console(file=screen, force_terminal=True, width=120, height=60)
    )
    return screen


def look(view, state):
    machine = sm.Machine(rules())._replace(state=state)
    view.on_frame(Frame(0, 1.0, np.zeros((4, 4, 3), np.uint8)), PRESENCE, machine)


@pytest.mark.parametrize("state", sm.State)
def test_every_state_is_drawn(screen, state):
    """Before anything was classified, and with a label, counts and events of each kind."""
    tally = Tally()
    view = LiveView(tally, Config())
    with view:
        look(view, state)
        assert state.value in screen.getvalue()
        assert "42% covered" in screen.getvalue()
        assert "no item yet" in screen.getvalue()
        labels = tuple(Config().routes)
        view.on_prediction(vote(0.9, *[0.1 / (len(labels) - 1)] * (len(labels) - 1), labels=labels))
        sorted_item = BASE | {"type": "item", **item().body}
        for record in (BOOT, FAULT, sorted_item):
            tally.on_event(record)
            view.on_event(record)
        screen.truncate(0)
        look(view, state)
    shown = screen.getvalue()
    for words in (state.value, "90.0%", "tray_blocked: something lies there", "recyclable 1", "confident 1"):
        assert words in shown


def test_an_item_is_not_cut_in_a_terminal_of_80_columns(screen, monkeypatch):
    monkeypatch.setattr(
        "edge.commands.view.Console", lambda: Console(file=screen, force_terminal=True, width=80, height=60)
    )
    view = LiveView(Tally(), Config())
    with view:
        view.on_event(BASE | {"type": "item", **item(label="cardboard", decision="uncertain").body})
        look(view, sm.State.READY)
        assert "5 frames 260 ms" in screen.getvalue()


def test_the_last_events_are_left_on_the_screen(screen, capsys):
    view = LiveView(Tally(), Config())
    with view:
        view.on_event(BOOT)
    assert "waste 1 on sim" in capsys.readouterr().out
