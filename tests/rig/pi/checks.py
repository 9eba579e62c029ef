"""What a job of the rig asserts, as a table that grows while it runs."""

import time


class Checks:
    """One line for each assertion, with the seconds since the start."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self.passed = 0
        self.failed = 0

    def check(self, what: str, expected: object, found: object) -> None:
        holds = expected == found
        self.passed += holds
        self.failed += not holds
        detail = f"{found}" if holds else f"{found}, expected {expected}"
        print(f"{self.elapsed_s:6.1f} s  {'ok  ' if holds else 'FAIL'}  {what}: {detail}", flush=True)

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._start_s

    def close(self) -> int:
        """Print the sum. Returns: the exit status."""
        print(f"{self.passed} passed, {self.failed} failed in {self.elapsed_s:.0f} s", flush=True)
        return 1 if self.failed or not self.passed else 0
