"""The camera from outside: the kernel's vivid, whose HDMI input shows what is written to its HDMI output.

A strip of pictures in memory goes round and round to the output; whoever shows something writes to the strip.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.rig.guest.chip import eventually
from tests.rig.guest.tray import HEIGHT_PX, WIDTH_PX, RenderedTray

__all__ = ["DEVICE", "STRIP", "Camera", "camera_commands"]

DEVICE = Path("/dev/video10")
OUTPUT = Path("/dev/video11")
DRIVER = Path("/sys/bus/platform/drivers/vivid")
INSTANCE = "vivid.0"
# The signal has the slowest rate that vivid's least pixel clock of 14 MHz allows; input and output scale it.
TIMINGS = "--set-dv-bt-timings=cvt,width=640,height=480,fps=40"
FORMAT = f"width={WIDTH_PX},height={HEIGHT_PX},pixelformat=BGR3"
STRIP = Path("/dev/shm/strip")
STRIP_PICTURES = 6
SLIDE_IN_S, SLIDE_OUT_S, STEP_S = 0.4, 0.3, 0.03
ITEMS = {"recyclable": ("glass", 1), "residue": ("trash", 1)}
"""An item for each bin that the shipped model is sure of: label and seed."""


class Camera:
    """A tray before a camera that can be unplugged."""

    def __init__(self) -> None:
        self._tray = RenderedTray()
        shape = (STRIP_PICTURES, HEIGHT_PX, WIDTH_PX, 3)
        self._strip = np.memmap(STRIP, dtype=np.uint8, mode="w+", shape=shape)
        self._writer: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Join output and input, and show the empty tray."""
        self.clear()
        *prepare, stream = camera_commands(STRIP)
        for command in prepare:
            subprocess.run(command, check=True, capture_output=True)
        self._writer = subprocess.Popen(stream, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        assert self._writer.poll() is None, "v4l2-ctl cannot write to vivid's output"

    def stop(self) -> None:
        if self._writer is not None:
            self._writer.kill()
            self._writer.wait()
            self._writer = None

    def show(self, bin_name: str) -> None:
        """Let an item for a bin slide in and rest."""
        self._tray.put(*ITEMS[bin_name])
        self._slide(SLIDE_IN_S, lambda share: 0.5 - (1.0 - share) ** 2)
        self._rest()

    def fall(self) -> None:
        """Let it slide out."""
        self._slide(SLIDE_OUT_S, lambda share: 0.5 + share**2)
        self.clear()

    def clear(self) -> None:
        """The empty tray, at once."""
        self._tray.clear()
        self._rest()

    def freeze(self) -> None:
        """The empty tray, from now on the same picture bit for bit."""
        self._strip[:] = self._strip[0]

    def black(self) -> None:
        """No light at all, as under a cap."""
        self._strip[:] = 0

    def drop_all(self, is_dropping: bool) -> None:
        """Let the driver give no picture any more, while the device is there."""
        _v4l2(DEVICE, f"--set-ctrl=percentage_of_dropped_buffers={100 if is_dropping else 0}")

    def unplug(self) -> float:
        """Take the device away, with its node, as a cable that is pulled. Returns: when, in monotonic seconds."""
        unplugged_s = time.monotonic()
        (DRIVER / "unbind").write_text(INSTANCE)
        self.stop()
        return unplugged_s

    def plug(self) -> None:
        """Bring it back, with the empty tray before it."""
        (DRIVER / "bind").write_text(INSTANCE)
        eventually(lambda: DEVICE.exists() and OUTPUT.exists(), 5.0, "vivid's device nodes")
        subprocess.run(["udevadm", "settle"], check=True)
        self.start()

    def _slide(self, duration_s: float, height: Callable[[float], float]) -> None:
        began_s = time.monotonic()
        while (share := (time.monotonic() - began_s) / duration_s) < 1.0:
            self._strip[:] = self._tray.picture(height(share))
            time.sleep(STEP_S)

    def _rest(self) -> None:
        for picture in self._strip:
            picture[:] = self._tray.picture()


def camera_commands(strip: Path) -> list[list[str]]:
    """What joins output and input, the driver being there; the last one writes the strip to the output for ever."""
    # Linux 6.12 asks which output an input is connected to; before, there was one switch.
    is_old = "loop_video" in _v4l2(DEVICE, "--list-ctrls")
    return [
        ["v4l2-ctl", "-d", str(OUTPUT), TIMINGS, f"--set-fmt-video-out={FORMAT}"],
        ["v4l2-ctl", "-d", str(DEVICE), TIMINGS, f"--set-fmt-video={FORMAT}"],
        ["v4l2-ctl", "-d", str(DEVICE), "--set-ctrl=" + ("loop_video=1" if is_old else "hdmi_000_0_is_connected_to=2")],
        ["v4l2-ctl", "-d", str(DEVICE), "--set-ctrl=osd_text_mode=2"],
        ["v4l2-ctl", "-d", str(OUTPUT), "--stream-out-mmap=4", f"--stream-from={strip}", "--stream-loop"],
    ]


def _v4l2(device: Path, *arguments: str) -> str:
    command = ["v4l2-ctl", "-d", str(device), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
