"""Where a value stands on an axis, and which round numbers are written along it."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from edge.bench.wording import UNITS, Quantity, number, superscript

__all__ = ["Scale", "linear", "logarithmic", "quantity"]

_MOST_TICKS = 6
_LARGE = 1e6
_NEAR = 0.03
_STEPS = {"us": ((1e6, "s", 1e-6), (1e3, "ms", 1e-3)), "ms": ((1e3, "s", 1e-3),), "KB": ((1e4, "MB", 1e-3),)}


def quantity(unit: str, typical: float) -> Quantity:
    """The unit in which `typical`, given in the report's unit, is a number that is easily read."""
    if unit == "share":
        return Quantity("%", 100.0)
    if unit == "s" and 0 < typical < 0.05:
        return Quantity("ms", 1e3)
    for least, name, factor in _STEPS.get(unit, ()):
        if typical >= least:
            return Quantity(name, factor)
    return Quantity(UNITS.get(unit, unit), 1.0)


class Scale(NamedTuple):
    """An axis from 0 to 100 per cent of its length."""

    low: float
    high: float
    is_log: bool
    ticks: tuple[float, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The ticks' numbers; those of a linear axis have as many decimals as the one that needs most."""
        decimals = None
        if not self.is_log:
            decimals = max((len(f"{tick:.10g}".partition(".")[2]) for tick in self.ticks), default=0)
        return tuple(_tick_text(tick, decimals) for tick in self.ticks)

    def at(self, value: float) -> float:
        """Per cent of the way from `low` to `high`; what lies beyond is drawn at the end."""
        low, high, place = self.low, self.high, value
        if self.is_log:
            low, high, place = math.log(low), math.log(high), math.log(max(value, self.low))
        return min(100.0, max(0.0, (place - low) / (high - low) * 100.0))


def linear(
    values: Iterable[float],
    *,
    from_zero: bool = False,
    is_tight: bool = False,
    least_span: float = 1e-9,
    wanted: int = 4,
) -> Scale:
    """An axis that holds all values, however few, equal or far apart.

    Args:
        from_zero: it begins (or ends) at zero.
        is_tight: it ends with the values and not with a tick, unless that is near; for time.
        least_span: it is at least so long, as a share of its largest value.
    """
    held = [value for value in values if math.isfinite(value)] + ([0.0] if from_zero else [])
    low, high = (min(held), max(held)) if held else (0.0, 1.0)
    if high - low <= least_span * max(abs(low), abs(high)):
        room = max(abs(high) * max(0.05, least_span) / 2, 1e-9) if high else 1.0
        low, high = low - (0.0 if from_zero else room), high + room
    step = _round_step((high - low) / wanted)
    if not is_tight or math.ceil(high / step) * step - high < _NEAR * (high - low):
        low, high = _multiple(math.floor(low / step + 1e-9), step), _multiple(math.ceil(high / step - 1e-9), step)
    return Scale(low, high, False, _multiples(low, high, step))


def logarithmic(values: Iterable[float]) -> Scale:
    """A logarithmic axis that holds all values above zero, with a little room at both ends."""
    held = [value for value in values if value > 0 and math.isfinite(value)]
    low, high = (min(held), max(held)) if held else (1.0, 10.0)
    room = max(1.02, (high / low) ** 0.03) if high / low > 1.1 else 1.25
    low, high = low / room, high * room
    return Scale(low, high, True, _log_ticks(low, high))


def _tick_text(value: float, decimals: int | None = None) -> str:
    """A tick's number; without zeros at its end unless so many decimals are asked for."""
    size = abs(value)
    if value and (size >= _LARGE or size < 1e-4):
        mantissa, exponent = f"{value:.9e}".split("e")
        head = "" if float(mantissa) == 1 else f"{float(mantissa):g} × ".replace("-", "−")
        return f"{head}10{superscript(int(exponent))}"
    return number(value, len(f"{value:.10g}".partition(".")[2]) if decimals is None else decimals)


def _round_step(step: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(step))
    return next(unit * magnitude for unit in (1.0, 2.0, 5.0, 10.0) if step <= unit * magnitude * (1 + 1e-9))


def _multiples(low: float, high: float, step: float) -> tuple[float, ...]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(_multiple(place, step) for place in range(first, last + 1))


def _multiple(place: int, step: float) -> float:
    """Without what the product of two floats has behind its twelfth digit."""
    return float(f"{place * step:.12g}")


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = math.log10(high / low)
    if decades < 0.6:
        return _multiples(low, high, _round_step((high - low) / 5))
    every = max(1, math.ceil(decades / (_MOST_TICKS - 1)))
    units = (1.0, 2.0, 5.0) if decades < 2.1 else (1.0,)
    ticks = [unit * 10.0**place for place in range(first, last + 1, every) for unit in units]
    return tuple(tick for tick in ticks if low <= tick <= high)
