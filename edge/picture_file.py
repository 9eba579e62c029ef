"""Decodes picture files that nobody vouches for: what a header claims is checked before anything is decoded.

A PNG of 2.6 MB may claim 30000 x 30000 pixels and cost 5 GB (docs/security.md). And OpenCV looks for a decoder by the
file's first bytes, whatever its name is: of its dozen formats only those that photographs come in are let through.
"""

import re
from collections import Counter
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.picture_limits import MAX_PICTURE_BYTES, MAX_PIXELS

__all__ = ["PictureError", "UnknownKindError", "check_header", "decode_picture"]

MAX_SCANS = 100
"""Of a progressive JPEG; encoders write about ten. Each costs a pass over all pixels, however few bytes it has."""
MAX_MARKERS = 10_000
"""Of a JPEG; photographs have some dozens. Four bytes are enough for one, and 16 MB of them would take a minute."""
_JPEG_MARK = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
_TIFF_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}
"""Bytes of a value, by TIFF's number of its type: BYTE, SHORT, LONG, LONG8."""
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_SAMPLES = 256, 257, 258, 277
_TIFF_TILE_WIDTH, _TIFF_TILE_HEIGHT = 322, 323


class PictureError(ValueError):
    """A file that is not decoded; its text is the reason, such as `it claims 30000 x 30000 pixels, ...`."""


class UnknownKindError(PictureError):
    """A file that is none of the kinds of pictures that are decoded here."""


def decode_picture(content: bytes, flags: int = cv2.IMREAD_COLOR) -> npt.NDArray[Any] | None:
    """A picture as OpenCV gives it, the first one of a file that holds several; None if it cannot be decoded.

    Args:
        content: a JPEG, PNG, WebP, BMP or TIFF file.
        flags: of `cv2.imdecode`.
    Raises: UnknownKindError if it is of another kind; PictureError if it claims more than MAX_PIXELS.
    """
    check_header(content)
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except (cv2.error, MemoryError) as exc:
        raise PictureError("its header is damaged, or it has more pixels than can be decoded") from exc


def check_header(content: bytes) -> None:
    """Raises: PictureError if a file is no picture that is decoded here, or claims to be too large."""
    if content.startswith(b"\xff\xd8"):
        sides = _jpeg_sides(content)
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        sides = _number(content, 16, 4, "big"), _number(content, 20, 4, "big")
    elif content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        sides = _webp_sides(content)
    elif content.startswith(b"BM"):
        sides = _bmp_sides(content)
    elif content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        sides = _tiff_sides(content)
    else:
        raise UnknownKindError("it is no JPEG, PNG, WebP, BMP or TIFF picture")
    if sides[0] * sides[1] > MAX_PIXELS:
        raise PictureError(f"it claims {sides[0]} x {sides[1]} pixels, more than {MAX_PIXELS / 1e6:.0f} million")


def _number(content: bytes, place: int, size: int, order: Any = "little") -> int:
    return int.from_bytes(content[place : place + size], order)


def _jpeg_sides(content: bytes) -> tuple[int, int]:
    """The largest sides that any frame header names: a decoder may look at another one than the first."""
    width = height = scans = markers = 0
    place = 2
    while (mark := _JPEG_MARK.search(content, place)) is not None:
        kind, place = content[mark.end() - 1], mark.end()
        markers += 1
        if markers > MAX_MARKERS:
            raise PictureError(f"it is a JPEG of more than {MAX_MARKERS} markers")
        if kind == _JPEG_END:
            break
        if kind in _JPEG_FRAMES:
            height = max(height, _number(content, place + 3, 2, "big"))
            width = max(width, _number(content, place + 5, 2, "big"))
        if kind == _JPEG_SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise PictureError(f"it is a JPEG of more than {MAX_SCANS} scans")
        place += max(2, _number(content, place, 2, "big"))
    return width, height


def _webp_sides(content: bytes) -> tuple[int, int]:
    kind = content[12:16]
    if kind == b"VP8X":
        return _number(content, 24, 3) + 1, _number(content, 27, 3) + 1
    if kind == b"VP8L":
        bits = _number(content, 21, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return _number(content, 26, 2) & 0x3FFF, _number(content, 28, 2) & 0x3FFF


def _bmp_sides(content: bytes) -> tuple[int, int]:
    if _number(content, 14, 4) == 12:
        return _number(content, 18, 2), _number(content, 20, 2)
    width, height = (int.from_bytes(content[place : place + 4], "little", signed=True) for place in (18, 22))
    return abs(width), abs(height)


def _tiff_sides(content: bytes) -> tuple[int, int]:
    """Sides of the first picture. Raises: PictureError if its tiles, or the depth of its pixels, ask for too much."""
    order = "little" if content.startswith(b"II") else "big"
    is_big = _number(content, 2, 2, order) == 43
    wide, entry, place = (8, 20, 8) if is_big else (4, 12, 4)
    first = _number(content, place, wide, order)
    count_bytes = 8 if is_big else 2
    found: Counter[int] = Counter()
    for number in range(min(_number(content, first, count_bytes, order), len(content) // entry)):
        at = first + count_bytes + number * entry
        tag, size = _number(content, at, 2, order), _TIFF_SIZES.get(_number(content, at + 2, 2, order))
        if size is not None:
            found[tag] = max(found[tag], _tiff_value(content, at + 4, wide, size, order))
    sides = found[_TIFF_WIDTH], found[_TIFF_HEIGHT]
    pixels = max(sides[0] * sides[1], found[_TIFF_TILE_WIDTH] * found[_TIFF_TILE_HEIGHT])
    bits = max(1, found[_TIFF_BITS]) * max(1, found[_TIFF_SAMPLES])
    if pixels * bits > MAX_PICTURE_BYTES * 8:
        raise PictureError(
            f"its header asks for {pixels * bits / 8e6:.0f} MB of memory, more than {MAX_PICTURE_BYTES / 1e6:.0f}"
        )
    return sides


def _tiff_value(content: bytes, place: int, wide: int, size: int, order: Any) -> int:
    """The first value of an entry, which stands in the entry itself if all of them fit there."""
    count = _number(content, place, wide, order)
    at = place + wide
    return _number(content, at if count * size <= wide else _number(content, at, wide, order), size, order)
