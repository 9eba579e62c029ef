"""The stored picture of the empty tray: a grey PNG of 80 x 60 beside the configuration, made by `calibrate tray`.

Its name holds a digest of how the camera looks at the tray. Another region of interest, size, turn or camera gives
another name, so that a picture of something else is never found.
"""

import hashlib
import json
import logging
from pathlib import Path

import cv2
import numpy as np

from edge.config import SourceConfig
from edge.picture_file import PictureError, decode_picture
from edge.reading import read_whole
from edge.records import Grey
from edge.thumbnail import THUMB_HEIGHT, THUMB_WIDTH

__all__ = ["load_tray_picture", "picture_prefix", "tray_picture_path"]

DIGEST_CHARACTERS = 8
MAX_BYTES = 64 << 10
"""Ten times what a grey picture of this size takes."""
_log = logging.getLogger(__name__)


def picture_prefix(config_file: Path) -> str:
    """What the names of all pictures of one configuration begin with."""
    return f"{config_file.resolve().stem}.tray-"


def tray_picture_path(config_file: Path, source: SourceConfig) -> Path:
    """Where the picture for a configuration lies, whether there is one or not."""
    view = [source.spec, source.width_px, source.height_px, source.camera.rotation_deg, source.camera.roi_xywh]
    digest = hashlib.sha256(json.dumps(view).encode()).hexdigest()[:DIGEST_CHARACTERS]
    return config_file.resolve().with_name(f"{picture_prefix(config_file)}{digest}.png")


def load_tray_picture(config_file: Path | None, source: SourceConfig) -> Grey | None:
    """The stored picture, (60, 80) uint8; None if there is none. One that cannot be read is told, and is none."""
    if config_file is None:
        return None
    path = tray_picture_path(config_file, source)
    try:
        data = read_whole(path, MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as exc:
        _log.warning("cannot read the tray's picture %s (%s); it is left aside", path, exc.strerror)
        return None
    try:
        picture = decode_picture(data, cv2.IMREAD_UNCHANGED) if data else None
    except PictureError:
        picture = None
    if picture is None or picture.shape != (THUMB_HEIGHT, THUMB_WIDTH) or picture.dtype != np.uint8:
        _log.warning("%s is no picture of the tray; it is left aside, calibrate tray makes a new one", path)
        return None
    return np.asarray(picture, np.uint8)
