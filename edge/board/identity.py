"""Which machine this is: the board, its system, its memory, and the versions of the libraries that run."""

import contextlib
import importlib.metadata
import platform
import sqlite3
from pathlib import Path

import edge
from edge.board.sysfiles import ROOT, fields, kilobytes_as_mb, text

__all__ = ["LIBRARIES", "board_name", "installed_versions", "library_versions", "memory_mb", "os_name"]

LIBRARIES = {
    "ai-edge-litert": ("ai-edge-litert",),
    "tflite-runtime": ("tflite-runtime",),
    "numpy": ("numpy",),
    "opencv": ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
}
"""A library, and the packages that bring it; the first one that is installed counts."""


def board_name(root: Path = ROOT) -> str | None:
    """The board as its device tree names it, such as `Raspberry Pi 4 Model B Rev 1.4`; None where there is none."""
    return text(root / "proc/device-tree/model") or text(root / "sys/firmware/devicetree/base/model")


def os_name(root: Path = ROOT) -> str:
    """The system as it calls itself, such as `Debian GNU/Linux 12 (bookworm)`."""
    return fields(root / "etc/os-release", "=").get("PRETTY_NAME", "").strip("\"'") or platform.system()


def memory_mb(root: Path = ROOT, which: str = "MemTotal") -> float | None:
    """A line of `/proc/meminfo`, in 10^6 bytes."""
    return kilobytes_as_mb(fields(root / "proc/meminfo", ":").get(which))


def installed_versions(package_names: tuple[str, ...]) -> dict[str, str]:
    """Versions of those of the packages that are installed."""
    versions = {}
    for name in package_names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def library_versions() -> dict[str, str]:
    """Versions. That of this program is of the code that runs: a checkout need not be what is installed."""
    versions = {"edge-sorter": edge.__version__, "sqlite": sqlite3.sqlite_version}
    for name, packages in LIBRARIES.items():
        for version in installed_versions(packages).values():
            versions.setdefault(name, version)
    if "opencv" not in versions:
        with contextlib.suppress(ImportError):
            # Debian's own package leaves no metadata.
            import cv2

            versions["opencv"] = cv2.__version__
    return versions
