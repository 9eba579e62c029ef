"""`make install-check`: are the runtime's requirements to be had on every system that docs/install.md speaks of?

First as pip resolves them for another machine, from wheels alone. With --roots also for real: a root of each system
under qemu-user, the project's wheel in a venv, its own checks run there. See docs/install.md for what it does not show.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from checks import Checks
from roots import TOOLS, VENV, Root, unpacked
from store import PIP, REPOSITORY, RigError, call, check_builder, check_tools, project_wheel, say
from systems import (
    APT_32,
    BOOKWORM,
    BOOKWORM_32,
    COMPILER,
    ONLY_64,
    TRIXIE,
    System,
    names,
    requirements,
    requirements_32,
    wheels_only,
)

TESTED = REPOSITORY / "constraints.txt"
WITH_APT = REPOSITORY / "constraints-bookworm.txt"
LET_GO_OF_NOTHING = (
    "import edge.memory, pathlib, sys; edge.memory._SMAPS = pathlib.Path('/none'); "
    "from edge.cli import main; sys.exit(main())"
)
"""The program, but keeping all pages of its libraries: in /proc/self/smaps QEMU's user mode shows addresses of its own,
which are not a 32-bit program's."""
SHOWN = ("ai-edge-litert", "tflite-runtime", "numpy", "opencv-python-headless", "lgpio", "pydantic-core")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--roots", action="store_true", help="install for real as well, in roots of each system")
    options.add_argument("--only", choices=("bookworm", "trixie", "32bit"), help="install on one system, nothing else")
    chosen = options.parse_args()
    checks = Checks()
    if not chosen.only:
        _resolve(checks)
    if chosen.roots or chosen.only:
        check_tools(TOOLS)
        check_builder()
        for name, install in {"bookworm": _bookworm, "trixie": _trixie, "32bit": _bookworm_32}.items():
            if chosen.only in (None, name):
                install(checks)
    return checks.close()


def _resolve(checks: Checks) -> None:
    for constraints in (None, TESTED, WITH_APT):
        _check_wheels(checks, BOOKWORM, requirements("pi"), constraints)
    for constraints in (None, TESTED):
        _check_wheels(checks, TRIXIE, requirements(), constraints)
    found = _resolved(TRIXIE, requirements("pi"), None)
    checks.check(f"{TRIXIE.name}: lgpio has no wheel, and is compiled (docs/install.md)", True, found is None)
    by_pip = [need for need in requirements_32() if not need.startswith("tflite-runtime")]
    _check_wheels(checks, BOOKWORM_32, by_pip, None)
    # Its numpy comes from apt, so that it is resolved without what it requires.
    found = _resolved(BOOKWORM_32, ["tflite-runtime>=2.14"], None, "--no-deps")
    checks.check(f"{BOOKWORM_32.name}: tflite-runtime as a wheel", True, found is not None and bool(found))
    covered = names(requirements_32()) | APT_32 | ONLY_64
    checks.check(
        "requirements-32bit.txt, apt and LiteRT make up pyproject.toml", names(requirements("pi", "tflite")), covered
    )


def _check_wheels(checks: Checks, system: System, needs: list[str], constraints: Path | None) -> None:
    found = _resolved(system, needs, constraints)
    told = constraints.name if constraints else "no constraints"
    checks.check(f"{system.name}, Python {system.python}, {told}: wheels for everything", True, found is not None)
    if found is not None:
        say("  " + ", ".join(f"{name} {found[name]}" for name in SHOWN if name in found))


def _resolved(system: System, needs: list[str], constraints: Path | None, *options: str) -> dict[str, str] | None:
    """Versions by name as pip chooses them, or None where it finds no way. pip's markers are this machine's."""
    limits = ("--constraint", constraints) if constraints else ()
    with tempfile.TemporaryDirectory() as target:
        command = (*PIP, "install", "--dry-run", "--ignore-installed", "--target", target, "--report", "-", *options)
        try:
            report = json.loads(call(*command, *limits, *wheels_only(system), *needs))
        except RigError as exc:
            if "No matching distribution" not in str(exc) and "ResolutionImpossible" not in str(exc):
                raise
            return None
    found = (item["metadata"] for item in report["install"])
    return {item["name"].lower().replace("_", "-"): item["version"] for item in found}


