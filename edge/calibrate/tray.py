"""Looks at the tray through the configured source: light, focus, region of interest, picture of the empty tray."""

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.calibrate.desk import Desk
from edge.calibrate.region import WHOLE, Region, Shares, find_region
from edge.calibrate.store import ConfigStore, store_and_tell
from edge.config import Config, SourceConfig
from edge.configedit import KeyPath
from edge.drivers import open_source
from edge.errors import ConfigError, SourceError
from edge.paths import write_whole
from edge.picture_quality import Remark, View, remarks, view_of
from edge.presence.local_contrast import PATIENCE_S
from edge.presence.reference import Reference
from edge.presence.tray_picture import picture_prefix, tray_picture_path
from edge.records import BgrImage, Grey
from edge.thumbnail import thumbnail

__all__ = ["TrayPlan", "calibrate_tray", "parse_region"]

ROI: KeyPath = ("source", "camera", "roi_xywh")
FRAMES = 20
WARM_UP_S = 1.5
"""A camera's automatic exposure settles meanwhile."""
READ_S = 0.1
LIVE = ("v4l2", "picamera2")


@dataclass(frozen=True, slots=True)
class TrayPlan:
    """What was asked for.

    Attributes:
        roi_xywh: this region, as shares of the turned picture; None: it is found, unless `is_roi_kept`.
        is_roi_kept: only the picture of the empty tray is taken.
        is_agreed: ask nothing: each phase comes by itself, after `wait_s`.
        source: in place of the configured one, whose own picture of the tray is left as it is; `covered_source`: for
            the picture with the sheet.
    """

    roi_xywh: Shares | None = None
    is_roi_kept: bool = False
    is_agreed: bool = False
    wait_s: float = 10.0
    source: str | None = None
    covered_source: str | None = None
    as_json: bool = False


def parse_region(text: str) -> Shares:
    """`x,y,w,h` as shares. Raises: ConfigError."""
    parts = text.replace(" ", "").split(",")
    try:
        x, y, width, height = (float(part) for part in parts)
        is_finite = math.isfinite(x + y + width + height)
    except ValueError:
        is_finite = False
    if not is_finite:
        raise ConfigError(f"{text!r} is no region; give x,y,width,height as shares, such as 0.1,0.2,0.6,0.7")
    return x, y, width, height


def calibrate_tray(store: ConfigStore, desk: Desk, plan: TrayPlan) -> None:
    """Check the light, find the region, store it and the picture of the empty tray in it.

    Raises: ConfigError; SourceError if the camera fails, or nothing like a sheet came; StoppedError. What was not
        stored by then is not.
    """
    store.refuse_unwritable()
    if plan.roi_xywh is not None:
        store.checked({ROI: list(plan.roi_xywh)})
    whole = _with_source(store.config, plan.source, None)
    _phase(desk, plan, "Lay nothing on the tray, light it as it will be lit, hands out of the picture.", is_first=True)
    empty = _look(whole, desk)
    found = list(remarks(empty))
    _tell(empty, found, desk)
    roi = plan.roi_xywh
    if roi is None and not plan.is_roi_kept:
        roi = _found_region(empty, whole, store, desk, plan)
    if roi is not None:
        changes: dict[KeyPath, Any] = {ROI: None if roi == WHOLE else list(roi)}
        if plan.is_agreed or desk.agrees(f"Store the region {_shares(roi)} in {store.path}?"):
            store_and_tell(store, changes, desk)
        else:
            desk.say("The region was not stored.")
    picture = _take_picture(store, desk, plan)
    if plan.as_json:
        print(json.dumps(_record(empty, found, store.config.source.camera.roi_xywh, picture)), flush=True)


def _found_region(empty: View, whole: Config, store: ConfigStore, desk: Desk, plan: TrayPlan) -> Shares | None:
    covered = whole if plan.covered_source is None else _with_source(whole, plan.covered_source, None)
    while True:
        if not plan.is_agreed:
            line = desk.ask(
                "Lay a sheet over the whole tray, brighter or darker than it. Enter takes the picture; or type the "
                "region as x,y,w,h (shares), w for the whole picture, k to keep the region."
            )
            if line == "k":
                return None
            try:
                if line:
                    typed = WHOLE if line == "w" else parse_region(line)
                    store.checked({ROI: list(typed)})
                    return typed
            except ConfigError as exc:
                desk.warn(str(exc))
                continue
        elif plan.covered_source is None:
            _phase(desk, plan, "Lay a sheet over the whole tray, brighter or darker than it.")
        try:
            region = find_region(empty, _look(covered, desk))
        except SourceError as exc:
            if plan.is_agreed:
                raise
            desk.warn(str(exc))
            continue
        _tell_region(region, desk)
        return region.roi_xywh


