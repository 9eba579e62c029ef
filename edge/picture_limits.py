"""What a picture file may cost at most. Imports nothing: it is asked before OpenCV is loaded."""

import os

__all__ = ["MAX_PICTURE_BYTES", "MAX_PIXELS", "limit_opencv"]

MAX_PIXELS = 1 << 26
"""67 million: the largest photographs of a telephone that are not interpolated have 64; decoded they take 200 MB."""
MAX_PICTURE_BYTES = 4 * MAX_PIXELS


def limit_opencv() -> None:
    """Tell OpenCV the limit too; it asks once, as it is loaded. What the user's environment says already stands."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
