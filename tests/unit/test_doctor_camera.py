"""What doctor says of the camera: there, allowed, delivering, and showing something."""

import errno
import logging
import threading
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.board.processes import Program
from edge.board.video import VideoNode
from edge.config import Config
from edge.configfile import parse_config
from edge.doctor.bounded import LeftBehindError
from edge.doctor.camera import check_camera
from edge.doctor.picture import judge
from edge.errors import SourceError
from edge.picture_quality import view_of
from tests.doctor_rig import PI_USER, TEXTURE, Film, a_pi, camera_of, film, found, is_good, pi_config


def camera(machine, config=None, sorter=None):
    return list(check_camera(machine, config or pi_config(), sorter))


def playing(root, frames, failure=None, **changes):
    return a_pi(root, open_camera=camera_of(frames, failure), **changes)


def grey(level):
    return np.full((480, 640, 3), level, np.uint8)


def test_a_camera_in_good_order_is_ok(tmp_path):
    findings = camera(a_pi(tmp_path))
    assert is_good(findings)
    assert found(findings, "camera.device").found == "/dev/video0 is USB camera"
    assert "20.0 pictures a second of 640x480" in found(findings, "camera.pictures").found


@pytest.mark.parametrize(
    ("spec", "words"), [("sim:3", "simulated"), ("images:{there}", "recorded"), ("video:{there}", "recorded")]
)
def test_a_source_that_is_no_camera_is_a_note(tmp_path, spec, words):
    config = parse_config(f"source: {{spec: '{spec.format(there=tmp_path)}'}}", "x.yaml")
    (finding,) = camera(a_pi(tmp_path / "root", open_camera=None), config)
    assert finding.level == "note"
    assert words in finding.found


def test_a_recording_that_is_missing_is_a_blocker(tmp_path):
    config = parse_config(f"source: {{spec: 'video:{tmp_path}/none.mp4'}}", "x.yaml")
    (finding,) = camera(a_pi(tmp_path / "root"), config)
    assert finding.level == "blocker"


def failing(number):
    def node(device):
        raise OSError(number, "no")

    return node


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "there is no camera at /dev/video0"),
        (errno.ENODEV, "there is no camera at /dev/video0"),
        (errno.EACCES, "pi may not use /dev/video0"),
        (errno.EBUSY, "another program"),
        (errno.ENOTTY, "no video device"),
    ],
)
def test_a_device_that_does_not_answer_is_a_blocker(tmp_path, number, words):
    (finding,) = camera(a_pi(tmp_path, video_node=failing(number), open_camera=None))
    assert finding.level == "blocker"
    assert words in finding.found
    assert finding.remedy


def test_who_may_not_use_the_device_learns_which_group_to_join(tmp_path):
    user = replace(PI_USER, groups=frozenset(), listed_in=frozenset())
    (finding,) = camera(a_pi(tmp_path, video_node=failing(errno.EACCES), user=user))
    assert "adduser pi video" in finding.remedy


def test_a_node_that_gives_no_pictures_is_told_from_the_one_that_does(tmp_path):
    nodes = {"video0": VideoNode("UVC metadata", False), "video1": VideoNode("USB camera", True)}
    machine = a_pi(
        tmp_path,
        {"sys/class/video4linux/video1/name": "USB camera\n"},
        video_node=lambda device: nodes[device.name],
    )
    (finding,) = camera(machine)
    assert finding.level == "blocker"
    assert "v4l2:/dev/video1 (USB camera)" in finding.remedy


def test_picamera2_that_is_not_installed_is_a_blocker(tmp_path):
    config = pi_config().model_copy(update={"source": Config().source.model_copy(update={"spec": "picamera2"})})
    (finding,) = camera(a_pi(tmp_path, has_module=lambda name: False, open_camera=None), config)
    assert finding.level == "blocker"
    assert "python3-picamera2" in finding.remedy
    assert is_good(camera(a_pi(tmp_path), config))


def test_a_camera_that_the_running_sorter_uses_is_left_alone(tmp_path):
    findings = camera(a_pi(tmp_path, open_camera=None), sorter=Program(1234, "run"))
    assert is_good(findings)
    assert "in use by process 1234 (edge-sorter run)" in found(findings, "camera.pictures").found


def test_a_camera_that_is_lost_while_it_is_watched_is_a_blocker(tmp_path):
    finding = found(
        camera(playing(tmp_path, film(3), SourceError("camera is lost; check its cable"))), "camera.pictures"
    )
    assert (finding.level, finding.found, finding.remedy) == ("blocker", "camera is lost", "check its cable")


def test_a_camera_without_pictures_is_a_blocker(tmp_path):
    for frames in ([], film(1)):
        assert found(camera(playing(tmp_path, frames)), "camera.pictures").level == "blocker"


