"""Turns a photograph into what a camera above a tray might have seen of the item.

The picture ends at camera size; `edge.preprocess.resize_rgb`, the device's own resize, comes after.
Everything random comes from the Generator that is handed in: the same seed gives the same picture.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import BgrImage

__all__ = ["DEFAULT", "FRAME_SIZE_PX", "NEAR", "Strength", "camera_frame", "degrade", "own_frame"]

FRAME_SIZE_PX = (640, 480)
"""Width and height of the camera."""
_Float = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Strength:
    """How far pictures are bent. A pair is a range of a uniform draw.

    Attributes:
        scale: of the photograph, 1 fills the frame.
        free_rotation: share of pictures turned by any angle; the others by at most `small_turn_deg`.
        shift: of the photograph's middle, as a share of the frame.
        gain, gamma, contrast: of the whole picture, 1 leaves it.
        cast: largest change of one colour's gain.
        shading: largest fall of light from one side to the other, as a share.
        noise_sigma: of the sensor, in grey levels.
        blur_share, jpeg_share: share of pictures that are defocused or moved, and JPEG compressed.
    """

    scale: tuple[float, float] = (0.6, 1.3)
    free_rotation: float = 0.5
    small_turn_deg: float = 15.0
    shift: float = 0.15
    gain: tuple[float, float] = (0.7, 1.25)
    gamma: tuple[float, float] = (0.75, 1.35)
    contrast: tuple[float, float] = (0.75, 1.5)
    cast: float = 0.08
    shading: float = 0.3
    noise_sigma: tuple[float, float] = (0.0, 6.0)
    blur_share: float = 0.35
    jpeg_share: float = 0.5


DEFAULT = Strength()
NEAR = Strength(scale=(0.85, 1.2), free_rotation=0.15, shift=0.06, gain=(0.8, 1.2), shading=0.2, noise_sigma=(0.0, 4.0))
"""The item about fills the picture, as in the photographs themselves."""


def camera_frame(photo: BgrImage, rng: np.random.Generator, strength: Strength = DEFAULT) -> BgrImage:
    """Lay a photograph on a tray-like ground and photograph it again.

    Args:
        photo: (H, W, 3) uint8 BGR.
    Returns: (480, 640, 3) uint8 BGR.
    """
    return degrade(_lay(photo, rng, strength, FRAME_SIZE_PX), rng, strength)


def own_frame(photo: BgrImage, rng: np.random.Generator, strength: Strength = NEAR) -> BgrImage:
    """The same in the photograph's own format, as `edge-sorter classify` and an evaluation see it.

    The model's input is square, so a format is a distortion: what is only seen upright is not known across.

    Args:
        photo: (H, W, 3) uint8 BGR.
    Returns: (H, W, 3) uint8 BGR.
    """
    height, width = photo.shape[:2]
    return degrade(_lay(photo, rng, strength, (width, height)), rng, strength)


def degrade(frame: BgrImage, rng: np.random.Generator, strength: Strength = DEFAULT) -> BgrImage:
    """Light, optics and sensor: (H, W, 3) uint8 BGR to a worse picture of the same shape."""
    height, width = frame.shape[:2]
    picture = cv2.LUT(frame, _tone_curve(rng, strength)).astype(np.float32)
    picture *= _shading(rng, strength, height, width)[..., None]
    sigma = rng.uniform(*strength.noise_sigma)
    blurred = _blur(picture, rng) if rng.random() < strength.blur_share else picture
    blurred += rng.standard_normal(blurred.shape, dtype=np.float32) * np.float32(sigma)
    image = np.clip(blurred, 0, 255).astype(np.uint8)
    if rng.random() < strength.jpeg_share:
        quality = int(rng.integers(40, 96))
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return image


def _lay(photo: BgrImage, rng: np.random.Generator, strength: Strength, size: tuple[int, int]) -> BgrImage:
    """Lay it on a ground of `size` (width, height)."""
    rows, columns = photo.shape[:2]
    matrix = _placement(rows, columns, rng, strength, size)
    border = (cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101)[int(rng.integers(2))]
    laid = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
    feather = float(rng.uniform(6, 60))
    near = np.minimum(_ramp(rows, feather)[:, None], _ramp(columns, feather)[None, :])
    mask = cv2.warpAffine(near, matrix, size, flags=cv2.INTER_LINEAR)
    if mask.min() >= 1.0:
        return np.asarray(laid, dtype=np.uint8)
    ground = _ground(photo, laid, rng, border == cv2.BORDER_REFLECT_101)
    mixed = ground + (laid.astype(np.float32) - ground) * mask[..., None]
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _ramp(length: int, feather_px: float) -> _Float:
    """Coverage along one side: 0 at both ends, 1 from `feather_px` inwards. (length,) float32."""
    place = np.arange(length, dtype=np.float32) + 0.5
    return np.asarray(np.clip(np.minimum(place, length - place) / feather_px, 0, 1), dtype=np.float32)


def _placement(
    rows: int, columns: int, rng: np.random.Generator, strength: Strength, size: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """The (2, 3) matrix from the photograph to the frame: flip, turn, scale, shift."""
    width, height = size
    fill = min(width / columns, height / rows)
    low, high = strength.scale
    scale = fill * math.exp(rng.uniform(math.log(low), math.log(high)))
    if rng.random() < strength.free_rotation:
        angle = rng.uniform(0, 2 * math.pi)
    else:
        angle = math.radians(rng.uniform(-1, 1) * strength.small_turn_deg) + math.pi * int(rng.integers(2))
    aspect = math.exp(rng.uniform(-0.08, 0.08))
    flip = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = math.cos(angle), math.sin(angle)
    turn: npt.NDArray[np.float64] = np.array([[cos, -sin], [sin, cos]]) @ np.diag(
        [flip * scale * aspect, scale / aspect]
    )
    middle = np.array([width, height]) * (0.5 + rng.uniform(-strength.shift, strength.shift, 2))
    offset = middle - turn @ np.array([columns / 2, rows / 2])
    return np.hstack([turn, offset[:, None]])


def _ground(photo: BgrImage, laid: Any, rng: np.random.Generator, is_reflected: bool) -> _Float:
    """What the photograph does not cover: as large as `laid`, float32, low contrast, 0..255."""
    height, width = laid.shape[:2]
    size = (width, height)
    if is_reflected and rng.random() < 0.7:
        small = cv2.resize(laid, (40, 30), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    if rng.random() < 0.6:
        edge = np.concatenate([photo[0], photo[-1], photo[:, 0], photo[:, -1]])
        colour = np.median(edge, axis=0).astype(np.float32)
    else:
        warmth = rng.uniform(-2, 14)
        colour = np.float32(rng.uniform(70, 225)) + np.array([-warmth, 0, warmth / 2], np.float32)
    coarse = rng.standard_normal((12, 16), dtype=np.float32) * np.float32(rng.uniform(0, 5))
    fine = rng.standard_normal((height // 2, width // 2), dtype=np.float32) * np.float32(rng.uniform(0, 4))
    texture = np.add(
        cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC),
        cv2.resize(fine, size, interpolation=cv2.INTER_LINEAR),
    )
    return np.asarray(colour + texture[..., None], dtype=np.float32)


def _tone_curve(rng: np.random.Generator, strength: Strength) -> npt.NDArray[np.uint8]:
    """Gamma, contrast round mid-grey, gain and colour cast in one table: (1, 256, 3) uint8, BGR."""
    level = np.linspace(0, 1, 256) ** rng.uniform(*strength.gamma)
    level = (level - 0.5) * rng.uniform(*strength.contrast) + 0.5
    gain = rng.uniform(*strength.gain) * (1 + rng.uniform(-strength.cast, strength.cast, 3))
    table = np.clip(level[:, None] * gain * 255, 0, 255)
    return table.astype(np.uint8)[None]


def _shading(rng: np.random.Generator, strength: Strength, height: int, width: int) -> _Float:
    """Light that falls off across the picture: (height, width) float32 round 1."""
    angle = rng.uniform(0, 2 * math.pi)
    depth = np.float32(rng.uniform(0, strength.shading))
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(math.cos(angle))
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32) * np.float32(math.sin(angle))
    return np.asarray(1 + depth * (x[None, :] + y[:, None]), dtype=np.float32)


def _blur(picture: _Float, rng: np.random.Generator) -> _Float:
    """Slight defocus, or motion of a few pixels."""
    if rng.random() < 0.6:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 2.0))), dtype=np.float32)
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, math.pi)
    reach = (length - 1) / 2 * np.array([math.cos(angle), math.sin(angle)])
    middle = (length - 1) / 2
    start = (round(middle - reach[0]), round(middle - reach[1]))
    end = (round(middle + reach[0]), round(middle + reach[1]))
    cv2.line(kernel, start, end, 1.0)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), dtype=np.float32)
