"""A recording is one file: what it says opens no other file and asks no other machine."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import ConfigError
from edge.picture_limits import MAX_PIXELS
from edge.sources.video import VideoRecording
from tests.scenes import write_video

ROOT = Path(__file__).parents[2]
OPEN = """
import socket, sys
from pathlib import Path
from edge.errors import ConfigError
from edge.sources.video import VideoRecording
with socket.create_server(("127.0.0.1", 0)) as server:
    server.settimeout(0.2)
    path = Path(sys.argv[1])
    path.write_text(path.read_text().replace("PORT", str(server.getsockname()[1])))
    try:
        VideoRecording(path).open()
        print("opened")
    except ConfigError as exc:
        print("refused:", exc)
    try:
        server.accept()
        print("asked")
    except TimeoutError:
        print("silent")
"""
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n"
LISTS = {
    "hls-net.m3u8": HLS.format("http://127.0.0.1:PORT/x.ts"),
    "hls-file.m3u8": HLS.format("real.avi"),
    "concat-net.mp4": "ffconcat version 1.0\nfile 'http://127.0.0.1:PORT/x.avi'\n",
    "concat-file.mp4": "ffconcat version 1.0\nfile 'real.avi'\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video PORT RTP/AVP 26\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_play_list_is_no_recording(tmp_path, name):
    write_video(tmp_path / "real.avi", frames=3)
    (tmp_path / name).write_text(LISTS[name])
    # In a process of its own: OpenCV may write to the terminal behind Python's back.
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(tmp_path / name)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={key: value for key, value in os.environ.items() if not key.startswith("OPENCV_FFMPEG")},
    )
    told = done.stdout.splitlines()
    assert "cannot be opened as a video" in told[0], done.stderr
    assert told[1] == "silent"


def test_a_numbered_picture_is_no_recording(tmp_path):
    cv2.imwrite(str(tmp_path / "im1.png"), np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(ConfigError, match="cannot be opened as a video"):
        VideoRecording(tmp_path / "im1.png").open()


def test_a_name_that_looks_like_an_address_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:").mkdir()
    write_video(tmp_path / "v.avi", frames=1).rename(tmp_path / "http:" / "v.avi")
    recording = VideoRecording(Path("http:/v.avi"))
    recording.open()
    assert recording.take().image.shape == (48, 64, 3)
    recording.close()


def test_a_recording_that_claims_huge_frames_is_refused_before_one_is_read(tmp_path, monkeypatch):
    class Huge:
        """A capture of a file whose header claims more than any camera gives."""

        def __init__(self, *_: object) -> None:
            self.reads = 0

        def isOpened(self) -> bool:  # noqa: N802 - OpenCV's own name
            return True

        def get(self, what: int) -> float:
            return {cv2.CAP_PROP_FRAME_WIDTH: 65000.0, cv2.CAP_PROP_FRAME_HEIGHT: MAX_PIXELS / 60000}.get(what, 0.0)

        def read(self) -> None:
            pytest.fail("a frame was decoded")

    path = write_video(tmp_path / "v.avi", frames=1)
    monkeypatch.setattr("edge.sources.video.cv2.VideoCapture", Huge)
    with pytest.raises(ConfigError, match="claims frames of 65000 x 1118 pixels, more than 67 million; scale it down"):
        VideoRecording(path).open()
