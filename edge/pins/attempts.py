"""Several things that must all be tried, such as taking the power off one motor after the other."""

from collections.abc import Callable

__all__ = ["attempt_all"]


def attempt_all(*acts: Callable[[], object]) -> None:
    """Call all of them, in order, whatever they raise. Raises: the error of the first that failed, if any."""
    failed: Exception | None = None
    for act in acts:
        try:
            act()
        except Exception as exc:  # every pin library has its own errors
            failed = failed or exc
    if failed is not None:
        raise failed
