"""The kernel's PWM files as the kernel keeps them: channels come by export, and what makes no sense is refused."""

import errno
from pathlib import Path

__all__ = ["FakePwm"]


class FakePwm:
    """A tree like /sys/class/pwm.

    Attributes:
        writes: every write so far, by its path below the root.
        waits: how often somebody waited; each wait, one look of udev's.
        udev_looks: waits until an exported channel may be written.
    """

    def __init__(self, root: Path, devices: dict[str, int], udev_looks: int = 0) -> None:
        self.root = root / "class"
        self.writes: list[tuple[str, str]] = []
        self.waits = 0
        self.udev_looks = udev_looks
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
