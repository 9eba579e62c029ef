"""What others chose (names of files, labels, events, keys) is shown so that it can steer and forge nothing."""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.common import log_to_stderr
from edge.commands.lines import describe_detail, describe_event
from edge.configfile import parse_config
from edge.errors import ConfigError
from edge.printable import printable
from tests.cli_rig import invoke
from tests.hostile_files import ESCAPES, STEERING
from tests.ledger_rig import UTC, item

NAME = ESCAPES.replace("/", "")
BASE = {"schema": 1, "event_id": "b1-1", "boot_id": "b1", "seq": 1, "utc": UTC, "t_s": 1.0}


def steers(text: str) -> bool:
    return any(sign in text for sign in STEERING)


@given(st.text())
def test_nothing_that_was_made_printable_steers_or_breaks_a_line(text):
    shown = printable(text)
    assert shown.isprintable()
    assert shown.splitlines() in ([], [shown])


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_what_can_be_shown_stays_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ü, 纸", "plain text, ü, 纸"),
        ("a\nb", r"a\nb"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("\u202egnp", r"\u202egnp"),
        ("\udcff", r"\udcff"),
    ],
)
def test_signs_that_cannot_be_shown_become_escapes(text, shown):
    assert printable(text) == shown


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with a picture and a broken one, both named to do harm."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "plain.png"), np.zeros((30, 40, 3), np.uint8))
    (folder / "plain.png").rename(folder / f"{NAME}.png")
    (folder / f"{NAME}.jpg").write_bytes(b"broken")
    return folder


def test_classify_shows_names_of_files_and_errors_a_line_each(pictures):
    result = invoke("classify", pictures)
    assert len(result.out.splitlines()) == 1
    assert len(result.err.splitlines()) == 1
    assert not steers(result.out + result.err)
    assert r"\x1b[2J" in result.out
    assert r"\x1b[2J" in result.err


def test_classify_gives_programs_the_name_itself(pictures):
    result = invoke("classify", "--json", pictures)
    assert not steers(result.out)
    assert json.loads(result.out)["path"] == str(pictures / f"{NAME}.png")


def test_a_replay_of_pictures_logs_no_raw_name(pictures, tmp_path):
    result = invoke("run", "--source", f"images:{pictures}", "--pace", "fast", "--json", "--ledger", tmp_path / "l.db")
    assert "is no image that can be decoded" in result.err
    assert not steers(result.err)
    assert not steers(result.out)


def test_a_path_that_was_typed_is_shown_printable(tmp_path):
    result = invoke("run", "--config", tmp_path / NAME)
    assert result.code == ConfigError.exit_code
    assert len(result.err.splitlines()) == 1
    assert not steers(result.err)


def test_a_message_is_one_line_and_a_traceback_keeps_its_own(capsys):
    log_to_stderr()
    logger = logging.getLogger("test")
    logger.warning("file %s", NAME)
    try:
        raise ValueError("inside")
    except ValueError:
        logger.exception("outside")
    told = capsys.readouterr().err.splitlines()
    assert len([line for line in told if line.startswith("edge-sorter: ")]) == 2
    assert told[-1] == "ValueError: inside"
    assert not steers("".join(told))


def test_events_are_described_printable():
    sorted_item = BASE | {"type": "item", **item().body, "label": NAME}
    fault = BASE | {"type": "fault", "reason": NAME, "detail": NAME}
    boot = BASE | {"type": "boot", "model": {"name": NAME, "version": NAME}, "source": f"video:{NAME}"}
    lost = BASE | {"type": "fault", "reason": "x", "item": {"label": NAME, "route": NAME}}
    for record in (sorted_item, fault, boot, lost):
        assert describe_event(record).isprintable()
        assert describe_detail(record).isprintable()


def test_the_live_view_is_steered_by_nobody(monkeypatch):
    import io

    from rich.console import Console

    import edge.machine as sm
    from edge.commands.view import LiveView
    from edge.commands.watchers import Tally
    from edge.config import Config
    from edge.records import Frame, Presence
    from tests.rigs import rules

    screen = io.StringIO()
    monkeypatch.setattr("edge.commands.view.REFRESH_S", 0.0)
    # No terminal: all that is written is what the view itself puts there.
    monkeypatch.setattr("edge.commands.view.Console", lambda: Console(file=screen, width=200, height=60))
    config = Config()
    spec = config.source.model_copy(update={"spec": f"video:{NAME}"})
    view = LiveView(Tally(), config.model_copy(update={"source": spec}))
    view.on_event(BASE | {"type": "fault", "reason": NAME, "detail": NAME})
    presence = Presence(1.0, True, True, False, False, 0.42, 0.0)
    view.on_frame(Frame(0, 1.0, np.zeros((4, 4, 3), np.uint8)), presence, sm.Machine(rules()))
    Console(file=screen, width=200, height=60).print(view._draw(1.0))
    assert r"\x1b[2J" in screen.getvalue()
    assert not steers(screen.getvalue())


@pytest.mark.parametrize(
    "text",
    [
        r'gate: {bins_deg: {recyclable: 140.0, residue: 40.0, "a\e[2J": 20.0}}',
        r'gate: {bins_deg: {recyclable: 140.0, residue: 40.0, "a\nb": 20.0}}',
        f"gate: {{bins_deg: {{recyclable: 140.0, residue: 40.0, {'a' * 65}: 20.0}}}}",
        r'routes: {"\e[2J": residue}',
    ],
)
def test_a_bin_or_a_label_that_cannot_be_shown_is_refused(text):
    with pytest.raises(ConfigError, match="names no label or bin; take 64 visible characters at most") as refused:
        parse_config(text, "c.yaml")
    assert str(refused.value).isprintable()