def _take_picture(store: ConfigStore, desk: Desk, plan: TrayPlan) -> Path:
    """Take and store the picture of the empty tray, as the sorter will see it."""
    config = _with_source(store.config, plan.source, store.config.source.camera.roi_xywh)
    if plan.roi_xywh is None and not plan.is_roi_kept and plan.covered_source is None:
        _phase(desk, plan, "Take the sheet away; nothing on the tray, hands out of the picture.")
    while True:
        thumbs: list[BgrImage] = []
        view = view_of(_noting(_images(config, desk), thumbs))
        moved = next((remark for remark in remarks(view) if remark.subject == "motion"), None)
        if moved is None:
            break
        if plan.is_agreed:
            raise SourceError(f"no picture of the empty tray was stored: {moved}")
        desk.warn(str(moved))
        desk.ask("Nothing on the tray, hands out of the picture. Enter takes it again; Ctrl-C ends.")
    mean = np.mean(thumbs, axis=0).round().astype(np.uint8)
    return _store_picture(
        store.path, config.source, mean, desk, is_other=config.source.spec != store.config.source.spec
    )


def _store_picture(file: Path, source: SourceConfig, picture: Grey, desk: Desk, *, is_other: bool) -> Path:
    path = tray_picture_path(file, source)
    is_encoded, data = cv2.imencode(".png", picture)
    if not is_encoded:
        raise SourceError("OpenCV cannot write a PNG here; reinstall it")
    try:
        write_whole(path, data.tobytes())
    except OSError as exc:
        raise ConfigError(
            f"cannot write {path} ({exc.strerror}); free some space, or begin the command with sudo"
        ) from exc
    if is_other:
        desk.say(f"The picture of the empty tray is {path}; it serves a run with --source {source.spec} only.")
    else:
        _forget_other_views(file, path)
        desk.say(f"The picture of the empty tray is {path}; the sorter compares the tray with it at its start.")
    if not Reference.of(picture.astype(np.float32)).can_tell_view:
        desk.warn(
            "this tray shows too few lines to be recognised: a camera that is turned later, or another tray, is only "
            f"found out after {PATIENCE_S:g} s; some marks at the rim help (tape, screws, print)"
        )
    return path


def _forget_other_views(file: Path, path: Path) -> None:
    """Take away the pictures of what the camera no longer looks at."""
    for other in path.parent.glob("*.png"):
        if other != path and other.name.startswith(picture_prefix(file)):
            with suppress(OSError):
                other.unlink()


def _with_source(config: Config, spec: str | None, roi: Shares | None) -> Config:
    camera = config.source.camera.model_copy(update={"roi_xywh": roi})
    source = config.source.model_copy(update={"camera": camera, "spec": spec or config.source.spec})
    return config.model_copy(update={"source": source})


def _phase(desk: Desk, plan: TrayPlan, what: str, *, is_first: bool = False) -> None:
    if not plan.is_agreed:
        desk.ask(f"{what} Enter takes the picture.")
    elif is_first:
        desk.say(what)
    else:
        desk.say(f"{what} The picture is taken in {plan.wait_s:g} s.")
        desk.wait(plan.wait_s)


def _look(config: Config, desk: Desk) -> View:
    return view_of(_images(config, desk))


def _noting(images: Iterator[BgrImage], thumbs: list[BgrImage]) -> Iterator[BgrImage]:
    for image in images:
        thumbs.append(thumbnail(image))
        yield image


def _images(config: Config, desk: Desk) -> Iterator[BgrImage]:
    """Pictures of the source after it has warmed up; each is valid until the next one."""
    is_live = config.source.spec.partition(":")[0] in LIVE
    with open_source(config, None if is_live else "fast", lambda: None) as (source, _):
        start_s: float | None = None
        taken = 0
        while taken < FRAMES:
            desk.check()
            frame = source.read(source.clock.now_s() + READ_S)
            if frame is None:
                if source.is_exhausted:
                    return
                continue
            start_s = frame.t_s if start_s is None else start_s
            if is_live and frame.t_s - start_s < WARM_UP_S:
                continue
            yield frame.image
            taken += 1


def _tell(view: View, found: list[Remark], desk: Desk) -> None:
    sharp = "not known, too little detail" if view.sharpness is None else f"{view.sharpness:.2f}"
    desk.say(
        f"{view.frames} pictures of {view.mean.shape[1]} x {view.mean.shape[0]} pixels: brightness "
        f"{view.brightness:.0f} of 255, saturated {view.saturated_share:.1%}, noise {view.noise:.1f}, flicker "
        f"{view.flicker_share:.1%}, sharpness {sharp}."
    )
    for remark in found:
        desk.warn(str(remark))


def _tell_region(region: Region, desk: Desk) -> None:
    if region.is_whole:
        desk.say("The sheet fills the picture: the region is all of it.")
        return
    desk.say(f"The sheet lies in {_shares(region.roi_xywh)} of the picture (x,y,width,height, with a margin).")
    if region.surround_levels > 6.0:
        desk.warn(
            f"around the sheet the picture changed by {region.surround_levels:.0f} grey levels: the camera's automatic "
            "exposure answers what lies there; keep it with source.camera.exposure_us and gain"
        )


def _shares(roi: Shares) -> str:
    return ",".join(f"{share:g}" for share in roi)


def _record(view: View, found: list[Remark], roi: Shares | None, picture: Path) -> dict[str, Any]:
    figures = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in asdict(view).items()
        if key != "mean"
    }
    return {**figures, "remarks": [str(remark) for remark in found], "roi_xywh": roi, "picture": str(picture)}
