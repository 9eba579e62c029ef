"""The bench of the loop measures something: figures of a real round, not their size."""

import math

from edge.bench import loop
from edge.config import Config


def test_a_round_has_every_figure(monkeypatch):
    monkeypatch.setattr(loop, "PLAYS", 2)
    (found,) = loop.measure_loop(Config(), rounds=1)
    assert found.classified > 0
    assert found.idle > 0
    assert min(found.classified_us, found.idle_us, found.invoke_us, found.ratio) > 0
    # A difference of two means: over so few frames noise may turn its sign.
    assert math.isfinite(found.gate_us)
