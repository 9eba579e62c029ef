"""The operator's panel: levels of switches and sensors become events, released ones only after a while."""

import pytest

from edge.config import BinsConfig, PanelConfig
from edge.errors import ActuatorError
from edge.latch import StopLatch
from edge.machine_io import BinLevel, PauseAsked, ResumeAsked
from edge.machine_state import State
from edge.panel import Panel, status_of
from edge.records import Status
from tests.rigs import MachineRig, rules

PRESS = {"pin": 5}
SETTINGS = PanelConfig.model_validate(
    {"estop": {"pin": 16}, "lid": {"pin": 26}, "pause_button": PRESS, "resume_button": {"pin": 6}, "release_s": 0.5}
)


class FakeSwitch:
    def __init__(self, error: Exception | None = None) -> None:
        self.is_on = False
        self.is_open = False
        self.error = error

    def open(self) -> None:
        if self.error is not None:
            raise self.error
        self.is_open = True

    def is_actuated(self) -> bool:
        return self.is_on

    def close(self) -> None:
        self.is_open = False


class FakeFill(FakeSwitch):
    is_on: bool | None

    def is_full(self) -> bool | None:
        return self.is_on


class FakeLamp(FakeSwitch):
    shown: Status | None = None

    def show(self, status: Status, now_s: float) -> None:
        self.shown = status


class Desk:
    """A panel with every switch and two bins, on fake time."""

    def __init__(self, latch: StopLatch | None = None, **bins: object) -> None:
        self.switches = {name: FakeSwitch() for name in SETTINGS.switches()}
        self.fills = {"recyclable": FakeFill(), "residue": FakeFill()}
        self.lamp = FakeLamp()
        self.panel = Panel(
            self.switches,
            self.fills,
            [self.lamp],
            SETTINGS,
            BinsConfig.model_validate({"full_s": 3.0, **bins}),
            latch,
        )
        self.panel.open()
        self.now_s = 10.0

    def set(self, name: str, is_on: bool) -> list[object]:
        self.switches[name].is_on = is_on
        return self.poll()

    def poll(self, after_s: float = 0.0) -> list[object]:
        self.now_s += after_s
        return list(self.panel.poll(self.now_s))

    def press(self, name: str) -> list[object]:
        """Press a button for a moment and let go of it for good."""
        asked = self.set(name, True)
        self.now_s += 0.2
        assert self.set(name, False) == []
        assert self.poll(0.6) == []
        return asked


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_at_rest_nothing_is_asked(desk):
    assert [desk.poll(0.1) for _ in range(50)] == [[]] * 50


@pytest.mark.parametrize(("name", "reason"), [("estop", "e_stop"), ("lid", "lid_open"), ("pause_button", "button")])
def test_what_is_actuated_pauses_at_once_and_once(desk, name: str, reason: str):
    assert desk.set(name, True) == [PauseAsked(reason)]
    assert [desk.poll(0.01) for _ in range(100)] == [[]] * 100


def test_a_lid_resumes_only_when_it_was_closed_without_a_break(desk):
    desk.set("lid", True)
    assert desk.set("lid", False) == []
    assert desk.poll(0.4) == []
    assert desk.set("lid", True) == []
    assert desk.set("lid", False) == []
    assert desk.poll(0.49) == []
    assert desk.poll(0.02) == [ResumeAsked("lid_open")]


def test_a_released_emergency_stop_waits_for_the_resume_button(desk):
    desk.set("estop", True)
    desk.set("estop", False)
    assert desk.poll(60.0) == []
    assert desk.press("resume_button") == [ResumeAsked("e_stop"), ResumeAsked("button"), ResumeAsked("operator")]


def test_the_resume_button_does_not_overrule_a_pressed_emergency_stop(desk):
    desk.set("estop", True)
    assert ResumeAsked("e_stop") not in desk.press("resume_button")


def test_a_held_resume_button_does_not_resume_when_the_emergency_stop_is_released(desk):
    desk.set("estop", True)
    desk.set("resume_button", True)
    desk.set("estop", False)
    assert desk.poll(5.0) == []


def test_the_pause_button_pauses_and_resumes_in_turns(desk):
    assert desk.press("pause_button") == [PauseAsked("button")]
    assert desk.press("pause_button") == [ResumeAsked("button")]
    assert desk.press("pause_button") == [PauseAsked("button")]
    assert ResumeAsked("button") in desk.press("resume_button")
    assert desk.press("pause_button") == [PauseAsked("button")]


def test_the_emergency_stop_is_told_before_the_lid(desk):
    desk.switches["lid"].is_on = True
    assert desk.set("estop", True) == [PauseAsked("e_stop"), PauseAsked("lid_open")]


