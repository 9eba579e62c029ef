"""`make deb-check`, as root: the packages in Debian roots; installed, run, upgraded with data, removed, purged.

For this machine's architecture always, for arm64 under QEMU with --arm64 (a new root of it takes a quarter of an hour).
--booted also boots the roots, and upgrades a sorter that runs as a service.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from booted import check_service
from build_deb import DEPENDS, NATIVE, build
from contents import check_contents
from wheels import REPOSITORY, SUITES

sys.path.insert(0, str(REPOSITORY / "tests" / "rig" / "pi"))

from checks import Checks
from roots import debian_root, unpacked
from store import RigError, call, check_builder, check_tools, folder
from systems import BOOKWORM, TRIXIE

ALWAYS = ("python3", "systemd", "systemd-sysv", "udev", "procps", "dbus", "debconf", "libstdc++6")
SYSTEMS = {"bookworm": BOOKWORM, "trixie": TRIXIE}
FORMER = "0.0.1~check"
"""Version of the package that is upgraded: the same, but for a file that went away."""
STALE = "usr/lib/edge-sorter/edge/gone_since.py"
CALIBRATED = "# calibrated by hand\n"
DATA, CONFIG = "var/lib/edge-sorter", "etc/edge-sorter/config.yaml"
PROGRAM = ("runuser", "-u", "edge-sorter", "--", "env", "XDG_STATE_HOME=/var/lib", "edge-sorter")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--suite", choices=SUITES, action="append", help="instead of all")
    options.add_argument("--built", action="store_true", help="take the packages of build/deb as they are")
    options.add_argument("--booted", action="store_true", help="also upgrade a service that runs (systemd-nspawn)")
    options.add_argument("--arm64", action="store_true", help="also install arm64's packages, under QEMU")
    chosen = options.parse_args()
    check_tools({"mmdebstrap": "mmdebstrap", "dpkg-deb": "dpkg", "dh": "debhelper"})
    check_builder()
    if NATIVE is None:
        raise RigError("this machine is neither x86-64 nor aarch64; no package is made for it")
    checks = Checks()
    output = REPOSITORY / "build" / "deb"
    for suite in chosen.suite or SUITES:
        for architecture in ("amd64", "arm64"):
            package = find(output, suite, architecture) if chosen.built else build(suite, architecture, output)
            check_contents(checks, package, architecture)
            if architecture == NATIVE:
                with native_root(suite) as root:
                    check_life(checks, Root(root, f"{suite} {architecture}"), package)
                if chosen.booted:
                    with native_root(suite) as root:
                        check_service(checks, root, suite, former_version(package, root), package)
            elif chosen.arm64:
                with unpacked(SYSTEMS[suite], (*ALWAYS, *depends(suite))) as foreign, foreign.as_board():
                    check_emulated(checks, foreign, package)
    return checks.close()


def find(output: Path, suite: str, architecture: str) -> Path:
    (path,) = output.glob(f"edge-sorter_*~deb{SUITES[suite].number}_{architecture}.deb")
    return path


def depends(suite: str) -> tuple[str, ...]:
    return tuple(name.partition(" ")[0] for name in DEPENDS[suite])


@contextmanager
def native_root(suite: str) -> Iterator[Path]:
    """Debian with nothing on it but what the package depends on, and what a system has; gone when done."""
    archive = debian_root(suite, str(NATIVE), (*ALWAYS, *depends(suite)))
    with tempfile.TemporaryDirectory(prefix="root-", dir=folder()) as name:
        path = Path(name)
        call("tar", "--extract", "--numeric-owner", "--file", archive, "--directory", path)
        path.chmod(0o755)
        yield path


def former_version(package: Path, root: Path) -> Path:
    """A package of an older version, made from this one. Returns: its path within the root."""
    with tempfile.TemporaryDirectory(dir=folder()) as name:
        tree = Path(name) / "tree"
        call("dpkg-deb", "--raw-extract", package, tree)
        control = tree / "DEBIAN" / "control"
        text = control.read_text(encoding="utf-8")
        control.write_text(re.sub(r"^Version: .*$", f"Version: {FORMER}", text, flags=re.MULTILINE), encoding="utf-8")
        (tree / STALE).write_text("", encoding="utf-8")
        call("dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, root / "former.deb")
    return Path("/former.deb")


class Root:
    """A root that programs are run in."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    def run(self, *words: object, expected: int = 0) -> str:
        """Run a program. Returns: what it said, standard error included. Raises: RigError if it ends otherwise."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
        command = ["chroot", str(self.path), *map(str, words)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        said = done.stdout + done.stderr
        if done.returncode != expected:
            raise RigError(f"`{' '.join(command)}` ended with {done.returncode}, expected {expected}:\n{said[-3000:]}")
        return said

    def apt(self, *words: object) -> str:
        return self.run("apt-get", "-y", "-q", "--no-install-recommends", *words)

    def read(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")

    def ledger(self, command: str, *words: object) -> str:
        return self.run(*PROGRAM, "ledger", command, "--ledger", f"/{DATA}/ledger.db", *words)

    @contextmanager
    def mounted(self) -> Iterator[None]:
        mounts = ((("-t", "proc", "proc"), "proc"), (("-t", "sysfs", "-o", "ro", "sysfs"), "sys"))
        try:
            for options, place in mounts:
                call("mount", *options, self.path / place)
            yield
        finally:
            for _, place in reversed(mounts):
                call("umount", self.path / place)


def check_life(checks: Checks, root: Root, package: Path) -> None:
    """From the first installation to the purge."""
    name = root.name
    with root.mounted():
        shutil.copy(package, root.path / "new.deb")
        former = former_version(package, root.path)
        started_s = time.monotonic()
        said = root.apt("install", former)
        print(f"{name}: apt-get install took {time.monotonic() - started_s:.1f} s", flush=True)
        check_first(checks, root, said)
        sort(checks, root)
        check_upgrade(checks, root)
        said = root.apt("remove", "edge-sorter")
        checks.check(
            f"{name}: remove leaves configuration and ledger, and says so", (True, True, True), stays(root, said)
        )
        checks.check(f"{name}: remove takes the program whole", False, (root.path / "usr/lib/edge-sorter").exists())
        root.apt("install", "/new.deb")
        checks.check(f"{name}: installed again, the configuration is the same", True, CALIBRATED in root.read(CONFIG))
        said = root.apt("purge", "edge-sorter")
        checks.check(
            f"{name}: a purge that asks nobody keeps the data, and says so", (True, True, True), stays(root, said)
        )
        root.apt("install", "/new.deb")
        answer = "echo edge-sorter edge-sorter/purge_data boolean true | debconf-set-selections"
        root.run("sh", "-c", answer)
        root.apt("purge", "edge-sorter")
        left = [place for place in (DATA, "etc/edge-sorter", "usr/lib/edge-sorter") if (root.path / place).exists()]
        checks.check(f"{name}: a purge with the answer yes leaves nothing", [], left)


def check_first(checks: Checks, root: Root, said: str) -> None:
    name = root.name
    checks.check(f"{name}: doctor has spoken", True, "The sorter runs here, but only simulated" in said)
    checks.check(f"{name}: a configuration that simulates", True, "spec: sim" in root.read(CONFIG))
    listing = root.run("stat", "-c", "%U:%G %a", f"/{DATA}").strip()
    checks.check(f"{name}: folder of the ledger", "edge-sorter:edge-sorter 750", listing)
    groups = set(root.run("id", "-nG", "edge-sorter").split())
    checks.check(f"{name}: groups of its user", {"edge-sorter", "gpio", "video"}, groups)
    compiled = any((root.path / "usr/lib/edge-sorter/edge/__pycache__").glob("cli.*.pyc"))
    checks.check(f"{name}: compiled, as the service could not", True, compiled)
    wanted = list((root.path / "etc/systemd/system").rglob("edge-sorter*"))
    checks.check(f"{name}: nothing is enabled", [], wanted)
    units = sorted(
        f"/{path.relative_to(root.path)}" for path in root.path.glob("usr/lib/systemd/system/edge-sorter*.*[a-z]")
    )
    units = [unit for unit in units if not unit.endswith(".d")]
    verified = root.run("systemd-analyze", "verify", "--man=no", *units)
    checks.check(f"{name}: systemd-analyze verify of {len(units)} units", "", verified.strip())
    for unit, worst in (("edge-sorter.service", 1.0), ("edge-sorter-park.service", 1.5)):
        path = f"/usr/lib/systemd/system/{unit}"
        table = root.run("systemd-analyze", "security", "--offline=true", "--no-pager", path)
        exposure = float(table.partition("Overall exposure level")[2].split(":")[1].split()[0])
        checks.check(f"{name}: exposure of {unit} is {exposure}, at most {worst}", True, exposure <= worst)
    models = sorted(path.name for path in (root.path / "usr/lib/edge-sorter/edge/models").iterdir())
    for model in models:
        place = f"/usr/lib/edge-sorter/edge/models/{model}"
        verdict = json.loads(root.run(*PROGRAM, "model", "verify", place, "--json"))
        checks.check(f"{name}: golden outputs of {model}", (True, True), (verdict["is_valid"], verdict["is_delegated"]))


def sort(checks: Checks, root: Root) -> None:
    said = root.run(*PROGRAM, "run", "--source", "sim", "--pace", "fast", "--items", 3, "--json")
    kinds = [json.loads(line)["type"] for line in said.splitlines() if line.startswith("{")]
    checks.check(f"{root.name}: items that `edge-sorter run --source sim --items 3` sorts", 3, kinds.count("item"))
    root.ledger("verify")


def check_upgrade(checks: Checks, root: Root) -> None:
    """Over a calibrated configuration, and a book of the first layout."""
    name = root.name
    with (root.path / CONFIG).open("a", encoding="utf-8") as file:
        file.write(CALIBRATED)
    config = root.read(CONFIG)
    for path in (root.path / DATA).glob("ledger*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copy(REPOSITORY / "tests" / "data" / "ledger-v1.sql", root.path / "v1.sql")
    make = "import sqlite3; sqlite3.connect('ledger.db', isolation_level=None).executescript(open('/v1.sql').read())"
    root.run("runuser", "-u", "edge-sorter", "--", "sh", "-c", f'cd /{DATA} && python3 -c "{make}"')
    before = len(root.ledger("export").splitlines())
    started_s = time.monotonic()
    root.apt("install", "/new.deb")
    print(f"{name}: the upgrade took {time.monotonic() - started_s:.1f} s", flush=True)
    version = root.run("dpkg-query", "-W", "-f", "${Version}", "edge-sorter")
    checks.check(f"{name}: upgraded from {FORMER}", False, version == FORMER)
    checks.check(f"{name}: the configuration is as it was", True, config == root.read(CONFIG))
    checks.check(f"{name}: a module that went away is gone", False, (root.path / STALE).exists())
    sort(checks, root)
    after = root.ledger("export").splitlines()
    checks.check(f"{name}: rows of the first layout's book are still there", True, before > 1 and len(after) > before)


def stays(root: Root, said: str) -> tuple[bool, bool, bool]:
    kept = [(root.path / place).exists() for place in (CONFIG, f"{DATA}/ledger.db")]
    return kept[0], kept[1], all(f"/{place} stays" in said for place in (DATA, "etc/edge-sorter"))


def check_emulated(checks: Checks, foreign: object, package: Path) -> None:
    root = Root(foreign.path, "arm64")  # type: ignore[attr-defined]  # tests/rig is not typed
    os.environ.setdefault("QEMU_CPU", foreign.system.processor)  # type: ignore[attr-defined]  # as above
    root.name = f"{foreign.system.suite} arm64"  # type: ignore[attr-defined]  # as above
    shutil.copy(package, root.path / "new.deb")
    said = root.apt("install", "/new.deb")
    checks.check(f"{root.name}: doctor has spoken", True, "The sorter runs here, but only simulated" in said)
    sort(checks, root)
    root.apt("remove", "edge-sorter")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RigError as exc:
        print(f"deb-check: {exc}", file=sys.stderr)
        sys.exit(1)
