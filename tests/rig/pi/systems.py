"""The operating systems that docs/install.md speaks of, and how the sorter is installed on each."""

import re
import tomllib
from typing import NamedTuple

from store import REPOSITORY


class System(NamedTuple):
    """One operating system as pip sees it, and the processor that it is tried on.

    Attributes:
        glibc_minor: 36 for glibc 2.36.
        apt: Debian packages that docs/install.md names for it, but for those that only Raspberry Pi's archive has.
        emulator: QEMU's name in binfmt_misc.
        processor: QEMU's name of it.
        cpuinfo: what the kernel writes about each core.
    """

    name: str
    suite: str
    architecture: str
    machine: str
    python: str
    glibc_minor: int
    apt: tuple[str, ...]
    emulator: str
    processor: str
    cpuinfo: str


def _cpuinfo(features: str, part: str) -> str:
    return (
        f"BogoMIPS\t: 38.40\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        f"CPU variant\t: 0x0\nCPU part\t: {part}\nCPU revision\t: 4\n"
    )


_PI_3 = ("qemu-aarch64", "cortex-a53", _cpuinfo("fp asimd evtstrm crc32 cpuid", "0xd03"))
_PI_2 = ("qemu-arm", "cortex-a7", _cpuinfo("half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt", "0xc07"))
BOOKWORM = System(
    *("Bookworm, 64 bit", "bookworm", "arm64", "aarch64", "3.11", 36),
    ("python3", "python3-venv", "python3-numpy"),
    *_PI_3,
)
TRIXIE = System(
    *("Trixie, 64 bit", "trixie", "arm64", "aarch64", "3.13", 41),
    ("python3", "python3-venv", "python3-numpy"),
    *_PI_3,
)
BOOKWORM_32 = System(
    *("Bookworm, 32 bit", "bookworm", "armhf", "armv7l", "3.11", 36),
    ("python3", "python3-venv", "python3-numpy", "python3-opencv", "python3-yaml"),
    *_PI_2,
)
COMPILER = ("python3-dev", "gcc", "libc6-dev", "swig")
"""What lgpio is compiled with, where it has no wheel."""
APT_32 = frozenset({"numpy", "opencv-python-headless", "pyyaml"})
"""What apt brings on 32 bit, since no wheel exists there."""
ONLY_64 = frozenset({"ai-edge-litert"})


def requirements(*extras: str) -> list[str]:
    """What the runtime needs, of pyproject.toml."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = list(project["dependencies"])
    for extra in extras:
        needs += project["optional-dependencies"][extra]
    return needs


def requirements_32() -> list[str]:
    """What pip brings on 32 bit."""
    lines = (REPOSITORY / "requirements-32bit.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def names(needs: list[str]) -> set[str]:
    """Names of requirements, as pip compares them."""
    return {re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0].lower().replace("_", "-") for need in needs}


def wheels_only(system: System) -> list[str]:
    """pip's options that resolve for another machine: wheels alone, by their tags (PEP 600)."""
    tags = [f"manylinux_2_{minor}_{system.machine}" for minor in range(system.glibc_minor, 16, -1)]
    tags += [f"manylinux2014_{system.machine}", f"linux_{system.machine}"]
    platforms = [f"--platform={tag}" for tag in tags]
    return ["--only-binary=:all:", f"--python-version={system.python}", "--implementation=cp", *platforms]
