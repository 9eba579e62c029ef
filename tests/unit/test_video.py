"""Recorded video: the file's own time stamps, its end, and files that are damaged or none."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import ConfigError, SourceError
from edge.records import Frame
from edge.sources.replay import ReplaySource
from edge.sources.video import VideoRecording
from tests.scenes import grey_of, write_video


def frames_of(path: Path) -> list[Frame]:
    recording = VideoRecording(path)
    recording.open()
    frames = []
    while recording.next_s() is not None:
        frames.append(recording.take())
    recording.close()
    return frames


@pytest.mark.parametrize("fps", [5.0, 10.0, 25.0, 30.0])
def test_frames_come_in_order_on_the_files_own_time(tmp_path, fps: float):
    frames = frames_of(write_video(tmp_path / "v.avi", frames=12, fps=fps))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.t_s for frame in frames] == pytest.approx([index / fps for index in range(12)], abs=0.002)
    assert [float(frame.image.mean()) for frame in frames] == pytest.approx([grey_of(i) for i in range(12)], abs=3)
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.dtype == np.uint8


def test_a_frame_is_decoded_ahead_so_that_the_end_is_known(tmp_path):
    source = ReplaySource(VideoRecording(write_video(tmp_path / "v.avi", frames=2)), "fast")
    source.open()
    assert not source.is_exhausted
    source.read(100.0)
    assert not source.is_exhausted
    source.read(100.0)
    assert source.is_exhausted
    source.close()


def test_reading_beyond_the_end_is_an_error_of_the_source(tmp_path):
    recording = VideoRecording(write_video(tmp_path / "v.avi", frames=1))
    recording.open()
    recording.take()
    with pytest.raises(SourceError, match=r"v\.avi is at its end; nothing is left to read"):
        recording.take()
    recording.close()


def test_a_container_without_time_stamps_runs_at_its_frame_rate(tmp_path, monkeypatch):
    class Untimed:
        """A capture that does not know when a frame was taken."""

        def __init__(self, *args: object) -> None:
            self._capture = real(*args)

        def __getattr__(self, name: str):
            return getattr(self._capture, name)

        def get(self, name: int) -> float:
            return 0.0 if name == cv2.CAP_PROP_POS_MSEC else self._capture.get(name)

    real = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", Untimed)
    times = [frame.t_s for frame in frames_of(write_video(tmp_path / "v.avi", frames=5, fps=20.0))]
    assert times == pytest.approx([0.0, 0.05, 0.10, 0.15, 0.20])


def test_a_video_that_was_cut_gives_what_is_left_with_a_warning(tmp_path, caplog):
    path = write_video(tmp_path / "v.avi", frames=30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with caplog.at_level(logging.WARNING):
        frames = frames_of(path)
    assert 1 <= len(frames) < 30
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert f"ended after {len(frames)} of 30 frames; the file is damaged or was cut" in caplog.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"video .*v\.avi does not exist; check --source video:PATH"),
        (b"", r"v\.avi \(0 bytes\) cannot be opened as a video; it is empty, truncated, or no video"),
        (b"This is no video.\n" * 100, r"v\.avi \(1800 bytes\) cannot be opened as a video"),
    ],
    ids=["missing", "empty", "text"],
)
def test_a_file_that_is_no_video_is_a_config_error(tmp_path, capfd, content: bytes | None, says: str):
    path = tmp_path / "v.avi"
    if content is not None:
        path.write_bytes(content)
    recording = VideoRecording(path)
    with pytest.raises(ConfigError, match=says):
        recording.open()
    recording.close()
    assert capfd.readouterr().err == "", "the library must not chatter"


def test_a_folder_is_no_video(tmp_path):
    with pytest.raises(ConfigError, match="check --source video:PATH"):
        VideoRecording(tmp_path).open()


def test_a_container_without_a_single_picture_is_refused(tmp_path):
    path = write_video(tmp_path / "v.avi", frames=3)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + 4])
    recording = VideoRecording(path)
    with pytest.raises(ConfigError, match=r"holds no frame that can be decoded|cannot be opened as a video"):
        recording.open()
    recording.close()
