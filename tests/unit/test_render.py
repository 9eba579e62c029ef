"""The renderer: same numbers, same pixels; every kind can be drawn; a frame obeys place, light and noise."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from edge.render import KINDS, LABELS, Light, Placed, Sprite, Tray, render_hand, render_item, render_thing

EVERY_KIND = [(label, kind) for label in LABELS for kind in KINDS[label]]
QUIET = Light()


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def block(width: int, height: int, value: int = 0) -> Sprite:
    """An opaque square sprite of one grey level."""
    bgra = np.full((height, width, 4), value, np.uint8)
    bgra[..., 3] = 255
    return Sprite("trash", "block", bgra)


@pytest.fixture(scope="module")
def tray() -> Tray:
    return Tray(rng_of(3))


def frame_of(tray: Tray, placed: list[Placed], light: Light = QUIET, sigma: float = 0.0) -> np.ndarray:
    return tray.compose(placed, light, rng_of(1), noise_sigma=sigma)


def test_labels_are_the_six_classes_and_each_has_three_kinds_or_more():
    assert LABELS == ("cardboard", "glass", "metal", "paper", "plastic", "trash")
    assert tuple(KINDS) == LABELS
    assert all(len(set(KINDS[label])) >= 3 for label in LABELS)


@pytest.mark.parametrize(("label", "kind"), EVERY_KIND)
def test_every_kind_renders_the_same_pixels_from_the_same_state(label: str, kind: str):
    first = render_item(label, rng_of(11), kind)
    assert (first.label, first.kind) == (label, kind)
    assert np.array_equal(first.bgra, render_item(label, rng_of(11), kind).bgra)


@pytest.mark.parametrize(("label", "kind"), EVERY_KIND)
def test_every_kind_has_a_sound_size_and_cover(label: str, kind: str):
    sprite = render_item(label, rng_of(12), kind)
    height, width, channels = sprite.bgra.shape
    assert channels == 4
    assert sprite.bgra.dtype == np.uint8
    assert 200 <= max(height, width) <= 420
    alpha = sprite.bgra[..., 3]
    assert 0.04 <= float((alpha > 40).mean()) <= 0.99
    edge = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert int(edge.max()) < 128, "an item is cut off at the border of its sprite"
    lit = sprite.bgra[..., :3][alpha > 40]
    assert float(lit.std()) > 4.0, "an item is one flat colour"


def test_glass_lets_the_tray_through_and_cardboard_does_not():
    def middle(label: str, kind: str) -> float:
        alpha = render_item(label, rng_of(5), kind).bgra[..., 3]
        return float(np.median(alpha[alpha > 20]))

    assert middle("glass", "tumbler") < 200
    assert middle("cardboard", "carton") == 255


def test_other_numbers_give_another_picture():
    one, two = render_item("metal", rng_of(1), "lid").bgra, render_item("metal", rng_of(2), "lid").bgra
    assert one.shape != two.shape or not np.array_equal(one, two)


def test_the_kind_is_drawn_at_random_where_none_is_named():
    kinds = {render_item("cardboard", rng_of(seed)).kind for seed in range(12)}
    assert len(kinds) >= 3
    assert kinds <= set(KINDS["cardboard"])


def test_a_sprite_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        render_item("paper", rng_of(1), "envelope").bgra[0, 0] = 0


def test_an_unknown_label_is_refused_with_what_was_expected():
    with pytest.raises(ValueError, match=r"label 'wood', expected one of cardboard, glass, .*trash"):
        render_item("wood", rng_of(0))


def test_a_kind_of_another_label_is_refused():
    with pytest.raises(ValueError, match=r"kind 'jar' of paper, expected one of .*envelope"):
        render_item("paper", rng_of(0), "jar")


def test_the_same_seed_gives_the_same_frames():
    def frames() -> list[np.ndarray]:
        rng = rng_of(21)
        tray = Tray(rng, 320, 240)
        placed = [Placed(block(60, 40), 100.3, 90.7, blur_px=9.0)]
        return [tray.compose(placed, Light(gain=1.02, gradient=0.1), rng) for _ in range(3)]

    for one, two in zip(frames(), frames(), strict=True):
        assert np.array_equal(one, two)


def test_trays_differ_by_seed():
    assert not np.array_equal(frame_of(Tray(rng_of(1), 64, 48), []), frame_of(Tray(rng_of(2), 64, 48), []))


@pytest.mark.parametrize("placed", [[], [Placed(block(50, 50), 100, 100)]], ids=["empty", "resting"])
def test_compose_returns_fresh_arrays(tray: Tray, placed: list[Placed]):
    first = frame_of(tray, placed)
    assert (first.shape, first.dtype) == ((480, 640, 3), np.uint8)
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(frame_of(tray, placed), kept)


@pytest.mark.parametrize(
    ("x_px", "y_px", "rows", "cols"),
    [
        pytest.param(0, 200, slice(150, 250), slice(0, 50), id="left"),
        pytest.param(640, 200, slice(150, 250), slice(590, 640), id="right"),
        pytest.param(300, 0, slice(0, 50), slice(250, 350), id="top"),
        pytest.param(300, 480, slice(430, 480), slice(250, 350), id="bottom"),
        pytest.param(0, 0, slice(0, 50), slice(0, 50), id="corner"),
        pytest.param(640, 480, slice(430, 480), slice(590, 640), id="far corner"),
    ],
)
def test_an_item_over_a_border_is_clipped_in_place(tray: Tray, x_px: float, y_px: float, rows: slice, cols: slice):
    frame = frame_of(tray, [Placed(block(100, 100), x_px, y_px)])
    assert int(frame[rows, cols].max()) <= 1
    assert float((frame.max(axis=2) <= 1).mean()) == pytest.approx(
        (rows.stop - rows.start) * (cols.stop - cols.start) / (640 * 480), rel=0.02
    )


@pytest.mark.parametrize("blur_px", [0.0, 31.0])
@pytest.mark.parametrize("place", [(-400, 240), (1100, 240), (320, -400), (320, 900), (1e7, -1e7)])
def test_an_item_wholly_outside_leaves_the_empty_tray(tray: Tray, place: tuple[float, float], blur_px: float):
    frame = frame_of(tray, [Placed(block(300, 300), *place, blur_px=blur_px)])
    assert np.array_equal(frame, frame_of(tray, []))


def test_half_a_pixel_moves_the_edge_by_half_a_pixel(tray: Tray):
    whole = frame_of(tray, [Placed(block(100, 100), 300.0, 200.0)])[200].astype(float)
    half = frame_of(tray, [Placed(block(100, 100), 300.5, 200.0)])[200].astype(float)
    assert whole[250].max() <= 1
    assert 0.35 * whole[249].mean() < half[250].mean() < 0.65 * whole[249].mean()


def test_motion_blur_spreads_an_item_along_the_fall_only(tray: Tray):
    sharp = frame_of(tray, [Placed(block(100, 100), 300, 200)])
    moving = frame_of(tray, [Placed(block(100, 100), 300, 200, blur_px=40)])
    dark = [int((frame[200, :, 0] <= 1).sum()) for frame in (sharp, moving)]
    assert dark[0] == dark[1]
    assert int((moving[:, 300, 0] <= 1).sum()) <= int((sharp[:, 300, 0] <= 1).sum()) - 30


def test_an_item_throws_a_soft_shadow(tray: Tray):
    empty = frame_of(tray, []).astype(int)
    near = (empty - frame_of(tray, [Placed(block(100, 100, 255), 300, 200)]))[140:262, 240:362]
    assert int(near.max()) > 5
    assert int(near.max()) < 160


@pytest.mark.parametrize("gain", [0.5, 0.8, 1.1])
def test_brightness_follows_the_gain(tray: Tray, gain: float):
    normal = frame_of(tray, []).astype(float).mean()
    assert frame_of(tray, [], Light(gain=gain)).astype(float).mean() == pytest.approx(gain * normal, rel=0.01)


def test_a_cast_changes_its_own_channel_only(tray: Tray):
    before, after = frame_of(tray, []), frame_of(tray, [], Light(cast_bgr=(0.5, 1.0, 1.0)))
    assert after[..., 0].mean() == pytest.approx(0.5 * before[..., 0].mean(), rel=0.01)
    assert np.array_equal(before[..., 1:], after[..., 1:])


def test_a_gradient_darkens_the_left_and_brightens_the_right(tray: Tray):
    dim = Light(gain=0.6)
    before, after = frame_of(tray, [], dim), frame_of(tray, [], Light(gain=0.6, gradient=0.4))
    assert after[:, :8].mean() == pytest.approx(0.8 * before[:, :8].mean(), rel=0.03)
    assert after[:, -8:].mean() == pytest.approx(1.2 * before[:, -8:].mean(), rel=0.03)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 6.0])
def test_noise_has_the_asked_deviation_no_bias_and_changes_by_frame(tray: Tray, sigma: float):
    dim = Light(gain=0.5)
    rng = rng_of(8)
    clean = frame_of(tray, [], dim).astype(float)
    first, second = (tray.compose([], dim, rng, noise_sigma=sigma).astype(float) - clean for _ in range(2))
    assert first.std() == pytest.approx(sigma, rel=0.1)
    assert abs(first.mean()) < 0.1
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda: Light(gain=-0.1), "factors of 0 or more", id="negative gain"),
        pytest.param(lambda: Light(cast_bgr=(1.0, float("nan"), 1.0)), "factors of 0 or more", id="nan cast"),
        pytest.param(lambda: Light(gradient=1.5), r"gradient 1.5, expected -1\.\.1", id="steep gradient"),
        pytest.param(lambda: Tray(rng_of(0), 8, 480), "expected at least 16x16", id="tiny tray"),
        pytest.param(lambda: render_hand(rng_of(0), "sky"), "border 'sky', expected one of top", id="border"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(make, said: str):
    with pytest.raises(ValueError, match=said):
        make()


def test_nonsense_in_compose_is_refused(tray: Tray):
    with pytest.raises(ValueError, match="noise_sigma -1"):
        tray.compose([], QUIET, rng_of(0), noise_sigma=-1.0)
    with pytest.raises(ValueError, match="expected finite numbers"):
        frame_of(tray, [Placed(block(20, 20), float("nan"), 10)])


@pytest.mark.parametrize("border", ["top", "right", "bottom", "left"])
def test_a_hand_reaches_in_from_its_border_and_never_ends_in_the_frame(tray: Tray, border: str):
    hand = render_hand(rng_of(4), border)
    assert (hand.label, hand.kind) == ("hand", "hand")
    alpha = hand.bgra[..., 3]
    first = {"top": alpha[0], "bottom": alpha[-1], "left": alpha[:, 0], "right": alpha[:, -1]}[border]
    last = {"top": alpha[-1], "bottom": alpha[0], "left": alpha[:, -1], "right": alpha[:, 0]}[border]
    assert int(first.max()) == 255, "the arm is cut before the sprite's end"
    assert int(last.max()) == 0
    reach = alpha.shape[0] if border in ("top", "bottom") else alpha.shape[1]
    assert reach > 640


def test_hands_are_deterministic_and_differ_by_seed():
    assert np.array_equal(render_hand(rng_of(1)).bgra, render_hand(rng_of(1)).bgra)
    assert not np.array_equal(render_hand(rng_of(1)).bgra, render_hand(rng_of(2)).bgra)


@pytest.mark.parametrize("seed", range(40))
def test_a_thing_has_the_size_of_an_item_and_is_opaque_somewhere(seed: int):
    thing = render_thing(rng_of(seed))
    assert (thing.label, thing.kind) == ("thing", "thing")
    assert thing.bgra.dtype == np.uint8
    assert 200 <= max(thing.bgra.shape[:2]) <= 420
    assert int(thing.bgra[..., 3].max()) > 200
    assert not thing.bgra.flags.writeable


def test_things_are_deterministic_and_differ_by_seed():
    assert np.array_equal(render_thing(rng_of(1)).bgra, render_thing(rng_of(1)).bgra)
    assert not np.array_equal(render_thing(rng_of(1)).bgra, render_thing(rng_of(2)).bgra)


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda: render_hand(rng_of(1)), id="hand"),
        pytest.param(lambda: Tray(rng_of(1)), id="tray"),
        pytest.param(lambda: render_item("cardboard", rng_of(1), "open_box"), id="open box"),
    ],
)
def test_drawing_needs_little_memory_at_a_time(draw: Callable[[], object]):
    draw()
    tracemalloc.start()
    try:
        draw()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10e6