def test_a_bin_is_full_and_empty_again_only_after_a_while(desk):
    fill = desk.fills["residue"]
    fill.is_on = True
    assert desk.poll() == []
    assert desk.poll(2.9) == []
    fill.is_on = False
    assert desk.poll() == [], "something only fell past the sensor"
    fill.is_on = True
    assert desk.poll() == []
    assert desk.poll(3.0) == [BinLevel("residue", is_full=True)]
    fill.is_on = False
    assert desk.poll(0.1) == []
    assert desk.poll(3.0) == [BinLevel("residue", is_full=False)]


def test_a_sensor_that_knows_nothing_changes_nothing(desk):
    fill = desk.fills["residue"]
    fill.is_on = True
    desk.poll()
    desk.poll(3.0)
    fill.is_on = None
    assert desk.poll(100.0) == []


def test_a_level_that_was_not_known_without_a_break_did_not_last(desk):
    fill = desk.fills["residue"]
    fill.is_on = True
    assert desk.poll() == []
    fill.is_on = None
    assert desk.poll(2.0) == []
    fill.is_on = True
    assert desk.poll(2.0) == []
    assert desk.poll(3.0) == [BinLevel("residue", is_full=True)]


def test_an_emergency_stop_is_forgotten_before_the_motion_that_its_reset_allows(tmp_path):
    """The disk may take its time, which no motion waits for."""
    latch = StopLatch(tmp_path / "emergency-stop")
    desk = Desk(latch)
    desk.set("estop", True)
    desk.panel.remember()
    assert latch.is_set()
    desk.set("estop", False)
    desk.poll(1.0)
    asked = desk.set("resume_button", True)
    assert ResumeAsked("e_stop") in asked
    assert not latch.is_set()


def test_a_resume_button_that_is_pressed_in_a_motion_waits_for_no_disk(tmp_path, monkeypatch):
    desk = Desk(StopLatch(tmp_path / "emergency-stop"))
    monkeypatch.setattr("edge.latch.os.fsync", lambda handle: pytest.fail("waits for a disk"))
    assert desk.press("resume_button") != []
    desk.panel.remember()


def test_bins_are_looked_at_when_nothing_else_is_asked_for(desk):
    """What is asked for may begin a motion, and a full bin is written down."""
    desk.fills["residue"].is_on = True
    desk.poll()
    desk.now_s += 3.0
    assert [type(event) for event in desk.set("pause_button", True)] == [PauseAsked]
    assert desk.poll() == [BinLevel("residue", True)]


def test_what_a_refused_pin_leaves_open_is_closed():
    switches = {"lid": FakeSwitch(), "estop": FakeSwitch(ActuatorError("taken"))}
    panel = Panel(switches, {}, [], SETTINGS, BinsConfig())
    with pytest.raises(ActuatorError, match="taken"):
        panel.open()
    assert not switches["lid"].is_open


def test_closing_gives_every_pin_back_and_may_be_done_twice(desk):
    assert all(device.is_open for device in (*desk.switches.values(), *desk.fills.values(), desk.lamp))
    desk.panel.close()
    desk.panel.close()
    assert not any(device.is_open for device in (*desk.switches.values(), *desk.fills.values(), desk.lamp))


def test_a_panel_with_buttons_is_polled_often_enough_for_a_short_press(desk):
    assert desk.panel.period_s <= 0.05
    assert Panel({}, {}, [], SETTINGS, BinsConfig()).period_s == pytest.approx(0.1)


STATUS = [
    (State.READY, {}, Status.READY),
    (State.WAIT_EMPTY, {}, Status.READY),
    (State.BOOT, {}, Status.STARTING),
    (State.HOMING, {}, Status.STARTING),
    (State.VOTING, {}, Status.BUSY),
    (State.ROUTING, {"full_bins": (("residue", 1.0),)}, Status.BUSY),
    (State.FAULT, {"full_bins": (("residue", 1.0),)}, Status.FAULT),
    (State.READY, {"full_bins": (("residue", 1.0),)}, Status.BIN_FULL),
    (State.PAUSED, {"holds": (("lid_open", 1.0),)}, Status.PAUSED),
    (State.PAUSED, {"holds": (("bin_full", 1.0),), "full_bins": (("residue", 1.0),)}, Status.BIN_FULL),
    (
        State.PAUSED,
        {
            "holds": (
                ("bin_full", 1.0),
                ("lid_open", 1.0),
            ),
            "full_bins": (("residue", 1.0),),
        },
        Status.PAUSED,
    ),
    (
        State.PAUSED,
        {
            "holds": (
                ("lid_open", 1.0),
                ("e_stop", 1.0),
            )
        },
        Status.STOPPED,
    ),
]


@pytest.mark.parametrize(("state", "fields", "status"), STATUS)
def test_the_lamp_tells_the_worst_first(state: State, fields: dict[str, object], status: Status):
    machine = MachineRig(rules()).machine._replace(state=state, **fields)
    assert status_of(machine) is status
