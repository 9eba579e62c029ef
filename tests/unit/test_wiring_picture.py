"""The picture of the header: well-formed and whole, every used pin named on its own side, no text over another."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from edge.config import Config
from edge.configfile import parse_config
from edge.header import HEADER
from edge.wiring import wiring_rows, wiring_svg
from edge.wiring.picture import CENTRE, WIDTH
from tests.wiring_rig import FULL_MACHINE

SVG = "{http://www.w3.org/2000/svg}"
BOLD, PLAIN = 0.62, 0.55
"""A sign of DejaVu Sans, the widest of the picture's fonts, is this share of its size wide on the average."""
MACHINES = {
    "the default": Config(),
    "a full machine": parse_config(FULL_MACHINE, "c.yaml"),
    "long names": parse_config(
        FULL_MACHINE.replace("residue", "residue_of_the_canteen_on_the_third_floor")
        + "routes: {trash: recyclable}\nuncertain_route: recyclable\n",
        "c.yaml",
    ),
}
every_machine = pytest.mark.parametrize("config", MACHINES.values(), ids=MACHINES.keys())


def drawn(config: Config, title: str = "test") -> ET.Element:
    return ET.fromstring(wiring_svg(config, title))


def extent(text: ET.Element) -> tuple[float, float]:
    """Left and right end of a text, by the widest of the fonts."""
    x, size = float(text.get("x")), float(text.get("font-size"))
    share = BOLD if text.get("font-weight") == "bold" else PLAIN
    width = share * size * len(text.text)
    left = {"end": x - width, "middle": x - width / 2}.get(text.get("text-anchor"), x)
    return left, left + width


@every_machine
def test_every_pin_is_drawn_with_its_number_and_name(config: Config):
    groups = {group.get("id"): group for group in drawn(config).iter(f"{SVG}g")}
    assert list(groups) == [f"pin{number}" for number in range(1, 41)]
    for pin in HEADER:
        words = [text.text for text in groups[f"pin{pin.number}"].iter(f"{SVG}text")]
        assert str(pin.number) in words
        assert any(pin.name in word.split() for word in words)


@every_machine
def test_a_used_pin_is_filled_and_labelled_on_its_own_side_and_no_other_is(config: Config):
    used = {row.number for row in wiring_rows(config)}
    for group in drawn(config).iter(f"{SVG}g"):
        number = int(group.get("id").removeprefix("pin"))
        boxes = [box for box in group.iter(f"{SVG}rect") if box.get("rx")]
        pad = next(shape for shape in group if shape.tag in (f"{SVG}circle", f"{SVG}rect"))
        assert (len(boxes), pad.get("fill") != "#ffffff") == ((1, True) if number in used else (0, False))
        for box in boxes:
            assert (float(box.get("x")) < CENTRE) == (number % 2 == 1)


@every_machine
def test_the_whole_key_and_the_connection_stand_in_the_pins_title(config: Config):
    titles = {group.get("id"): group.findtext(f"{SVG}title") for group in drawn(config).iter(f"{SVG}g")}
    for row in wiring_rows(config):
        assert row.key in titles[f"pin{row.number}"]


@every_machine
def test_no_text_lies_over_another_or_beyond_the_picture(config: Config):
    lines: dict[float, list[tuple[float, float]]] = {}
    for text in drawn(config, "a name of a configuration that is rather long, and then some more").iter(f"{SVG}text"):
        lines.setdefault(float(text.get("y")), []).append(extent(text))
    for spans in lines.values():
        spans.sort()
        assert spans[0][0] >= 0
        assert spans[-1][1] <= WIDTH
        assert all(one[1] < other[0] for one, other in pairwise(spans))


@every_machine
def test_a_label_fits_its_box(config: Config):
    for group in drawn(config).iter(f"{SVG}g"):
        for box in (box for box in group.iter(f"{SVG}rect") if box.get("rx")):
            left, top = float(box.get("x")), float(box.get("y"))
            inside = [text for text in group.iter(f"{SVG}text") if left < float(text.get("x")) < left + 262]
            assert len(inside) == 2
            for text in inside:
                assert left < extent(text)[0]
                assert extent(text)[1] < left + float(box.get("width"))
                assert top < float(text.get("y")) < top + float(box.get("height"))


def test_pin_1_the_boards_edge_and_the_meaning_of_colours_are_told():
    svg = wiring_svg(Config(), "test")
    for words in ("pin 1 is square", "edge of the board", "microSD end", "USB end", "servo pulses", "3.3 V"):
        assert f">{words}<" in svg or words in svg
    groups = {group.get("id"): group for group in drawn(Config()).iter(f"{SVG}g")}
    assert [number for number in range(1, 41) if groups[f"pin{number}"].find(f"{SVG}circle") is None] == [1]


def test_a_misplaced_output_is_told_at_its_pin_and_no_other_is():
    misplaced = parse_config("gate: {kind: solenoid, bin_pins: {paper: 14, recyclable: 19, residue: null}}", "c.yaml")
    groups = drawn(misplaced).iter(f"{SVG}g")
    told = [group.get("id") for group in groups if "NOT HERE" in "".join(group.itertext())]
    assert told == ["pin8"]


def test_simulated_pins_are_called_so():
    assert "simulated pins (mock)" in wiring_svg(Config(), "test")
    assert "simulated" not in wiring_svg(MACHINES["a full machine"], "test")


def test_the_picture_needs_nothing_else():
    svg = wiring_svg(MACHINES["a full machine"], "test")
    assert not re.search(r"href|url\(|<script|<style|<image|@import", svg)
    assert svg.replace("http://www.w3.org/2000/svg", "").count("http") == 0


@pytest.mark.parametrize("name", ["<b>&\"'", "a]]>b", "\x01\x1b", "\ud800", "\ufffe", "ü漢"])
def test_any_name_is_well_formed(name: str):
    # A bin has a printable name; the name of a file may be anything.
    coil = {
        "kind": "solenoid",
        "bin_pins": {name if name.isprintable() else "bin": 13, "recyclable": 19, "residue": None},
    }
    config = Config.model_validate({"gate": coil})
    svg = wiring_svg(config, name)
    assert ET.fromstring(svg.encode()).tag == f"{SVG}svg"
