"""A configuration that was written to do harm is refused in a sentence, within seconds and a bounded memory."""

import os
import time

import pytest

from edge.configfile import MAX_CONFIG_BYTES, load_config, parse_config
from edge.errors import ConfigError

SIZE = MAX_CONFIG_BYTES - 64
LIMIT_S = 20.0
"""Of processor time; the slowest takes 2 s on two busy cores."""
TEXTS = {
    "a laugh of nested aliases": "a: &a [x]\n"
    + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
    "brackets": "[" * SIZE,
    "maps in maps": "{a: " * (SIZE // 4),
    "lists in lists": "- " * (SIZE // 2),
    "keys of keys": "? " * (SIZE // 2),
    "half a map": "{" + "a, " * (SIZE // 3),
    "pairs in a list": "[" + "? a : b, " * (SIZE // 9),
    "ten thousand keys": "".join(f"k{number}: 1\n" for number in range(SIZE // 10)),
    "a number of digits without end": "source:\n  fps: " + "9" * SIZE,
    "a number in hexadecimal": "source:\n  fps: 0x" + "f" * SIZE,
    "a number in base 60": "source:\n  fps: " + "1:" * (SIZE // 2) + "1",
    "a tag without end": "!" * SIZE,
    "a key without end": "a" * SIZE + ": 1",
    "a value without end": "source:\n  spec: " + "a" * SIZE,
    "a key that steers": r'"\e]0;x\a": 1',
    "a tag that opens a file": "a: !!python/object/apply:open [/etc/passwd]",
    "a merge": "<<: [{a: 1}]",
    "a date that is none": "a: 2001-99-99",
    "binary that is none": "a: !!binary =",
    "a zero byte": "a: \0",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_text_is_refused_in_a_sentence(text):
    start_s = time.process_time()
    with pytest.raises(ConfigError) as refused:
        parse_config(text, "c.yaml")
    assert time.process_time() - start_s < LIMIT_S
    assert len(str(refused.value)) < 2000
    assert "\n" not in str(refused.value)


def test_a_file_larger_than_any_configuration_is_not_read(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("#" * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(ConfigError, match="it is larger than the 64 KiB it may have"):
        load_config(path)
    path.write_text("#" * MAX_CONFIG_BYTES)
    load_config(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "c.yaml")
    with pytest.raises(ConfigError, match="it is a pipe, a socket or a device"):
        load_config(tmp_path / "c.yaml")


def test_a_file_that_is_wrong_all_over_is_still_refused_in_a_sentence():
    keys = "\n".join(f"{'k' * 900}{number}: 1" for number in range(9))
    with pytest.raises(ConfigError) as refused:
        parse_config(keys, "c.yaml")
    assert len(str(refused.value)) <= 1501


def test_a_key_with_ends_of_lines_is_told_on_one_line():
    with pytest.raises(ConfigError) as refused:
        parse_config('routes: {"\\x16\\n\\e[31m": {}}', "c.yaml")
    assert "\n" not in str(refused.value) and "\x1b" not in str(refused.value)
