"""What the sorter does in the situations that a tray gets into: each item once, and nothing that is no item.

The classifier's answer is fixed: this is about counting. Times are of the simulation's clock, 20 frames a second.
"""

import math
from dataclasses import replace

import pytest

from edge.machine import State
from edge.sources.sim_script import Darkness, Hand, Knock, draw_script
from tests.replay.rig import BAG, CAN, FPS, JAR, StillHand, counts_per_item, darkened, home_pulse, play

SEEDS = (1, 2, 3)
FIRST_REST_S = 2.35
"""The first item of a script slides in at 2.0 s and lies still at 2.35 s."""
KNOCK_DEG = (0, 45, 90, 135, 180, 225, 270, 315)


def counts(played):
    """Phantoms before the first item, then how often each item was counted."""
    return counts_per_item(played.records, [item.t_in_s for item in played.truth])


def assert_parked(played):
    assert played.last_pulse == pytest.approx(home_pulse(), abs=1e-6)
    assert not played.is_powered


@pytest.mark.parametrize("seed", SEEDS)
def test_items_that_lie_there_for_less_than_a_second_are_counted_once(tmp_path, seed):
    """Held for 0.9 s, an item is decided before it goes: after 0.15 s of rest and three frames."""
    played = play([replace(item, rest_s=0.9) for item in (CAN, JAR, BAG)], tmp_path, seed=seed)
    assert counts(played) == [0, 1, 1, 1]
    for record, item in zip(played.of("item"), played.truth, strict=True):
        assert item.t_rest_s < record["t_s"] <= item.t_rest_s + 0.6
    assert_parked(played)


@pytest.mark.parametrize("empty_s", [0.6, 0.7, 0.8, 0.9, 1.0])
def test_the_next_item_may_come_as_soon_as_the_tray_was_empty_for_the_rearm_time(tmp_path, empty_s):
    """Emptiness counts while the gate is still on its way home, so the next item waits at most for the gate."""
    played = play([CAN, replace(JAR, gap_s=empty_s)], tmp_path)
    assert counts(played) == [0, 1, 1]
    assert played.types == ["boot", "item", "item"]
    assert_parked(played)


def test_an_item_that_comes_too_soon_is_not_counted_and_blocks_the_tray_until_it_is_taken_away(tmp_path):
    """After 0.3 s of empty tray nobody can tell a new item from the old one coming back.

    It stays uncounted, the gate stays home, after 30 s the fault `tray_blocked` calls for help; once the tray is empty
    the sorter recovers by itself and counts the next item.
    """
    played = play([CAN, replace(JAR, gap_s=0.3, rest_s=40), BAG], tmp_path)
    assert counts(played) == [0, 1, 0, 1]
    assert played.types == ["boot", "item", "fault", "recovered", "item"]
    assert played.of("fault")[0]["reason"] == "tray_blocked"
    assert_parked(played)


def test_an_item_that_stays_for_a_minute_is_counted_once_and_the_next_one_is_sorted(tmp_path):
    """The gate opens once. 30 s after it came home the fault `tray_blocked` is written down, the gate without power.

    When the item leaves at last, `recovered` follows within a second and the gate is homed anew.
    """
    played = play([replace(CAN, rest_s=60), JAR], tmp_path)
    assert counts(played) == [0, 1, 1]
    assert played.types == ["boot", "item", "fault", "recovered", "item"]
    home_s, blocked_s = played.told_s[1:3]
    assert played.of("fault")[0]["reason"] == played.of("recovered")[0]["reason"] == "tray_blocked"
    assert blocked_s - home_s == pytest.approx(30.0, abs=2 / FPS)
    left_s = played.truth[0].t_out_s
    assert left_s < played.told_s[3] < left_s + 1.0
    assert_parked(played)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hand_at_work_for_five_seconds_is_no_item(tmp_path, seed):
    """The gate does not move for a hand, and the item that comes after it is counted."""
    played = play([Hand(duration_s=5.0), CAN], tmp_path, seed=seed)
    assert counts(played) == [0, 1]
    assert played.types == ["boot", "item"]
    assert_parked(played)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hand_that_rests_for_three_seconds_is_taken_for_an_item_and_counted_once(tmp_path, seed, monkeypatch):
    """A known limit: what lies still on the tray is an item, whatever it is. The item after it is counted as ever."""
    monkeypatch.setattr("edge.sources.sim._HandPlay", StillHand)
    played = play([Hand(duration_s=3.0 + 2 * StillHand.REACH_S), CAN], tmp_path, seed=seed)
    assert counts(played) == [1, 1]
    assert played.types == ["boot", "item", "item"]
    assert_parked(played)


