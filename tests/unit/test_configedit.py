"""Values set in a configuration's text: all else stays byte for byte, and what is read back is what was asked."""

import math
import string

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from edge.config import Config
from edge.configdoc import default_yaml
from edge.configedit import HEADER, edited, key_path
from edge.configfile import parse_config
from edge.errors import ConfigError

FILE = """\
# Bin 7, hall B

source:
    spec: v4l2:/dev/video0   # the USB camera
    camera:
        rotation_deg: 90
gate:   # the flap
    bins_deg:   {recyclable: 140.0,   residue: 40.0}   # two bins
    home_deg: 90
    # hold_s: 0.8
# sensors
drop_sensor:
    kind: beam
    pin: "J8:16"

# the end
"""
EDITS = [
    ("a number", {"gate.home_deg": 92.5}, "home_deg: 90\n", "home_deg: 92.5\n"),
    ("a value before a comment", {"source.spec": "picamera2"}, "spec: v4l2:/dev/video0   #", "spec: picamera2   #"),
    ("a quoted value", {"drop_sensor.pin": "J8:18"}, '"J8:16"', "J8:18"),
    ("one of a map in one line", {"gate.bins_deg.residue": 41.5}, "residue: 40.0}", "residue: 41.5}"),
    ("a new one in a map in one line", {"gate.bins_deg.paper": 60}, "residue: 40.0}", "residue: 40.0, paper: 60}"),
    ("a whole map", {"gate.bins_deg": {"a": 1.0}}, "{recyclable: 140.0,   residue: 40.0}", "{a: 1.0}"),
    ("null", {"gate.home_deg": None}, "home_deg: 90\n", "home_deg: null\n"),
    ("truth", {"drop_sensor.kind": True}, "kind: beam", "kind: true"),
    ("text that YAML takes for truth", {"drop_sensor.kind": "on"}, "kind: beam", "kind: 'on'"),
    ("text that YAML takes for a number", {"drop_sensor.kind": "1.5"}, "kind: beam", "kind: '1.5'"),
    ("text with a comment's sign", {"drop_sensor.kind": "a #b"}, "kind: beam", "kind: 'a #b'"),
    ("text of two lines", {"drop_sensor.kind": "a\nb"}, "kind: beam", 'kind: "a\\nb"'),
    ("a small number", {"gate.home_deg": 1e-7}, "home_deg: 90\n", "home_deg: 1.0e-07\n"),
    (
        "a new key goes to its section's end",
        {"gate.hold_s": 1.0},
        "    home_deg: 90\n",
        "    home_deg: 90\n    hold_s: 1.0\n",
    ),
    (
        "a new key of an inner section",
        {"source.camera.roi_xywh": [0.1, 0.2, 0.5, 0.6]},
        "        rotation_deg: 90\n",
        "        rotation_deg: 90\n        roi_xywh: [0.1, 0.2, 0.5, 0.6]\n",
    ),
    (
        "a new section is indented as the others",
        {"panel.lid.pin": 5},
        '    pin: "J8:16"\n',
        '    pin: "J8:16"\npanel:\n    lid:\n        pin: 5\n',
    ),
    (
        "several at once",
        {"gate.home_deg": 91, "drop_sensor.timeout_s": 3.0},
        "",
        "",
    ),
]


def changes_of(values):
    return {key_path(key): value for key, value in values.items()}


