"""The error tree, split by what the caller does about an error.

    SorterError
    |-- ConfigError    bad usage or configuration: mend the input            exit 2
    |-- SourceError    camera lost, stale or frozen: reconnect or restart    exit 3
    |-- ActuatorError  gate or pin refused: park and stop                    exit 3
    |   `-- JamError   a motion did not get where it should: cut off, retry  exit 3
    |-- BundleError    model refused: keep the old one                       exit 4
    |-- LedgerError    event book not writable: no credit, park and stop     exit 5
    `-- SafeModeError  too many starts failed: moves nothing until mended    exit 6

A message is one sentence that says what was expected, what was found and what to do.
"""

from typing import ClassVar

__all__ = [
    "ActuatorError",
    "BundleError",
    "ConfigError",
    "JamError",
    "LedgerError",
    "SafeModeError",
    "SorterError",
    "SourceError",
]


class SorterError(Exception):
    """Base of every error that this program raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(SorterError):
    """The configuration or the command line asks for something impossible."""

    exit_code = 2


class SourceError(SorterError):
    """The camera is missing, lost, stale or frozen, or a frame is not what was promised."""

    exit_code = 3


class ActuatorError(SorterError):
    """A gate, a sensor or a pin refused; the gate must be parked and the program must stop."""

    exit_code = 3


class JamError(ActuatorError):
    """A motion did not get where it should although it was tried again; the gate is cut off, and may free itself."""


class BundleError(SorterError):
    """A model bundle does not hold what its manifest promises."""

    exit_code = 4


class LedgerError(SorterError):
    """The event book cannot be opened or written; nothing may be credited."""

    exit_code = 5


class SafeModeError(SorterError):
    """The program ended in safe mode: too many starts in a row had failed, and nothing was moved."""

    exit_code = 6
