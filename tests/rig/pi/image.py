"""What the emulated Raspberry Pi 3B boots: Debian's kernel and device tree, an initrd, an SD card with the venv."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from roots import debian_root, unpacked
from store import REPOSITORY, call, digest, find_tool, folder, kept
from systems import BOOKWORM, requirements

INIT = Path(__file__).with_name("init.sh")
TOOLS = {
    "qemu-system-aarch64": "qemu-system-arm",
    "mke2fs": "e2fsprogs",
    "fdtput": "device-tree-compiler",
    "depmod": "kmod",
    "cpio": "cpio",
}
BOARD_REVISION = 0xA22082
"""Raspberry Pi 3B; the firmware writes it into the device tree, QEMU does not."""
SD_BYTES = 1 << 30
"""QEMU takes SD cards of a power of two only."""
MODULES = ("bcm2835", "crc32c_generic", "ext4")


class Boot(NamedTuple):
    """Files for QEMU."""

    kernel: Path
    device_tree: Path
    initrd: Path
    card: Path


def boot_files() -> Boot:
    """Everything that does not change from run to run; made where the cache lacks it."""
    kernel = _kernel()
    return Boot(kernel / "vmlinuz", kernel / "pi3b.dtb", kernel / "initrd.gz", _card())


def with_run_files(initrd: Path, run_files: Path, path: Path) -> None:
    """Write an initrd that also has what is in the folder `run_files`."""
    shutil.copyfile(initrd, path)
    with path.open("ab") as file:
        # The kernel looks for the next archive at a multiple of four.
        file.write(b"\0" * (-file.tell() % 4))
        file.flush()
        _archive(run_files, file.fileno())


def _kernel() -> Path:
    key = digest(2, *MODULES, BOARD_REVISION, INIT.read_bytes())

    def make(part: Path) -> None:
        part.mkdir()
        with tempfile.TemporaryDirectory(prefix="kernel-", dir=folder()) as name:
            root = Path(name)
            call(
                *("mmdebstrap", "--mode=root", "--variant=extract", "--architectures=arm64"),
                *("--include=linux-image-arm64,busybox-static", "bookworm", root),
            )
            (found,) = (root / "boot").glob("vmlinuz-*")
            shutil.copyfile(found, part / "vmlinuz")
            version = found.name.removeprefix("vmlinuz-")
            _device_tree(root / f"usr/lib/linux-image-{version}/broadcom/bcm2837-rpi-3-b.dtb", part / "pi3b.dtb")
            _initrd(root, version, part / "initrd.gz")

    return kept(f"kernel-{key}", make)


def _device_tree(source: Path, path: Path) -> None:
    shutil.copyfile(source, path)
    # With a Bluetooth chip on it the port is no terminal, and nothing could be typed into the console.
    call("fdtput", "-r", path, "/soc/serial@7e201000/bluetooth")
    call("fdtput", "-c", path, "/system")
    call("fdtput", "-t", "x", path, "/system", "linux,revision", f"{BOARD_REVISION:#x}")


def _initrd(root: Path, version: str, path: Path) -> None:
    call(find_tool("depmod"), "-b", root, version)
    modules = root / "lib/modules" / version
    tree = root / "initrd"
    (tree / "bin").mkdir(parents=True)
    shutil.copy(root / "bin/busybox", tree / "bin/busybox")
    shutil.copy(INIT, tree / "init")
    (tree / "init").chmod(0o755)
    files = _in_order((modules / "modules.dep").read_text())
    for number, file in enumerate(files):
        shutil.copy(modules / file, tree / f"{number:02}-{Path(file).name}")
    plain = root / "initrd.cpio"
    with plain.open("wb") as archive:
        _archive(tree, archive.fileno())
    call("gzip", "-n", plain)
    plain.with_suffix(".cpio.gz").rename(path)


def _in_order(dependencies: str) -> list[str]:
    """Module files so that each stands after those that it needs; modules.dep lists the deepest one last."""
    needs = {line.split(":")[0]: line.split(":")[1].split() for line in dependencies.splitlines()}
    ordered: list[str] = []
    for name in MODULES:
        (file,) = (file for file in needs if re.fullmatch(rf"{name}\.ko(\.xz)?", Path(file).name))
        ordered += [file for file in [*reversed(needs[file]), file] if file not in ordered]
    return ordered


def _card() -> Path:
    archive = debian_root(BOOKWORM.suite, BOOKWORM.architecture, BOOKWORM.apt)
    constraints = REPOSITORY / "constraints.txt"
    needs = requirements("pi")
    key = digest(2, archive.name, constraints.read_text(encoding="utf-8"), *needs)

    def make(part: Path) -> None:
        with unpacked(BOOKWORM) as root:
            root.fetch("--constraint", constraints, *needs)
            root.make_venv(sees_apt=False)
            root.pip_install(*needs)
            shutil.rmtree(root.wheels)
            part.touch()
            os.truncate(part, SD_BYTES)
            call(find_tool("mke2fs"), "-q", "-t", "ext4", "-d", root.path, part)

    return kept(f"card-{key}.img", make)


def _archive(tree: Path, descriptor: int) -> None:
    """Write a folder as a cpio archive that the kernel unpacks."""
    names = b"\0".join(sorted(os.fsencode(path.relative_to(tree)) for path in tree.rglob("*")))
    command = ("cpio", "--null", "--create", "--format=newc", "--owner=0:0", "--quiet")
    subprocess.run(command, input=names, stdout=descriptor, cwd=tree, check=True)