def test_a_slow_camera_is_a_warning(tmp_path):
    finding = found(camera(playing(tmp_path, film(fps=7.0))), "camera.pictures")
    assert finding.level == "warning"
    assert "7.0 pictures a second" in finding.found


def test_a_fast_camera_is_none(tmp_path):
    assert is_good(camera(playing(tmp_path, film(fps=30.0))))


def test_another_size_than_asked_for_is_a_warning(tmp_path):
    machine = playing(tmp_path, film(base=TEXTURE[:240, :320]))
    finding = found(camera(machine), "camera.pictures")
    assert finding.level == "warning"
    assert "320x240" in finding.found


def test_a_turned_picture_has_its_sides_exchanged(tmp_path):
    machine = playing(tmp_path, film(base=np.ascontiguousarray(TEXTURE.transpose(1, 0, 2))))
    turned = pi_config().source.model_copy(
        update={"camera": pi_config().source.camera.model_copy(update={"rotation_deg": 90})}
    )
    assert is_good(camera(machine, pi_config().model_copy(update={"source": turned})))
    assert found(camera(machine), "camera.pictures").level == "warning"


def test_pictures_that_repeat_bit_for_bit_are_a_warning(tmp_path):
    frames = [replace(frame, image=TEXTURE) for frame in film()]
    assert found(camera(playing(tmp_path, frames)), "camera.frozen").level == "warning"


def test_a_dark_picture_is_told_as_dark_and_not_as_frozen_or_blurred(tmp_path):
    frames = [replace(frame, image=grey(3)) for frame in film()]
    findings = camera(playing(tmp_path, frames))
    assert "too dark" in found(findings, "camera.exposure").found
    assert {finding.check for finding in findings} == {"camera.device", "camera.pictures", "camera.exposure"}


def striped(share):
    """White stripes over a middle grey: `share` of the picture is saturated."""
    image = grey(120)
    image[:, : round(640 * share)] = 255
    image[::2, -20:] = 60
    return image


@pytest.mark.parametrize(
    ("image", "level"),
    [
        (TEXTURE, "ok"),
        (grey(15), "warning"),
        (grey(39), "warning"),
        (grey(41), "ok"),
        (grey(209), "ok"),
        (grey(211), "warning"),
        (striped(0.04), "ok"),
        (striped(0.06), "warning"),
    ],
)
def test_exposure_is_judged_by_its_mean_and_its_saturated_part(image, level):
    assert found(judge(view_of([image, image]), 16.0), "camera.exposure").level == level


def test_a_picture_without_an_edge_is_a_note_and_a_blurred_one_a_warning():
    blocks = cv2.resize(TEXTURE[:48, :64], (640, 480), interpolation=cv2.INTER_NEAREST)
    blurred = cv2.GaussianBlur(blocks, (21, 21), 0)
    told = [
        [(finding.check, finding.level) for finding in judge(view_of([image, image]), 16.0)]
        for image in (grey(120), TEXTURE, blurred)
    ]
    exposure = ("camera.exposure", "ok")
    assert told == [[exposure, ("camera.focus", "note")], [exposure], [exposure, ("camera.focus", "warning")]]


def test_light_that_flickers_is_a_warning_with_its_remedy(tmp_path):
    frames = [
        replace(frame, image=(frame.image * (0.8 + 0.2 * (number % 2))).astype(np.uint8))
        for number, frame in enumerate(film())
    ]
    finding = found(camera(playing(tmp_path, frames)), "camera.flicker")
    assert (finding.level, "take a lamp without flicker" in finding.remedy) == ("warning", True)


def test_a_hand_in_the_picture_is_no_fault_of_the_camera(tmp_path):
    frames = film()
    frames[-1].image[100:300, 100:300] //= 2
    assert is_good(camera(playing(tmp_path, frames)))


def test_what_the_driver_warns_of_becomes_a_finding_and_is_not_logged_twice(tmp_path, caplog):
    @contextmanager
    def opened(config):
        logging.getLogger("edge.sources.v4l2").warning("camera /dev/video0 did not take gain 4 (it says 1)")
        yield Film(film()), None

    finding = found(camera(a_pi(tmp_path, open_camera=opened)), "camera.settings")
    assert finding.level == "warning"
    assert "did not take gain 4" in finding.found
    assert not caplog.records


def test_a_thread_that_hangs_in_the_driver_is_told_of_after_all_findings(tmp_path):
    release = threading.Event()
    threads = []

    @contextmanager
    def opened(config):
        threads.append(threading.Thread(target=release.wait, name="camera", daemon=True))
        threads[0].start()
        yield Film(film()), None

    findings = []
    try:
        with pytest.raises(LeftBehindError):
            for finding in check_camera(a_pi(tmp_path, open_camera=opened), pi_config(), None):
                findings.append(finding)
    finally:
        release.set()
        threads[0].join()
    assert is_good(findings)