@pytest.mark.parametrize("seed", SEEDS)
def test_lights_that_go_off_and_on_over_an_empty_tray_are_no_item(tmp_path, seed):
    """In the dark nothing is decided; when the light is back the tray is seen to be empty."""
    played = play([Darkness(duration_s=3.0), CAN, Darkness(duration_s=40.0), JAR], tmp_path, seed=seed)
    assert counts(played) == [0, 1, 1]
    assert played.types == ["boot", "item", "item"]
    assert_parked(played)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_item_at_rest_when_the_lights_fail_is_counted_once_when_they_are_back(tmp_path, seed):
    """Votes from before the darkness are thrown away; the item is judged by frames of the light that came back."""
    dark_s, light_s = FIRST_REST_S + 0.25, 6.0
    played = play([CAN, JAR], tmp_path, seed=seed, edit=darkened(dark_s, light_s))
    assert any(t_s < dark_s for t_s in played.asked_s), "the vote had begun"
    assert not any(dark_s <= t_s < light_s for t_s in played.asked_s)
    assert counts(played) == [0, 1, 1]
    first = played.of("item")[0]
    assert light_s < first["t_s"] < light_s + 0.6
    assert first["frames"] == sum(light_s <= t_s <= first["t_s"] for t_s in played.asked_s)
    assert_parked(played)


def test_an_item_that_slides_in_while_it_is_dark_is_counted_once(tmp_path):
    """It is found when the light comes back, since the tray was known to be empty before."""
    played = play([CAN, JAR], tmp_path, edit=darkened(1.8, 5.0))
    assert counts(played) == [0, 1, 1]
    assert played.of("item")[0]["t_s"] > 5.0
    assert_parked(played)


@pytest.mark.parametrize("direction_deg", KNOCK_DEG)
@pytest.mark.parametrize("seed", [1, 5])
def test_a_camera_knocked_by_three_pixels_sees_no_item_and_counts_the_next_one_once(tmp_path, seed, direction_deg):
    """The whole picture jumps by 3 pixels and stays there, in any direction."""
    angle = math.radians(direction_deg)
    knock = Knock(x_px=3 * math.cos(angle), y_px=3 * math.sin(angle))
    played = play([knock, CAN, JAR], tmp_path, seed=seed)
    assert counts(played) == [0, 1, 1]
    assert played.types == ["boot", "item", "item"]
    assert_parked(played)


@pytest.mark.parametrize(("end_s", "state"), [(2.2, State.SETTLING), (2.55, State.VOTING)], ids=["sliding", "at rest"])
def test_a_source_that_ends_before_the_decision_counts_nothing(tmp_path, end_s, state):
    """An item that was not decided is not counted; the gate has not moved but for its homing."""
    played = play([CAN], tmp_path, end_s=end_s)
    assert len(played.truth) == 1
    assert played.states[-1] is state
    assert played.types == ["boot"]
    assert_parked(played)


@pytest.mark.parametrize("end_s", [2.75, 3.2, 3.85], ids=["opening", "open", "returning"])
def test_a_source_that_ends_while_the_gate_moves_counts_the_item_and_parks(tmp_path, end_s):
    """A decided item's cycle is finished on the clock alone: the gate comes home, then the item is written down."""
    played = play([CAN], tmp_path, end_s=end_s)
    assert played.states[-1] in (State.ROUTING, State.RETURNING)
    assert played.types == ["boot", "item"]
    item = played.of("item")[0]
    assert played.told_s[1] > end_s
    assert played.told_s[1] == pytest.approx(item["t_s"] + item["gate"]["duration_s"], abs=1e-3)
    assert_parked(played)


@pytest.mark.parametrize("seed", SEEDS)
def test_on_an_ordinary_day_every_item_is_counted_once_and_nothing_else(tmp_path, seed):
    """Twenty items of every kind, hands in between, light that drifts and flickers."""
    played = play(draw_script(seed, 20), tmp_path, seed=seed)
    assert counts(played) == [0] + [1] * 20
    assert played.types == ["boot"] + ["item"] * 20
    assert [record["seq"] for record in played.records] == list(range(1, 22))
    assert_parked(played)
