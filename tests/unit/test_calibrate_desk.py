"""The operator's keyboard: what is typed before its question is no answer at a terminal, and one in a pipe."""

import os
import pty
import tty
from collections.abc import Iterator

import pytest

from edge.calibrate.desk import BLOCKED_S, POLL_S, Desk, Keyboard
from edge.errors import ConfigError
from tests.rigs import FakeClock


@pytest.fixture
def terminal() -> Iterator[tuple[int, Keyboard]]:
    """Where to type, and who reads it."""
    master, slave = pty.openpty()
    tty.setcbreak(slave)
    with os.fdopen(slave) as stream:
        yield master, Keyboard(stream)
    os.close(master)


@pytest.fixture
def pipe() -> Iterator[tuple[int, Keyboard]]:
    reader, writer = os.pipe()
    with os.fdopen(reader) as stream:
        yield writer, Keyboard(stream)
    os.close(writer)


class SlowDesk(Desk):
    """A desk whose terminal takes so long to show a question; something is typed meanwhile."""

    takes_s = 0.0
    types = b""
    typed_at = -1

    def say(self, text: str = "", *, end: str = "\n") -> None:
        self.clock.advance(self.takes_s)
        os.write(self.typed_at, self.types)


def test_at_a_terminal_what_was_typed_too_early_is_forgotten(terminal):
    master, keyboard = terminal
    os.write(master, b"one\ntwo\nthr")
    assert keyboard.poll(POLL_S) == "one"
    keyboard.discard()
    assert keyboard.poll(POLL_S) is None
    os.write(master, b"four\n")
    assert keyboard.poll(POLL_S) == "four"


def test_a_pipe_keeps_the_lines_that_a_script_wrote_before(pipe):
    writer, keyboard = pipe
    os.write(writer, b"one\ntwo\n")
    assert keyboard.poll(POLL_S) == "one"
    keyboard.discard()
    assert keyboard.poll(POLL_S) == "two"


def ask(terminal: tuple[int, Keyboard], takes_s: float) -> str:
    desk = SlowDesk(FakeClock(), terminal[1])
    desk.takes_s, desk.types, desk.typed_at = takes_s, b"early\n", terminal[0]

    def later(now_s: float) -> None:
        os.write(terminal[0], b"late\n")

    return desk.ask("Which one?", later)


def test_what_is_typed_while_the_terminal_shows_nothing_is_no_answer(terminal):
    assert ask(terminal, BLOCKED_S + 0.1) == "late"


def test_what_is_typed_as_soon_as_the_question_is_shown_is_one(terminal):
    assert ask(terminal, 0.0) == "early"


def test_a_terminal_that_went_away_is_the_inputs_end():
    master, slave = pty.openpty()
    with os.fdopen(slave) as stream:
        os.close(master)
        desk = Desk(FakeClock(), Keyboard(stream), scripted="--for SECONDS")
        with pytest.raises(ConfigError, match="run it in a terminal, or add --for SECONDS"):
            desk.ask("Which one?")
