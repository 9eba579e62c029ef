"""Whether a machine was wired anew since a configuration served it.

To the wiring belongs all that a configuration says of gate, sensors, bins, panel and pins, but for what is tuned:
angles, times, distances, numbers of tries. So pins, kinds, levels, resistors and PWM belong to it, and so do a servo's
pulse limits and a stepper's steps: they tell which part hangs on the wire, and the limits of another servo drive this
one against its stop. A key that is added to these sections later belongs to it until it is named here as tuned.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.configfile import MAX_CONFIG_BYTES, raw_fields
from edge.errors import ConfigError
from edge.header import parse_pin
from edge.reading import read_whole

__all__ = ["has_same_wires", "names_other_wires", "refuse_other_wires"]

_SECTIONS = ("gate", "drop_sensor", "bins", "panel", "pins")
_TUNED = re.compile(r"_(?:s|s2|deg|m)$|^(?:jam_)?retries$|^when_full$")
_OF_NAMES = ("bin_pins", "sensors")
"""Sections whose keys are bins, which may be called anything."""
_WIRE = re.compile(r"(?:^|_)(?:pins?|chip|factory|estop|lid|kind|high|pull|pwm|pulse_us)$")
_PAIR = re.compile(r"""(?<!\w)(\w+)["']?[ \t]*:[ \t]*([^\s,{}\[\]#]*)""")
_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false", "none": "null", "~": "null"}
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)


def has_same_wires(one: Config, other: Config) -> bool:
    """Whether both may drive the same machine."""
    return bool(_untuned(_wiring(one)) == _untuned(_wiring(other)))


def names_other_wires(text: str, kept: Config, kept_text: str) -> bool:
    """Whether the text of a refused configuration speaks of wiring that another configuration has otherwise.

    What it lacks, as one that was cut off in the middle does, says nothing against the other one. A key that is
    misspelt is taken for the one that it resembles; one that resembles none may be a wire. What is no YAML is looked
    through for keys with their values, which the other's file must have in the same order.

    Args:
        kept_text: of the file that `kept` was read from.
    """
    wiring = _wiring(kept)
    known = {(key, _spelled(value)) for key, value in _leaves(_untuned(wiring))}
    try:
        fields = raw_fields(text, "the configuration")
    except ConfigError:
        names = {key for key, _ in known}
        rest = _pairs(kept_text, names)
        # Each is searched for behind the one before it.
        return any(pair not in rest for pair in _pairs(text, names))
    if not isinstance(fields, dict):
        return False
    # Where it stands does not matter here: a pin that slipped out of its section is meant as a wire all the same.
    strays = ((key, _spelled(value)) for key, value in _leaves(fields) if _WIRE.search(key) and value is not None)
    return _names_others(fields, wiring) or any(pair not in known for pair in strays)


def refuse_other_wires(file: Path | None, kept: Config, kept_text: str, error: ConfigError) -> None:
    """A machine that was wired anew must not be driven as it was wired before, without its new emergency stop perhaps.

    Of a file that cannot be read nothing is known: its wires are taken for the old ones.

    Args:
        file: the refused configuration.
        kept, kept_text: the last good one, and its file's text.
        error: why it was refused.
    Raises: ConfigError.
    """
    try:
        text = "" if file is None else read_whole(file, MAX_CONFIG_BYTES).decode("utf-8", "replace")
    except OSError:
        return
    if names_other_wires(text, kept, kept_text):
        raise ConfigError(
            f"{error}; the last good configuration has other wires and is not used instead: mend the file"
        ) from error


def _wiring(config: Config) -> dict[str, Any]:
    """The sections with wires; of `presence` the beam."""
    fields = config.model_dump()
    return {section: fields[section] for section in _SECTIONS} | {"presence": {"beam": fields["presence"]["beam"]}}


def _is_tuned(key: str, section: str) -> bool:
    return section not in _OF_NAMES and _TUNED.search(key) is not None


def _untuned(node: Any, section: str = "") -> Any:
    if not isinstance(node, Mapping):
        return node
    return {key: _untuned(value, key) for key, value in node.items() if not _is_tuned(key, section)}


def _names_others(fields: Mapping[Any, Any], wiring: Mapping[str, Any]) -> bool:
    for key, said in fields.items():
        section = _meant(str(key), Config.model_fields) or str(key)
        if section == "presence":
            said = {name: value for name, value in said.items() if name == "beam"} if isinstance(said, dict) else None
        # A section without a word, as where the file was cut off, says nothing.
        if section in wiring and said is not None and _differs(said, wiring[section], section):
            return True
    return False


def _differs(said: Any, wired: Any, section: str) -> bool:
    """Whether something in a section is not as it is wired."""
    if not isinstance(said, dict) or not isinstance(wired, Mapping):
        return isinstance(said, dict) or isinstance(wired, Mapping) or bool(_settled(said) != _settled(wired))
    if section in _OF_NAMES and not said and wired:
        # `sensors: {}` says that there are none.
        return True
    for key, value in said.items():
        name = _meant(str(key), wired) or str(key)
        if not _is_tuned(name, section) and (name not in wired or _differs(value, wired[name], name)):
            return True
    return False


def _meant(key: str, known: Iterable[str]) -> str | None:
    names = list(known)
    return key if key in names else next(iter(difflib.get_close_matches(key, names, n=1)), None)


def _settled(value: Any) -> Any:
    """A value, and a pin as its number however it is written."""
    with suppress(ValueError):
        return value if isinstance(value, bool) else parse_pin(value)
    return value


def _leaves(node: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Keys and values at any depth; not those of labels and bins, which may be called like a wire."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            if key != "routes" and not _is_tuned(str(key), ""):
                yield from _leaves(value)
        else:
            yield str(key), value


def _pairs(text: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Keys of wires, or of these names, with their values, wherever they stand in a text."""
    for found in _PAIR.finditer(_COMMENT.sub("", text)):
        key, written = found[1], found[2].strip("\"'")
        # A key alone opens a section.
        if written and (key in names or _WIRE.search(key)):
            yield key, _spelled(written)


def _spelled(value: Any) -> str:
    """A value of a file or of a configuration in one spelling."""
    text = str(value).lower()
    text = _WORDS.get(text, text)
    with suppress(ValueError):
        text = str(parse_pin(text))
    with suppress(ValueError):
        text = f"{float(text):g}"
    return text
