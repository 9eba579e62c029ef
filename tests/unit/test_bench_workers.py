"""Measuring processes that take turns: what they say, and what they do wrong, ends in rounds or in one sentence."""

import os
import sys
import textwrap
import time
from pathlib import Path

import pytest

from edge.bench.workers import Round, Worker, clean_environment, interleave, without_places
from edge.errors import ConfigError, SorterError

READY = 'say({"ready": {"library": "fake 1.0", "threads": "1", "start_s": 0.25}})'
ANSWER = 'say({"cpu_us": [100.0] * n, "wall_us": [200.0] * n, "labels": ["glass"] * n})'
TALK = """
import json, os, signal, sys, time
def say(message):
    print(json.dumps(message), flush=True)
{ready}
for line in sys.stdin:
    n = json.loads(line)["measure"]
    {answer}
"""


@pytest.fixture
def make(tmp_path):
    """A worker around a small script."""

    def build(ready: str = READY, answer: str = ANSWER, name: str = "fake", timeout_s: float = 20.0) -> Worker:
        script = tmp_path / f"{name}.py"
        script.write_text(TALK.format(ready=ready, answer=answer))
        command = [sys.executable, str(script)]
        return Worker(name, command, {"threads": 1}, start_timeout_s=timeout_s, turn_timeout_s=timeout_s)

    return build


def test_a_worker_tells_facts_and_measures(make):
    with make() as worker:
        assert worker.facts == {"library": "fake 1.0", "threads": "1"}
        assert worker.start_s == 0.25
        found = worker.measure(3)
    assert found == Round((100.0,) * 3, (200.0,) * 3, ("glass",) * 3)
    assert (found.median_cpu_us, found.median_wall_us, found.frames_per_s) == (100.0, 200.0, 5000.0)


def test_the_argument_is_the_last_word_and_tells_when_it_was_started(make):
    facts = 'found = json.loads(sys.argv[1]); say({"ready": {"s": found["started_s"], "threads": found["threads"]}})'
    before_s = time.monotonic()
    with make(facts) as worker:
        assert before_s <= float(worker.facts["s"]) <= time.monotonic()
        assert worker.facts["threads"] == "1"


@pytest.mark.parametrize(
    ("ready", "message"),
    [
        ("sys.exit('no model here')", r"fake ended with status 1 before it was ready; its last message: no model here"),
        ("sys.exit(3)", r"fake ended with status 3 before it was ready; it left no message"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            r"fake was ended by signal 9 \(Killed\), as .* for want of memory, before",
        ),
        ("import no_such_library", r"No module named 'no_such_library'"),
        ("os.close(1); time.sleep(60)", r"fake closed its output before it was ready"),
        ("print('Hello from a library', flush=True)", r"fake said 'Hello from a library' before it was ready"),
        ("print('[1]', flush=True)", r"fake said '\[1\]' before it was ready, expected a line of JSON"),
        ("say({'done': 1})", r"fake did not say that it is ready"),
    ],
)
def test_a_start_that_fails_is_one_sentence(make, ready, message):
    with pytest.raises(SorterError, match=message) as found, make(ready):
        pass
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("sys.exit('out of ideas')", r"ended with status 1 while it measured 2 frames; .*: out of ideas"),
        ("print('{', flush=True)", r"said '\{' while it measured 2 frames"),
        ("say({})", r"did not answer with 2 times and labels"),
        ("say({'cpu_us': [1.0], 'wall_us': [1.0], 'labels': ['glass']})", r"did not answer with 2 times"),
        ("say({'cpu_us': [1, 'x'], 'wall_us': [1, 2], 'labels': ['a', 'b']})", r"did not answer with 2 times"),
        ("say({'cpu_us': [1, 2], 'wall_us': [1, 2], 'labels': ['a']})", r"did not answer with 2 times"),
        ("say({'cpu_us': [1, float('nan')], 'wall_us': [1, 2], 'labels': ['a', 'b']})", r"did not answer"),
    ],
)
def test_a_turn_that_fails_is_one_sentence(make, answer, message):
    with make(answer=answer) as worker, pytest.raises(SorterError, match=message):
        worker.measure(2)


def test_a_worker_that_never_becomes_ready_is_given_up_and_ended(make, tmp_path):
    hang = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(SorterError, match=r"no answer within 1 s before it was ready"), make(hang, timeout_s=1.0):
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_worker_that_hangs_in_a_turn_is_given_up(make):
    worker = make(answer="time.sleep(600)")
    worker._turn_timeout_s = 0.2
    with worker, pytest.raises(SorterError, match=r"no answer within 0.2 s while it measured 5 frames"):
        worker.measure(5)


