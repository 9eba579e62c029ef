"""The wall clock. It is only written down: a wrong one spoils the dates in the book, not the sorting."""

from collections.abc import Iterator

from edge.doctor.findings import Finding, note, ok, warning
from edge.doctor.machine import Machine

__all__ = ["check_clock"]

FIRST_YEAR, LAST_YEAR = 2025, 2100
_REMEDY = "run: sudo timedatectl set-ntp true, and see that the network lets UDP port 123 through"


def check_clock(machine: Machine) -> Iterator[Finding]:
    """Never a blocker."""
    year = machine.year()
    if not FIRST_YEAR <= year < LAST_YEAR:
        yield warning("clock.time", f"the clock is in the year {year}: events would be dated so", _REMEDY)
    # Where systemd-timesyncd has set the clock once since the start; other programs keep the kernel's flag only.
    is_set = machine.at("/run/systemd/timesync/synchronized").exists()
    told = machine.is_clock_synchronized()
    if is_set or told:
        yield ok("clock.synchronized", "the clock is synchronized")
    elif told is None:
        yield note("clock.synchronized", "the system does not tell whether its clock is synchronized")
    else:
        yield warning("clock.synchronized", "the clock is not synchronized: events may be dated wrong", _REMEDY)
    if not any(machine.at("/sys/class/rtc").glob("rtc*")):
        yield note(
            "clock.battery",
            "no clock runs on while power is off: after a power cut time is wrong until the network sets it",
        )
