"""The system: board, operating system, Python and libraries, memory, user, watchdog."""

import platform
from collections.abc import Iterator

from edge.board.identity import LIBRARIES, board_name, installed_versions, library_versions, memory_mb, os_name
from edge.board.sysfiles import fields, text
from edge.doctor.findings import Finding, note, ok, warning
from edge.doctor.machine import Machine

__all__ = ["LEAST_MEMORY_MB", "check_system"]

TESTED_SYSTEMS = ("bookworm", "trixie")
TESTED_PYTHONS = ((3, 11), (3, 12), (3, 13))
LEAST_MEMORY_MB = 150
"""The sorter takes up to 86 MB (README); the rest is for the system, which is slow without any cache."""


def check_system(machine: Machine) -> Iterator[Finding]:
    """What the sorter stands on. Nothing here is a blocker: where it is too little, the check that suffers says so."""
    yield _board(machine)
    yield _os(machine)
    yield _userland(machine)
    yield _python(machine)
    yield from _libraries(library_versions())
    yield _memory(machine)
    yield _user(machine)
    yield _watchdog(machine)


def _board(machine: Machine) -> Finding:
    board = board_name(machine.root)
    if board is None:
        return note("system.board", f"no Raspberry Pi: this machine names no board ({platform.machine()})")
    if not board.startswith("Raspberry Pi"):
        return note("system.board", f"{board}, which is no Raspberry Pi")
    return ok("system.board", board)


def _os(machine: Machine) -> Finding:
    name = os_name(machine.root)
    codename = fields(machine.at("/etc/os-release"), "=").get("VERSION_CODENAME", "").strip("\"'")
    kernel = text(machine.at("/proc/sys/kernel/osrelease")) or platform.release()
    if codename in TESTED_SYSTEMS:
        return ok("system.os", f"{name}, kernel {kernel}")
    return note("system.os", f"{name}, kernel {kernel}; tested are Debian 12 and 13 and Raspberry Pi OS on them")


def _userland(machine: Machine) -> Finding:
    if machine.pointer_bits == 64:
        return ok("system.userland", "64-bit programs")
    return warning(
        "system.userland",
        "32-bit programs, for which there is no LiteRT: inference is about twenty times slower",
        "install the 64-bit Raspberry Pi OS where the board can run it, else see docs/runtimes.md",
    )


def _python(machine: Machine) -> Finding:
    version = ".".join(map(str, machine.python))
    if machine.python in TESTED_PYTHONS:
        return ok("system.python", f"Python {version}")
    return warning("system.python", f"Python {version} is not tested", "use Python 3.11, 3.12 or 3.13")


def _libraries(versions: dict[str, str]) -> Iterator[Finding]:
    yield ok("system.libraries", ", ".join(f"{name} {version}" for name, version in versions.items()))
    numpy_major = versions.get("numpy", "0").partition(".")[0]
    if "tflite-runtime" in versions and numpy_major.isdigit() and int(numpy_major) >= 2:
        yield warning(
            "system.numpy",
            f"tflite-runtime is installed beside NumPy {versions['numpy']}, with which it does not work",
            "remove tflite-runtime, or give it an environment of its own with numpy<2 (docs/runtimes.md)",
        )
    packages = installed_versions(LIBRARIES["opencv"])
    if len(packages) > 1:
        yield warning(
            "system.opencv",
            f"{' and '.join(packages)} are both installed and overwrite each other's files",
            "pip uninstall them all, then pip install opencv-python-headless",
        )


def _memory(machine: Machine) -> Finding:
    total_mb, available_mb = memory_mb(machine.root), memory_mb(machine.root, "MemAvailable")
    if total_mb is None or available_mb is None:
        return note("system.memory", "the system does not tell how much memory is free")
    found = f"{available_mb:.0f} of {total_mb:.0f} MB of memory are available"
    if available_mb < LEAST_MEMORY_MB:
        return warning(
            "system.memory",
            f"{found}, the sorter and the system want {LEAST_MEMORY_MB}",
            "stop other programs, and the desktop: sudo systemctl set-default multi-user.target",
        )
    return ok("system.memory", found)


def _user(machine: Machine) -> Finding:
    if machine.user.is_root:
        return note(
            "system.user",
            "doctor runs as root, who may do everything",
            "run it as the sorter's own user, to learn whether that one may use camera, pins and ledger",
        )
    groups = [group for group in ("gpio", "video") if group in machine.user.groups]
    return ok("system.user", f"user {machine.user.name}, in {' and '.join(groups) or 'neither gpio nor video'}")


def _watchdog(machine: Machine) -> Finding:
    if machine.at("/dev/watchdog").exists():
        return ok("system.watchdog", "there is a hardware watchdog")
    return note("system.watchdog", "there is no hardware watchdog: a kernel that hangs stays so until somebody comes")
