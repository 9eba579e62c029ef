"""A picture that claims too much is refused before it is decoded; one that is broken or no picture is told as such."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.photographs import UnreadableError, decode
from edge.config import SourceConfig
from edge.errors import SourceError
from edge.picture_file import MAX_SCANS, PictureError, check_header, decode_picture
from edge.picture_limits import MAX_PICTURE_BYTES, MAX_PIXELS
from edge.presence.tray_picture import load_tray_picture, tray_picture_path
from edge.reading import read_whole
from edge.sources.images import read_image
from tests import hostile_files as hostile

ROOT = Path(__file__).parents[2]
MEMORY_BYTES = 1 << 30
"""What the reading process may have. A small picture takes 0.3 GiB of addresses, the bombs would take five."""
READ = """
import sys
from pathlib import Path
from edge.picture_limits import limit_opencv
limit_opencv()
from edge.errors import SourceError
from edge.sources.images import read_image
try:
    print(read_image(Path(sys.argv[1])).shape)
except SourceError as exc:
    print("refused:", exc)
"""
BOMBS: list[tuple[str, Callable[[], bytes], str]] = [
    ("a PNG", lambda: hostile.png_bomb(30000, 30000, rows=64), "30000 x 30000"),
    ("a JPEG", lambda: hostile.jpeg_claiming(60000, 60000), "60000 x 60000"),
    ("a progressive JPEG", lambda: hostile.jpeg_claiming(60000, 60000, progressive=True), "60000 x 60000"),
    ("a lossless WebP", lambda: hostile.webp_claiming(16383, 16383), "16383 x 16383"),
    ("a lossy WebP", lambda: hostile.webp_claiming(16383, 16383, b"VP8 "), "16383 x 16383"),
    ("a WebP with a canvas", lambda: hostile.webp_claiming(1 << 24, 1 << 24, b"VP8X"), "16777216 x 16777216"),
    ("a BMP", lambda: hostile.bmp_claiming(30000, -30000), "30000 x 30000"),
    ("a TIFF", lambda: hostile.tiff_claiming(30000, 30000), "30000 x 30000"),
    ("a TIFF of the other order", lambda: hostile.tiff_claiming(30000, 30000, order=">"), "30000 x 30000"),
    (
        "small, in huge tiles",
        lambda: hostile.tiff_claiming(9, 9, [(322, 4, 1, 65000), (323, 4, 1, 65000)]),
        "MB of mem",
    ),
    ("pixels of 32 bytes", lambda: hostile.tiff_claiming(9000, 7000, [(258, 4, 1, 64), (277, 4, 1, 4)]), "MB of mem"),
    ("a JPEG of many scans", lambda: hostile.jpeg_claiming(16, 16, MAX_SCANS + 1), "more than 100 scans"),
    ("a JPEG of nothing but markers", lambda: b"\xff\xd8" + b"\xff\xe0\x00\x02" * 11_000, "more than 10000 mark"),
    ("a portable map", lambda: b"P5 30000 30000 255\n" + bytes(64), "no JPEG, PNG, WebP, BMP or TIFF"),
    ("a GIF", lambda: b"GIF89a" + b"\xff\xff" * 2 + bytes(64), "no JPEG, PNG, WebP, BMP or TIFF"),
    ("an AVI", lambda: b"RIFF\xff\xff\xff\xffAVI LIST" + bytes(64), "no JPEG, PNG, WebP, BMP or TIFF"),
]


@pytest.mark.parametrize(("make", "says"), [row[1:] for row in BOMBS], ids=[row[0] for row in BOMBS])
def test_what_claims_too_much_is_refused_by_its_header_alone(
    make: Callable[[], bytes], says: str, tmp_path, monkeypatch
):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    content = make()
    with pytest.raises(PictureError, match=says):
        check_header(content)
    path = tmp_path / "bomb.png"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=says):
        read_image(path)
    with pytest.raises(UnreadableError):
        decode(content)


@pytest.mark.parametrize("is_bomb", [True, False])
def test_a_bomb_is_refused_by_a_process_that_has_no_memory_for_it(tmp_path, is_bomb):
    path = tmp_path / "bomb.png"
    path.write_bytes(hostile.png_bomb(30000, 30000, rows=64) if is_bomb else hostile.png_bomb(4096, 4096))
    assert path.stat().st_size < 1 << 20
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)),
    )
    assert done.stderr == ""
    assert ("refused:" in done.stdout) is is_bomb
    assert ("claims 30000 x 30000 pixels" in done.stdout) is is_bomb
    assert ("(4096, 4096, 3)" in done.stdout) is not is_bomb


def encoded(suffix: str, height: int = 30, width: int = 40) -> bytes:
    return cv2.imencode(suffix, np.full((height, width, 3), 90, np.uint8))[1].tobytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
def test_every_kind_that_is_read_is_still_read(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(suffix))
    assert read_image(path).shape == (30, 40, 3)


def test_a_progressive_jpeg_as_encoders_make_them_is_read():
    content = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert content.count(b"\xff\xda") > 1
    assert decode_picture(content) is not None


def test_marks_behind_the_end_of_a_jpeg_count_for_nothing():
    # Telephones append a film to a photograph.
    assert decode_picture(encoded(".jpg") + b"\xff\xda\x00\x02" * 1000) is not None


def test_the_largest_picture_that_is_allowed_passes_the_header():
    check_header(hostile.bmp_claiming(MAX_PIXELS // 8192, 8192))
    with pytest.raises(PictureError):
        check_header(hostile.bmp_claiming(MAX_PIXELS // 8192 + 1, 8192))


def test_of_several_pages_the_first_is_taken():
    pages = [np.full((20, 30, 3), grey, np.uint8) for grey in (50, 200)]
    content = cv2.imencodemulti(".tif", pages)[1].tobytes()
    image = decode_picture(content)
    assert image is not None
    assert image.shape == (20, 30, 3)
    assert image.mean() == 50


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
def test_a_picture_cut_anywhere_is_read_or_refused_and_nothing_else(suffix, tmp_path):
    whole = encoded(suffix)
    path = tmp_path / "cut"
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        try:
            assert read_image(path).shape == (30, 40, 3)
        except SourceError as exc:
            assert "is no image that can be decoded" in str(exc)


@given(
    head=st.sampled_from(
        [b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBPVP8X", b"BM", b"II*\0", b"MM\0*", b"II+\0", b""]
    ),
    rest=st.binary(max_size=200),
)
@settings(max_examples=300, deadline=None)
def test_no_header_raises_anything_but_a_refusal(head: bytes, rest: bytes):
    try:
        image = decode_picture(head + rest)
    except PictureError:
        return
    assert image is None or image.shape[0] * image.shape[1] <= MAX_PIXELS


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe.png")
    return tmp_path / "pipe.png"


def test_a_pipe_is_not_waited_for(pipe):
    with pytest.raises(SourceError, match="it is a pipe, a socket or a device"):
        read_image(pipe)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_not_read(device):
    with pytest.raises(SourceError, match="it is a pipe, a socket or a device"):
        read_image(Path(device))


def test_a_file_larger_than_any_picture_is_not_read(tmp_path):
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(MAX_PICTURE_BYTES + 1)
    with pytest.raises(SourceError, match="it is larger than the 256 MiB it may have"):
        read_image(path)


def test_a_file_that_grows_while_it_is_read_is_not_followed(tmp_path, monkeypatch):
    path = tmp_path / "growing"
    path.write_bytes(b"12")
    really_read = os.read
    monkeypatch.setattr(os, "read", lambda handle, most: really_read(handle, most) or b"more")
    with pytest.raises(OSError, match="larger than") as refused:
        read_whole(path, 4)
    assert refused.value.filename == str(path)


@pytest.mark.parametrize("content", [None, b"", b"no picture", hostile.png_bomb(30000, 30000, rows=8), bytes(65 << 10)])
def test_a_tray_picture_that_somebody_put_there_is_left_aside(tmp_path, content, caplog):
    config, source = tmp_path / "c.yaml", SourceConfig()
    path = tray_picture_path(config, source)
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    assert load_tray_picture(config, source) is None
    assert "left aside" in caplog.text