def test_a_worker_that_died_between_turns_is_one_sentence(make):
    with make(answer=f"{ANSWER}; sys.exit(7)") as worker:
        worker.measure(1)
        with pytest.raises(SorterError, match=r"ended with status 7"):
            worker.measure(1)


def test_a_command_that_cannot_be_started_is_one_sentence(tmp_path):
    with pytest.raises(SorterError, match=r"gone cannot be started \(No such file"), Worker("gone", ["/no/such"], {}):
        pass


def test_a_worker_that_was_closed_measures_no_more(make):
    with make() as worker:
        worker.close()
        worker.close()
        with pytest.raises(SorterError, match="does not run"):
            worker.measure(1)


def test_workers_take_turns_and_each_round_has_its_own_order(make, tmp_path):
    log = tmp_path / "log"
    note = f"open({str(log)!r}, 'a').write(sys.argv[0][-4] + ' ')"
    rounds = []
    with make(answer=f"{note}; {ANSWER}", name="a") as a, make(answer=f"{note}; {ANSWER}", name="b") as b:
        found = interleave([a, b], 8, 2, on_round=rounds.append)
    assert rounds == list(range(1, 9))
    assert {name: len(one) for name, one in found.items()} == {"a": 8, "b": 8}
    turns = log.read_text().split()
    pairs = {tuple(turns[place : place + 2]) for place in range(0, 16, 2)}
    assert pairs == {("a", "b"), ("b", "a")}


def test_a_worker_that_fails_is_left_out_and_the_rest_goes_on(make):
    failures = []
    with make(answer="sys.exit(1)", name="bad") as bad, make(name="good") as good:
        found = interleave([bad, good], 3, 1, on_failure=lambda worker, exc: failures.append((worker.name, str(exc))))
    assert list(found) == ["good"]
    assert len(found["good"]) == 3
    assert [name for name, _ in failures] == ["bad"]


def test_without_anybody_to_tell_a_failure_goes_up(make):
    with make(answer="sys.exit(1)") as worker, pytest.raises(SorterError, match="status 1"):
        interleave([worker], 1, 1)


def test_no_round_is_refused():
    with pytest.raises(ConfigError, match="measure nothing"):
        interleave([], 0, 5)


def test_a_foreign_environment_does_not_import_this_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert "PYTHONPATH" not in clean_environment()
    assert clean_environment(tmp_path)["PYTHONPATH"] == str(tmp_path)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("No such file: '/home/somebody/net/model.onnx'", "No such file: 'model.onnx'"),
        ("cannot reach https://elsewhere.invalid/a/b now", "cannot reach (address) now"),
        ("Pool(host='elsewhere.invalid', port=443)", "Pool(host, port=443)"),
        ("no wheel for tflite-runtime==2.14.0 (int8/uint8)", "no wheel for tflite-runtime==2.14.0 (int8/uint8)"),
        ("see ~/one/two/log.txt", "see log.txt"),
    ],
)
def test_a_message_loses_the_places_of_this_machine(text, plain):
    assert without_places(text) == plain


def test_the_child_keeps_its_libraries_off_the_talk(tmp_path):
    """A peer that prints, from Python and below it, still answers in JSON; it warms up on at least ten frames."""
    import numpy as np

    from edge.bench import peers

    np.save(
        tmp_path / "frames.npy", np.arange(5, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 4, 6, 3), np.uint8)
    )
    script = tmp_path / "noisy.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import os, sys
            sys.path.insert(0, {str(Path(peers.__file__).parent)!r})
            from _child import serve
            seen = []
            def open_peer(argument):
                print("from Python")
                os.write(1, b"from below\\n")
                def classify(frame):
                    seen.append(id(frame))
                    print("again")
                    return f"{{frame.shape}} {{frame[0, 0, 0]}} {{len(seen) > 10}} {{seen[-2:-1] == [id(frame)]}}"
                return classify, {{"library": "noisy 2"}}
            serve(open_peer)
            """
        )
    )
    argument = {"frames": str(tmp_path / "frames.npy"), "threads": 2}
    with Worker("noisy", [sys.executable, str(script)], argument, start_timeout_s=30, turn_timeout_s=30) as worker:
        assert worker.facts == {"library": "noisy 2", "threads": "2"}
        assert worker.start_s is not None
        assert worker.start_s > 0
        first, second = worker.measure(3), worker.measure(3)
    # Frames go on from turn to turn, and never twice running from the same place in memory.
    assert first.labels == tuple(f"(4, 6, 3) {number} True False" for number in (0, 1, 2))
    assert second.labels == tuple(f"(4, 6, 3) {number} True False" for number in (3, 4, 0))
    assert min(first.wall_us) > 0
