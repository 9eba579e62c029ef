"""Reads photographs of any origin into one form: (H, W, 3) uint8 BGR, upright, opaque.

OpenCV by itself turns by EXIF orientation and converts grey, CMYK and 16-bit pictures. But it drops the transparency
of PNG and WebP and shows whatever colours lie below it, and depending on its version it fills the missing rest of a
truncated JPEG with grey. Both are dealt with here.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from edge.records import BgrImage

__all__ = ["GROUND", "SUFFIXES", "UnreadableError", "decode", "files_of", "opacity"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp"})
GROUND = 128
"""Grey value that transparent pixels are laid on. Mid-grey, for on white a cut-out sheet of paper and on black a
cut-out bag would vanish; no class of waste is grey throughout."""
_JPEG, _PNG, _RIFF = b"\xff\xd8", b"\x89PNG", b"RIFF"
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, b"\xff\xd9"


class UnreadableError(ValueError):
    """A file that gives no whole picture; its text is the reason, such as `truncated`."""


def files_of(folder: Path) -> Iterator[Path]:
    """The files of a folder that look like photographs by their suffix, sorted by name.

    Raises: ConfigError if a name is not valid UTF-8, for such a name can be written into no split.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"the name of {path.name!a} in {folder} is no UTF-8; rename the file") from None
        yield path


def decode(content: bytes) -> BgrImage:
    """A photograph from the bytes of its file.

    Args:
        content: JPEG (also CMYK and grey), PNG (also 16-bit, palette and with alpha), WebP (also with alpha) or BMP.
    Returns: (H, W, 3) uint8 BGR, turned upright by EXIF; what is transparent is laid on GROUND.
    Raises: UnreadableError if the file is empty, truncated or no picture.
    """
    if not content:
        raise UnreadableError("empty file")
    if not _is_whole(content):
        raise UnreadableError("truncated")
    encoded = np.frombuffer(content, np.uint8)
    image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if image is None:
        raise UnreadableError("cannot be decoded")
    share = opacity(content)
    # Older versions of OpenCV do not turn what is read unchanged; what has another shape is left as it is.
    if share is not None and share.shape == image.shape[:2]:
        image = np.rint(image * share[..., None] + GROUND * (1 - share[..., None])).astype(np.uint8)
    return np.asarray(image, dtype=np.uint8)


def opacity(content: bytes) -> npt.NDArray[np.float32] | None:
    """How opaque each pixel of a PNG or WebP is, (H, W) float32 0..1; None where it says nothing of it."""
    if not content.startswith((_PNG, _RIFF)):
        return None
    raw = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.ndim != 3 or raw.shape[2] != 4:
        return None
    return np.asarray(raw[:, :, 3] / np.float32(np.iinfo(raw.dtype).max), dtype=np.float32)


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
