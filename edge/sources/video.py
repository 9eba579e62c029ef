"""Frames of a video file, on the file's own time stamps."""

import logging
import os
from pathlib import Path

import cv2
import numpy as np

from edge.errors import ConfigError, SourceError
from edge.picture_limits import MAX_PIXELS
from edge.records import BgrImage, Frame
from edge.sources.quiet import quiet_opencv

__all__ = ["VideoRecording"]

CONTAINERS = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,mjpeg,h264,hevc,m4v,ogg,asf,flv,ivf,dv,mxf,yuv4mpegpipe"
"""FFmpeg's names of the formats that are read. Among the others are play lists, which name further files and hosts."""
_log = logging.getLogger(__name__)


class VideoRecording:
    """A `replay.Recording` of a file that OpenCV's FFmpeg reads.

    Whatever the file says, no other file is opened for it and nothing is asked of the network.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._capture: cv2.VideoCapture | None = None
        self._index = 0
        self._frames_announced = 0
        self._next: tuple[float, BgrImage] | None = None
        self._last_s = -1.0
        self._fps = 0.0

    def open(self) -> None:
        """Open the file and decode its first frame. Raises: ConfigError if there is none."""
        if not self._path.exists():
            raise ConfigError(f"video {self._path} does not exist; check --source video:PATH")
        if not self._path.is_file():
            raise ConfigError(f"{self._path} is no file; check --source video:PATH")
        # FFmpeg prints its own complaints to standard error; ours say what to do.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", f"protocol_whitelist;file|format_whitelist;{CONTAINERS}")
        try:
            with self._path.open("rb"):
                pass
        except OSError as exc:
            raise ConfigError(f"cannot read video {self._path} ({exc.strerror}); check its permissions") from exc
        with quiet_opencv():
            # A name that begins like an address, `http:`, would be taken for one.
            name = os.path.abspath(self._path)
            self._capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        if not self._capture.isOpened():
            size = self._path.stat().st_size
            raise ConfigError(
                f"{self._path} ({size} bytes) cannot be opened as a video; it is empty, truncated, or no video"
            )
        width, height = (int(self._capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            raise ConfigError(
                f"video {self._path} claims frames of {width} x {height} pixels, more than {MAX_PIXELS / 1e6:.0f} "
                "million; scale it down"
            )
        self._frames_announced = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._fps = float(self._capture.get(cv2.CAP_PROP_FPS)) or 25.0
        self._advance()
        if self._next is None:
            raise ConfigError(f"video {self._path} holds no frame that can be decoded; check the file")

    def next_s(self) -> float | None:
        return None if self._next is None else self._next[0]

    def take(self) -> Frame:
        if self._next is None:
            raise SourceError(f"video {self._path} is at its end; nothing is left to read")
        t_s, image = self._next
        frame = Frame(self._index, t_s, image)
        self._index += 1
        self._advance()
        return frame

    def close(self) -> None:
        if self._capture is not None:
            capture, self._capture = self._capture, None
            capture.release()

    def _advance(self) -> None:
        self._next = None
        if self._capture is None:
            return
        has_frame, image = self._capture.read()
        if not has_frame:
            if 0 < self._index < self._frames_announced - 1:
                _log.warning(
                    "video %s ended after %d of %d frames; the file is damaged or was cut",
                    self._path,
                    self._index,
                    self._frames_announced,
                )
            return
        t_s = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000.0
        if t_s <= self._last_s:
            # Some containers have no time stamps; the frame rate stands in for them.
            t_s = self._last_s + 1.0 / self._fps
        self._last_s = t_s
        self._next = (t_s, np.asarray(image, dtype=np.uint8))
