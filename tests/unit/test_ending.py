"""Signals that ask for something."""

from contextlib import contextmanager

import edge.ending
from edge.ending import reload_signals


class Busy(list):
    """Signals asked for, of which the first one comes right after it was looked whether any had come."""

    has_come = False

    def __len__(self):
        count = super().__len__()
        if not self.has_come:
            self.has_come = True
            self.append(1)
        return count


def test_a_reload_that_is_asked_for_while_one_looks_is_not_lost(monkeypatch):
    @contextmanager
    def noted(numbers):
        yield Busy()

    monkeypatch.setattr(edge.ending, "_noted", noted)
    with reload_signals() as take:
        assert [take() for _ in range(3)] == [False, True, False]
