"""Makes configurations and bundles that nobody would write, from sound ones."""

import copy
import functools
import json
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.fault.fs.disk import ROOT

__all__ = ["BUNDLE_CHANGES", "TANGLED", "changed_config", "config_files", "odd_value", "sound_configs"]

ODD_TEXTS = (
    "", "~", "null", "true", "no", "0", "-1", "1e999", ".inf", ".nan", "0x1F", "1_000", "12:30:45", "2026-11-26",
    "''", "[]", "{}", "[1, [2, [3]]]", "{a: 1}", "&a [*a]", "*nowhere", "!!python/object/apply:os.system ['true']",
    "!!binary aGk=", "!!set {a}", "!!int x", "? a", "|", ">", "%YAML 9.9", "---", "...", "\t", "\ufeff", "\x85", "@",
    "`", "'", '"', "<<: 1", "9" * 400, "-0.0", "1e-320", "J8:12", "J8:99", "sim:" + "9" * 40, "../../etc/passwd",
    "/dev/zero", "\U0001f4a9" * 20, "a" * 5000, "{" * 60, "[" * 300,
)  # fmt: skip
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine levels of references, nine each: a few hundred bytes that are half a billion values if they are written out."""


TANGLED = (f"{BOMB}gate: {{servo_pin: *i}}\n", "gate: &a {servo_pin: *a}\n", f"gate: {{servo_pin: {'[' * 300}\n")
"""Configurations whose wires are endless, or nearly so."""


def sound_configs() -> list[str]:
    """The packaged configurations."""
    return [path.read_text() for path in sorted((ROOT / "config").glob("*.yaml"))]


def config_files() -> st.SearchStrategy[bytes]:
    """Files that are offered as a configuration: any bytes, any YAML, and sound ones with something changed."""
    sound = sound_configs()
    keys = sorted({key for text in sound for key in _tree(text)})
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(ODD_TEXTS),
        st.dates(),
    )
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
    trees = st.dictionaries(st.sampled_from(keys) | st.text(max_size=8), values, max_size=6)
    changed = st.builds(changed_config, st.sampled_from(sound), st.integers(0, 2**32))
    confused = st.builds(_confused, st.sampled_from(sound), st.integers(0, 2**32))
    return st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.lists(st.sampled_from(ODD_TEXTS), max_size=6).map(lambda parts: "\n".join(parts).encode()),
        st.just(BOMB.encode()),
        trees.map(_dump),
        changed,
        changed,
        confused,
        confused,
    )


def changed_config(text: str, seed: int) -> bytes:
    """Lines and bytes changed as an editor, a bad card or a cat would."""
    draw = random.Random(seed)
    lines = text.splitlines()
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(lines))
        what = draw.randrange(8)
        if what == 0:
            del lines[at]
        elif what == 1:
            lines.insert(at, lines[draw.randrange(len(lines))])
        elif what == 2:
            lines[at] = " " * draw.randint(0, 6) + lines[at].lstrip()
        elif what == 3:
            lines[at] = lines[at].partition(":")[0] + ": " + draw.choice(ODD_TEXTS)
        elif what == 4:
            lines[at] = draw.choice(ODD_TEXTS)
        elif what == 5:
            name = lines[at]
            lines[at] = name.replace(draw.choice(name), draw.choice(string.printable)) if name else ":"
        elif what == 6:
            lines = lines[: at + 1]
        else:
            other = draw.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        lines = lines or [""]
    raw = bytearray("\n".join(lines).encode())
    if draw.random() < 0.2 and raw:
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    if draw.random() < 0.1:
        del raw[draw.randrange(len(raw) + 1) :]
    return bytes(raw)


def _confused(text: str, seed: int) -> bytes:
    """A sound tree with values of the wrong type, or out of reach."""
    draw = random.Random(seed)
    tree = copy.deepcopy(_tree(text))
    is_gentle = draw.random() < 0.5
    for _ in range(draw.randint(1, 3)):
        _change_leaf(tree, draw, is_gentle=is_gentle)
    return _dump(tree)


@functools.cache
def _tree(text: str) -> Any:
    return yaml.safe_load(text)


def _dump(tree: Any) -> bytes:
    # The one in C is several times as fast, where there is one.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(tree, Dumper=dumper, allow_unicode=True).encode()


def _change_leaf(tree: Any, draw: random.Random, *, is_gentle: bool = False) -> None:
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        if not keys:
            return
        key = draw.choice(keys)
        below = tree[key]
        if is_gentle and not isinstance(below, dict | list):
            is_number = isinstance(below, int | float) and not isinstance(below, bool)
            tree[key] = type(below)(below * draw.choice((0.5, 0.9, 1.1, 2))) if is_number else below
            return
        if not isinstance(below, dict | list) or (not is_gentle and draw.random() < 0.2):
            if draw.random() < 0.1 and isinstance(tree, dict):
                other = odd_value(draw)
                tree[f"{key}x" if isinstance(other, dict | list) else other] = tree.pop(key)
            else:
                tree[key] = _near(below, draw) if draw.random() < 0.3 else odd_value(draw)
            return
        tree = below


def _near(value: Any, draw: random.Random) -> Any:
    """Of the same type, often at or beyond an end of what is allowed."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [value, value]
    return draw.choice((value * -1, value * 1000, value / 1000, 0, value + 1, -value - 1, 1e308))


def odd_value(draw: random.Random) -> Any:
    """Any plain value that may stand where it should not. Keys of mappings may be of any plain type."""
    return draw.choice(
        (
            None, True, False, 0, -1, 1, 3.5, 1e308, 2**70, float("inf"), float("nan"), "", "x", "none", "J8:1", "sim",
            "0", [], {}, "\n", "\x00", "%s{}$(reboot)",
        )
    )  # fmt: skip


def _edit_manifest(folder: Path, draw: random.Random) -> None:
    path = folder / "manifest.json"
    tree = json.loads(path.read_text())
    for _ in range(draw.randint(1, 3)):
        _change_leaf(tree, draw)
    path.write_text(json.dumps(tree))


def _spoil_manifest(folder: Path, draw: random.Random) -> None:
    path = folder / "manifest.json"
    raw = bytearray(path.read_bytes())
    for _ in range(draw.randint(1, 5)):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    if draw.random() < 0.3:
        del raw[draw.randrange(len(raw)) :]
    path.write_bytes(raw)


def _spoil_model(folder: Path, draw: random.Random) -> None:
    path = folder / "model.tflite"
    raw = bytearray(path.read_bytes())
    # The tables of the model lie at its ends, the weights between them.
    reach = draw.choice((64, 4096, 65536, len(raw)))
    for _ in range(draw.choice((1, 4, 64))):
        at = draw.randrange(min(reach, len(raw)))
        raw[at if draw.random() < 0.5 else len(raw) - 1 - at] ^= 1 << draw.randrange(8)
    if draw.random() < 0.15:
        del raw[draw.randrange(len(raw)) :]
    path.write_bytes(raw)


def _spoil_golden(folder: Path, draw: random.Random) -> None:
    path = draw.choice(sorted((folder / "golden").iterdir()))
    raw = bytearray(path.read_bytes())
    for _ in range(draw.randint(1, 20)):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    path.write_bytes(raw[: draw.randrange(len(raw))] if draw.random() < 0.3 else raw)


BUNDLE_CHANGES: dict[str, Callable[[Path, random.Random], None]] = {
    "manifest edited": _edit_manifest,
    "manifest spoilt": _spoil_manifest,
    "model spoilt": _spoil_model,
    "golden image spoilt": _spoil_golden,
}
"""What may have happened to a bundle on its way."""
