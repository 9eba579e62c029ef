"""The wheels that go into the Debian packages: what Debian lacks or has too old, pinned by version and hash.

    python packaging/wheels.py bookworm arm64 --install FOLDER     unpack them, and the project's own
    python packaging/wheels.py bookworm --lock                     write its hashes anew

Only for the packages: `make setup` and `make install` go by constraints.txt (tests/unit/test_packaging.py compares).
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
OLDEST_GLIBC_MINOR = 17


class Suite(NamedTuple):
    """A release of Debian, and of Raspberry Pi OS, which is made from it."""

    python: str
    glibc_minor: int
    number: int


SUITES = {"bookworm": Suite("3.11", 36, 12), "trixie": Suite("3.13", 41, 13)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("suite", choices=SUITES)
    options.add_argument("architecture", nargs="?", choices=MACHINES)
    task = options.add_mutually_exclusive_group(required=True)
    task.add_argument("--install", type=Path, metavar="FOLDER")
    task.add_argument("--lock", action="store_true")
    chosen = options.parse_args()
    if chosen.lock:
        lock(chosen.suite)
    elif chosen.architecture is None:
        options.error("--install needs an architecture")
    else:
        install(chosen.suite, chosen.architecture, chosen.install)


def wheels_list(suite: str) -> Path:
    return HERE / f"wheels-{suite}.txt"


def pins(suite: str) -> list[str]:
    """`name==version` of each wheel of a suite."""
    return re.findall(r"^[A-Za-z0-9._-]+==\S+", wheels_list(suite).read_text(encoding="utf-8"), re.MULTILINE)


def install(suite: str, architecture: str, folder: Path) -> None:
    """Unpack the wheels into an empty folder, as pip does, but for another machine, and without bytecode."""
    with tempfile.TemporaryDirectory() as name:
        wheels = Path(name)
        call(
            *(*PIP, "download", "--no-deps", "--require-hashes", "--dest", wheels),
            *(*for_machine(suite, architecture), "--requirement", wheels_list(suite)),
        )
        call(*PIP, "wheel", "--no-deps", "--wheel-dir", wheels, REPOSITORY)
        call(
            *(*PIP, "install", "--no-deps", "--no-compile", "--no-index", "--target", folder),
            *(*for_machine(suite, architecture), *sorted(wheels.glob("*.whl"))),
        )
    # Programs of the libraries; the package has its own launcher. Trains models, which a sorter does not.
    for useless in ("bin", "convert"):
        shutil.rmtree(folder / useless, ignore_errors=True)
    # Who installed it, and from which folder of this machine.
    for name in ("direct_url.json", "INSTALLER", "REQUESTED"):
        for path in folder.glob(f"*.dist-info/{name}"):
            path.unlink()


def lock(suite: str) -> None:
    """Take the hashes of what the index has for each architecture now; what is pinned stays pinned."""
    hashes: dict[str, set[str]] = {pin: set() for pin in pins(suite)}
    for architecture in MACHINES:
        for pin in hashes:
            with tempfile.TemporaryDirectory() as name:
                call(*PIP, "download", "--no-deps", "--dest", name, *for_machine(suite, architecture), pin)
                (wheel,) = Path(name).iterdir()
                hashes[pin].add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    path = wheels_list(suite)
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    rows = [" \\\n    ".join([pin, *(f"--hash=sha256:{each}" for each in sorted(hashes[pin]))]) for pin in hashes]
    path.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")


def for_machine(suite: str, architecture: str) -> list[str]:
    """pip's options that choose wheels for another machine, by their tags (PEP 600)."""
    system, machine = SUITES[suite], MACHINES[architecture]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(system.glibc_minor, OLDEST_GLIBC_MINOR - 1, -1)]
    platforms = [f"--platform={tag}" for tag in (*tags, f"manylinux2014_{machine}", f"linux_{machine}")]
    return ["--only-binary=:all:", f"--python-version={system.python}", "--implementation=cp", *platforms]


def call(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True)


if __name__ == "__main__":
    main()
