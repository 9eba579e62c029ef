"""Reads photographs of any origin into one form: (H, W, 3) uint8 BGR, upright, opaque.

OpenCV by itself turns by EXIF orientation and converts grey, CMYK and 16-bit pictures. But it drops the transparency
of PNG and WebP and shows whatever colours lie below it, does not turn what it reads with its transparency, and, as its
version may be, fills the missing rest of a truncated JPEG with grey. All of it is dealt with here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from edge.picture_file import PictureError, UnknownKindError, decode_picture
from edge.picture_limits import MAX_PICTURE_BYTES
from edge.reading import read_whole
from edge.records import BgrImage

__all__ = [
    "FOREIGN",
    "GROUND",
    "SUFFIXES",
    "UnreadableError",
    "check_name",
    "decode",
    "files_of",
    "opacity",
    "printable",
    "read",
]

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp"})
FOREIGN = frozenset({".tif", ".tiff", ".heic", ".heif", ".avif", ".gif", ".jxl", ".dng", ".cr2", ".nef", ".arw"})
"""Endings of photographs that are not read."""
GROUND = 128
"""Grey value that transparent pixels are laid on. Mid-grey, for on white a cut-out sheet of paper and on black a
cut-out bag would vanish; no class of waste is grey throughout."""
_JPEG, _PNG, _RIFF = b"\xff\xd8", b"\x89PNG", b"RIFF"
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, b"\xff\xd9"
_ORIENTATION = 0x0112
_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
_TURNS: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    1: lambda raw: raw,
    2: np.fliplr,
    3: lambda raw: np.rot90(raw, 2),
    4: np.flipud,
    5: lambda raw: raw.swapaxes(0, 1),
    6: lambda raw: np.rot90(raw, -1),
    7: lambda raw: np.rot90(raw.swapaxes(0, 1), 2),
    8: np.rot90,
}
"""What makes a picture upright, by its EXIF orientation (EXIF 2.3, tag 0x0112)."""


class UnreadableError(ValueError):
    """A file that gives no whole picture; its text is the reason, such as `truncated`."""


def files_of(folder: Path, suffixes: frozenset[str] = SUFFIXES) -> Iterator[Path]:
    """The files of a folder that look like photographs by their suffix, sorted by name.

    Raises: ConfigError if a name is not valid UTF-8, for such a name can be written into no split.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in suffixes and path.is_file():
            check_name(path)
            yield path


def check_name(path: Path) -> None:
    """Raises: ConfigError if the name of a file or folder is not valid UTF-8."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        kind = "folder" if path.is_dir() else "file"
        raise ConfigError(f"the name of {path.name!a} in {str(path.parent)!a} is no UTF-8; rename the {kind}") from None


def printable(name: str) -> str:
    """A name that can be written anywhere: bytes that are no UTF-8 as an escape."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def read(path: Path) -> bytes:
    """The bytes of a file. Raises: ConfigError if it cannot be read, or is larger than any photograph."""
    try:
        return read_whole(path, MAX_PICTURE_BYTES)
    except OSError as exc:
        raise ConfigError(f"cannot read {path} ({exc.strerror or exc}); make it readable or remove it") from exc


def decode(content: bytes) -> BgrImage:
    """A photograph from the bytes of its file.

    Args:
        content: JPEG (also CMYK and grey), PNG (also 16-bit, palette and with alpha), WebP (also with alpha) or BMP.
    Returns: (H, W, 3) uint8 BGR, turned upright by EXIF; what is transparent is laid on GROUND.
    Raises: UnreadableError if the file is empty, truncated, damaged in its header or no picture.
    """
    if not content:
        raise UnreadableError("empty file")
    if not _is_whole(content):
        raise UnreadableError("truncated")
    raw = _with_alpha(content)
    if raw is None:
        image = _decoded(content, cv2.IMREAD_COLOR)
        if image is None:
            raise UnreadableError("cannot be decoded")
        return np.asarray(image, dtype=np.uint8)
    colours = raw[:, :, :3] >> 8 if raw.dtype == np.uint16 else raw[:, :, :3]
    share = _share(raw)[..., None]
    return np.rint(colours * share + GROUND * (1 - share)).astype(np.uint8)


def opacity(content: bytes) -> npt.NDArray[np.float32] | None:
    """How opaque each pixel of a PNG or WebP is, as `decode` turns it; (H, W) float32 0..1; None without alpha.

    Raises: UnreadableError if it has too many pixels to be decoded.
    """
    raw = _with_alpha(content)
    return None if raw is None else _share(raw)


def _share(raw: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(raw[:, :, 3] / np.float32(np.iinfo(raw.dtype).max), dtype=np.float32)


def _with_alpha(content: bytes) -> npt.NDArray[Any] | None:
    """(H, W, 4) uint8 or uint16 BGRA of a PNG or WebP, upright; None of another picture, or without alpha."""
    if not content.startswith((_PNG, _RIFF)):
        return None
    raw = _decoded(content, cv2.IMREAD_UNCHANGED)
    if raw is None or raw.ndim != 3 or raw.shape[2] != 4:
        return None
    return _TURNS[_orientation(content)](raw)


def _decoded(content: bytes, flags: int) -> npt.NDArray[Any] | None:
    """As OpenCV gives it; None if it cannot be decoded. Raises: UnreadableError if it claims to be too large."""
    try:
        return decode_picture(content, flags)
    except UnknownKindError:
        return None
    except PictureError as exc:
        raise UnreadableError(str(exc)) from exc


def _orientation(content: bytes) -> int:
    """EXIF orientation of a PNG or WebP, 1 (upright) to 8; 1 where nothing or nothing sound is said."""
    place = content.find(b"eXIf") + 4 if content.startswith(_PNG) else content.rfind(b"EXIF") + 8
    exif = content[place:].removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(exif[:2])
    if order is None:
        return 1
    first = int.from_bytes(exif[4:8], order)
    for tag in range(first + 2, first + 2 + 12 * int.from_bytes(exif[first : first + 2], order), 12):
        if int.from_bytes(exif[tag : tag + 2], order) == _ORIENTATION:
            turn = int.from_bytes(exif[tag + 8 : tag + 10], order)
            return turn if turn in _TURNS else 1
    return 1


def _is_whole(content: bytes) -> bool:
    """False if the file's own marks say that its end is missing."""
    if content.startswith(_JPEG):
        return _is_whole_jpeg(content)
    if content.startswith(_PNG):
        return b"IEND" in content
    if content.startswith(_RIFF):
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    return True


def _is_whole_jpeg(content: bytes) -> bool:
    """True if an end mark follows the first scan; the marks of a preview inside EXIF are stepped over."""
    place = len(_JPEG)
    while place + 4 <= len(content):
        if content[place] != 0xFF or content[place + 1] == 0xFF:
            place += 1
            continue
        if content[place + 1] == _START_OF_SCAN:
            return content.find(_END_OF_IMAGE, place) >= 0
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return False