@pytest.mark.parametrize(("values", "old", "new"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_only_what_was_asked_for_changes(values, old, new):
    text = edited(FILE, changes_of(values), "c.yaml")
    if old:
        assert FILE.count(old) == 1
        assert text == FILE.replace(old, new)
    else:
        assert "home_deg: 91\n" in text
        assert text.endswith('pin: "J8:16"\n    timeout_s: 3.0\n\n# the end\n')


LAYOUTS = [
    ("a list over several lines", "a:\n- 1  # one\n- 2  # two\nb: 3\n", {"a": [5]}, "a: [5]  # two\nb: 3\n"),
    (
        "a list over several lines below a comment",
        "a:  # list\n  - 1\n  - 2\nb: 3\n",
        {"a": [5]},
        "a: [5]  # list\nb: 3\n",
    ),
    ("a map over several lines", "a:\n  x: 1\n  y: 2\nb: 3\n", {"a": {"z": 1}}, "a: {z: 1}\nb: 3\n"),
    ("a key without a value", "a:\nb: 3\n", {"a": 7}, "a: 7\nb: 3\n"),
    ("a key without a value, and a comment", "a:  # why\nb: 3\n", {"a.x": 7}, "a: {x: 7}  # why\nb: 3\n"),
    ("an empty map", "a: {}\n", {"a.x": 7}, "a: {x: 7}\n"),
    ("an empty map that becomes two deep", "a: { }\n", {"a.x.y": 7}, "a: {x: {y: 7}}\n"),
    ("a section that is null", "a: null  # none\n", {"a.x": 7}, "a: {x: 7}  # none\n"),
    ("a block of text", "a: |\n  one\n  two\nb: 3\n", {"a": "three"}, "a: three\nb: 3\n"),
    ("behind a block of text", "s:\n  a: |\n    one\nb: 3\n", {"s.c": 1}, "s:\n  a: |\n    one\n  c: 1\nb: 3\n"),
    ("no line's end at the end", "a:\n  x: 1", {"a.y": 2}, "a:\n  x: 1\n  y: 2\n"),
    ("Windows' line ends", "a:\r\n  x: 1\r\n", {"a.y": 2, "a.x": 3}, "a:\r\n  x: 3\r\n  y: 2\r\n"),
    ("signs beyond the plain ones", "# 😀\nname: Zoë  # 😀\nb: 1\n", {"b": 2, "name": "Ørsted 😀"}, None),
    ("a mark of order at the start", "\ufeffa: 1\n", {"a": 2}, "\ufeffa: 2\n"),
    (
        "a list of bins over several lines",
        "a: {\n  x: 1,\n  y: 2,\n}\n",
        {"a.z": 3},
        "a: {\n  x: 1,\n  y: 2, z: 3,\n}\n",
    ),
    ("nothing but a comment", "# mine", {"a.x": 1}, "# mine\na:\n  x: 1\n"),
    ("nothing", "", {"a": 1}, HEADER + "a: 1\n"),
    ("a quoted key", '"a": 1\n', {"a": 2}, '"a": 2\n'),
    ("documents' marks", "---\na: 1\n...\n", {"b": 2}, "---\na: 1\nb: 2\n...\n"),
]


@pytest.mark.parametrize(("text", "values", "expected"), [row[1:] for row in LAYOUTS], ids=[row[0] for row in LAYOUTS])
def test_every_way_to_write_a_section_is_edited_in_place(text, values, expected):
    found = edited(text, changes_of(values), "c.yaml")
    if expected is not None:
        assert found == expected
    for path, value in changes_of(values).items():
        at = yaml.safe_load(found)
        for part in path:
            at = at[part]
        assert at == value


def deep(levels: int) -> list:
    found: list = []
    for _ in range(levels):
        found = [found]
    return found


REFUSED = [
    ("a key below a number", "a: 5\n", {"a.x": 1}, "a is 5, which holds no keys; set a itself"),
    ("no YAML", "a: [\n", {"a": 1}, "c.yaml is no valid YAML; mend it"),
    ("a list of things", "- 1\n", {"a": 1}, "holds no sections"),
    ("a key that is a number", "a: {1: x}\n", {"a.1": "y"}, "cannot be edited safely"),
    ("no number", "a: 5\n", {"a": float("nan")}, "a is nan; give a finite number"),
    ("a number without an end in a list", "a: 5\n", {"a": [{"b": -math.inf}]}, "give a finite number"),
    ("a list too deep to be written", "a: 5\n", {"a": deep(400)}, "cannot be edited safely"),
    ("a key that is merged in", "b: &b {x: 1}\na:\n  <<: *b\n", {"b.x": 2}, "cannot be edited safely"),
]


@pytest.mark.parametrize(("text", "values", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_edited_safely_is_refused(text, values, reason):
    with pytest.raises(ConfigError) as refused:
        edited(text, changes_of(values), "c.yaml")
    assert reason in str(refused.value)


@pytest.mark.parametrize("key", ["", ".", "gate.", ".gate", "gate..home_deg"])
def test_a_name_with_an_empty_part_is_no_key(key):
    with pytest.raises(ConfigError, match="is no key"):
        key_path(key)


def leaves(tree, path=()):
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def test_every_key_of_the_commented_default_can_be_set_to_what_it_is():
    text = default_yaml()
    found = list(leaves(yaml.safe_load(text)))
    assert len(found) > 50
    for path, value in found:
        edit = edited(text, {path: value}, "c.yaml")
        assert parse_config(edit, "c.yaml") == Config()
        assert edit.count("#") == text.count("#")


PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), PLAIN, max_size=3)
NAMES = st.text(string.ascii_lowercase + "_ ", min_size=1, max_size=6)


@given(
    tree=st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=3), max_size=4),
    path=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    value=VALUES,
    is_flow=st.sampled_from([None, True, False]),
)
@example(tree={"a": []}, path=("a",), value={}, is_flow=False)
def test_whatever_is_set_is_read_back_or_refused(tree, path, value, is_flow):
    text = yaml.safe_dump(tree, default_flow_style=is_flow, allow_unicode=True)
    try:
        found = edited(text, {path: value}, "c.yaml")
    except ConfigError:
        return
    at = yaml.safe_load(found)
    for part in path:
        at = at[part]
    assert at == value
