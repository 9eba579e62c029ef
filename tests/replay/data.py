"""The recorded trays beside the project."""

import os
from pathlib import Path

SCENES = Path(os.environ.get("SORTER_DATA") or Path(__file__).parents[2] / "../shared/data") / "scenes"


def scene_files(name: str) -> tuple[Path, Path]:
    """Video and truth of a scene. Raises: FileNotFoundError."""
    files = SCENES / f"{name}.mp4", SCENES / f"{name}.json"
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"{path.resolve()} is missing; set SORTER_DATA to the folder that holds scenes/")
    return files
