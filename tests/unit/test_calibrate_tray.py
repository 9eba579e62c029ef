"""Pictures: what is told of the light, where a sheet is found, and what is stored of the tray."""

import json
import logging
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.calibrate.desk import StoppedError
from edge.calibrate.region import find_region
from edge.calibrate.tray import TrayPlan, calibrate_tray, parse_region
from edge.config import Config
from edge.errors import ConfigError, SourceError
from edge.picture_quality import View, remarks, view_of
from edge.presence.tray_picture import load_tray_picture, tray_picture_path
from edge.records import BgrImage
from edge.thumbnail import thumbnail
from tests.calibrate_rig import CalibrateRig
from tests.scenes import SyntheticTray

WIDTH, HEIGHT = 320, 240
SHEET = (0.25, 0.2, 0.5, 0.6)
FRAMES = 20


def tray_pictures(seed: int = 0, gain: float = 1.0, frames: int = FRAMES) -> list[BgrImage]:
    tray = SyntheticTray(WIDTH, HEIGHT, seed=seed)
    return [tray.image(gain=gain) for _ in range(frames)]


def with_sheet(pictures: list[BgrImage], xywh=SHEET, level: int = 240, gain: float = 1.0) -> list[BgrImage]:
    x, y, w, h = xywh
    rows, columns = slice(round(y * HEIGHT), round((y + h) * HEIGHT)), slice(round(x * WIDTH), round((x + w) * WIDTH))
    found = []
    for picture in pictures:
        covered = np.clip(picture * gain, 0, 255).astype(np.uint8)
        covered[rows, columns] = level
        found.append(covered)
    return found


def video(path: Path, pictures: list[BgrImage]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (WIDTH, HEIGHT))
    assert writer.isOpened(), "OpenCV writes no MJPEG here"
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


@pytest.fixture
def make(tmp_path: Path, monkeypatch):
    rigs = []

    def make_rig() -> CalibrateRig:
        empty = video(tmp_path / "empty.avi", tray_pictures())
        video(tmp_path / "covered.avi", with_sheet(tray_pictures()))
        rigs.append(CalibrateRig(tmp_path, monkeypatch, f"source:\n  spec: video:{empty}  # the tray\n"))
        return rigs[-1]

    yield make_rig
    for rig in rigs:
        rig.close()


SHEETS = [
    ("white", SHEET, 250, 1.0),
    ("black", SHEET, 10, 1.0),
    ("at the picture's edge", (0.0, 0.0, 0.4, 0.7), 250, 1.0),
    ("small", (0.6, 0.5, 0.25, 0.25), 250, 1.0),
    ("while the camera's automatic darkens the rest", SHEET, 240, 0.85),
]


@pytest.mark.parametrize(("xywh", "level", "gain"), [row[1:] for row in SHEETS], ids=[row[0] for row in SHEETS])
def test_the_region_is_the_sheets_box_with_a_margin(xywh, level, gain):
    found = find_region(view_of(tray_pictures()), view_of(with_sheet(tray_pictures(), xywh, level, gain)))
    x, y, w, h = xywh
    edges = (x - 0.02, y - 0.02, x + w + 0.02, y + h + 0.02)
    left, top, width, height = found.roi_xywh
    assert (left, top, left + width, top + height) == pytest.approx([min(max(edge, 0), 1) for edge in edges], abs=0.02)
    assert not found.is_whole
    assert (found.surround_levels > 6) == (gain != 1.0)


def test_a_sheet_over_the_whole_picture_is_the_whole_picture():
    found = find_region(view_of(tray_pictures()), view_of(with_sheet(tray_pictures(), (0.0, 0.0, 1.0, 1.0))))
    assert (found.is_whole, found.roi_xywh) == (True, (0.0, 0.0, 1.0, 1.0))


def test_a_thing_beside_the_sheet_is_not_in_the_region():
    covered = with_sheet(with_sheet(tray_pictures(), (0.02, 0.85, 0.06, 0.1)), SHEET)
    left, top, *_ = find_region(view_of(tray_pictures()), view_of(covered)).roi_xywh
    assert (left, top) == pytest.approx((0.23, 0.18), abs=0.02)


def aslant() -> list[BgrImage]:
    corners = np.array([[160, 10], [300, 120], [160, 230], [20, 120]])
    return [cv2.fillConvexPoly(picture.copy(), corners, (245, 245, 245)) for picture in tray_pictures()]


