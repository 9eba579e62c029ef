"""A moving average of a model's weights: it is what gets validated and shipped."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MovingAverage", "assign", "read"]

_YOUNG = 20
"""Steps in which an average still forgets its start fast."""


class MovingAverage:
    """Exponential moving average of variables (Polyak & Juditsky, 1992, in the form of Tarvainen & Valpola, 2017)."""

    def __init__(self, variables: Sequence[Any], momentum: float) -> None:
        """A momentum of 0 keeps no average: what is swapped in is what is there."""
        self._variables = list(variables)
        self._momentum = momentum
        self.steps = 0
        self.values = read(self._variables) if momentum else []

    def update(self) -> None:
        """Take the present weights in."""
        if not self._momentum:
            return
        self.steps += 1
        keep = min(self._momentum, self.steps / (self.steps + _YOUNG))
        for value, present in zip(self.values, read(self._variables), strict=True):
            value *= keep
            value += (1 - keep) * present

    def swap_in(self) -> list[npt.NDArray[Any]]:
        """Put the average into the variables; returns what was there, for `swap_out`."""
        present = read(self._variables) if self._momentum else []
        if self._momentum:
            assign(self._variables, self.values)
        return present

    def swap_out(self, present: Sequence[npt.NDArray[Any]]) -> None:
        """Undo `swap_in`."""
        if self._momentum:
            assign(self._variables, present)


def read(variables: Sequence[Any]) -> list[npt.NDArray[Any]]:
    """Copies of the values of Keras variables."""
    return [np.array(variable.numpy()) for variable in variables]


def assign(variables: Sequence[Any], values: Sequence[npt.NDArray[Any]]) -> None:
    """Give Keras variables these values. Raises: ValueError if they are not as many."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
