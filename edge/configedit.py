"""Sets values in a configuration file and leaves every other byte of it as it is: comments, order, spaces, quotes.

A value's place comes from PyYAML's own marks, so what is read here is what `configfile` reads. Whatever was edited is
read again and compared with what was asked for: an edit that would say anything else is refused.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any

import yaml

from edge.errors import ConfigError

__all__ = ["HEADER", "UNREADABLE", "KeyPath", "dotted", "edited", "key_path"]

KeyPath = tuple[str, ...]
"""A key's place: the names of the sections above it, then its own."""
UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""PyYAML's constructors raise anything for a tag that its value does not fit."""
HEADER = """\
# Configuration of the sorter. Only what differs from the defaults stands here: `edge-sorter config default` prints all
# keys with their units.
"""


def key_path(text: str) -> KeyPath:
    """The place that a dotted name such as `gate.home_deg` means. Raises: ConfigError if a part of it is empty."""
    parts = tuple(text.split("."))
    if not all(parts):
        raise ConfigError(f"{text!r} is no key; give a dotted name such as gate.home_deg")
    return parts


def dotted(path: KeyPath) -> str:
    """The name of a place for people."""
    return ".".join(path)


def edited(text: str, changes: Mapping[KeyPath, Any], name: str) -> str:
    """A configuration's text with other values, everything else byte for byte as it was.

    Args:
        text: YAML; an empty one begins a new configuration.
        changes: plain values (numbers, text, lists, maps, None) by their place. A missing key is added at the end of
            its section, a missing section at the end of the one above it.
        name: of the text, for errors.
    Raises: ConfigError if a place is inside something that is no section, a number is not finite, or the text cannot be
        edited safely.
    """
    try:
        wanted = yaml.safe_load(text)
    except UNREADABLE as exc:
        raise ConfigError(f"{name} is no valid YAML; mend it before anything is stored in it") from exc
    wanted = {} if wanted is None else wanted
    if not isinstance(wanted, dict):
        raise ConfigError(f"{name} holds no sections; expected `key: value` lines")
    wanted = copy.deepcopy(wanted)
    try:
        for path, value in changes.items():
            if _has_endless(value):
                raise ConfigError(f"{dotted(path)} is {value}; give a finite number")
            _place(wanted, path, value, name)
            text = _set(text or HEADER, path, value)
        is_as_wanted = _load(text) == wanted
    except RecursionError:
        is_as_wanted = False
    if not is_as_wanted:
        raise ConfigError(f"{name} is written in a way that cannot be edited safely; set the values by hand")
    return text


def _has_endless(value: Any) -> bool:
    """True if there is a number in it that is none, or has no end."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return any(_has_endless(one) for one in value)
    return isinstance(value, float) and not math.isfinite(value)


def _place(tree: dict[str, Any], path: KeyPath, value: Any, name: str) -> None:
    """Set a value in plain data, as the edit must do it in the text."""
    for depth, part in enumerate(path[:-1], start=1):
        if tree.get(part) is None:
            tree[part] = {}
        if not isinstance(tree[part], dict):
            where = dotted(path[:depth])
            raise ConfigError(f"{name}: {where} is {tree[part]!r}, which holds no keys; set {where} itself")
        tree = tree[part]
    tree[path[-1]] = value


def _load(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except UNREADABLE:
        return None


def _set(text: str, path: KeyPath, value: Any) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    newline = "\r\n" if "\r\n" in text else "\n"
    if not isinstance(root, yaml.MappingNode):
        head = text if not text or text.endswith("\n") else text + newline
        return head + newline.join(_block(path, value, "", "  ")) + newline
    node = root
    for depth, part in enumerate(path):
        pair = next((pair for pair in node.value if pair[0].value == part), None)
        if pair is None:
            return _insert(text, node, path[depth:], value, _step(root), newline)
        key, inner = pair
        if depth == len(path) - 1:
            return _replace(text, key, inner, value)
        if not isinstance(inner, yaml.MappingNode):
            return _replace(text, key, inner, _nested(path[depth + 1 :], value))
        node = inner
    return text


def _replace(text: str, key: yaml.Node, node: yaml.Node, value: Any) -> str:
    start, end = node.start_mark.index, _end(node)
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        # The new value goes behind its key; what stood between the two, such as a comment, behind the value.
        colon = text.index(":", key.end_mark.index) + 1
        return f"{text[:colon]} {_flow(value)}{text[colon:start].rstrip()}{text[end:]}"
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return f"{text[:start]}{_flow(value)}\n{text[end:]}"
    gap = "" if text[start - 1] in " \t\n" else " "
    return f"{text[:start]}{gap}{_flow(value)}{text[end:]}"


def _insert(text: str, node: yaml.MappingNode, path: KeyPath, value: Any, step: str, newline: str) -> str:
    if node.flow_style:
        inner = f"{_flow(path[0])}: {_flow(_nested(path[1:], value))}"
        if not node.value:
            end = node.end_mark.index - 1
            return f"{text[:end].rstrip()}{inner}{text[end:]}"
        end = _end(node.value[-1][1])
        return f"{text[:end]}, {inner}{text[end:]}"
    end = _end(node.value[-1][1])
    column = node.value[0][0].start_mark.column
    lines = newline.join(_block(path, value, " " * column, step))
    if text[end - 1] == "\n":
        return f"{text[:end]}{lines}{newline}{text[end:]}"
    line_end = text.find("\n", end)
    if line_end < 0:
        return f"{text}{newline}{lines}{newline}"
    return f"{text[: line_end + 1]}{lines}{newline}{text[line_end + 1 :]}"


def _end(node: yaml.Node) -> int:
    """Where a node's own text ends. PyYAML ends a block only where the next one begins, comments included."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _step(root: yaml.MappingNode) -> str:
    """By how much the file indents its sections."""
    for _, node in root.value:
        if isinstance(node, yaml.MappingNode) and not node.flow_style:
            return " " * int(node.start_mark.column)
    return "  "


def _block(path: KeyPath, value: Any, indent: str, step: str) -> list[str]:
    lines = [f"{indent}{step * depth}{_flow(part)}:" for depth, part in enumerate(path)]
    lines[-1] += f" {_flow(value)}"
    return lines


def _nested(path: KeyPath, value: Any) -> Any:
    for part in reversed(path):
        value = {part: value}
    return value


def _flow(value: Any) -> str:
    """A value on one line, as PyYAML reads it back."""
    options: dict[str, Any] = {"default_flow_style": True, "width": 1 << 20, "allow_unicode": True, "sort_keys": False}
    text: str = yaml.safe_dump(value, **options).removesuffix("...\n").strip()
    if "\n" in text:
        text = yaml.safe_dump(value, default_style='"', **options).strip()
    return text