NO_SHEETS = [
    ("nothing came", tray_pictures(), "nothing came into the picture"),
    ("only the light changed", tray_pictures(gain=1.05), "nothing came into the picture"),
    ("a small thing", with_sheet(tray_pictures(), (0.4, 0.4, 0.12, 0.12)), r"covers 1\.\d% of the picture"),
    ("specks", with_sheet(tray_pictures(), (0.4, 0.4, 0.01, 0.01)), r"covers 0\.0% of the picture"),
    ("a sheet aslant", aslant(), "has not the shape of a sheet"),
]


@pytest.mark.parametrize(("pictures", "reason"), [row[1:] for row in NO_SHEETS], ids=[row[0] for row in NO_SHEETS])
def test_what_is_no_sheet_is_told(pictures, reason):
    with pytest.raises(SourceError, match=reason):
        find_region(view_of(tray_pictures()), view_of(pictures))


def test_pictures_of_two_sizes_cannot_be_compared():
    other = view_of([np.zeros((10, 10, 3), np.uint8)] * 2)
    with pytest.raises(SourceError, match="cannot be compared"):
        find_region(view_of(tray_pictures()), other)
    with pytest.raises(SourceError, match="expected"):
        view_of([np.zeros((10, 10, 3), np.uint8), np.zeros((20, 10, 3), np.uint8)])


def test_too_few_pictures_are_told():
    with pytest.raises(SourceError, match="fewer than two pictures"):
        view_of(tray_pictures(frames=1))


def test_noise_and_brightness_are_measured():
    found = view_of(tray_pictures())
    assert found.noise == pytest.approx(2.0, abs=0.3)
    assert found.brightness == pytest.approx(146.0, abs=5.0)
    assert found.frames == FRAMES
    assert found.flicker_share < 0.01
    assert found.moved_share == 0.0


