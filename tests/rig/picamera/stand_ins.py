"""What a Pi has and the guest lacks, put in before picamera2 is used. Nothing of the sorter's is touched."""

import sys
from types import ModuleType
from typing import Any

__all__ = ["install"]

NV12_BYTES = 640 * 480 * 3 // 2
"""A picture of the virtual camera's: brightness, then colour in half as many rows."""


class _AnyName(ModuleType):
    """A module that has every name: of a display's and of a raw file's library nothing is ever used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _AnyName(name)


def install() -> None:
    """Make picamera2 importable, and fit for cameras that have no Raspberry Pi behind them."""
    for name in ("pykms", "pidng", "pidng.camdefs", "pidng.core"):
        sys.modules[name] = _AnyName(name)
    from picamera2 import Picamera2
    from picamera2.allocators import dmaallocator

    dmaallocator.libcamera = _Buffers("libcamera")
    raw_modes, configure = Picamera2._get_raw_modes, Picamera2.configure

    def raw_modes_or_one(self: Any) -> Any:
        # The virtual camera has no sensor, and picamera2 takes the largest of a sensor's modes for the field of view.
        if "vimc" in self.camera.id:
            return raw_modes(self)
        return [{"format": "SRGGB8", "size": (640, 480)}]

    def configure_what_vimc_has(self: Any, config: dict[str, Any]) -> None:
        # The kernel's vimc has red first only, but libcamera lets it be asked for both and fails at the start.
        if "vimc" in self.camera.id:
            config = config | {"main": config["main"] | {"format": "BGR888"}}
        configure(self, config)

    Picamera2._get_raw_modes = raw_modes_or_one
    Picamera2.configure = configure_what_vimc_has


class _Buffers(ModuleType):
    """libcamera, as far as picamera2's allocator uses it; a picture of the virtual camera's gets two planes."""

    def __getattr__(self, name: str) -> Any:
        import libcamera

        if name != "FrameBuffer":
            return getattr(libcamera, name)

        class FrameBuffer:
            Plane = libcamera.FrameBuffer.Plane

            def __new__(cls, planes: list[Any]) -> Any:
                (whole,) = planes
                if whole.length != NV12_BYTES:
                    return libcamera.FrameBuffer(planes)
                colour = cls.Plane()
                colour.fd = whole.fd
                colour.offset = NV12_BYTES * 2 // 3
                colour.length = NV12_BYTES // 3
                whole.length = colour.offset
                return libcamera.FrameBuffer([whole, colour])

        return FrameBuffer
