"""What goes wrong in the field, one thing at a time and by degrees: the yardstick of robustness, part of training.

After the common-corruptions benchmark (Hendrycks and Dietterich, ICLR 2019): a corruption has severities 1 to 5, and
a figure is the mean over them. The kinds are those of a bin: light, sensor, optics, pose, compression.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from edge.records import BgrImage

__all__ = ["KINDS", "SEVERITIES", "corrupt"]

SEVERITIES = (1, 2, 3, 4, 5)
_Rng = np.random.Generator


def corrupt(image: BgrImage, kind: str, severity: float, rng: _Rng) -> BgrImage:
    """A worse picture of the same thing.

    Args:
        image: (H, W, 3) uint8 BGR, about the size of a camera frame.
        kind: one of KINDS.
        severity: above 0 (nothing) to 5; training draws fractions.
        rng: direction, colour, noise.
    Returns: (H, W, 3) uint8 BGR.
    Raises: ConfigError for an unknown kind or a severity out of range.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no corruption {kind!r}, only {', '.join(KINDS)}")
    if not 0 < severity <= SEVERITIES[-1]:
        raise ConfigError(f"severity {severity} is not above 0 and at most {SEVERITIES[-1]}")
    return KINDS[kind](image, severity / SEVERITIES[-1], rng)


def _between(mild: float, hard: float, degree: float) -> float:
    """Geometric way from `mild` (degree 0) to `hard` (degree 1)."""
    return mild * (hard / mild) ** degree


def _lit(image: BgrImage, gain: npt.ArrayLike) -> BgrImage:
    levels = np.arange(256, dtype=np.float64)[:, None] * np.asarray(gain, dtype=np.float64).reshape(1, -1)
    table = np.clip(np.broadcast_to(levels, (256, 3)) + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), dtype=np.uint8)


def _dark(image: BgrImage, degree: float, rng: _Rng) -> BgrImage:
    """Too little light: as little as a fifth, with the noise of the gain that makes up for some of it."""
    return _noise(_lit(image, _between(1.0, 0.22, degree)), degree * 0.25, rng)


def _bright(image: BgrImage, degree: float, rng: _Rng) -> BgrImage:
    """Too much light: up to 1.7 times, and clipped."""
    return _lit(image, _between(1.0, 1.7, degree))


def _noise(image: BgrImage, degree: float, rng: _Rng) -> BgrImage:
    """A sensor at high gain: up to 32 grey levels, by pixel and colour."""
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(32.0 * degree)
    return np.clip(image + noise + 0.5, 0, 255).astype(np.uint8)


def _motion(image: BgrImage, degree: float, rng: _Rng) -> BgrImage:
    """A smear of up to 36 px of 640."""
    length = max(2, round(36.0 / 640 * image.shape[1] * degree))
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0, math.pi), (length - 1) / 2
    across, down = middle * math.cos(angle), middle * math.sin(angle)
    cv2.line(
        kernel,
        (round(middle - across), round(middle - down)),
        (round(middle + across), round(middle + down)),
        1.0,
    )
    blurred = cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.uint8)


def _defocus(image: BgrImage, degree: float, rng: _Rng) -> BgrImage:
    """A disc of confusion of up to 11 px radius, of a width of 640."""
    radius = 11.0 / 640 * image.shape[1] * degree
    reach = math.ceil(radius)
    row, column = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(row, column), 0, 1).astype(np.float32)
    blurred = cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.uint8)


def _cast(image: BgrImage, degree: float, rng: _Rng) -> BgrImage:
    """A lamp of the wrong colour: warm, cold, green or purple, up to 35 % a channel."""
    tints = ((-1.0, 0.0, 1.0), (1.0, 0.0, -1.0), (-0.6, 1.0, -0.6), (0.6, -1.0, 0.6))
    tint = np.array(tints[int(rng.integers(len(tints)))])
    return _lit(image, 1.0 + 0.35 * degree * tint)


def _rotation(image: BgrImage, degree: float, rng: _Rng) -> BgrImage:
    """Turned by up to 90 degrees either way."""
    height, width = image.shape[:2]
    side = 1.0 if rng.random() < 0.5 else -1.0
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), side * 90.0 * degree, 1.0)
    return _warp(image, matrix)


def _distance(image: BgrImage, degree: float, rng: _Rng) -> BgrImage:
    """A camera further away: the picture as small as two fifths, somewhere in the frame."""
    height, width = image.shape[:2]
    scale = _between(1.0, 0.4, degree)
    room = np.array([width, height]) * (1 - scale)
    left, top = room * rng.uniform(0.25, 0.75, 2)
    return _warp(image, np.array([[scale, 0.0, left], [0.0, scale, top]]))


def _warp(image: BgrImage, matrix: npt.NDArray[np.float64]) -> BgrImage:
    """What comes into view is a ground without structure, in the colours of the picture's rim."""
    size = (image.shape[1], image.shape[0])
    laid = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = np.full(image.shape[:2], 255, np.uint8)
    inside = cv2.warpAffine(cover, matrix, size, flags=cv2.INTER_LINEAR)
    ground = cv2.resize(cv2.resize(laid, (12, 12), interpolation=cv2.INTER_AREA), size, interpolation=cv2.INTER_CUBIC)
    share = cv2.blur(inside, (15, 15)).astype(np.float32)[..., None] / 255
    share = np.where(inside[..., None] == 255, np.maximum(2 * share - 1, 0), 0)
    return np.asarray(ground + (laid - ground.astype(np.float32)) * share + 0.5).clip(0, 255).astype(np.uint8)


def _jpeg(image: BgrImage, degree: float, rng: _Rng) -> BgrImage:
    """Compressed down to quality 6."""
    quality = round(_between(60, 6, degree))
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)


KINDS: dict[str, Callable[[BgrImage, float, _Rng], BgrImage]] = {
    "dark": _dark,
    "bright": _bright,
    "noise": _noise,
    "motion": _motion,
    "defocus": _defocus,
    "colour cast": _cast,
    "rotation": _rotation,
    "distance": _distance,
    "jpeg": _jpeg,
}
"""Kind to function of (image, degree 0..1, rng)."""
