"""The kernel's PWM files as the kernel keeps them, an lgpio that only notes what it is told, and a bench of both."""

import errno
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from edge.pins import PinFactory
from edge.pins.chips import Chip
from edge.pins.hardware_pwm import PwmChannel

__all__ = ["FakeLgpio", "FakePwm", "PwmBench", "fake_lgpio"]

OUT = 2


class FakeLgpio(ModuleType):
    """Lines of one chip. `calls` has what was claimed, written and pulsed, in order."""

    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 128, 32, 64
    RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3

    error = type("error", (Exception,), {})

    def __init__(self) -> None:
        super().__init__("lgpio")
        self.calls: list[tuple] = []
        self.modes: dict[int, int] = {}
        self.levels: dict[int, int] = {}
        self.opened: list[int] = []
        self.closed = 0

    def gpiochip_open(self, chip: int) -> int:
        self.opened.append(chip)
        return 0

    def gpiochip_close(self, handle: int) -> None:
        self.closed += 1

    def gpio_claim_input(self, handle: int, line: int, flags: int = 0) -> None:
        self.calls.append(("input", line))
        self.modes[line] = 0

    def gpio_claim_output(self, handle: int, line: int, level: int = 0) -> None:
        self.calls.append(("output", line, level))
        self.modes[line] = OUT
        self.levels[line] = level

    def gpio_get_mode(self, handle: int, line: int) -> int:
        return self.modes.get(line, 0)

    def gpio_free(self, handle: int, line: int) -> None: ...

    def gpio_read(self, handle: int, line: int) -> int:
        return self.levels.get(line, 0)

    def gpio_write(self, handle: int, line: int, level: int) -> None:
        self.calls.append(("write", line, int(level)))
        self.levels[line] = level

    def tx_pwm(self, handle: int, line: int, frequency: float, duty: float) -> None:
        self.calls.append(("pwm", line, frequency, duty))


class FakePwm:
    """A tree like /sys/class/pwm: channels come by export, and what makes no sense is refused.

    Attributes:
        writes: every write so far, by its path below the root.
        waits: how often somebody waited; each wait, one look of udev's.
        udev_looks: waits until an exported channel may be written.
        refuses: names of files that cannot be written.
    """

    def __init__(self, root: Path, devices: dict[str, int], udev_looks: int = 0) -> None:
        self.root = root / "class"
        self.writes: list[tuple[str, str]] = []
        self.waits = 0
        self.udev_looks = udev_looks
        self.refuses: set[str] = set()
        for number, (device, channels) in enumerate(devices.items()):
            target = root / "devices" / device
            target.mkdir(parents=True)
            chip = self.root / f"pwmchip{number}"
            chip.mkdir(parents=True)
            (chip / "device").symlink_to(target)
            (chip / "npwm").write_text(str(channels))
            for name in ("export", "unexport"):
                (chip / name).touch()
        self._pending: list[Path] = []

    def write(self, path: Path, text: str) -> None:
        """What the kernel does with a write."""
        self.writes.append((str(path.relative_to(self.root)), text))
        if path.name in self.refuses:
            raise OSError(errno.EIO, "Input/output error")
        folder = path.parent
        if path.name == "export":
            self._pending.append(folder / f"pwm{text}")
            if not self.udev_looks:
                self._publish()
        elif path.name == "unexport":
            for file in (folder / f"pwm{text}").iterdir():
                file.unlink()
            (folder / f"pwm{text}").rmdir()
        else:
            self._apply(path, int(text))

    def wait(self, duration_s: float) -> None:
        self.waits += 1
        if self.waits == self.udev_looks:
            self._publish()

    def value(self, path: str) -> int:
        return int((self.root / path).read_text())

    def is_exported(self, path: str) -> bool:
        return (self.root / path).exists()

    def publish(self, path: str, period_ns: int = 0, duty_ns: int = 0, enable: int = 0) -> None:
        """A channel that is exported already."""
        folder = self.root / path
        folder.mkdir()
        for name, value in (("period", period_ns), ("duty_cycle", duty_ns), ("enable", enable)):
            (folder / name).write_text(f"{value}\n")

    def _publish(self) -> None:
        for folder in self._pending:
            self.publish(str(folder.relative_to(self.root)))
        self._pending.clear()

    def _apply(self, path: Path, value: int) -> None:
        state = {name: int((path.parent / name).read_text()) for name in ("period", "duty_cycle", "enable")}
        state[path.name] = value
        if not state["period"] or state["duty_cycle"] > state["period"]:
            raise OSError(errno.EINVAL, "Invalid argument")
        path.write_text(f"{value}\n")


@contextmanager
def fake_lgpio() -> Iterator[FakeLgpio]:
    """`FakeLgpio` in the place of lgpio, for gpiozero and for the pins of the header."""
    fake = FakeLgpio()
    modules = ("gpiozero.pins.lgpio", "edge.pins.header_factory")
    with pytest.MonkeyPatch.context() as patch:
        for name in modules:
            patch.delitem(sys.modules, name, raising=False)
        patch.setitem(sys.modules, "lgpio", fake)
        patch.setattr("gpiozero.pins.local.get_pi_revision", lambda: 0xA22082)
        header = importlib.import_module("edge.pins.header_factory")
        patch.setattr(header, "find_chip", lambda chip: Chip(chip or "gpiochip4", "pinctrl-rp1"))
        yield fake
        for name in modules:
            sys.modules.pop(name, None)


class PwmBench:
    """A bench whose GPIO12, 13, 18 and 19 have hardware PWM, and whose other pins are lines of `FakeLgpio`."""

    def __init__(self, root: Path) -> None:
        self._stack = ExitStack()
        self._lgpio = self._stack.enter_context(fake_lgpio())
        self._pwm = FakePwm(root, {"fe20c000.pwm": 2})
        header = sys.modules["edge.pins.header_factory"]
        self.factory: PinFactory = header.HeaderFactory(
            None, "hardware", lambda bcm: PwmChannel(bcm, self._pwm.root, self._pwm.wait, self._pwm.write)
        )

    def drive(self, bcm: int, is_high: bool) -> None:
        self._lgpio.levels[bcm] = int(is_high)

    def level(self, bcm: int) -> bool:
        return bool(self._lgpio.levels.get(bcm, 0))

    def is_pulsed(self, bcm: int) -> bool:
        return self.duty(bcm) > 0

    def duty(self, bcm: int) -> float:
        folder = f"pwmchip0/pwm{bcm % 2}"
        if not self._pwm.is_exported(folder) or not self._pwm.value(f"{folder}/enable"):
            return 0.0
        return self._pwm.value(f"{folder}/duty_cycle") / self._pwm.value(f"{folder}/period")

    def watch(self, bcm: int, see: Callable[[float], None]) -> None:
        raise AssertionError("no double stands on these pins")

    def close(self) -> None:
        self.factory.close()
        self._stack.close()
