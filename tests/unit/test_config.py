"""The configuration: a mistake is told with its file, its line and a way to mend it; nothing else is raised."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge import configfile
from edge.config import Config, json_schema
from edge.configfile import check_labels, load_config, parse_config
from edge.errors import ConfigError

ROOT = Path(__file__).parents[2]
LABELS = ("cardboard", "glass", "metal", "paper", "plastic", "trash")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse_config(text, "c.yaml")
    message = str(refused.value)
    assert "\n" not in message
    return message


MISTAKES = [
    ("an unknown key", "source:\n  fps: 20.0\n  fsp: 30.0\n", 3, "unknown key 'source.fsp', did you mean 'fps'?"),
    ("an unknown section", "\nsauce:\n  fps: 1\n", 2, "unknown key 'sauce', did you mean 'source'?; remove it"),
    ("nothing like it", "zzz: 1\n", 1, "unknown key 'zzz'; remove it or mend its name"),
    ("text for a number", "source:\n  fps: fast\n", 2, "source.fps is 'fast': input should be a valid number"),
    ("a number for text", "source:\n  spec: 7\n", 2, "source.spec is 7: input should be a valid string"),
    ("a fraction for a count", "vote:\n  max_frames: 5.0\n", 2, "vote.max_frames is 5.0: input should be a valid int"),
    ("yes for a count", "vote:\n  max_frames: yes\n", 2, "vote.max_frames is True: input should be a valid integer"),
    ("null for a number", "gate:\n  hold_s:\n", 2, "gate.hold_s is None: input should be a valid number"),
    ("too small", "source:\n  fps: 0.5\n", 2, "source.fps is 0.5: input should be greater than or equal to 1"),
    ("too large", "model:\n  threads: 65\n", 2, "model.threads is 65: input should be less than or equal to 64"),
    ("infinite", "rearm:\n  empty_s: .inf\n", 2, "rearm.empty_s is inf: input should be "),
    ("no number", "gate:\n  home_deg: .nan\n", 2, "gate.home_deg is nan: input should be a finite number"),
    ("none of the choices", "pins:\n  factory: gpio\n", 2, "pins.factory is 'gpio': input should be 'mock', 'lgpio'"),
    ("a list for a section", "vote: {}\ngate:\n  - 1\n", 2, "gate is [1]: input should be a valid dictionary"),
    ("a pin that is none", "gate:\n  servo_pin: 28\n", 2, "gate.servo_pin: 28 is not on the header, which carries"),
    ("two thresholds crossed", "presence:\n  empty_cover: 0.5\n", 2, "presence: empty_cover must not be above occ"),
    ("motion crossed", "presence:\n  moving_share: 0.5\n", 2, "moving_share must not be above disturbed_share"),
    (
        "more than may vote",
        "vote:\n  min_frames: 6\n  max_frames: 5\n",
        2,
        "vote: min_frames must not be above max_frames",
    ),
    (
        "a bin out of reach",
        "\ngate:\n  bins_deg: {recyclable: 200.0, residue: 40.0}\n",
        3,
        "recyclable is 200, outside",
    ),
    ("home out of reach", "gate:\n  home_deg: -5.0\n", 2, "home_deg is -5, outside 0 to 180 degrees"),
    ("angles crossed", "gate:\n  min_angle_deg: 180.0\n", 2, "min_angle_deg must be below max_angle_deg"),
    ("pulses crossed", "gate:\n  min_pulse_us: 2600.0\n", 2, "min_pulse_us must be below max_pulse_us"),
    ("no bin", "gate:\n  bins_deg: {}\n", 2, "bins_deg names no bin"),
    (
        "two bins at one angle",
        "gate:\n  bins_deg: {recyclable: 40.0, residue: 40.0}\n",
        2,
        "bins_deg gives two bins the same angle",
    ),
    ("a bin at home", "gate:\n  home_deg: 140.0\n", 1, "bins_deg and home_deg share an angle"),
    ("a bin named home", "gate:\n  bins_deg: {home: 10.0}\n", 2, "bins_deg names a bin 'home'"),
    ("an alias", "a: &x [1]\nb: *x\n", 2, "an alias (*name) is not allowed here"),
    ("a source of no kind", "source:\n  spec: webcam\n", 2, "spec is 'webcam', expected sim[:SEED]"),
    ("a deadline before rest", "vote:\n  deadline_s: 0.1\n", 2, "vote.deadline_s is 0.1, not above settle.quiet_s"),
    ("a bin without an angle", "gate:\n  bins_deg:\n    a: left\n", 3, "gate.bins_deg.a is 'left': input should be a"),
    ("a key twice", "vote:\n  max_frames: 5\n  max_frames: 7\n", 3, "'max_frames' stands here twice; remove one"),
    ("a section twice", "vote: {}\npins: {}\nvote: {}\n", 3, "'vote' stands here twice; remove one"),
    ("twice within a list", "a:\n  - b: 1\n    b: 2\n", 3, "'b' stands here twice"),
    ("a tab", "vote:\n\tmax_frames: 5\n", 2, "no valid YAML (found character '\\t' that cannot start any token)"),
    ("an open quote", "source:\n  spec: 'sim\n", 3, "no valid YAML (found unexpected end of stream); mend the line"),
    ("two documents", "vote: {}\n---\nvote: {}\n", 2, "no valid YAML (but found another document)"),
    ("a tag that runs code", "a: !!python/object/apply:os.system [ls]\n", 1, "could not determine a constructor"),
    ("a list", "- 1\n- 2\n", 1, "expected sections such as `source:`, found list; see config schema"),
    ("text", "sim\n", 1, "expected sections such as `source:`, found str; see config schema"),
    (
        "a route to no bin",
        "# mine\nvote: {}\nroutes:\n  glass: glas\n",
        4,
        "routes.glass is 'glas', which is no bin of gate.bins_deg (recyclable, residue)",
    ),
    ("an uncertain route to no bin", "vote: {}\nuncertain_route: x\n", 2, "uncertain_route is 'x', which is no bin"),
]


@pytest.mark.parametrize(("text", "line", "says"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_told_with_its_line(text: str, line: int, says: str):
    message = refusal(text)
    assert says in message
    assert message.startswith(f"c.yaml:{line}: ")


def test_one_pin_for_two_devices_is_told():
    message = refusal("gate: {servo_pin: 23}\ndrop_sensor: {kind: beam}\n")
    assert "gate.servo_pin and drop_sensor.pin are both GPIO23; give each device its own pin" in message
    assert parse_config("gate: {servo_pin: 23}\n", "c.yaml").gate.servo_pin == 23


def test_several_mistakes_are_told_at_once():
    message = refusal("source:\n  fps: 0.0\nvote:\n  max_frames: 0\n")
    assert "c.yaml:2: source.fps" in message
    assert "c.yaml:4: vote.max_frames" in message


ODD = [
    ("a: !!int ''", "an integer of nothing"),
    ("a: !!float ''", "a number of nothing"),
    ("a: !!bool maybe", "a truth that is none"),
    ("a: !!timestamp soon", "a time that is none"),
    ("a: 2020-13-45", "the thirteenth month"),
    ("a: 0001-01-01 00:00:00 +23:59", "before the first year"),
    ("&a [*a]", "a list within itself"),
    ("&a {b: *a}", "a section within itself"),
    ("? [1, 2]\n: 3", "a list for a key"),
    ("1: 2", "a number for a key"),
    ("null: 2", "nothing for a key"),
    ("a: *b", "what was never named"),
    ("a: \x00", "a zero byte"),
    ("a: \ud800", "half a character"),
    ("{" * 3000, "a very deep file"),
    ("routes: {1: recyclable}", "a number for a label"),
    ("%YAML 9.9\n---\na: 1", "a version that nobody has"),
]


@pytest.mark.parametrize(("text", "reason"), ODD, ids=[reason for _, reason in ODD])
def test_an_odd_file_is_a_config_error_too(text: str, reason: str):
    assert refusal(text).startswith("c.yaml"), reason


YAML_TEXT = st.text(alphabet=st.sampled_from("abgs_: -[]{}&*!|>?#'\"\n\t,.0179%@`~ue"), max_size=60)
KNOWN_KEYS = st.sampled_from([*Config.model_fields, "fps", "spec", "bins_deg", "min_frames", "kind"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | KNOWN_KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KNOWN_KEYS | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(text=st.text(max_size=60) | YAML_TEXT)
@example("!!int ''")
@settings(max_examples=300, deadline=None)
def test_no_text_raises_anything_but_a_config_error(text: str):
    try:
        assert isinstance(parse_config(text, "c.yaml"), Config)
    except ConfigError as refused:
        assert str(refused).startswith("c.yaml")


@given(fields=st.dictionaries(KNOWN_KEYS, VALUES, max_size=4))
@settings(max_examples=150, deadline=None)
def test_no_fields_raise_anything_but_a_config_error(fields: dict[str, object]):
    try:
        assert isinstance(parse_config(json.dumps(fields), "c.yaml"), Config)
    except ConfigError as refused:
        assert str(refused).startswith("c.yaml")


def test_the_defaults_are_valid_and_name_no_hardware():
    config = Config.model_validate(Config().model_dump())
    assert config == Config()
    assert (config.source.spec, config.pins.factory) == ("sim", "mock")
    assert config.bin_names == ("recyclable", "residue")
    check_labels(config, LABELS)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}"])
def test_an_empty_file_is_the_default(text: str):
    assert parse_config(text, "c.yaml") == Config()


def test_a_file_changes_only_what_it_names():
    config = parse_config("vote:\n  max_frames: 7\nsource: {spec: 'sim:3', fps: 30}\n", "c.yaml")
    assert (config.vote.max_frames, config.vote.min_frames, config.source.fps) == (7, 2, 30.0)
    assert config.gate == Config().gate


def test_a_config_cannot_be_changed_afterwards():
    with pytest.raises(ValidationError, match="frozen"):
        Config().vote.max_frames = 9


def test_the_schema_file_is_what_the_program_reads():
    assert json.loads((ROOT / "config" / "schema.json").read_text()) == json_schema()


def test_the_schema_explains_every_field():
    schema = json_schema()
    for name, section in schema["$defs"].items():
        for key, field in section["properties"].items():
            assert field.get("description") or "const" in field or "enum" in field, f"{name}.{key} is not explained"


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ((*LABELS, "wood"), r"routes has no bin for the model's label 'wood'; add `wood: <bin>` to routes"),
        (("cardboard", "glas", "metal", "paper", "plastic", "trash"), r"routes\.glass .*did you mean 'glas'\?; its"),
        (("cardboard",), r"routes\.glass names no label of the model; its labels are cardboard"),
    ],
    ids=["a label without a bin", "a label misspelt", "another model"],
)
def test_routes_and_model_must_speak_of_the_same_labels(labels: tuple[str, ...], says: str):
    with pytest.raises(ConfigError, match=says):
        check_labels(Config(), labels)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*c\.yaml \(No such file or directory\); name a YAML file"):
        load_config(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"c\.yaml is no UTF-8 text; name a YAML file"):
        load_config(tmp_path / "c.yaml")
    with pytest.raises(ConfigError, match=r"cannot read .*\(Is a directory\)"):
        load_config(tmp_path)


def test_without_a_file_the_systems_own_is_read_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(configfile, "SYSTEM_CONFIG", tmp_path / "config.yaml")
    assert load_config() == Config()
    (tmp_path / "config.yaml").write_text("vote: {max_frames: 9}\n")
    assert load_config().vote.max_frames == 9
