"""A classifier that fails while an item is voted on: the gate stays shut, nothing is credited, and it is loud."""

import json
import math

import pytest

from edge.classify.tflite import TfliteClassifier
from edge.errors import BundleError, SourceError
from edge.gates.servo_flap import ServoFlap
from edge.health.starts import Starts
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from tests.cli_rig import invoke, is_parked, ledger_records, sentence
from tests.unattended_rig import Machine

FAST = ("--pace", "fast", "--json")
SORTED_BEFORE = 2
"""Items that are sorted before the classifier fails."""
FAILURES = [
    pytest.param(BundleError("the model gives no output; install the bundle again"), "model_failed", 4, id="a bundle"),
    pytest.param(SourceError("image shape (0, 0, 3), expected (H, W, 3)"), "source_lost", 3, id="a picture"),
    pytest.param(RuntimeError("Input tensor lacks data"), "internal_error", 1, id="a library"),
]


@pytest.fixture
def break_at(monkeypatch):
    """Let the classifier raise from the second vote on an item on, once so many items are sorted."""

    def arrange(failure, sorted_before=SORTED_BEFORE):
        counts = {"item": 0, "votes": 0}
        append, classify = SqliteLedger.append, TfliteClassifier.classify

        def append_and_count(self, event):
            record = append(self, event)
            counts["item"] += event.type == "item"
            return record

        def classify_or_fail(self, *arguments):
            if counts["item"] >= sorted_before:
                counts["votes"] += 1
                if counts["votes"] > 1:
                    raise failure
            return classify(self, *arguments)

        monkeypatch.setattr(SqliteLedger, "append", append_and_count)
        monkeypatch.setattr(TfliteClassifier, "classify", classify_or_fail)

    return arrange


@pytest.fixture
def ways(monkeypatch) -> list[str]:
    """The bins that the gate opened the way to."""
    opened: list[str] = []
    route = ServoFlap.route

    def route_and_tell(self, target, now_s):
        opened.append(target)
        route(self, target, now_s)

    monkeypatch.setattr(ServoFlap, "route", route_and_tell)
    return opened


def outcome(*arguments):
    """Run a command. Returns: its exit status, and what it said of its error."""
    try:
        result = invoke(*arguments)
    except Exception as exc:
        # The interpreter ends with 1, and shows where: nobody foresaw it.
        return 1, str(exc)
    return result.code, sentence(result)


@pytest.mark.parametrize(("failure", "reason", "code"), FAILURES)
def test_a_classifier_that_fails_in_mid_vote_moves_no_gate_and_credits_nothing(
    ledger, small, gate, ways, break_at, failure, reason, code
):
    break_at(failure)
    found = outcome("run", "--config", small, "--items", "5", "--ledger", ledger, *FAST)
    assert found == (code, str(failure))
    boot, *items, fault = (record for record in ledger_records(ledger) if record["type"] != "pause")
    assert [record["type"] for record in (boot, *items, fault)] == ["boot", *["item"] * SORTED_BEFORE, "fault"]
    assert (fault["reason"], fault["detail"]) == (reason, str(failure))
    assert ways == [record["route"] for record in items]
    with LedgerReader(ledger) as reader:
        assert reader.open_intent() is None
    assert is_parked(gate)


@pytest.mark.parametrize(("failure", "reason", "code"), FAILURES)
def test_the_fault_says_that_it_came_while_an_item_was_voted_on(ledger, small, gate, break_at, failure, reason, code):
    break_at(failure)
    outcome("run", "--config", small, "--items", "5", "--ledger", ledger, *FAST)
    fault = ledger_records(ledger)[-1]
    assert (fault["reason"], fault["state"]) == (reason, "voting")
    assert is_parked(gate)


