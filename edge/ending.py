"""How the process ends: as usual, or at once where a driver that hangs would hold it up for ever.

The interpreter's own end waits for libraries to put their devices away. A camera's library whose device is gone may
never be done with that, or abort.
"""

__all__ = ["ask_for_hard_end", "forget_hard_end", "is_hard_end_asked"]

_is_hard = False


def ask_for_hard_end() -> None:
    """End by `os._exit`, once the gate is parked and everything is written down."""
    global _is_hard
    _is_hard = True


def forget_hard_end() -> None:
    """A command begins: nothing hangs yet."""
    global _is_hard
    _is_hard = False


def is_hard_end_asked() -> bool:
    """True if a driver was left behind since the command began."""
    return _is_hard
