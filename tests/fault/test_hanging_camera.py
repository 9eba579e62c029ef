"""A camera driver that never comes back: the gate is parked, the fault is written down, and the process ends."""

import pytest

from tests.cli_rig import ledger_records, start

LIMIT_S = 30.0
"""Far more than it takes; without a hard end the process would never end."""
HANGING = """
import threading
import numpy as np
import edge.sources.v4l2 as v4l2
from edge.cli import main

for_ever = threading.Event()

class HangingCamera:
    opens_aside = True

    def __init__(self, device, width_px, height_px, fps, settings):
        self.pictures = {pictures}

    def limit_rate(self, fps):
        pass

    def open(self):
        # As the threads of a camera's library, which the interpreter waits for at its end.
        threading.Thread(target=for_ever.wait, daemon=False).start()

    def grab(self, out=None):
        self.pictures -= 1
        if self.pictures < 0:
            for_ever.wait()
        return np.random.default_rng(self.pictures).integers(100, 120, (240, 320, 3), dtype=np.uint8)

    def close(self):
        for_ever.wait()

v4l2.V4l2Camera = HangingCamera
main()
"""


@pytest.mark.parametrize(("pictures", "told"), [(0, "gave no picture"), (5, "is stale")])
def test_a_camera_that_hangs_ends_the_program_with_the_fault_written_down(tmp_path, pictures: int, told: str):
    book = tmp_path / "ledger.db"
    code = HANGING.replace("{pictures}", str(pictures))
    process = start("run", "--source", "v4l2:/dev/null", "--ledger", book, code=code)
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 3
    assert told in err
    assert "Traceback" not in err
    faults = [record["reason"] for record in ledger_records(book) if record["type"] == "fault"]
    assert faults == (["source_lost"] if pictures else [])


def test_a_service_that_is_stopped_while_its_camera_hangs_ends_as_well(tmp_path):
    config = tmp_path / "config.yaml"
    book = tmp_path / "ledger.db"
    config.write_text(f"source: {{spec: 'v4l2:/dev/null', max_age_s: 10}}\nledger: {{path: {book}}}\n")
    process = start("run", "--unattended", "--config", config, code=HANGING.replace("{pictures}", "60"))
    assert process.stdout is not None
    assert "boot" in process.stdout.readline()
    process.terminate()
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err
    assert "hangs in its driver and is left behind" in err
