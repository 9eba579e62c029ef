"""The package on a system that is up, in a container: the service is upgraded while it runs, then removed."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

LIMIT_S = 90.0
ENDLESS = """source: {spec: sim, sim_items: 1000000}
pins: {factory: mock}
gate: {kind: servo_flap}
ledger: {path: /var/lib/edge-sorter/ledger.db}
"""
CONSOLE = ("--console=pipe", "--register=no", "--keep-unit", "--private-network")


def check_service(checks: "object", root: Path, suite: str, former: Path, package: Path) -> None:
    """Boot the root and do to the service what an administrator does. Skipped, and said so, without systemd-nspawn."""
    check = checks.check  # type: ignore[attr-defined]  # tests/rig is not typed
    if shutil.which("systemd-nspawn") is None:
        print("deb-check: no service was tried; run: sudo apt-get install systemd-container", flush=True)
        return
    shutil.copy(package, root / "new.deb")
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    command = ["systemd-nspawn", "--quiet", f"--directory={root}", *CONSOLE, "--boot"]
    with (
        (root / "console.log").open("wb") as console,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=console, stderr=console
        ) as container,
    ):
        try:
            system = Booted(root, container.pid)
            system.wait("boot", lambda: system.says("systemctl", "is-system-running") in ("running", "degraded"))
            system.run("apt-get", "-y", "-q", "--no-install-recommends", "install", former)
            check(f"{suite}: not started by the installation", "inactive", system.state())
            (root / "etc/edge-sorter/config.yaml").write_text(ENDLESS, encoding="utf-8")
            started_s = time.monotonic()
            system.run("systemctl", "start", "edge-sorter")
            check(f"{suite}: ready {time.monotonic() - started_s:.1f} s after its start", "active", system.state())
            system.wait("an item", lambda: system.items() > 0)
            first, before = system.main_pid(), system.items()
            system.run("apt-get", "-y", "-q", "--no-install-recommends", "install", "/new.deb")
            system.wait("the service after the upgrade", lambda: system.state() == "active")
            check(f"{suite}: upgraded while it ran: another process", True, system.main_pid() != first)
            system.wait("more items", lambda: system.items() > before)
            said = system.run("edge-sorter", "ledger", "verify", "--ledger", "/var/lib/edge-sorter/ledger.db")
            check(f"{suite}: its ledger, of two versions, is clean", True, bool(said))
            system.run("apt-get", "-y", "-q", "remove", "edge-sorter")
            check(f"{suite}: removed while it ran: stopped", False, system.says("pgrep", "-u", "edge-sorter") != "")
            check(f"{suite}: the ledger stays", True, (root / "var/lib/edge-sorter/ledger.db").exists())
        finally:
            container.terminate()
            container.wait(30)


class Booted:
    """A system in a container, whose first process is a child of systemd-nspawn."""

    def __init__(self, root: Path, nspawn_pid: int) -> None:
        self.root = root
        self._nspawn_pid = nspawn_pid

    def run(self, *words: object) -> str:
        """Run a program in it. Raises: RuntimeError unless it ends with 0."""
        done = self._enter(*words)
        if done.returncode != 0:
            raise RuntimeError(f"`{' '.join(map(str, words))}` ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return done.stdout

    def says(self, *words: object) -> str:
        return self._enter(*words).stdout.strip()

    def state(self) -> str:
        return self.says("systemctl", "is-active", "edge-sorter")

    def main_pid(self) -> str:
        return self.says("systemctl", "show", "--property=MainPID", "--value", "edge-sorter")

    def items(self) -> int:
        said = self.says("edge-sorter", "ledger", "export", "--ledger", "/var/lib/edge-sorter/ledger.db")
        return len(re.findall(r'"type": ?"item"', said))

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        """Raises: RuntimeError if it does not come about in time."""
        end_s = time.monotonic() + LIMIT_S
        while not holds():
            if time.monotonic() > end_s:
                journal = self.says("journalctl", "-u", "edge-sorter", "--no-pager", "-n", "40")
                raise RuntimeError(f"in vain waited for {what}:\n{journal}")
            time.sleep(0.5)

    def _enter(self, *words: object) -> "subprocess.CompletedProcess[str]":
        children = Path(f"/proc/{self._nspawn_pid}/task/{self._nspawn_pid}/children").read_text().split()
        if not children:
            return subprocess.CompletedProcess([], 1, "", "")
        inside = ["nsenter", "--target", children[0], "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
        return subprocess.run(
            [*inside, *map(str, words)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
