"""What the camera's pictures say of light and focus, as findings; `edge.picture_quality` has the rules."""

from collections.abc import Iterator

from edge.doctor.findings import Finding, note, ok, warning
from edge.picture_quality import View, remarks

__all__ = ["judge"]


def judge(view: View, dark_level: float) -> Iterator[Finding]:
    """Args: dark_level: mean grey level below which the sorter says nothing."""
    found = f"mean grey level {view.brightness:.0f} of 255, {view.saturated_share:.0%} of the picture saturated"
    if view.brightness < dark_level:
        yield warning(
            "camera.exposure",
            f"{found}: too dark, nothing is sorted below {dark_level:g}",
            "take the lens cap off, light the tray, or raise source.camera.exposure_us",
        )
        return
    wrong = list(remarks(view))
    if any(remark.subject == "motion" for remark in wrong):
        # A hand in the picture is no fault of the camera, and looks like flicker and noise.
        wrong = [remark for remark in wrong if remark.subject in ("exposure", "focus")]
    if not any(remark.subject == "exposure" for remark in wrong):
        yield ok("camera.exposure", found)
    for remark in wrong:
        yield warning(f"camera.{remark.subject}", remark.found, remark.remedy)
    if view.sharpness is None:
        yield note(
            "camera.focus",
            "too little detail is in sight to tell whether the picture is sharp",
            "put something with print on it on the tray, and look again",
        )
