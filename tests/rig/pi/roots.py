"""Roots of other machines: Debian installed into a folder, its programs run by QEMU's user mode."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from store import PIP, RigError, call, digest, folder, kept
from systems import System, wheels_only

VENV = "/opt/edge-sorter"
TOOLS = {"mmdebstrap": "mmdebstrap", "qemu-aarch64-static": "qemu-user-static"}


class Root:
    """An unpacked root. `wheels` is its folder /wheels, which is all that its pip installs from."""

    def __init__(self, path: Path, system: System) -> None:
        self.path = path
        self.system = system
        self.wheels = path / "wheels"
        self.wheels.mkdir()

    def run(self, *command: object) -> str:
        """Run a program in there. Returns: its standard output. Raises: RigError."""
        # QEMU 7.2's own choice of processor has vector instructions that it gets wrong: the golden images do not hold.
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp", "QEMU_CPU": self.system.processor}
        # lgpio's own switch: compile its C library into the module, since Debian has none to link with.
        environment["PYPI"] = "1"
        return call("chroot", self.path, *command, env=environment)

    def python(self, code: str) -> str:
        return self.run(f"{VENV}/bin/python", "-c", code).strip()

    def fetch(self, *needs: object) -> None:
        """Put wheels for this system into its folder; the host downloads them, also with options such as --no-deps."""
        call(*PIP, "download", "--dest", self.wheels, *wheels_only(self.system), *needs)

    def make_venv(self, *, sees_apt: bool) -> None:
        self.run("python3", "-m", "venv", *(["--system-site-packages"] if sees_apt else []), VENV)

    def pip_install(self, *what: object) -> None:
        offline = ("--quiet", "--disable-pip-version-check", "--no-index", "--find-links=/wheels")
        self.run(f"{VENV}/bin/pip", "install", *offline, *what)

    @contextmanager
    def as_board(self) -> Iterator[None]:
        """/proc and /sys, with the processor of a Pi in them: LiteRT looks there before it takes XNNPACK."""
        with ExitStack() as stack, tempfile.NamedTemporaryFile("w") as processors:
            for number in range(4):
                processors.write(f"processor\t: {number}\n{self.system.cpuinfo}\n")
            processors.flush()
            proc, sysfs = self.path / "proc", self.path / "sys"
            for mount in (("-t", "proc", "proc", proc), ("-t", "sysfs", "-o", "ro", "sysfs", sysfs)):
                call("mount", *mount)
                stack.callback(call, "umount", mount[-1])
            call("mount", "--bind", processors.name, proc / "cpuinfo")
            stack.callback(call, "umount", proc / "cpuinfo")
            yield


@contextmanager
def unpacked(system: System, packages: tuple[str, ...] = ()) -> Iterator[Root]:
    """A root of a system with its packages of apt and more `packages`; gone when done."""
    archive = debian_root(system.suite, system.architecture, (*system.apt, *packages))
    _register(system.emulator)
    with tempfile.TemporaryDirectory(prefix="root-", dir=folder()) as name:
        path = Path(name)
        call("tar", "--extract", "--numeric-owner", "--file", archive, "--directory", path)
        path.chmod(0o755)
        yield Root(path, system)


def debian_root(suite: str, architecture: str, packages: tuple[str, ...]) -> Path:
    """A root with Debian's `packages` on it, as a tar file. Takes minutes where it has to be made."""
    options = [f"--dpkgopt=path-exclude=/usr/share/{unread}/*" for unread in ("doc", "man", "locale")]
    if architecture == "armhf":
        # The security archive's index for armhf did not match its own hashes; a root for tests does without.
        options.append('--setup-hook=sed -i /security/d "$1"/etc/apt/sources.list')
    key = digest(1, suite, architecture, *packages, *options)

    def make(part: Path) -> None:
        for name in ("qemu-aarch64", "qemu-arm"):
            _register(name)
        call(
            *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar", f"--architectures={architecture}"),
            *(f"--include={','.join(packages)}", *options, suite, part),
        )

    return kept(f"root-{suite}-{architecture}-{key}.tar", make)


def _register(name: str) -> None:
    """Have the kernel run an architecture's programs with QEMU; where systemd runs it has done so at boot."""
    table = Path("/proc/sys/fs/binfmt_misc")
    if not (table / "register").exists():
        call("mount", "-t", "binfmt_misc", "binfmt_misc", table)
    entry = table / name
    if not entry.exists():
        (table / "register").write_bytes((Path("/usr/lib/binfmt.d") / f"{name}.conf").read_bytes())
    flags = next(line for line in entry.read_text().splitlines() if line.startswith("flags:"))
    if "F" not in flags:
        raise RigError(f"{entry} has {flags!r}; without F a chroot has no QEMU: sudo apt-get install qemu-user-static")
