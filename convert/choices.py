"""What the command line lets one choose from; nothing heavy is imported here."""

from enum import StrEnum

__all__ = ["Format", "Which"]


class Which(StrEnum):
    """A part of the split."""

    VAL = "val"
    TEST = "test"
    ALL = "all"


class Format(StrEnum):
    """What the float model is exported as."""

    KERAS = "keras"
    SAVED_MODEL = "savedmodel"
    TFJS = "tfjs"
