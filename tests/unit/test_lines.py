"""Events as lines for people."""

import pytest

from edge.commands.lines import describe_event
from edge.config import Config
from edge.ledger_format import BASE_FIELDS
from tests.ledger_rig import UTC, item

BASE = dict(zip(BASE_FIELDS, (1, "b1-1", "b1", 1234, "item", UTC, 9999.25), strict=True))


def line_of(**changes):
    return describe_event(BASE | dict(item(**changes).body))


@pytest.mark.parametrize("confirmed", [None, True, False])
def test_the_line_of_an_item_fits_a_terminal_of_80_columns(confirmed):
    gate = {"commanded_deg": 140.0, "duration_s": 1.45, "confirmed": confirmed, "retries": 0}
    config = Config()
    for label, route in config.routes.items():
        for decision in ("confident", "uncertain", "rejected", "deadline"):
            line = line_of(label=label, route=route, decision=decision, confidence=1.0, decide=2400, gate=gate)
            assert len(line) < 80, line
            assert ("NOT confirmed" in line) is (confirmed is False)
            for word in ("#1234", label, f"-> {route}", decision, "100.0%"):
                assert word in line


def test_the_line_of_an_item_tells_frames_and_time():
    line = line_of(decide=300)
    assert " ".join(line.split()) == "9999.25 s item #1234 glass -> recyclable confident 97.0% 5 frames 300 ms"
    assert line_of(frames=1).endswith(" 1 frame 260 ms")


def test_an_item_that_is_not_counted_is_named():
    body = {"reason": "stopped", "item": {"label": "glass", "route": "recyclable"}}
    assert describe_event(BASE | {"type": "pause"} | body).endswith(
        "stopped: not counted: glass on its way to recyclable"
    )
