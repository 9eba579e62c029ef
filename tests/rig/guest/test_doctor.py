"""The doctor on a machine that has everything."""

import json
import subprocess

from tests.rig.guest.sorter import CONFIG, USER


def test_the_doctor_finds_no_blocker_for_the_programs_own_user(sorter):
    sorter.configure({})
    sorter.stop()
    command = ["/opt/edge-sorter/bin/edge-sorter", "doctor", "--json", "--config", str(CONFIG)]
    done = subprocess.run(
        ["runuser", "-u", USER, "--", "env", "XDG_STATE_HOME=/var/lib", *command],
        check=False,
        capture_output=True,
        text=True,
        cwd="/tmp",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)
