"""The camera: there, allowed, delivering, and showing something. A camera that the sorter uses is left alone."""

import errno
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from edge.board.processes import Program
from edge.board.sysfiles import text
from edge.config import Config
from edge.doctor.bounded import LeftBehindError
from edge.doctor.findings import Finding, blocker, note, ok, refused, warning
from edge.doctor.machine import Machine
from edge.doctor.overheard import overheard
from edge.doctor.picture import judge
from edge.errors import SorterError
from edge.picture_quality import view_of
from edge.ports import Source
from edge.records import BgrImage, Frame

__all__ = ["CAMERA_LIMIT_S", "WATCH_S", "check_camera"]

WATCH_S = 3.0
"""A camera is watched for so long: its automatic exposure settles within a second or two."""
CAMERA_LIMIT_S = 45.0
"""A driver that hangs takes `edge.sources.live` up to 25 s to give up, 3 s are watched, and 2 s are for the closing."""
RATE_SHARE = 0.8
LOOKED_AT = 10
"""So many of the last pictures tell of light and focus, when the automatic exposure has settled."""


def check_camera(machine: Machine, config: Config, sorter: Program | None) -> Iterator[Finding]:
    """Args: sorter: process that uses the camera now."""
    kind, _, argument = config.source.spec.partition(":")
    if kind == "sim":
        yield note("camera.source", "source.spec is sim: the pictures are simulated, no camera is used")
    elif kind in ("video", "images"):
        yield _recording(config, Path(argument))
    else:
        found = _node(machine, Path(argument)) if kind == "v4l2" else _library(machine)
        yield found
        if found.level == "blocker":
            return
        if sorter is not None:
            yield ok("camera.pictures", f"in use by {sorter}, which would be left without pictures")
            return
        yield from _pictures(machine, config)


def _recording(config: Config, path: Path) -> Finding:
    if not path.exists():
        return blocker("camera.source", f"source.spec is {config.source.spec}, and {path} is missing", "mend the path")
    return note("camera.source", f"source.spec is {config.source.spec}: the pictures are recorded, no camera is used")


def _library(machine: Machine) -> Finding:
    if not machine.has_module("picamera2"):
        return blocker(
            "camera.library",
            "source.spec is picamera2, and the Python module picamera2 is not installed here",
            "run: sudo apt install python3-picamera2, and make the program's environment with --system-site-packages; "
            "for a USB camera set source.spec: v4l2:/dev/video0",
        )
    return ok("camera.library", "picamera2 is installed")


def _node(machine: Machine, device: Path) -> Finding:
    others = _named_nodes(machine)
    remedy = f"set source.spec to one of: {', '.join(others)}" if others else "plug the camera in, and look at dmesg"
    try:
        node = machine.video_node(machine.at(device))
    except OSError as exc:
        match exc.errno:
            case errno.ENOENT | errno.ENXIO | errno.ENODEV:
                return blocker("camera.device", f"there is no camera at {device}", remedy)
            case errno.EACCES | errno.EPERM:
                found = f"{machine.user.name} may not use {device}"
                return blocker("camera.device", found, machine.joining("video"))
            case errno.EBUSY:
                found = f"{device} is held by another program"
                return blocker("camera.device", found, f"find it with: sudo fuser -v {device}; and end it")
            case _:
                return blocker("camera.device", f"{device} is no video device ({exc.strerror})", remedy)
    if not node.is_capture:
        return blocker("camera.device", f"{device} ({node.name}) gives no pictures", remedy)
    return ok("camera.device", f"{device} is {node.name}")


def _named_nodes(machine: Machine) -> list[str]:
    """Nodes that give pictures, with the names of their cameras."""
    found = []
    for folder in sorted(machine.at("/sys/class/video4linux").glob("video*")):
        device = Path("/dev") / folder.name
        try:
            is_capture = machine.video_node(machine.at(device)).is_capture
        except OSError:
            continue
        if is_capture:
            found.append(f"v4l2:{device} ({text(folder / 'name') or 'without a name'})")
    return found


def _pictures(machine: Machine, config: Config) -> Iterator[Finding]:
    known = set(threading.enumerate())
    try:
        with overheard("edge.sources") as remarks, machine.open_camera(config) as (source, _):
            yield from _watch(source, config)
    except SorterError as exc:
        yield refused("camera.pictures", exc)
    for remark in remarks:
        yield Finding("camera.settings", "warning", *_halves(remark))
    if any(thread.name == "camera" and thread not in known for thread in threading.enumerate()):
        # The thread that `edge.sources.live` left in the driver.
        raise LeftBehindError


def _watch(source: Source, config: Config) -> Iterator[Finding]:
    until_s = source.clock.now_s() + WATCH_S
    first = last = source.read(until_s)
    images: deque[BgrImage] = deque(maxlen=LOOKED_AT)
    sums: set[int] = set()
    pictures = 0
    frame: Frame | None = first
    while frame is not None:
        # The source writes the next picture over this one.
        last, image = frame, frame.image.copy()
        images.append(image)
        sums.add(zlib.crc32(image[::16].tobytes()))
        pictures += 1
        frame = source.read(until_s)
    if first is None or last is None or last.t_s <= first.t_s:
        yield blocker("camera.pictures", f"{pictures} pictures came in {WATCH_S:g} s", "check the cable and the driver")
        return
    yield _rate(config, (last.index - first.index) / (last.t_s - first.t_s), images[-1])
    view = view_of(images)
    if len(sums) == 1 and view.brightness >= config.presence.dark_level:
        yield warning(
            "camera.frozen",
            f"all {pictures} pictures of {WATCH_S:g} s are the same bit for bit, as of a camera that hangs",
            f"unplug it and plug it in again: the sorter stops after {config.source.frozen_s:g} s of that",
        )
    yield from judge(view, config.presence.dark_level)


def _rate(config: Config, fps: float, image: BgrImage) -> Finding:
    settings = config.source
    asked = (settings.width_px, settings.height_px)
    if settings.camera.rotation_deg in (90, 270):
        asked = asked[::-1]
    given = (image.shape[1], image.shape[0])
    found = (
        f"{fps:.1f} pictures a second of {given[0]}x{given[1]} (asked for {settings.fps:g} of {asked[0]}x{asked[1]})"
    )
    # A region of interest is cut from the picture, or scaled to it: its size is the camera's choice.
    has_other_size = settings.camera.roi_xywh is None and given != asked
    if fps < RATE_SHARE * settings.fps:
        return warning(
            "camera.pictures",
            f"too slow: {found}",
            "light the tray (a camera slows down in the dark), ask for a smaller picture, or lower source.fps",
        )
    if has_other_size:
        return warning(
            "camera.pictures",
            f"another size: {found}",
            "set source.width_px and height_px to a size that the camera has (v4l2-ctl --list-formats-ext, of the "
            "package v4l-utils)",
        )
    return ok("camera.pictures", found)


def _halves(sentence: str) -> tuple[str, str]:
    found, _, remedy = sentence.partition("; ")
    return found, remedy or "take it out of source.camera, or see docs/doctor.md"
