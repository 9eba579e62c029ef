"""GPIO: chip, access, who holds the pins, hardware PWM, what the firmware gave away. No pin is claimed, none moves."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge.board.identity import board_name
from edge.board.processes import Program
from edge.config import Config, PinUse
from edge.doctor.boot import boot_lines, claims, has_console
from edge.doctor.findings import Finding, blocker, note, ok, refused, warning
from edge.doctor.machine import Machine
from edge.errors import ActuatorError, SorterError
from edge.pins.chips import find_chip, list_chips
from edge.pins.hardware_pwm import find_channel

__all__ = ["check_pins"]

_NO_CHIP_REMEDY = "run it on a Raspberry Pi; to try the sorter without one, set pins.factory: mock, which moves nothing"


def check_pins(machine: Machine, config: Config, sorter: Program | None) -> Iterator[Finding]:
    """Args: sorter: process that holds the pins now."""
    if config.pins.factory == "mock":
        remedy = "set pins.factory: lgpio" if (board_name(machine.root) or "").startswith("Raspberry Pi") else ""
        yield note("gpio.pins", "pins.factory is mock: the pins are simulated, nothing moves", remedy)
        return
    uses = config.pin_uses()
    looked_at = [*_lgpio(machine, config, uses, sorter)] if config.pins.factory == "lgpio" else []
    yield from looked_at
    if config.pins.pwm == "hardware":
        pwm = _pwm(machine, uses)
        looked_at.append(pwm)
        yield pwm
    if sorter is None and all(finding.level != "blocker" for finding in looked_at):
        yield _factory(machine, config)
    yield from _boot(machine, config, uses)


def _lgpio(machine: Machine, config: Config, uses: tuple[PinUse, ...], sorter: Program | None) -> Iterator[Finding]:
    if not machine.has_module("lgpio"):
        yield blocker(
            "gpio.library",
            "pins.factory is lgpio, and the Python module lgpio is not installed here",
            "run: pip install lgpio; or sudo apt install python3-lgpio, in an environment with --system-site-packages",
        )
    folder = machine.at("/dev")
    chips = list_chips(folder, machine.chip_label)
    if not chips:
        yield blocker("gpio.chip", "there is no GPIO chip here (/dev/gpiochip*)", _NO_CHIP_REMEDY)
        return
    if not any(machine.may_use(folder / chip.name) for chip in chips):
        names = ", ".join(f"/dev/{chip.name}" for chip in chips)
        yield blocker("gpio.chip", f"{machine.user.name} may not use {names}", machine.joining("gpio"))
        return
    try:
        chip = find_chip(config.pins.chip, folder, machine.chip_label)
    except ActuatorError as exc:
        yield refused("gpio.chip", exc)
        return
    yield ok("gpio.chip", f"/dev/{chip.name} is {chip.label}")
    yield from _lines(machine, folder / chip.name, uses, sorter)


def _lines(machine: Machine, device: Path, uses: tuple[PinUse, ...], sorter: Program | None) -> Iterator[Finding]:
    held = 0
    for use in uses:
        try:
            line = machine.line(device, use.bcm)
        except OSError as exc:
            reason = "it has no such line" if exc.errno == errno.EINVAL else exc.strerror
            yield blocker(
                "gpio.lines",
                f"/dev/{device.name} tells nothing of GPIO{use.bcm} ({use.key}): {reason}",
                "mend pins.chip, or update the kernel to 5.10 or later",
            )
            continue
        if line.is_used and sorter is None:
            held += 1
            yield blocker(
                "gpio.lines",
                f"GPIO{use.bcm} ({use.key}) is held by {line.consumer or 'the kernel'}",
                "end the program that holds it, or take the line that gives it away out of config.txt and reboot",
            )
    if sorter is not None:
        yield ok("gpio.lines", f"the pins are in use by {sorter}")
    elif not held:
        yield ok("gpio.lines", f"nobody holds the {len(uses)} pins of the configuration")


def _pwm(machine: Machine, uses: tuple[PinUse, ...]) -> Finding:
    root = machine.at("/sys/class/pwm")
    try:
        channels = {
            use.bcm: find_channel(use.bcm, root) for use in uses if use.signal == "servo" or use.is_hardware_pwm
        }
    except ActuatorError as exc:
        return refused("gpio.pwm", exc)
    if not all(machine.may(chip / "export", os.W_OK) for chip, _ in channels.values()):
        return blocker("gpio.pwm", f"{machine.user.name} may not use hardware PWM", machine.joining("gpio"))
    told = ", ".join(f"GPIO{bcm} on {chip.name} channel {channel}" for bcm, (chip, channel) in channels.items())
    return ok("gpio.pwm", f"hardware PWM: {told or 'no servo'}")


def _factory(machine: Machine, config: Config) -> Finding:
    """The last word is the pin library's own, opened as the sorter opens it."""
    try:
        # lgpio makes its pipes in the working folder, which need not be writable, nor be littered.
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), machine.open_pins(config):
            return ok("gpio.library", f"{config.pins.factory} opens, and knows this board")
    except SorterError as exc:
        return refused("gpio.library", exc)


def _boot(machine: Machine, config: Config, uses: tuple[PinUse, ...]) -> Iterator[Finding]:
    lines = boot_lines(machine)
    used = {use.bcm: use for use in uses}
    for claim in claims(lines):
        use = used.get(claim.bcm)
        if use is None or (claim.line.startswith("dtoverlay=pwm") and config.pins.pwm == "hardware"):
            continue
        yield warning(
            "gpio.boot",
            f"config.txt gives GPIO{claim.bcm} away ({claim.line}), which is {use.key} here",
            "take that line out of config.txt and reboot, or take another pin",
        )
    if has_console(machine) and used.keys() & {14, 15}:
        yield warning(
            "gpio.boot",
            "the kernel writes its messages to GPIO14 while it starts, and reads GPIO15",
            "switch the serial console off with raspi-config, or take other pins than GPIO14 and 15",
        )
    if config.pins.pwm == "hardware" and "dtparam=audio=on" in lines:
        yield warning(
            "gpio.boot",
            "config.txt has dtparam=audio=on: before the Pi 5, sound on the jack uses the same PWM as the servo",
            "set dtparam=audio=off in config.txt and reboot",
        )
