"""How a run's failure is called in the event book, and the last that is done to a gate."""

from edge.errors import ActuatorError, BundleError, LedgerError, SourceError
from edge.ports import Gate

__all__ = ["GaveUpError", "reason_of", "stop_quietly"]


class GaveUpError(ActuatorError):
    """Faults that should have mended themselves came too often in a row; the gate itself may be sound."""


def reason_of(cause: Exception) -> str:
    """The `reason` of the `fault` event that a failure ends a run with."""
    reasons: tuple[tuple[type[Exception], str], ...] = (
        (SourceError, "source_lost"),
        (LedgerError, "ledger_failed"),
        (GaveUpError, "gave_up"),
        (ActuatorError, "gate_failed"),
        (BundleError, "model_failed"),
    )
    return next((reason for kind, reason in reasons if isinstance(cause, kind)), "internal_error")


def stop_quietly(gate: Gate, cause: BaseException) -> None:
    """Cut the gate off; what fails about that is added to `cause`."""
    try:
        gate.stop()
    except Exception as exc:
        cause.add_note(f"and the gate could not be cut off: {exc}; switch its power off")
