"""What drivers and libraries log while they are looked at: it belongs into the findings, not on standard error."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["overheard"]


@contextmanager
def overheard(logger_name: str) -> Iterator[list[str]]:
    """Collect the warnings of a logger and of those below it, and keep them from everybody else."""
    remarks: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            remarks.append(record.getMessage())

    logger, ear = logging.getLogger(logger_name), Ear(logging.WARNING)
    was_propagating, logger.propagate = logger.propagate, False
    logger.addHandler(ear)
    try:
        yield remarks
    finally:
        logger.removeHandler(ear)
        logger.propagate = was_propagating
