"""A sorter that nobody visits: what it runs with when its files are bad."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import edge.unattended
from edge.config import Config
from edge.errors import ActuatorError, BundleError, ConfigError, JamError, LedgerError, SorterError, SourceError
from edge.gates.motion import ScriptedGate
from edge.health.lastgood import LastGood
from edge.health.starts import Starts
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.unattended import DOUBT_FROM
from tests.rigs import SHIPPED_BUNDLE, edit_manifest
from tests.unattended_rig import SMALL, Machine, refuse


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def spoiled_bundle(folder: Path) -> Path:
    bundle = folder / "model"
    shutil.copytree(SHIPPED_BUNDLE, bundle)
    edit_manifest(bundle, lambda manifest: manifest.update(sha256="0" * 64))
    return bundle


def spy_on_opening(monkeypatch: pytest.MonkeyPatch, refuse_it: Callable[[Config], SorterError | None]) -> list[Config]:
    """What is opened, but for what is refused."""
    asked = []
    opened = edge.unattended.open_session

    def open_session(config, *arguments):
        asked.append(config)
        error = refuse_it(config)
        if error is not None:
            raise error
        return opened(config, *arguments)

    monkeypatch.setattr(edge.unattended, "open_session", open_session)
    return asked


def test_a_bad_configuration_without_a_good_one_is_refused_and_counted(machine):
    machine.config.write_text("gate: {kind: trebuchet}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:1"):
        machine.run()
    assert Starts(machine.folder / "starts.json", boot_id="kernel").begin().count == 2
    assert not machine.ledger.exists()


def test_a_configuration_that_was_spoiled_leaves_the_last_good_one_at_work(machine):
    machine.run()
    machine.config.write_text("vote: {dead_line_s: 2}\n")
    machine.run()
    assert machine.faults() == ["config_refused"]
    (fault,) = [record for record in machine.events.records if record["type"] == "fault"]
    assert "unknown key 'vote.dead_line_s'" in fault["detail"]
    assert [record["type"] for record in machine.events.records].count("item") == 2
    assert machine.status["config"]["is_last_good"]


def test_a_bundle_that_was_spoiled_leaves_the_last_good_one_at_work(machine):
    machine.run()
    machine.config.write_text(f"{SMALL}model: {{path: {spoiled_bundle(machine.folder)}}}\n")
    machine.run()
    assert machine.faults() == ["model_refused"]
    assert [record["type"] for record in machine.events.records].count("item") == 2


def test_a_bad_bundle_without_a_good_one_is_refused(machine):
    machine.config.write_text(f"{SMALL}model: {{path: {spoiled_bundle(machine.folder)}}}\n")
    with pytest.raises(BundleError, match="SHA-256"):
        machine.run()


def test_what_is_kept_was_in_use_by_a_run_that_lasted(machine):
    machine.config.write_text(SMALL.replace("stable_s: 1", "stable_s: 3600"))
    machine.run()
    assert LastGood(machine.folder / "last-good").config() is None


def test_a_configuration_under_which_it_only_stood_in_a_fault_is_not_kept(machine, monkeypatch):
    def jam(self, now_s):
        if self.is_moving:
            self.stop()
            raise JamError("stuck")

    monkeypatch.setattr(ScriptedGate, "tick", jam)
    monkeypatch.setattr("edge.machine.recover", lambda machine, now_s: (machine, ()))
    machine.run()
    assert machine.faults() == ["gate_jammed"]
    assert LastGood(machine.folder / "last-good").config() is None


def test_a_text_that_was_saved_while_it_was_opened_is_not_taken_for_the_one_in_use(machine, monkeypatch):
    opened = edge.unattended.open_session

    def save_a_typo(*arguments):
        machine.config.write_text("vote: {dead_line_s: 2}\n")
        return opened(*arguments)

    monkeypatch.setattr(edge.unattended, "open_session", save_a_typo)
    machine.run()
    kept = LastGood(machine.folder / "last-good").config()
    assert kept is not None and kept.read_text() == SMALL


def test_nothing_moves_before_the_camera_is_there_once_a_start_has_failed(machine, monkeypatch):
    waits = spy_on_waiting(monkeypatch)
    machine.run()
    with monkeypatch.context() as patch:
        patch.setattr(SqliteLedger, "open", lambda self: refuse())
        with pytest.raises(LedgerError):
            machine.run()
    machine.run()
    machine.run()
    assert waits == [False, False, True, False]


def test_nothing_moves_before_the_camera_is_there_after_a_reload(machine, monkeypatch):
    waits = spy_on_waiting(monkeypatch)
    machine.reloads = 1
    machine.run()
    assert waits == [False, True]


def test_nothing_moves_before_the_camera_is_there_where_another_choice_was_refused(machine, monkeypatch):
    machine.run()
    machine.config.write_text(SMALL.replace("{width_px", "{fps: 25, width_px"))
    refusals = iter([ConfigError("no")])
    spy_on_opening(monkeypatch, lambda config: next(refusals, None) if config.source.fps == 25 else None)
    waits = spy_on_waiting(monkeypatch)
    machine.run()
    assert waits == [False, True]


def test_nothing_moves_before_the_camera_is_there_where_the_last_good_configuration_stands_in(machine, monkeypatch):
    machine.run()
    machine.config.write_text(f"{SMALL}vote: {{dead_line_s: 2}}\n")
    waits = spy_on_waiting(monkeypatch)
    machine.run()
    assert waits == [True]


def spy_on_waiting(monkeypatch) -> list[bool]:
    """Whether each session that is opened from now on waits for its camera."""
    waits: list[bool] = []
    opened = edge.unattended.open_session

    def spy(config, pace, watchers, file, care):
        waits.append(care.waits_for_camera)
        return opened(config, pace, watchers, file, care)

    monkeypatch.setattr(edge.unattended, "open_session", spy)
    return waits


def test_a_ledger_that_cannot_be_opened_is_no_reason_to_take_another(machine, monkeypatch):
    machine.names_ledger = False
    old, new = machine.folder / "old.db", machine.folder / "new.db"
    machine.config.write_text(f"{SMALL}ledger: {{path: {old}}}\n")
    machine.run()
    rows = old.read_bytes()
    machine.config.write_text(f"{SMALL}ledger: {{path: {new}}}\n")
    opened = SqliteLedger.open
    monkeypatch.setattr(SqliteLedger, "open", lambda self: refuse() if self._path == new else opened(self))
    for _ in range(4):
        with pytest.raises(LedgerError):
            machine.run()
    assert old.read_bytes() == rows


def test_the_last_good_configuration_keeps_the_present_book(machine, monkeypatch):
    machine.names_ledger = False
    machine.config.write_text(f"{SMALL}ledger: {{path: {machine.folder / 'old.db'}}}\n")
    machine.run()
    absent = SMALL.replace("{width_px", "{fps: 25, width_px")
    machine.config.write_text(f"{absent}ledger: {{path: {machine.folder / 'new.db'}}}\n")
    spy_on_opening(monkeypatch, lambda config: SourceError("no camera") if config.source.fps == 25 else None)
    for _ in range(3):
        with pytest.raises(SourceError):
            machine.run()
    machine.run()
    assert machine.faults() == ["config_refused"]
    with LedgerReader(machine.folder / "new.db") as reader:
        assert [record["type"] for record in reader.iterate()].count("item") == 2


@pytest.mark.parametrize(
    ("present", "is_used"),
    [
        ("gate: {servo_pin: 12, hold: 1}\n", False),
        ("panel: {estop: {pin: 5}}\nvote: {dead_line_s: 1}\n", False),
        ("gate: {servo_pin: 18}\nvote: {dead_line_s: 1}\n", True),
        ("gate: {servo_pin: 18\n", True),
        ("vote: {dead_line_s: 1}\n", True),
    ],
    ids=["another pin", "a new emergency stop", "the same wires", "no YAML at all", "cut off before the wires"],
)
def test_a_machine_that_was_wired_anew_is_not_driven_as_before(machine, present, is_used):
    machine.config.write_text(f"{SMALL}gate: {{servo_pin: 18}}\n")
    machine.run()
    machine.config.write_text(SMALL + present)
    if is_used:
        machine.run()
        assert machine.faults() == ["config_refused"]
    else:
        with pytest.raises(ConfigError, match="other wires"):
            machine.run()


def test_the_last_good_off_of_a_relay_board_that_was_replaced_is_not_taken(machine):
    """With an active-low board it would switch every coil on."""
    gate = "gate: {kind: solenoid, bin_pins: {recyclable: 17, residue: null}, active_high: %s}\n"
    machine.config.write_text(SMALL + gate % "true")
    machine.run()
    machine.config.write_text(f"{SMALL}{gate % 'false'}vote: {{dead_line_s: 1}}\n")
    with pytest.raises(ConfigError, match="other wires"):
        machine.run()


REWIRED = f"{SMALL}gate: {{servo_pin: 12}}\npanel: {{estop: {{pin: 5}}, resume_button: {{pin: 6}}}}\n"


@pytest.mark.parametrize("error", [SourceError, ActuatorError, ConfigError])
def test_new_wires_that_cannot_be_had_do_not_bring_the_old_ones_back(machine, monkeypatch, error):
    machine.config.write_text(f"{SMALL}gate: {{servo_pin: 18}}\n")
    machine.run()
    machine.config.write_text(REWIRED)
    spy_on_opening(monkeypatch, lambda config: error("not here") if config.gate.servo_pin == 12 else None)
    for _ in range(DOUBT_FROM + 1):
        with pytest.raises(error, match="not here"):
            machine.run()


def test_a_bad_model_with_new_wires_goes_on_with_the_last_good_model_and_the_new_wires(machine, monkeypatch):
    machine.config.write_text(f"{SMALL}gate: {{servo_pin: 18}}\n")
    machine.run()
    machine.config.write_text(f"{REWIRED}model: {{path: {spoiled_bundle(machine.folder)}}}\n")
    asked = spy_on_opening(monkeypatch, lambda config: None)
    machine.run()
    assert machine.faults() == ["model_refused"]
    assert [config.gate.servo_pin for config in asked] == [12, 12]


def test_a_bad_model_with_new_wires_that_the_last_good_model_does_not_fit_is_refused(machine):
    """Its routes speak of labels of the new model."""
    machine.config.write_text(f"{SMALL}gate: {{servo_pin: 18}}\n")
    machine.run()
    routes = "routes: {banana: recyclable}\n"
    machine.config.write_text(f"{REWIRED}{routes}model: {{path: {spoiled_bundle(machine.folder)}}}\n")
    with pytest.raises(BundleError, match="SHA-256"):
        machine.run()


def test_a_bad_model_with_the_old_wires_falls_back_on_the_whole_last_good_configuration(machine):
    machine.run()
    routes = "routes: {banana: recyclable}\n"
    machine.config.write_text(f"{SMALL}{routes}model: {{path: {spoiled_bundle(machine.folder)}}}\n")
    machine.run()
    assert machine.faults() == ["model_refused", "config_refused"]
