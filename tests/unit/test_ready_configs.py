"""The configurations that are ready to use: each is valid, and its page shows what the command prints."""

from pathlib import Path

import pytest

import edge
from edge.bundle import load_bundle
from edge.config import Config
from edge.configfile import check_labels, load_config
from edge.header import header_pin_of
from edge.wiring import wiring_remarks, wiring_svg, wiring_text
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