def sharp(blur_px: int) -> View:
    rng = np.random.default_rng(3)
    plane = cv2.resize(
        rng.integers(40, 220, (30, 40)).astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST
    )
    if blur_px:
        plane = cv2.GaussianBlur(plane, (blur_px, blur_px), 0)
    return view_of(
        np.clip(cv2.merge([plane] * 3) + rng.normal(0, 2, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
        for _ in range(FRAMES)
    )


def test_a_lens_out_of_focus_is_told_and_a_plain_tray_is_not_blamed():
    assert not any(remark.subject == "focus" for remark in remarks(sharp(0)))
    assert any("is not sharp" in remark.found for remark in remarks(sharp(11)))
    plain = view_of([np.full((HEIGHT, WIDTH, 3), 120, np.uint8)] * 3)
    assert plain.sharpness is None
    assert not list(remarks(plain))


def moving() -> list[BgrImage]:
    return [*tray_pictures(frames=10), *with_sheet(tray_pictures(frames=10))]


def flickering() -> list[BgrImage]:
    return [picture for gain in (1.0, 0.9) * 5 for picture in tray_pictures(gain=gain, frames=1)]


def noisy() -> list[BgrImage]:
    tray = SyntheticTray(WIDTH, HEIGHT, sigma=12.0)
    return [tray.image() for _ in range(FRAMES)]


FAULTS = [
    ("dark", tray_pictures(gain=0.15), "the picture is dark"),
    ("bright", tray_pictures(gain=1.6), "the picture is bright"),
    ("saturated", tray_pictures(gain=2.0), "are at the end of the scale"),
    ("noisy", noisy(), "the picture is noisy"),
    ("flickering", flickering(), "the light flickers by 1"),
    ("moving", moving(), "something moved in 3"),
]


@pytest.mark.parametrize(("pictures", "reason"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_bad_light_and_motion_are_told_with_a_remedy(pictures, reason):
    found = [remark for remark in remarks(view_of(pictures)) if reason in remark.found]
    assert len(found) == 1
    assert found[0].remedy


def test_good_pictures_have_nothing_to_remark():
    assert list(remarks(view_of(tray_pictures()))) == []


def stored_picture(rig: CalibrateRig) -> np.ndarray | None:
    return load_tray_picture(rig.path, rig.store().config.source)


def test_the_region_and_the_picture_are_found_in_two_recordings_and_stored(make, capsys):
    rig = make()
    covered = f"video:{rig.path.parent / 'covered.avi'}"
    calibrate_tray(rig.store(), rig.desk(is_quiet=True), TrayPlan(is_agreed=True, covered_source=covered, as_json=True))
    record = json.loads(capsys.readouterr().out)
    roi = rig.store().config.source.camera.roi_xywh
    assert roi == pytest.approx((0.23, 0.18, 0.54, 0.64), abs=0.02)
    assert record["roi_xywh"] == list(roi)
    assert record["remarks"] == []
    assert "  # the tray" in rig.path.read_text()
    picture = stored_picture(rig)
    assert picture is not None
    assert record["picture"] == str(tray_picture_path(rig.path, rig.store().config.source))
    expected = np.mean([thumbnail(image) for image in tray_pictures()], axis=0)
    assert np.abs(picture - expected).mean() < 2.0


def test_an_operator_is_asked_for_each_picture_and_before_anything_is_stored(make, capsys):
    rig = make()
    store = rig.store()

    def swap() -> None:
        (rig.path.parent / "covered.avi").replace(rig.path.parent / "empty.avi")

    def back() -> None:
        video(rig.path.parent / "empty.avi", tray_pictures())

    calibrate_tray(store, rig.desk("", "", swap, "", "y", back, ""), TrayPlan())
    out = capsys.readouterr().out
    assert out.index("Lay nothing on the tray") < out.index("Lay a sheet") < out.index("Take the sheet away")
    assert "! nothing came into the picture" in out, "the first sheet was not there yet"
    assert store.config.source.camera.roi_xywh is not None
    assert stored_picture(rig) is not None


TYPED = [("a region", "0.1, 0.2,0.5,0.6", (0.1, 0.2, 0.5, 0.6)), ("the whole", "w", None), ("as it is", "k", None)]


@pytest.mark.parametrize(("line", "expected"), [row[1:] for row in TYPED], ids=[row[0] for row in TYPED])
def test_a_region_may_be_typed(make, line, expected):
    rig = make()
    lines = ["", "0.5,0.5,0.6,0.1", "1,2", line, *([] if line == "k" else ["y"]), ""]
    calibrate_tray(rig.store(), rig.desk(*lines), TrayPlan())
    assert rig.store().config.source.camera.roi_xywh == expected


def test_a_scripted_region_is_stored_and_the_picture_taken(make):
    rig = make()
    calibrate_tray(rig.store(), rig.desk(), TrayPlan(roi_xywh=(0.1, 0.2, 0.5, 0.6), is_agreed=True))
    assert rig.store().config.source.camera.roi_xywh == (0.1, 0.2, 0.5, 0.6)
    assert stored_picture(rig) is not None


def test_only_the_picture_is_taken_and_older_ones_of_another_view_go(make):
    rig = make()
    calibrate_tray(rig.store(), rig.desk(), TrayPlan(roi_xywh=(0.1, 0.2, 0.5, 0.6), is_agreed=True))
    text = rig.path.read_text()
    stranger = rig.path.with_name("other.tray-12345678.png")
    stranger.touch()
    former = rig.path.with_name("config.tray-12345678.png")
    former.touch()
    calibrate_tray(rig.store(), rig.desk(), TrayPlan(is_roi_kept=True, is_agreed=True))
    assert rig.path.read_text() == text
    assert (stranger.exists(), former.exists()) == (True, False)
    assert stored_picture(rig) is not None


def test_a_phase_that_shows_no_sheet_stores_nothing(make):
    rig = make()
    text = rig.path.read_text()
    with pytest.raises(SourceError, match="nothing came into the picture"):
        calibrate_tray(rig.store(), rig.desk(), TrayPlan(is_agreed=True, wait_s=5.0))
    assert rig.clock.now_s() == pytest.approx(5.0), "the operator has that long to lay the sheet"
    assert rig.path.read_text() == text
    assert stored_picture(rig) is None


def test_a_tray_that_moves_gives_no_picture(make):
    rig = make()
    video(rig.path.parent / "empty.avi", moving())
    with pytest.raises(SourceError, match="no picture of the empty tray was stored: something moved"):
        calibrate_tray(rig.store(), rig.desk(), TrayPlan(is_roi_kept=True, is_agreed=True))
    assert stored_picture(rig) is None


def test_an_operator_is_asked_before_a_picture_that_moved_is_taken_again(make, capsys):
    rig = make()

    def still() -> None:
        video(rig.path.parent / "empty.avi", tray_pictures())

    video(rig.path.parent / "empty.avi", moving())
    calibrate_tray(rig.store(), rig.desk("", "", still, ""), TrayPlan(is_roi_kept=True))
    assert capsys.readouterr().out.count("Enter takes it again") == 2
    assert stored_picture(rig) is not None


def test_a_picture_of_another_source_is_not_the_cameras_and_leaves_the_cameras_alone(make, capsys):
    rig = make()
    calibrate_tray(rig.store(), rig.desk(), TrayPlan(is_roi_kept=True, is_agreed=True))
    source = rig.store().config.source
    cameras = tray_picture_path(rig.path, source)
    before = cameras.read_bytes()
    spec = f"video:{rig.path.parent / 'covered.avi'}"
    calibrate_tray(rig.store(), rig.desk(), TrayPlan(is_roi_kept=True, is_agreed=True, source=spec))
    assert cameras.read_bytes() == before
    assert load_tray_picture(rig.path, source.model_copy(update={"spec": spec})) is not None
    assert f"it serves a run with --source {spec} only" in capsys.readouterr().out


@pytest.mark.parametrize(("is_plain", "warns"), [(True, True), (False, False)], ids=["plain", "with a wall"])
def test_a_tray_without_lines_is_told_when_its_picture_is_taken(make, capsys, is_plain, warns):
    rig = make()
    if is_plain:
        plain = [np.full((HEIGHT, WIDTH, 3), 130, np.uint8) for _ in range(FRAMES)]
        video(rig.path.parent / "empty.avi", plain)
    calibrate_tray(rig.store(), rig.desk(), TrayPlan(is_roi_kept=True, is_agreed=True))
    assert ("shows too few lines to be recognised" in capsys.readouterr().out) is warns


def test_a_region_outside_of_the_picture_is_refused_before_the_camera_is_opened(make):
    rig = make()
    (rig.path.parent / "empty.avi").unlink()
    with pytest.raises(ConfigError, match="must lie within the picture"):
        calibrate_tray(rig.store(), rig.desk(), TrayPlan(roi_xywh=(0.5, 0.5, 0.6, 0.6), is_agreed=True))


def test_a_signal_between_two_pictures_stores_nothing(make):
    rig = make()
    text = rig.path.read_text()
    rig.clock.at(2.0, lambda: rig.stop(signal.SIGTERM))
    with pytest.raises(StoppedError):
        calibrate_tray(rig.store(), rig.desk(), TrayPlan(is_agreed=True, wait_s=5.0))
    assert rig.path.read_text() == text


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "1;2;3;4", "1,2,3,4,5", "0,0,nan,1", "0,0,1,inf"])
def test_what_is_no_region_is_told(text):
    with pytest.raises(ConfigError, match="is no region; give x,y,width,height"):
        parse_region(text)


def test_the_picture_belongs_to_one_view(tmp_path):
    file = tmp_path / "config.yaml"
    source = Config().source
    others = [
        source.model_copy(update={"spec": "v4l2:/dev/video0"}),
        source.model_copy(update={"width_px": 320}),
        source.model_copy(update={"camera": source.camera.model_copy(update={"rotation_deg": 90})}),
        source.model_copy(update={"camera": source.camera.model_copy(update={"roi_xywh": (0.0, 0.0, 0.5, 0.5)})}),
    ]
    paths = {tray_picture_path(file, view) for view in (source, *others)}
    assert len(paths) == 5
    assert tray_picture_path(file, source.model_copy(update={"fps": 10.0})) in paths
    assert tray_picture_path(tmp_path / "other.yaml", source) not in paths


BAD_PICTURES = [
    ("empty", b""),
    ("no picture", b"PNG?"),
    ("another size", cv2.imencode(".png", np.zeros((10, 10), np.uint8))[1].tobytes()),
    ("in colour", cv2.imencode(".png", np.zeros((60, 80, 3), np.uint8))[1].tobytes()),
    ("of 16 bits", cv2.imencode(".png", np.zeros((60, 80), np.uint16))[1].tobytes()),
]


@pytest.mark.parametrize("data", [row[1] for row in BAD_PICTURES], ids=[row[0] for row in BAD_PICTURES])
def test_a_picture_that_cannot_be_read_is_told_and_left_aside(tmp_path, caplog, data):
    file, source = tmp_path / "config.yaml", Config().source
    tray_picture_path(file, source).write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert load_tray_picture(file, source) is None
    assert "is no picture of the tray; it is left aside" in caplog.text


def test_without_a_configuration_or_a_picture_there_is_none(tmp_path):
    assert load_tray_picture(None, Config().source) is None
    assert load_tray_picture(tmp_path / "config.yaml", Config().source) is None
