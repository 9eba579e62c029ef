"""The configurations that are ready to use: each is valid, and its page shows what the command prints."""

import shlex
import shutil
from pathlib import Path

import pytest

import edge
from edge.bundle import load_bundle
from edge.config import Config
from edge.configfile import check_labels, load_config
from edge.header import header_pin_of
from edge.wiring import wiring_remarks, wiring_svg, wiring_text
from tests.cli_rig import invoke
from tests.mechanisms import CarouselRig, Drive
from tests.pin_rig import MockBench
from tests.rigs import SHIPPED_BUNDLE

ROOT = Path(edge.__file__).parents[1]
PAGES = ROOT / "docs" / "wiring"
FILES = {path.stem: path for path in sorted((ROOT / "config").glob("*.yaml")) if path.stem != "default"}
EXPECTED = {"pi-servo", "pi-two-servo", "pi-carousel", "pi-conveyor", "pi-solenoid", "usb-camera"}
BEGIN, END = "<!-- show-wiring -->\n", "<!-- end of show-wiring -->"
every_file = pytest.mark.parametrize("name", FILES)


def config_of(name: str) -> Config:
    return load_config(FILES[name])


def test_every_machine_of_the_readme_has_its_file():
    assert set(FILES) == EXPECTED
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert {name for name in FILES if f"[{name}]({name}.md)" in index} == EXPECTED


@every_file
def test_it_is_valid_with_the_model_that_ships(name: str):
    config = config_of(name)
    check_labels(config, load_bundle(SHIPPED_BUNDLE).labels, FILES[name])
    assert config.model.path is None


@every_file
def test_it_names_real_hardware_and_a_ledger_that_lasts(name: str):
    config = config_of(name)
    assert config.pins.factory == "lgpio"
    assert config.source.spec == ("v4l2:/dev/video0" if name == "usb-camera" else "picamera2")
    assert config.ledger.path == "/var/lib/edge-sorter/ledger.db"


@every_file
def test_a_stop_a_drop_sensor_and_a_lamp_belong_to_it(name: str):
    config = config_of(name)
    assert config.panel.estop is not None
    assert config.panel.estop.active_high
    assert config.drop_sensor.kind == "beam"
    assert config.panel.lamp is not None


@every_file
def test_no_pin_is_taken_from_a_bus(name: str):
    for use in config_of(name).pin_uses():
        assert not header_pin_of(use.bcm).role.startswith(("I2C", "SPI", "UART", "ID")), use.key


@every_file
def test_its_servos_could_be_driven_by_hardware(name: str):
    config = config_of(name)
    fields = config.model_dump()
    fields["pins"]["pwm"] = "hardware"
    assert Config.model_validate(fields).pins.pwm == "hardware"


@every_file
def test_nothing_moves_while_the_board_starts_but_what_its_page_holds_off(name: str):
    starting = [remark for remark in wiring_remarks(config_of(name)) if "while the board starts" in remark]
    assert ["gate.enable_pin" in remark for remark in starting] == ([True] if name == "pi-carousel" else [])


@every_file
def test_the_commands_in_its_comments_set_what_the_camera_leaves_open(name: str, tmp_path: Path):
    file = tmp_path / "config.yaml"
    shutil.copyfile(FILES[name], file)
    _, *written = FILES[name].read_text(encoding="utf-8").split("# edge-sorter calibrate set ")
    for line in written:
        result = invoke("calibrate", "--config", file, "set", *shlex.split(line.splitlines()[0]))
        assert result.code == 0, result.err
    before, after = (config.source.camera.model_dump() for config in (config_of(name), load_config(file)))
    balance = "white_balance_k" if name == "usb-camera" else "white_balance"
    assert {key for key in before if before[key] != after[key]} == {"exposure_us", "gain", balance}


def test_the_carousels_steps_are_those_of_its_driver_and_motor():
    gate = config_of("pi-carousel").gate
    assert gate.kind == "carousel"
    assert gate.steps_per_turn == 200 * gate.microsteps


class FullSteps(CarouselRig):
    """A driver whose microstep pins are open."""

    def _see(self, level: float) -> None:
        before = self.steps
        super()._see(level)
        self.steps += (self.steps - before) * (self.config.microsteps - 1)
        self._work_switch()


@pytest.mark.parametrize(("driver", "turn_s", "angle_deg"), [(CarouselRig, 8.0, 90.0), (FullSteps, 1.0, 0.0)])
def test_a_driver_of_full_steps_shows_in_the_time_of_a_turn_and_not_at_the_home_switch(driver, turn_s, angle_deg):
    gate = config_of("pi-carousel").gate
    assert gate.kind == "carousel"
    bench = MockBench()
    try:
        rig = driver(bench, gate.model_copy(update={"door": None}), start_deg=9.0)
        drive = Drive(rig.make(), rig)
        drive.gate.open()
        began_s = drive.now_s
        drive.home()
        assert drive.now_s - began_s == pytest.approx(turn_s, abs=0.5)
        drive.route("packaging")
        drive.finish()
        assert rig.angle_deg == pytest.approx(angle_deg, abs=0.5)
        drive.home()
        assert rig.angle_deg == pytest.approx(0.0, abs=0.5)
    finally:
        bench.close()


@every_file
def test_a_stop_with_a_contact_for_each_supply_stands_in_its_parts_list(name: str):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    (part,) = (line for line in page.splitlines() if line.startswith("| 1 | emergency stop"))
    (remark,) = (remark for remark in wiring_remarks(config_of(name)) if remark.startswith("the emergency stop needs"))
    contacts = "three contacts that open" if name in ("pi-carousel", "pi-conveyor") else "two contacts that open"
    assert contacts in part
    assert contacts in remark


@every_file
def test_its_page_shows_the_table_that_the_command_prints(name: str):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    shown = page.partition(BEGIN)[2].partition(END)[0]
    assert shown == wiring_text(config_of(name)), f"run make wiring: docs/wiring/{name}.md is of another configuration"


@every_file
def test_its_picture_is_the_one_that_the_command_draws(name: str):
    picture = (PAGES / f"{name}.svg").read_text(encoding="utf-8")
    assert picture == wiring_svg(config_of(name), name), f"run make wiring: docs/wiring/{name}.svg is of another one"


@every_file
def test_its_page_speaks_of_parts_power_levels_safety_and_commissioning(name: str):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    heads = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert heads == ["Parts", "Power supply", "Levels", "Safety", "Wires", "Commissioning"]
    assert f"({name}.svg)" in page
