"""Which pages may be let go, and that nothing is lost by it."""

import gc
import subprocess
import sys
import textwrap

import pytest

from edge import memory
from edge.memory import clean_mappings, collector_at_rest


def mapping(header: str, *, rss: str = "64 kB", anonymous: str = "0 kB", swap: str = "0 kB") -> str:
    return f"{header}\nSize: 512 kB\nRss: {rss}\nAnonymous: {anonymous}\nSwap: {swap}\nVmFlags: rd mr mw me\n"


TEXT = "7f00-7f80 r-xp 00001000 fd:00 12 /usr/lib/libc.so.6"


@pytest.mark.parametrize(
    ("smaps", "expected"),
    [
        pytest.param(mapping(TEXT), [(0x7F00, 0x7F80)], id="a library's code is the file's"),
        pytest.param(mapping(TEXT.replace("r-x", "r--")), [(0x7F00, 0x7F80)], id="so are its constants"),
        pytest.param(mapping(TEXT.replace("r-x", "r--"), anonymous="4 kB"), [], id="relocated tables are not"),
        pytest.param(mapping(TEXT.replace("r-x", "r--"), swap="4 kB"), [], id="nor are they once swapped out"),
        pytest.param(mapping(TEXT.replace("r-x", "rw-")), [], id="writable data may be written at any time"),
        pytest.param(mapping("7f00-7f80 r--p 00000000 00:00 0"), [], id="anonymous memory has no file"),
        pytest.param(mapping("7f00-7f80 r-xp 00000000 00:00 0                  [vdso]"), [], id="nor has the vdso"),
        pytest.param(mapping("7f00-7f80 r--s 00000000 00:06 9 /dev/video0"), [], id="a camera's buffers are no file's"),
        pytest.param(mapping("7f00-7f80 r--p 00000000 00:06 9 /dev/media1"), [], id="nor is any device's memory"),
        pytest.param(mapping("7f00-7f80 r--s 00000000 00:0c 4 /dmabuf:picamera2-0"), [], id="nor a buffer they share"),
        pytest.param(mapping("7f00-7f80 r--s 00000000 00:01 7 /memfd:buffer (deleted)"), [], id="nor memory by name"),
        pytest.param(mapping(TEXT.replace("r-xp", "r--s")), [], id="what is shared is left alone, whatever it is"),
        pytest.param(TEXT + "\nSize: 8 kB\nRss: 8 kB\n", [], id="a kernel that does not say is not trusted"),
        pytest.param(
            mapping(TEXT, anonymous="4 kB") + mapping(TEXT.replace("7f00-7f80", "8000-8080").replace("libc", "a b")),
            [(0x8000, 0x8080)],
            id="each mapping by its own lines, and a name with a space",
        ),
        pytest.param(mapping(TEXT, rss="8 kB"), [], id="two pages are not worth it"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_only_pages_that_are_still_the_files_are_let_go(smaps: str, expected: list[tuple[int, int]]) -> None:
    assert list(clean_mappings(smaps.splitlines(keepends=True))) == expected


def test_letting_go_shrinks_the_process_and_loses_nothing() -> None:
    script = """
        import re
        import cv2, numpy as np
        from pathlib import Path
        from edge.memory import release_file_pages

        def file_kb():
            return int(re.search(r"RssFile:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))

        def work():
            image = np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3)
            return cv2.resize(image, (24, 24)).tobytes(), np.linalg.inv(np.eye(5) * 3.0).tobytes()

        before, expected = file_kb(), work()
        release_file_pages()
        after = file_kb()
        assert work() == expected
        assert after < before / 2, (before, after)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


def test_the_collector_rests_while_the_loop_runs_and_works_when_it_is_asked(monkeypatch):
    collected = []
    monkeypatch.setattr(memory.gc, "collect", lambda: collected.append(1))
    piled: list[list[int]] = []
    assert gc.isenabled()
    with collector_at_rest() as collect:
        assert not gc.isenabled()
        collect(0.0)
        assert not collected, "nothing has piled up"
        piled += [[number] for number in range(3 * memory.COLLECT_OBJECTS)]
        collect(1.0)
        assert len(collected) == 1
        collect(1.0 + memory.COLLECT_S / 2)
        assert len(collected) == 1, "not again so soon"
        collect(1.0 + memory.COLLECT_S)
        assert len(collected) == 2
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off_also_after_a_failure():
    gc.disable()
    try:
        with pytest.raises(ValueError, match="broken"), collector_at_rest():
            raise ValueError("broken")
        assert not gc.isenabled()
    finally:
        gc.enable()
