"""A picture of the 40-pin header with the wires of a configuration: one SVG file that needs nothing else."""

import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from edge.config import Config
from edge.header import HEADER, HeaderPin
from edge.wiring.rows import WiringRow, wiring_rows
from edge.wiring.table import one_line, signal_words

__all__ = ["wiring_svg"]

WIDTH = 780
CENTRE = WIDTH / 2
TOP = 112
PITCH = 38
PAD_GAP = 46
LABEL_WIDTH = 262
MARGIN = 10
NAME_AT = 48
"""From the centre of the header to the end of a pin's name that is nearer to it."""
LABEL_ROOM = LABEL_WIDTH - 18
FONT = "DejaVu Sans, Verdana, Arial, Helvetica, sans-serif"

_INK, _GREY = "#1c1c1c", "#6a6a6a"
_COLOURS: Mapping[str, tuple[str, str]] = {
    "servo": ("#b84300", "#fff0e4"),
    "output": ("#5a3aa6", "#f1edfb"),
    "input": ("#00695c", "#e3f4f0"),
    "ground": ("#2b2b2b", "#ececec"),
    "3V3": ("#8a6100", "#fff5d6"),
    "5V": ("#b3261e", "#fdeae8"),
}
"""Strong and light colour of each kind of wire; the strong ones carry white text."""
_LEGEND = (
    ("servo", "servo pulses"),
    ("output", "output"),
    ("input", "input"),
    ("ground", "ground"),
    ("3V3", "3.3 V"),
    ("5V", "5 V"),
)


def wiring_svg(config: Config, title: str) -> str:
    """The picture, as SVG text on a white ground.

    Args:
        title: what stands above it, such as the name of the configuration.
    """
    height = TOP + 20 * PITCH + 122
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {height}",
            "width": str(WIDTH),
            "height": str(height),
            "font-family": FONT,
            "role": "img",
        },
    )
    ET.SubElement(root, "title").text = f"Wiring of {one_line(title)} at the 40-pin header"
    _box(root, 0, 0, WIDTH, height, fill="#ffffff")
    _heading(root, config, title)
    _board(root)
    wires: dict[int, list[WiringRow]] = {}
    for row in wiring_rows(config):
        wires.setdefault(row.number, []).append(row)
    for pin in HEADER:
        _pin(root, pin, wires.get(pin.number, ()))
    _legend(root, TOP + 20 * PITCH + 50)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _heading(root: ET.Element, config: Config, title: str) -> None:
    _text(root, MARGIN + 4, 32, _shortened(one_line(title), (WIDTH - 2 * MARGIN - 8) / 21), size=21, weight="bold")
    pins = "simulated pins (mock)" if config.pins.factory == "mock" else f"pins by {config.pins.factory}"
    about = f"gate {config.gate.kind}, {pins}, {config.pins.pwm} PWM. Header J8 seen from above; pin 1 is square."
    _text(root, MARGIN + 4, 54, about, size=13, fill=_GREY)


def _board(root: ET.Element) -> None:
    left, top, bottom = CENTRE - PAD_GAP / 2 - 22, TOP - 22, TOP + 19 * PITCH + 22
    right = CENTRE + PAD_GAP / 2 + 22
    _box(root, left, top, right - left, bottom - top, fill="#f6f6f6", stroke="#9a9a9a", radius=6)
    _text(root, CENTRE, top - 8, "microSD end", size=12, fill=_GREY, anchor="middle")
    _text(root, CENTRE, bottom + 18, "USB end", size=12, fill=_GREY, anchor="middle")
    _text(root, left - 10, top - 8, "inside of the board", size=12, fill=_GREY, anchor="end")
    _text(root, right + 10, top - 8, "edge of the board", size=12, fill=_GREY)


def _pin(root: ET.Element, pin: HeaderPin, rows: Sequence[WiringRow]) -> None:
    is_left = pin.number % 2 == 1
    side = -1 if is_left else 1
    x, y = CENTRE + side * PAD_GAP / 2, TOP + (pin.number - 1) // 2 * PITCH
    group = ET.SubElement(root, "g", {"id": f"pin{pin.number}"})
    if rows:
        keys = ", ".join(one_line(row.key) for row in rows)
        ET.SubElement(group, "title").text = f"{rows[0].pin} {pin.name}: {keys}; {one_line(rows[0].connect)}"
    strong, light = _COLOURS[_kind(pin, rows)]
    fill, stroke = (strong, strong) if rows else ("#ffffff", "#a8a8a8")
    if pin.number == 1:
        _box(group, x - 14, y - 14, 28, 28, fill=fill, stroke=stroke)
    else:
        place = {"cx": _number(x), "cy": _number(y), "r": "14", "stroke-width": "1.5"}
        ET.SubElement(group, "circle", {**place, "fill": fill, "stroke": stroke})
    _text(group, x, y + 4.5, str(pin.number), size=13, fill="#ffffff" if rows else _GREY, anchor="middle")

    name_x, anchor = CENTRE + side * (NAME_AT + 4), "end" if is_left else "start"
    if not rows:
        name = f"{pin.name}  {pin.role}" if pin.role and not is_left else f"{pin.role}  {pin.name}".strip()
        _text(group, name_x, y + 4.5, name, size=12, fill=_GREY, anchor=anchor)
        return
    _text(group, name_x, y + 4.5, pin.name, size=13, weight="bold", fill=strong, anchor=anchor)
    label_x = MARGIN if is_left else WIDTH - MARGIN - LABEL_WIDTH
    _box(group, label_x, y - 16, LABEL_WIDTH, 32, fill=light, stroke=strong, radius=5)
    text_x = label_x + LABEL_WIDTH - 9 if is_left else label_x + 9
    _text(group, text_x, y - 2.5, _label(rows), size=13, weight="bold", anchor=anchor)
    _text(group, text_x, y + 11.5, _detail(rows), size=11, fill="#3c3c3c", anchor=anchor)


