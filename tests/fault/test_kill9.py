"""Twenty sorters killed in the middle of their work, one after the other, on one ledger."""

import json
import random
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress

from tests.cli_rig import invoke, ledger_records, start

KILLS = 20
LONGEST_WAIT_S = 0.15
"""About what the simulation takes for one item: the kill may fall anywhere between two events."""
EARLY_KILLS = 6
LONGEST_START_S = 0.75
"""About what a sorter takes to its first event: the kill falls on imports, on the log's recovery, on the boot event."""
LIMIT_S = 60.0
"""A sorter that is not through by then hangs."""


def whole_lines(text):
    """JSON of the lines that are complete; what is torn was never acknowledged."""
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


@contextmanager
def time_limit(sorter):
    """Kill a sorter that hangs: whoever reads from it then meets the end of its output."""
    watchdog = threading.Timer(LIMIT_S, sorter.kill)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        watchdog.join()


def killed_run(draw, config, ledger, events, *, is_early):
    """What one sorter printed before it was killed: as it starts; or after a few lines, at once or a moment later."""
    arguments = ("--source", f"sim:{draw.randint(1, 9)}", "--pace", "fast", "--items", "1000000")
    command = ("run", "--config", config, *arguments, "--json", "--ledger", ledger, "--events", events)
    wait_s = draw.uniform(0, LONGEST_START_S) if is_early else draw.uniform(0, LONGEST_WAIT_S) * (draw.random() < 0.7)
    with start(*command) as sorter, time_limit(sorter):
        head = [] if is_early else [sorter.stdout.readline() for _ in range(draw.randint(1, 5))]
        assert all(head), f"no event within {LIMIT_S} s, or an early end: {sorter.stderr.read()}"
        with suppress(subprocess.TimeoutExpired):
            sorter.wait(wait_s)
        sorter.send_signal(signal.SIGKILL)
        printed = "".join(head) + sorter.stdout.read()
        err = sorter.stderr.read()
    assert sorter.returncode == -signal.SIGKILL, err
    return [record["event_id"] for record in whole_lines(printed)]


def test_twenty_kills_lose_no_acknowledged_event_and_count_none_twice(tmp_path):
    """Whatever was printed or written to the events file is in the ledger exactly once, and the ledger is sound."""
    ledger, events = tmp_path / "ledger.db", tmp_path / "events.jsonl"
    config = tmp_path / "small.yaml"
    config.write_text("source:\n  width_px: 320\n  height_px: 240\n")
    draw = random.Random(2)
    early = set(draw.sample(range(KILLS), EARLY_KILLS))
    printed = [
        event_id
        for index in range(KILLS)
        for event_id in killed_run(draw, config, ledger, events, is_early=index in early)
    ]
    result = invoke("ledger", "verify", "--ledger", ledger, "--json")
    assert result.code == 0, result.err
    report = result.records[0]
    assert (report["is_clean"], report["problems"]) == (True, [])
    # A sorter that was killed as it started may or may not have written its boot down.
    assert KILLS - EARLY_KILLS <= report["boots"] <= KILLS
    stored = [record["event_id"] for record in ledger_records(ledger)]
    written = [record["event_id"] for record in whole_lines(events.read_text())]
    assert len(stored) == len(set(stored))
    assert len(printed) == len(set(printed))
    assert set(printed) <= set(written), "a line is printed last"
    assert set(written) <= set(stored)
    # Each death may leave one event that was durable and nobody was told of.
    assert len(stored) - len(set(written)) <= KILLS
    assert len(printed) > 2 * (KILLS - EARLY_KILLS)
