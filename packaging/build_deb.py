"""`make deb`: Debian packages, one for each release and architecture, with Debian's own tools.

The tree that dpkg-buildpackage works in is made in build/deb; the packages come to lie in build/deb as well.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

from wheels import HERE, REPOSITORY, SUITES, Suite, install

ARCHITECTURES = ("amd64", "arm64")
NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
DEPENDS = {
    "bookworm": (
        "python3-numpy (<< 1:2)",
        "python3-yaml",
        "python3-colorzero",
        "python3-pygments",
        "python3-shellingham",
    ),
    "trixie": (
        *("python3-numpy", "python3-yaml", "python3-colorzero", "python3-pydantic (>= 2.6)", "python3-rich"),
        "python3-shellingham",
    ),
}
RECOMMENDS = {"bookworm": (), "trixie": ("python3-lgpio",)}
"""On Bookworm lgpio comes as a wheel; for Python 3.13 there is none."""
RESTART_MODE_FROM = 13
"""The Debian whose systemd knows RestartMode=."""
TOOLS = {"dpkg-buildpackage": "dpkg-dev", "dh": "debhelper"}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--suite", choices=SUITES, action="append", help="instead of all; may be given again")
    options.add_argument("--architecture", choices=ARCHITECTURES, action="append", help="instead of all")
    options.add_argument("--output", type=Path, default=REPOSITORY / "build" / "deb", metavar="FOLDER")
    chosen = options.parse_args()
    missing = [package for program, package in TOOLS.items() if shutil.which(program) is None]
    if missing:
        print(f"make deb: programs are missing; run: sudo apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    for suite in chosen.suite or SUITES:
        for architecture in chosen.architecture or ARCHITECTURES:
            started_s = time.monotonic()
            path = build(suite, architecture, chosen.output)
            size_mb = path.stat().st_size / 1e6
            print(f"{path}: {size_mb:.1f} MB, {time.monotonic() - started_s:.0f} s", flush=True)
    return 0


def build(suite: str, architecture: str, output: Path) -> Path:
    """Build one package. Returns: its path."""
    version = f"{upstream_version()}-1~deb{SUITES[suite].number}"
    tree = output / "work" / f"{suite}-{architecture}" / "edge-sorter"
    shutil.rmtree(tree.parent, ignore_errors=True)
    shutil.copytree(HERE / "debian", tree / "debian")
    for name in ("README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tree)
    for name in ("docs", "systemd"):
        shutil.copytree(REPOSITORY / name, tree / name)
    (tree / "config").mkdir()
    for path in sorted((REPOSITORY / "config").glob("*.yaml")):
        shutil.copy(path, tree / "config")
    install(suite, architecture, tree / "payload" / "usr" / "lib" / "edge-sorter")
    fill_in(tree, suite, version)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(source_date()), "DEB_BUILD_OPTIONS": "nostrip noautodbgsym"}
    # -d: its tools were looked for above, and no package of another architecture is needed.
    command = ["dpkg-buildpackage", "--build=binary", "-us", "-uc", "-d", f"--host-arch={architecture}"]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}\n{done.stderr}\nmake deb: {' '.join(command)} failed in {tree}")
    built = next(tree.parent.glob("*.deb"))
    path = output / f"edge-sorter_{version}_{architecture}.deb"
    shutil.move(built, path)
    shutil.rmtree(tree.parent)
    return path


def fill_in(tree: Path, suite: str, version: str) -> None:
    """Write what differs between releases: control, changelog, units."""
    system = SUITES[suite]
    debian = tree / "debian"
    control = (debian / "control.in").read_text(encoding="utf-8")
    for word, value in {
        "@DEPENDS@": ", ".join((*python_depends(system), *DEPENDS[suite])),
        "@RECOMMENDS@": "".join(f", {name}" for name in RECOMMENDS[suite]),
        "@SUITE@": f"Debian {system.number}",
    }.items():
        control = control.replace(word, value)
    (debian / "control").write_text(control, encoding="utf-8")
    (debian / "control.in").unlink()
    author = "The edge-sorter project <edge-sorter@example.org>"
    (debian / "changelog").write_text(
        f"edge-sorter ({version}) {suite}; urgency=medium\n\n  * What is new stands in the project's own changelog.\n\n"
        f" -- {author}  {formatdate(source_date())}\n",
        encoding="utf-8",
    )
    shutil.copy(REPOSITORY / "CHANGELOG.md", tree)
    example = (
        (HERE / "config.yaml.in").read_text(encoding="utf-8").replace("@CONFIGS@", "/usr/share/edge-sorter/config")
    )
    (debian / "config.yaml").write_text(example, encoding="utf-8")
    launcher = tree / "payload" / "usr" / "bin" / "edge-sorter"
    launcher.parent.mkdir()
    shutil.copy(HERE / "launcher", launcher)
    launcher.chmod(0o755)
    for path in sorted((tree / "systemd").iterdir()):
        text = path.read_text(encoding="utf-8").replace("/opt/edge-sorter/bin/", "/usr/bin/")
        path.write_text(text, encoding="utf-8")
    names = {
        "edge-sorter.sysusers.conf": "sysusers",
        "edge-sorter.tmpfiles.conf": "tmpfiles",
        "60-edge-sorter.rules": "udev",
    }
    for name, kind in names.items():
        shutil.move(tree / "systemd" / name, debian / f"edge-sorter.{kind}")
    drop_in = "usr/lib/systemd/system/edge-sorter.service.d"
    if system.number >= RESTART_MODE_FROM:
        with (debian / "install").open("a", encoding="utf-8") as file:
            file.write(f"systemd/edge-sorter-restart-direct.conf {drop_in}\n")


def python_depends(system: Suite) -> tuple[str, str]:
    """The modules are built for one minor version."""
    major, minor = map(int, system.python.split("."))
    return f"python3 (>= {major}.{minor}~)", f"python3 (<< {major}.{minor + 1}~)"


def upstream_version() -> str:
    """The project's version, as Debian writes it."""
    text = (REPOSITORY / "edge" / "__init__.py").read_text(encoding="utf-8")
    return re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)[0]


def source_date() -> int:
    """Of the last commit; without Git, of the version's file: the same tree gives the same package."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    command = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode == 0 and done.stdout.strip():
        return int(done.stdout)
    return int((REPOSITORY / "edge" / "__init__.py").stat().st_mtime)


if __name__ == "__main__":
    sys.exit(main())
