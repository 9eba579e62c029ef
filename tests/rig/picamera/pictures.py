"""Writes what the virtual camera shows: `pictures.py FOLDER` makes pictures, and libcamera's description of them.

At first it shows areas of known colour; `show` lets it show one item after another on the simulated tray, for ever.
libcamera reads all pictures whenever it looks for cameras, so only those that are needed are described.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from edge.records import BgrImage
from edge.sources.sim import Simulation
from edge.sources.sim_script import Item

__all__ = ["CORNER_BGR", "FPS", "LEFT_BGR", "RIGHT_BGR", "SIZE", "TRAY_FPS", "show"]

FOLDER = Path("/run/rig")
"""Where libcamera finds the description, by a link in the root tree."""
SIZE = (640, 480)
FPS, TRAY_FPS = 30, 15
LEFT_BGR, RIGHT_BGR, CORNER_BGR = (20, 20, 200), (200, 20, 20), (20, 200, 20)
"""Red, blue, and green in the upper left."""
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]
CAMERA = """%YAML 1.1
---
"{name}":
  supported_formats:
  - width: {width}
    height: {height}
    frame_rates:
    - {fps}
  frames:
    path: "{folder}"
  model: "{name}"
"""


def areas(number: int) -> BgrImage:
    """Two halves and a corner. A mark wanders, since a picture that repeats is a frozen camera."""
    width_px, height_px = SIZE
    image = np.empty((height_px, width_px, 3), np.uint8)
    image[:, : width_px // 2] = LEFT_BGR
    image[:, width_px // 2 :] = RIGHT_BGR
    image[: height_px // 4, : width_px // 4] = CORNER_BGR
    image[-10:, 40 * number : 40 * number + 20] = 255
    return image


def tray() -> list[BgrImage]:
    """An item comes, rests and goes; the end fits the beginning."""
    item = Item("glass", "tumbler", rest_s=2.5)
    play = Simulation(seed=3, items=1, fps=TRAY_FPS, width_px=SIZE[0], height_px=SIZE[1], script=[item])
    play.open()
    images = []
    while play.next_s() is not None:
        images.append(play.take().image)
    return images


def show(name: str, folder: Path = FOLDER) -> None:
    """From the next look for cameras on there is a virtual camera of this name, with its pictures."""
    fps = TRAY_FPS if name == "tray" else FPS
    text = CAMERA.format(name=name, width=SIZE[0], height=SIZE[1], fps=fps, folder=f"{folder}/{name}/")
    (folder / "virtual.yaml").write_text(text)


def main(folder: Path) -> None:
    """Write all pictures."""
    for name, images in {"areas": [areas(number) for number in range(16)], "tray": tray()}.items():
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(images):
            cv2.imwrite(str(folder / name / f"{number:04}.jpg"), image, QUALITY)
    show("areas", folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