def test_a_first_vote_that_fails_leaves_the_gate_as_it_was(ledger, small, gate, ways, break_at):
    break_at(RuntimeError("Input tensor lacks data"), sorted_before=0)
    assert outcome("run", "--config", small, "--ledger", ledger, *FAST)[0] == 1
    assert [record["type"] for record in ledger_records(ledger)] == ["boot", "fault"]
    assert ways == []
    assert is_parked(gate)


def test_a_classifier_that_fails_beside_a_book_that_fails_tells_both(ledger, small, gate, break_at, monkeypatch):
    break_at(BundleError("the model gives no output; install the bundle again"))
    append = SqliteLedger.append

    def append_or_fail(self, event):
        if event.type == "fault":
            raise SourceError("no room")
        return append(self, event)

    monkeypatch.setattr(SqliteLedger, "append", append_or_fail)
    result = invoke("run", "--config", small, "--items", "5", "--ledger", ledger, *FAST)
    assert result.code == 4
    assert "the model gives no output" in sentence(result)
    assert "and the fault could not be written down: no room" in sentence(result)
    assert is_parked(gate)


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(("failure", "reason", "code"), FAILURES)
def test_unattended_it_is_a_failed_start_and_the_third_one_in_a_row_waits(
    machine, gate, ways, break_at, caplog, failure, reason, code
):
    # No run lasts long enough to be believed of.
    machine.config.write_text(machine.config.read_text().replace("stable_s: 1", "stable_s: 3600"))
    break_at(failure, sorted_before=0)
    for number in (1, 2, 3):
        assert "waits before another start" not in caplog.text
        with pytest.raises(type(failure)):
            machine.run()
        assert machine.faults() == [reason]
        starts = json.loads((machine.folder / "starts.json").read_text())
        assert (starts["count"], starts["is_open"]) == (number, False)
        assert starts["reasons"] == [str(failure)] * number
    waits = f"start 3 in a row waits before another start, since the last one failed: {failure} (2 s)"
    assert waits in caplog.messages
    plan = Starts(machine.folder / "starts.json", boot_id="kernel").begin()
    assert (plan.count, plan.wait_s, plan.is_safe_mode) == (4, 4.0, False)
    assert ways == []


@pytest.mark.parametrize(("failure", "reason", "code"), FAILURES)
def test_unattended_status_and_metrics_name_the_fault(machine, gate, break_at, failure, reason, code):
    break_at(failure)
    with pytest.raises(type(failure)):
        machine.run(items=5)
    status = machine.status
    assert (status["is_sorting"], status["items"]["total"]) == (False, SORTED_BEFORE)
    assert (status["last_fault"]["reason"], status["last_fault"]["detail"]) == (reason, str(failure))
    metrics = (machine.folder / "run" / "metrics.prom").read_text()
    assert f'edge_sorter_faults_total{{reason="{reason}"}} 1' in metrics
    assert "edge_sorter_sorting 0" in metrics


def test_the_process_that_ran_unattended_ends_with_the_same_code_and_leaves_it_in_the_status(
    tmp_path, small, gate, break_at, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    failure = BundleError("the model gives no output; install the bundle again")
    break_at(failure)
    result = invoke("run", "--unattended", "--config", small, "--items", "5", *FAST)
    assert result.code == 4
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["ended"] == {"exit_code": 4, "detail": str(failure)}
    assert invoke("status").code == 1
    assert is_parked(gate)


def test_a_classifier_that_answers_nonsense_credits_nothing(ledger, small, gate, monkeypatch):
    classify = TfliteClassifier.classify

    def classify_as_nan(self, *arguments):
        prediction = classify(self, *arguments)
        return prediction._replace(probabilities=(math.nan,) * len(prediction.probabilities), energy=math.nan)

    monkeypatch.setattr(TfliteClassifier, "classify", classify_as_nan)
    assert outcome("run", "--config", small, "--items", "2", "--ledger", ledger, *FAST)[0] != 0
    assert [record["type"] for record in ledger_records(ledger)] == ["boot", "fault"]
    assert len(gate) == 1 and not gate[0]["is_powered"]
