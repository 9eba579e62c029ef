"""Supply, heat and clock: what makes a board slow, or makes it forget what it wrote."""

from collections.abc import Iterator

from edge.board.gauges import Gauges, Reading
from edge.board.sysfiles import number
from edge.board.throttling import describe_throttled
from edge.doctor.findings import Finding, note, ok, warning
from edge.doctor.machine import Machine

__all__ = ["HOT_C", "check_power"]

HOT_C = 75.0
"""A Pi begins to slow down at 80 degrees (its firmware's temp_limit is 85)."""
_UNDERVOLTAGE = 1 << 0
_SLOWED = 0b1110
_OCCURRED_SHIFT = 16
_SUPPLY_REMEDY = (
    "use the board's own supply and a short thick cable, and feed motors from another supply, grounds joined"
)
_COOLING = "give the board a heat sink or a fan, and the case openings"


def check_power(machine: Machine) -> Iterator[Finding]:
    """Never a blocker: a board that is too hot or fed too low still sorts, at a risk."""
    gauges = Gauges(machine.root, machine.run)
    now = gauges.read()
    yield _supply(now)
    if now.throttled is not None:
        yield _throttling(now.throttled)
    yield _temperature(now.temperature_c)
    yield _governor(now.governor)
    yield from _cap(machine, gauges.clock_max_mhz())


def _supply(now: Reading) -> Finding:
    bits = now.throttled
    if bits is None and now.is_undervolted is None:
        return note("power.supply", "nothing here measures the supply: only a Raspberry Pi's firmware does")
    if now.is_undervolted or (bits or 0) & _UNDERVOLTAGE:
        return warning("power.supply", "undervoltage now: the supply gives less than 4.63 V", _SUPPLY_REMEDY)
    if (bits or 0) >> _OCCURRED_SHIFT & _UNDERVOLTAGE:
        return warning("power.supply", "undervoltage occurred since the start of the machine", _SUPPLY_REMEDY)
    return ok("power.supply", "no undervoltage")


def _throttling(bits: int) -> Finding:
    told = "; ".join(describe_throttled(bits & (_SLOWED | _SLOWED << _OCCURRED_SHIFT)))
    if bits & _SLOWED:
        return warning("power.throttling", f"the board is slowed down ({told})", f"{_COOLING}; check the supply too")
    if told:
        return note("power.throttling", f"the board was slowed down since its start ({told})", _COOLING)
    return ok("power.throttling", "the board was not slowed down")


def _temperature(temperature_c: float | None) -> Finding:
    if temperature_c is None:
        return note("power.temperature", "no sensor tells the processor's temperature")
    if temperature_c > HOT_C:
        return warning("power.temperature", f"the processor has {temperature_c:.0f} degrees Celsius", _COOLING)
    return ok("power.temperature", f"the processor has {temperature_c:.0f} degrees Celsius")


def _governor(governor: str | None) -> Finding:
    if governor is None:
        return ok("power.governor", "the system does not change the processor's clock")
    if governor == "powersave":
        return note(
            "power.governor",
            "governor powersave, which on a Raspberry Pi keeps the clock at its lowest",
            "run: echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )
    return ok("power.governor", f"governor {governor}")


def _cap(machine: Machine, most_mhz: float | None) -> Iterator[Finding]:
    folders = sorted(machine.at("/sys/devices/system/cpu").glob("cpu[0-9]*"))
    caps_mhz = [number(folder / "cpufreq/scaling_max_freq", 1e-3) for folder in folders]
    allowed_mhz = max((mhz for mhz in caps_mhz if mhz), default=None)
    if most_mhz is not None and allowed_mhz is not None and allowed_mhz < most_mhz:
        yield note(
            "power.clock",
            f"the clock is limited to {allowed_mhz:.0f} of {most_mhz:.0f} MHz",
            "look for arm_freq in config.txt, or for a program that sets scaling_max_freq",
        )
