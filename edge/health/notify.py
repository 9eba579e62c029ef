"""Datagrams to the service manager, as sd_notify(3) describes them. Without one, everything here does nothing.

The protocol is https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Self

__all__ = ["Notifier"]

TEXT_LIMIT = 500
"""Characters of a status: a datagram must fit the manager's buffer."""


class Notifier:
    """Tells the service manager how it stands. It never raises and never waits.

    Args:
        address: of the manager's datagram socket, a path or `@` and an abstract name; None: there is none.
        watchdog_s: how long the manager bears to hear nothing; None: for ever.
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self._address = _socket_address(address)
        self._watchdog_s = watchdog_s
        self._socket: socket.socket | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """As the service manager asks for it in `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`."""
        return cls(environment.get("NOTIFY_SOCKET"), _watchdog_s(environment))

    @property
    def watchdog_s(self) -> float | None:
        """How long the manager waits for `watchdog` before it kills this process; None: it does not."""
        return self._watchdog_s

    def ready(self, status: str = "") -> bool:
        """The gate is parked and the sorter is up. False if it did not get through and is to be said again."""
        return self._send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line for `systemctl status`."""
        return self._send(*_status(text))

    def watchdog(self) -> bool:
        """Alive: only for whoever knows that work was done."""
        return self._send("WATCHDOG=1")

    def starting(self, limit_s: float, status: str = "") -> bool:
        """The start takes longer, and will be heard of again within `limit_s`; also alive."""
        return self._send("WATCHDOG=1", f"EXTEND_TIMEOUT_USEC={round(limit_s * 1e6)}", *_status(status))

    def patience(self, limit_s: float) -> bool:
        """Alive; from now on `watchdog` is waited for so long, in place of what the unit says."""
        return self._send(f"WATCHDOG_USEC={round(limit_s * 1e6)}")

    def reloading(self) -> bool:
        """A new configuration is being looked at; `ready` ends this, whatever came of it."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> bool:
        """The gate goes home, then the process ends."""
        return self._send("STOPPING=1", *_status(status))

    def close(self) -> None:
        """Nothing more is said. It may be called twice."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._address = None

    def _send(self, *lines: str) -> bool:
        """True also where nobody is to be told."""
        if self._address is None:
            return True
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.sendto("\n".join(lines).encode("utf-8", "replace"), socket.MSG_DONTWAIT, self._address)
        except OSError:
            # A manager whose buffer is full, or that is just replaced, hears the next one.
            return False
        return True


def _socket_address(address: str | None) -> str | bytes | None:
    if not address:
        return None
    if address.startswith("@"):
        return b"\0" + os.fsencode(address[1:])
    # The protocol also knows virtual machines' sockets (`vsock:`), which a service of this machine never gets.
    return address if address.startswith("/") else None


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    pid = environment.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return None
    with contextlib.suppress(ValueError):
        limit_us = int(environment.get("WATCHDOG_USEC", ""))
        return limit_us / 1e6 if limit_us > 0 else None
    return None


def _status(text: str) -> tuple[str, ...]:
    line = " ".join(text.split())
    return (f"STATUS={line[:TEXT_LIMIT]}",) if line else ()
