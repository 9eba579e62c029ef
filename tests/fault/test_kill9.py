"""Twenty sorters killed in the middle of their work, one after the other, on one ledger."""

import json
import random
import signal
import subprocess
from contextlib import suppress

from tests.cli_rig import invoke, ledger_records, start

KILLS = 20
LONGEST_WAIT_S = 0.15
"""About what the simulation takes for one item: the kill may fall anywhere between two events."""


def whole_lines(text):
    """JSON of the lines that are complete; what is torn was never acknowledged."""
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def killed_run(draw, config, ledger, events):
    """What one sorter printed before it was killed: after a few lines, at once or a moment later."""
    arguments = ("--source", f"sim:{draw.randint(1, 9)}", "--pace", "fast", "--items", "1000000")
    with start("run", "--config", config, *arguments, "--json", "--ledger", ledger, "--events", events) as sorter:
        head = [sorter.stdout.readline() for _ in range(draw.randint(1, 5))]
        assert all(head), sorter.stderr.read()
        if draw.random() < 0.7:
            with suppress(subprocess.TimeoutExpired):
                sorter.wait(draw.uniform(0, LONGEST_WAIT_S))
        sorter.send_signal(signal.SIGKILL)
        printed = "".join(head) + sorter.stdout.read()
    assert sorter.returncode == -signal.SIGKILL
    return [record["event_id"] for record in whole_lines(printed)]


def test_twenty_kills_lose_no_acknowledged_event_and_count_none_twice(tmp_path):
    """Whatever was printed or written to the events file is in the ledger exactly once, and the ledger is sound."""
    ledger, events = tmp_path / "ledger.db", tmp_path / "events.jsonl"
    config = tmp_path / "small.yaml"
    config.write_text("source:\n  width_px: 320\n  height_px: 240\n")
    draw = random.Random(2)
    printed = [event_id for _ in range(KILLS) for event_id in killed_run(draw, config, ledger, events)]
    result = invoke("ledger", "verify", "--ledger", ledger, "--json")
    assert result.code == 0, result.err
    assert result.records[0] | {"rows": 0} == {"is_clean": True, "rows": 0, "boots": KILLS, "problems": []}
    stored = [record["event_id"] for record in ledger_records(ledger)]
    written = [record["event_id"] for record in whole_lines(events.read_text())]
    assert len(stored) == len(set(stored))
    assert len(printed) == len(set(printed))
    assert set(printed) <= set(written), "a line is printed last"
    assert set(written) <= set(stored)
    # Each death may leave one event that was durable and nobody was told of.
    assert len(stored) - len(set(written)) <= KILLS
    assert len(printed) > 2 * KILLS