def _bookworm(checks: Checks) -> None:
    with unpacked(BOOKWORM) as root:
        root.fetch("--constraint", TESTED, *requirements("pi"))
        _install(checks, root, f"{_wheel(root)}[pi]", sees_apt=False)
        _try(checks, root, "litert", is_delegated=True)
    with unpacked(BOOKWORM) as root:
        root.fetch("--constraint", WITH_APT, *requirements("pi"))
        _install(checks, root, f"{_wheel(root)}[pi]", sees_apt=True)
        numpy = root.python("import numpy; print(numpy.__version__, numpy.__file__.split('/')[2])")
        checks.check(f"{BOOKWORM.name}: apt's numpy stays with {WITH_APT.name}", "1.24.2 lib", numpy)
        _try(checks, root, "litert", is_delegated=True)


def _trixie(checks: Checks) -> None:
    with unpacked(TRIXIE, COMPILER) as root:
        root.fetch(*requirements())
        # What lgpio is compiled from, and what pip compiles with.
        lgpio = [need for need in requirements("pi") if names([need]) == {"lgpio"}]
        call(*PIP, "download", "--no-deps", "--no-binary=:all:", "--dest", root.wheels, *lgpio)
        call(*PIP, "download", "--no-deps", "--dest", root.wheels, "setuptools")
        _install(checks, root, f"{_wheel(root)}[pi]", sees_apt=True)
        found = root.python("import lgpio, numpy; print(lgpio.__file__.split('/')[1], numpy.__file__.split('/')[2])")
        checks.check(f"{TRIXIE.name}: lgpio, compiled there, is imported, and apt's numpy stays", "opt lib", found)
        _try(checks, root, "litert", is_delegated=True)


def _bookworm_32(checks: Checks) -> None:
    with unpacked(BOOKWORM_32) as root:
        root.fetch(*(need for need in requirements_32() if not need.startswith("tflite-runtime")))
        root.fetch("--no-deps", "tflite-runtime>=2.14")
        shutil.copy(REPOSITORY / "requirements-32bit.txt", root.wheels)
        _install(checks, root, "-r/wheels/requirements-32bit.txt", sees_apt=True)
        root.pip_install("--no-deps", _wheel(root))
        _try(checks, root, "tflite_runtime", is_delegated=False)


def _wheel(root: Root) -> str:
    return f"/wheels/{project_wheel(root.wheels).name}"


def _install(checks: Checks, root: Root, what: str, *, sees_apt: bool) -> None:
    root.make_venv(sees_apt=sees_apt)
    root.pip_install(what)
    machine = root.python("import platform; print(platform.machine(), platform.python_version())")
    told = "that sees apt's packages" if sees_apt else "of its own"
    name, python = machine.split()
    checks.check(
        f"{root.system.name}, Python {python}: pip installs {what} in a venv {told}", root.system.machine, name
    )


def _try(checks: Checks, root: Root, runtime: str, *, is_delegated: bool) -> None:
    """Run the installed program: golden images of both bundles, then one simulated item."""
    program = f"{VENV}/bin/edge-sorter"
    with root.as_board():
        models = root.python("import edge, pathlib; print(pathlib.Path(edge.__file__).parent / 'models')")
        for name in sorted(path.name for path in (root.path / models.lstrip("/")).iterdir()):
            verified = json.loads(
                root.run(program, "model", "verify", f"{models}/{name}", "--runtime", runtime, "--json")
            )
            found = (verified["is_valid"], verified["runtime"], verified["is_delegated"])
            checks.check(f"{root.system.name}: model verify {name}", (True, runtime, is_delegated), found)
        start = (program,) if root.system.machine == "aarch64" else (f"{VENV}/bin/python", "-c", LET_GO_OF_NOTHING)
        run = (*start, "run", "--pace", "fast", "--items", 1, "--ledger", "/tmp/ledger.db", "--json")
        kinds = [json.loads(line)["type"] for line in root.run(*run).splitlines() if line.startswith("{")]
        checks.check(f"{root.system.name}: one simulated item sorted", 1, kinds.count("item"))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RigError as exc:
        print(f"install-check: {exc}", file=sys.stderr)
        sys.exit(1)
