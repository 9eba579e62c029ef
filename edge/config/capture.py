"""Which pictures are kept for labelling, and how much room they may take."""

from collections.abc import Sequence
from typing import Literal, get_args

from pydantic import Field

from edge.config.base import Section

__all__ = ["CaptureConfig", "CaptureKind"]

CaptureKind = Literal["uncertain", "rejected", "deadline", "fault"]


class CaptureConfig(Section):
    """Pictures worth a label, kept within limits; `edge-sorter capture` lists, labels and exports them."""

    kinds: Sequence[CaptureKind] = Field(
        default_factory=lambda: list(get_args(CaptureKind)),
        description="decisions whose last frame is kept, and faults; [] keeps nothing",
    )
    path: str | None = Field(None, description="folder of the pictures; null: captures/ beside the ledger")
    max_mb: float = Field(256.0, ge=1, le=1_000_000, description="room that they may take")
    max_count: int = Field(2000, ge=1, le=100_000, description="how many there may be")
    max_days: float = Field(
        90.0, gt=0, le=10_000, description="days of operation, not of the calendar, after which a picture goes"
    )
    max_a_day: int = Field(
        500, ge=1, le=100_000, description="pictures in a day of operation: what a memory card can bear"
    )
    keep_free_mb: float = Field(
        200.0, ge=0, le=1_000_000, description="nothing is kept that would leave less of the disk free than this"
    )
    jpeg_quality: int = Field(92, ge=30, le=100, description="quality of the JPEG files")
