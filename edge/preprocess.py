"""From a camera image to the model's input tensor: the one code that training, evaluation and the device share.

One linear resize of the whole picture, one colour swap, one integer mapping; no float copy on the way. Models of today
see every k-th row only: a linear resize to less than half the height mixes two neighbouring rows anyway, and the rows
between cost a third of the resize (decision 13).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import SourceError
from edge.records import BgrImage

__all__ = ["RESIZE", "InputSpec", "Preprocessor", "Resize", "check_image", "fit_frame", "resize_rgb"]

Resize = Literal["linear", "thinned_linear"]
"""How a picture becomes as large as the input: `linear` from all of its rows, `thinned_linear` from every k-th one."""
RESIZE: Resize = "thinned_linear"
"""What models are trained with; a bundle of before says `linear`."""
FRAME_SIDE_PX = 640
"""Longest side of the frames that models are trained on (a 640 x 480 camera)."""
_UINT8 = np.dtype(np.uint8)
TIE = 1e-3
"""Share of a step by which a value may miss a tie and still count as one: a model's scale is a 32-bit float."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The model's input tensor and what a picture goes through to become it.

    Attributes:
        height, width: of the tensor, in pixels; the whole picture is resized to it, whatever its aspect.
        resize: see `Resize`.
        dtype: integer type of the tensor.
        mean, std: a pixel p (0..255) stands for the real value (p - mean) / std.
        scale, zero_point: a tensor value q stands for the real value scale * (q - zero_point).
    """

    height: int
    width: int
    resize: Resize
    dtype: Literal["int8", "uint8"]
    mean: float
    std: float
    scale: float
    zero_point: int

    def quantization_table(self) -> npt.NDArray[Any]:
        """The tensor value of every pixel value: (256,), of `dtype`; ties round up, as in `p ^ 0x80`."""
        limits = np.iinfo(self.dtype)
        real = (np.arange(256, dtype=np.float64) - self.mean) / self.std
        steps = np.floor(real / self.scale + self.zero_point + 0.5 + TIE)
        return np.clip(steps, limits.min, limits.max).astype(self.dtype)


def check_image(image: BgrImage) -> None:
    """Raises: SourceError unless `image` is (H, W, 3) uint8 with at least one pixel."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != _UINT8 or not image.size:
        raise SourceError(
            f"frame is {image.dtype} of shape {image.shape}, expected (height, width, 3) uint8 in BGR order; "
            "check source.spec and the camera's pixel format"
        )


def fit_frame(image: BgrImage) -> BgrImage:
    """Shrink a photograph to the size of a camera frame, so that it is sampled as in training.

    Args:
        image: (H, W, 3) uint8 BGR of any size.
    Returns: the same image if its longest side is at most 640 px, else an area-averaged copy of it.
    """
    height, width = image.shape[:2]
    ratio = FRAME_SIDE_PX / max(height, width)
    if ratio >= 1:
        return image
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def resize_rgb(image: BgrImage, height: int, width: int, resize: Resize = RESIZE) -> npt.NDArray[np.uint8]:
    """The picture as the model sees it before quantization; `convert` trains on exactly this.

    Args:
        image: (H, W, 3) uint8 BGR.
    Returns: (height, width, 3) uint8 RGB.
    """
    check_image(image)
    rows = image if resize == "linear" else _thinned(image, height)
    resized = cv2.resize(rows, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _thinned(image: BgrImage, height: int) -> BgrImage:
    """Every k-th row, a view: at least `height` of them where there are so many."""
    step = len(image) // height
    return image if step < 2 else image[step // 2 :: step]


class Preprocessor:
    """Fills an input tensor, the model's own or one of its own. It keeps its buffers from call to call.

    Args:
        spec: of the tensor.
        keeps_bgr: leave the channels as they come, for a model whose first layer was turned to them.

    Attributes:
        fill: the same as a call, without its checks: of an image, into the (height, width, 3) uint8 view of a tensor
            that is known to be right. Raises: SourceError if the image is not (H, W, 3) uint8.
    """

    def __init__(self, spec: InputSpec, *, keeps_bgr: bool = False) -> None:
        self._tensor = np.empty((1, spec.height, spec.width, 3), dtype=spec.dtype)
        self.fill = _filler(spec, keeps_bgr=keeps_bgr)

    def __call__(self, image: BgrImage, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Map an image to the input tensor.

        Args:
            image: (H, W, 3) uint8, BGR order, any size.
            out: (1, height, width, 3) of the spec's dtype that is filled; without it, a buffer that the next call
                overwrites.
        Returns: `out` or that buffer, in RGB order unless the order is kept.
        Raises: SourceError if image is not (H, W, 3) uint8; ValueError if `out` is no such tensor.
        """
        tensor = self._tensor if out is None else out
        if tensor.shape != self._tensor.shape or tensor.dtype != self._tensor.dtype or not tensor.flags.c_contiguous:
            # OpenCV would write to a new array instead, without a word.
            raise ValueError(
                f"out is {tensor.dtype} of shape {tensor.shape}, expected contiguous {self._tensor.dtype} of shape "
                f"{self._tensor.shape}"
            )
        self.fill(image, tensor[0].view(np.uint8))
        return tensor


def _filler(spec: InputSpec, *, keeps_bgr: bool) -> Callable[[BgrImage, npt.NDArray[np.uint8]], None]:
    """What `Preprocessor.fill` does, as one function with everything at hand.

    After an inference nothing of it is in the processor's caches: of a frame's overhead, a fifth was looking up
    attributes and calling through layers.
    """
    height, size = spec.height, (spec.width, spec.height)
    is_thinned = spec.resize == "thinned_linear"
    resize, linear, flip_bits, flip = cv2.resize, cv2.INTER_LINEAR, np.bitwise_xor, np.uint8(0x80)
    resized = np.empty((spec.height, spec.width, 3), dtype=np.uint8)
    table, every_pixel = spec.quantization_table().view(np.uint8), np.arange(256, dtype=np.uint8)
    is_flipped = bool((table == every_pixel ^ flip).all())

    def fill(image: BgrImage, pixels: npt.NDArray[np.uint8]) -> None:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != _UINT8 or not image.size:
            check_image(image)
        rows = _thinned(image, height) if is_thinned else image
        if keeps_bgr:
            resize(rows, size, pixels, 0, 0, linear)
        else:
            resize(rows, size, resized, 0, 0, linear)
            cv2.cvtColor(resized, cv2.COLOR_BGR2RGB, pixels)
        if is_flipped:
            flip_bits(pixels, flip, pixels)
        else:
            cv2.LUT(pixels, table, pixels)

    return fill
