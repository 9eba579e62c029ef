"""Files that somebody made to do harm: headers that lie, archives that unpack to gigabytes, names that steer."""

import struct
import zipfile
import zlib
from collections.abc import Sequence
from io import BytesIO

import cv2
import numpy as np

ESCAPES = "\x1b[2J\x1b]0;owned\x07\nedge-sorter: error: forged\r\u202egnp"
"""Clears a terminal, renames its window, forges a line and turns the direction of writing."""
STEERING = ("\x1b", "\x07", "\r", "\u202e", "\x9b")


def png_bomb(width: int, height: int, rows: int | None = None) -> bytes:
    """A black PNG, whole unless `rows` ends it early: a thousandth of what it takes decoded."""
    packer = zlib.compressobj(9)
    row = bytes(width * 3 + 1)
    packed = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def jpeg_claiming(width: int, height: int, scans: int = 1, progressive: bool = False) -> bytes:
    flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    whole = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8), flags)[1].tobytes()
    frame = whole.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    whole = whole[: frame + 5] + struct.pack(">HH", height, width) + whole[frame + 9 :]
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * scans + whole[-2:]


def webp_claiming(width: int, height: int, kind: bytes = b"VP8L") -> bytes:
    if kind == b"VP8X":
        data = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == b"VP8L":
        data = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(15)
    else:
        data = b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(10)
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp_claiming(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header + bytes(64)


def tiff_claiming(width: int, height: int, more: Sequence[tuple[int, int, int, int]] = (), order: str = "<") -> bytes:
    """Tags are (number, type, count, value), laid out as of type LONG whatever they say."""
    tags = {
        tag[0]: tag for tag in ((256, 4, 1, width), (257, 4, 1, height), (277, 4, 1, 1), (278, 4, 1, height), *more)
    }
    entries = b"".join(struct.pack(f"{order}HHII", *tags[number]) for number in sorted(tags))
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}IH", 8, len(tags)) + entries + bytes(64)


def labels_bomb(size: int, claimed: int, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive whose labels.txt unpacks to `size` bytes, and claims to unpack to `claimed`."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive, archive.open("labels.txt", "w", force_zip64=False) as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    whole = buffer.getvalue()
    return whole.replace(struct.pack("<I", size), struct.pack("<I", claimed))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
