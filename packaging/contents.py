"""What a package has in it: for the right machine, with its licences, and nothing of the machine that built it."""

import tempfile
from pathlib import Path

from wheels import REPOSITORY, call

MACHINES = {"amd64": 62, "arm64": 183}
"""Of ELF's e_machine."""
LICENCE_NAMES = ("LICEN", "COPYING", "NOTICE")
NEEDED = (
    "usr/bin/edge-sorter",
    "usr/lib/edge-sorter/edge/models/waste-mobilenetv2",
    "usr/lib/systemd/system/edge-sorter.service",
    "usr/lib/systemd/system/edge-sorter-park.service",
    "usr/lib/systemd/system.conf.d/90-edge-sorter-watchdog.conf",
    "usr/lib/sysusers.d/edge-sorter.conf",
    "usr/lib/tmpfiles.d/edge-sorter.conf",
    "lib/udev/rules.d/60-edge-sorter.rules",
    "usr/share/edge-sorter/config/pi-servo.yaml",
    "usr/share/doc/edge-sorter/copyright",
)


def check_contents(checks: "object", package: Path, architecture: str) -> None:
    """Unpack a package and look through it."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        call("dpkg-deb", "--extract", package, tree)
        check = checks.check  # type: ignore[attr-defined]  # tests/rig is not typed
        label = package.name
        check(f"{label}: what must be there", [], [place for place in NEEDED if not (tree / place).exists()])
        machines = {machine for path in tree.rglob("*.so*") if (machine := elf_machine(path)) is not None}
        check(f"{label}: machine of its modules", {MACHINES[architecture]}, machines)
        check(f"{label}: libraries without a licence", [], without_licence(tree / "usr/lib/edge-sorter"))
        check(f"{label}: files that name the folder it was built in", [], naming(tree, str(REPOSITORY).encode()))
        check(f"{label}: bytecode", [], [path.name for path in tree.rglob("*.pyc")])
        check(f"{label}: conversion", False, (tree / "usr/lib/edge-sorter/convert").exists())
        written = [path for path in tree.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]
        check(f"{label}: files that others may write", [], written)


def elf_machine(path: Path) -> int | None:
    with path.open("rb") as file:
        head = file.read(20)
    return int.from_bytes(head[18:20], "little") if head[:4] == b"\x7fELF" else None


def without_licence(folder: Path) -> list[str]:
    missing = []
    for info in sorted(folder.glob("*.dist-info")):
        texts = [path for path in info.rglob("*") if path.name.upper().startswith(LICENCE_NAMES)]
        record = (info / "RECORD").read_text(encoding="utf-8")
        beside = [line for line in record.splitlines() if Path(line.partition(",")[0]).name.startswith("LICENSE")]
        if not texts and not beside:
            missing.append(info.name)
    return missing


def naming(tree: Path, words: bytes) -> list[str]:
    return [str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file() and words in path.read_bytes()]