def _kind(pin: HeaderPin, rows: Sequence[WiringRow]) -> str:
    signals = {row.signal for row in rows} - {"supply"}
    return signals.pop() if signals else pin.name if pin.name in _COLOURS else "ground"


def _label(rows: Sequence[WiringRow]) -> str:
    keys = [_short_key(one_line(row.key)) for row in rows]
    for shown in range(len(keys), 1, -1):
        rest = len(keys) - shown
        label = ", ".join(keys[:shown]) + (f" +{rest}" if rest else "")
        if _bold_em(label) <= LABEL_ROOM / 13:
            return label
    others = f" +{len(keys) - 1}" if len(keys) > 1 else ""
    return _shortened(keys[0], LABEL_ROOM / 13 - _bold_em(others)) + others


def _detail(rows: Sequence[WiringRow]) -> str:
    if rows[0].is_misplaced:
        return "NOT HERE: take another pin"
    if rows[0].signal not in ("ground", "supply"):
        return signal_words(rows[0])
    what = {"GND": "ground", "3V3": "3.3 V", "5V": "5 V"}[rows[0].name]
    return what if len(rows) == 1 else f"{what} of {len(rows)} devices, by a terminal strip"


def _short_key(key: str) -> str:
    if key.startswith("bins.sensors."):
        key = "bins." + key.removeprefix("bins.sensors.")
    return key.removesuffix(".pin").removesuffix("_pin")


def _shortened(text: str, room_em: float) -> str:
    """What fits the room; the end is kept, since it tells a trigger from an echo."""
    if _bold_em(text) <= room_em:
        return text
    end = text[-8:]
    kept = len(text) - 8
    while kept > 0 and _bold_em(f"{text[:kept]}…{end}") > room_em:
        kept -= 1
    return f"{text[:kept]}…{end}"


def _bold_em(text: str) -> float:
    """Width of a bold text at most, as a multiple of its size, in the widest of the fonts."""
    return sum(_sign_em(sign) for sign in text)


def _sign_em(sign: str) -> float:
    if sign in "mwMW@%…" or unicodedata.east_asian_width(sign) in "WF":
        return 1.11
    if sign.isupper() or not sign.isascii():
        return 0.86
    return 0.47 if sign in "fijlrt.,:;|!'()[] " else 0.72


def _legend(root: ET.Element, y: float) -> None:
    x = MARGIN + 4.0
    for kind, words in _LEGEND:
        strong, _ = _COLOURS[kind]
        ET.SubElement(root, "circle", {"cx": _number(x + 8), "cy": _number(y), "r": "8", "fill": strong})
        _text(root, x + 22, y + 4.5, words, size=13)
        x += 42 + 8.6 * len(words)
    _text(
        root,
        MARGIN + 4,
        y + 28,
        "high or low: the level that actuates. pull: the board's own resistor.",
        size=12,
        fill=_GREY,
    )
    _text(
        root,
        MARGIN + 4,
        y + 46,
        "Motors have a supply of their own, joined at ground. No GPIO stands more than 3.3 V. Wire without power.",
        size=12,
        fill=_GREY,
    )


def _box(
    parent: ET.Element, x: float, y: float, width: float, height: float, *, fill: str, stroke: str = "", radius: int = 0
) -> None:
    box = {"x": _number(x), "y": _number(y), "width": _number(width), "height": _number(height), "fill": fill}
    if stroke:
        box |= {"stroke": stroke, "stroke-width": "1.5"}
    if radius:
        box["rx"] = str(radius)
    ET.SubElement(parent, "rect", box)


def _text(
    parent: ET.Element,
    x: float,
    y: float,
    words: str,
    *,
    size: int,
    fill: str = _INK,
    weight: str = "",
    anchor: str = "start",
) -> None:
    place = {"x": _number(x), "y": _number(y), "font-size": str(size), "fill": fill}
    if weight:
        place["font-weight"] = weight
    if anchor != "start":
        place["text-anchor"] = anchor
    ET.SubElement(parent, "text", place).text = words


def _number(value: float) -> str:
    return f"{value:g}"
