"""What the kernel says of a video device. No picture is taken, no setting changes."""

import fcntl
import os
import struct
from pathlib import Path
from typing import NamedTuple

__all__ = ["VideoNode", "read_video_node"]

# linux/videodev2.h: struct v4l2_capability.
_CAPABILITY = struct.Struct("16s32s32sIII12x")
_QUERY_CAPABILITY = 0x80685600
_HAS_DEVICE_CAPS = 1 << 31
_VIDEO_CAPTURE = 1 << 0


class VideoNode(NamedTuple):
    """A `/dev/video*`.

    Attributes:
        name: of the device, as its driver tells it.
        is_capture: pictures can be taken from it; a camera has other nodes beside the one that gives pictures.
    """

    name: str
    is_capture: bool


def read_video_node(device: Path) -> VideoNode:
    """Raises: OSError if it is missing, may not be opened, or is no video device."""
    descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        answer = bytearray(_CAPABILITY.size)
        fcntl.ioctl(descriptor, _QUERY_CAPABILITY, answer)
    finally:
        os.close(descriptor)
    _, card, _, _, capabilities, of_this_node = _CAPABILITY.unpack(answer)
    told = of_this_node if capabilities & _HAS_DEVICE_CAPS else capabilities
    return VideoNode(card.partition(b"\0")[0].decode("utf-8", "replace"), bool(told & _VIDEO_CAPTURE))
