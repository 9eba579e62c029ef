"""A made-up machine for doctor: a Raspberry Pi 4 in good order, of which a test spoils what it is about."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge.board.gpiochip import Line
from edge.board.video import VideoNode
from edge.config import Config
from edge.configfile import parse_config
from edge.doctor.findings import Finding
from edge.doctor.machine import Machine, User
from edge.records import BgrImage, Frame
from tests.rigs import FakeClock

GOOD = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/meminfo": "MemTotal: 3884348 kB\nMemAvailable: 3200000 kB\n",
    "proc/sys/kernel/osrelease": "6.12.25+rpt-rpi-v8\n",
    "proc/locks": "1: POSIX  ADVISORY  WRITE 7 b3:02:1 0 EOF\n",
    "proc/self/mountinfo": "25 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\n',
    "dev/watchdog": "",
    "dev/gpiochip0": "",
    "dev/gpiochip1": "",
    "dev/video0": "",
    "run/systemd/timesync/synchronized": "",
    "sys/class/rtc/rtc0/name": "rpi-rtc\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "51250\n",
    "sys/class/video4linux/video0/name": "USB camera\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1800000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1800000\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
    "sys/fs/ext4/mmcblk0p2/errors_count": "0\n",
    "sys/dev/block/179:2/partition": "2\n",
    "sys/block/mmcblk0/device/type": "MMC\n",
    "sys/block/mmcblk0/device/name": "DG4016\n",
    "sys/block/mmcblk0/device/life_time": "0x01 0x02\n",
    "sys/block/mmcblk0/device/pre_eol_info": "0x01\n",
    "boot/firmware/config.txt": "# as delivered\ndtparam=audio=off\n[none]\ndtparam=spi=on\n",
    "boot/firmware/cmdline.txt": "console=tty1 root=/dev/mmcblk0p2 rootwait\n",
}
PI_CONFIG = """
source: {spec: v4l2:/dev/video0}
pins: {factory: lgpio}
gate: {kind: servo_flap, servo_pin: 18}
drop_sensor: {kind: beam, pin: 23}
"""
PI_USER = User("pi", is_root=False, groups=frozenset({"gpio", "video"}), listed_in=frozenset({"gpio", "video"}))
LABELS = {"gpiochip0": "pinctrl-bcm2711", "gpiochip1": "raspberrypi-exp-gpio"}
TEXTURE = np.random.default_rng(1).integers(60, 180, (480, 640, 3), np.uint8)


def write(root: Path, files: Mapping[str, str | None]) -> None:
    """Make files below `root`; None takes one away."""
    for name, content in files.items():
        path = root / name
        if content is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def a_pi(root: Path, files: Mapping[str, str | None] | None = None, **changes: Any) -> Machine:
    """The machine, with other files and other answers."""
    write(root, GOOD | dict(files or {}))
    partition = root / "sys/block/mmcblk0/mmcblk0p2"
    if not partition.exists():
        # The kernel's folder by number is a link to the partition's, inside of the disk's.
        (root / "sys/dev/block/179:2").rename(partition)
        (root / "sys/dev/block/179:2").symlink_to(partition)
    answers: dict[str, Any] = {
        "run": lambda command: None,
        "user": PI_USER,
        "may": lambda path, mode: True,
        "has_module": lambda name: True,
        "year": lambda: 2026,
        "is_clock_synchronized": lambda: True,
        "disk": lambda folder: (32 * 10**9, 12 * 10**9, 20 * 10**9),
        "chip_label": lambda device: LABELS[device.name],
        "line": lambda device, offset: Line(False, ""),
        "video_node": lambda device: VideoNode("USB camera", True),
        "open_pins": pins_that(None),
        "open_camera": camera_of(film()),
    }
    return Machine(root=root, **(answers | changes))


def pi_config(*more: str) -> Config:
    """The configuration of a Pi with a USB camera, with more lines of YAML."""
    return parse_config("\n".join((PI_CONFIG, *more)), "pi.yaml")


def found(findings: Iterable[Finding], check: str) -> Finding:
    """The one finding of a check."""
    of_check = [finding for finding in findings if finding.check == check]
    assert len(of_check) == 1, f"{check}: {of_check}"
    return of_check[0]


def is_good(findings: Sequence[Finding]) -> bool:
    return len(findings) > 0 and all(finding.level == "ok" for finding in findings)


def pins_that(error: Exception | None) -> Callable[[Config], Any]:
    """A pin factory that opens, or fails."""

    @contextmanager
    def opened(config: Config) -> Iterator[None]:
        if error is not None:
            raise error
        yield None

    return opened


def film(count: int = 10, fps: float = 20.0, base: BgrImage = TEXTURE) -> list[Frame]:
    """Pictures of a camera: the same scene, and noise."""
    noise = np.random.default_rng(2)
    frames = []
    for index in range(count):
        image = base.copy()
        # One pixel of a row that frozen pictures are told by.
        image[0, 0] = noise.integers(0, 255, 3)
        frames.append(Frame(index, index / fps, image))
    return frames


class Film:
    """A source that plays frames on a clock of its own, and may fail after the last one."""

    is_exhausted = False

    def __init__(self, frames: Sequence[Frame], failure: Exception | None = None) -> None:
        self.clock = FakeClock()
        self._frames = list(frames)
        self._failure = failure

    def read(self, until_s: float, **_: Any) -> Frame | None:
        if self._frames and self._frames[0].t_s <= until_s:
            frame = self._frames.pop(0)
            self.clock.advance(max(frame.t_s - self.clock.now_s(), 0.0))
            return frame
        if self._failure is not None:
            raise self._failure
        return None

    def limit_rate(self, fps: float | None) -> None:
        """It is played as it is."""


def camera_of(frames: Sequence[Frame], failure: Exception | None = None) -> Callable[[Config], Any]:
    """A camera that opens, and plays."""

    @contextmanager
    def opened(config: Config) -> Iterator[tuple[Film, None]]:
        yield Film(frames, failure), None

    return opened
