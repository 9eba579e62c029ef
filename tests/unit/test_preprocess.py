"""From a picture to the input tensor: the fast paths equal the definition, and odd pictures are refused."""

from dataclasses import replace
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import SourceError
from edge.preprocess import FRAME_SIDE_PX, RESIZE, InputSpec, Preprocessor, Resize, check_image, fit_frame, resize_rgb
from tests.scenes import picture

MOBILENET = {"mean": 127.5, "std": 127.5}


def spec(dtype: str = "int8", scale: float = 1 / 127.5, zero_point: int = -1, **changes: Any) -> InputSpec:
    fields: dict[str, Any] = {"height": 24, "width": 32, "dtype": dtype, "scale": scale, "zero_point": zero_point}
    fields["resize"] = RESIZE
    return InputSpec(**(fields | MOBILENET | changes))


def defined(rgb: np.ndarray, spec: InputSpec) -> np.ndarray:
    """The definition of the input, in floats: ((pixel - mean) / std) / scale + zero point, ties up, clipped."""
    real = (rgb.astype(np.float64) - spec.mean) / spec.std
    steps = np.floor(np.round(real / spec.scale + spec.zero_point, 4) + 0.5)
    limits = np.iinfo(spec.dtype)
    return np.clip(steps, limits.min, limits.max).astype(spec.dtype)


SPECS = [
    (spec(), "int8, as the converter makes it: a flipped sign bit"),
    (spec("uint8", 1.0, 0, mean=0.0, std=1.0), "uint8, pixels as they are"),
    (spec("uint8", 1 / 127.5, 128), "uint8 through the table: half a step off"),
    (spec(scale=0.02, zero_point=5), "int8 through the table"),
    (spec(scale=0.001, zero_point=0), "a scale that clips both ends"),
    (spec(mean=0.0, std=255.0, scale=1 / 255, zero_point=-128), "pixels from 0 to 1"),
]


@pytest.mark.parametrize(("spec", "reason"), SPECS, ids=[reason for _, reason in SPECS])
def test_the_tensor_is_the_definition_of_every_pixel_value(spec: InputSpec, reason: str):
    every_pixel = np.arange(256, dtype=np.uint8)
    assert np.array_equal(spec.quantization_table(), defined(every_pixel, spec)), reason
    image = picture(1, 32, 24)
    tensor = Preprocessor(spec)(image)
    assert tensor.shape == (1, 24, 32, 3)
    assert tensor.dtype == np.dtype(spec.dtype)
    assert np.array_equal(tensor[0], defined(image[:, :, ::-1], spec)), reason


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        (1 / 127.5, "exact"),
        (float(np.float32(1 / 127.5)), "as a 32-bit float of the flatbuffer"),
        (0.007843137718737125, "as the shipped model has it"),
        (float(np.nextafter(np.float32(1 / 127.5), np.float32(0))), "the 32-bit float below"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_for_pixels_from_minus_one_to_one_needs_only_the_sign_bit_flipped(scale: float, reason: str):
    every_pixel = np.arange(256, dtype=np.uint8)
    assert np.array_equal(spec(scale=scale).quantization_table().view(np.uint8), every_pixel ^ 0x80), reason


def test_red_stays_red():
    blue_green_red = np.full((48, 64, 3), (10, 20, 200), np.uint8)
    tensor = Preprocessor(spec())(blue_green_red)
    assert tensor[0, 0, 0].tolist() == [200 - 128, 20 - 128, 10 - 128]


@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    seed=st.integers(0, 100),
    which=st.sampled_from([spec for spec, _ in SPECS]),
    resize=st.sampled_from(get_args(Resize)),
)
@settings(max_examples=60, deadline=None)
def test_any_size_goes_through_one_linear_resize_of_the_whole_picture(
    width: int, height: int, seed: int, which: InputSpec, resize: Resize
):
    which = replace(which, resize=resize)
    image = picture(seed, width, height)
    before = image.copy()
    step = max(1, height // which.height) if resize == "thinned_linear" else 1
    rows = np.ascontiguousarray(image[step // 2 :: step])
    assert len(rows) >= min(height, which.height), "no row that the input has room for is left out"
    resized = cv2.resize(rows, (which.width, which.height), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(Preprocessor(which)(image)[0], defined(resized[:, :, ::-1], which))
    assert np.array_equal(resize_rgb(image, which.height, which.width, resize), resized[:, :, ::-1])
    assert np.array_equal(image, before), "the picture belongs to others"


@pytest.mark.parametrize("height", [224, 240, 447, 448, 480, 481, 720, 1080])
def test_a_picture_thinned_out_lies_where_the_whole_one_does(height: int):
    ramp = np.repeat(np.linspace(0, 255, height).astype(np.uint8)[:, None, None], 3, axis=2).repeat(224, axis=1)
    whole = resize_rgb(ramp, 224, 224, "linear").astype(int)
    thinned = resize_rgb(ramp, 224, 224, "thinned_linear").astype(int)
    assert np.abs(whole - thinned).max() <= 2, "a shift of one row in 224 is 1.1 grey levels"


def test_the_tensor_is_reused_and_holds_nothing_of_the_picture_before():
    preprocess = Preprocessor(spec(scale=0.02, zero_point=5))
    first = preprocess(picture(1))
    kept = first.copy()
    second = preprocess(picture(2, 640, 480))
    assert second is first
    assert not np.array_equal(second, kept)
    assert np.array_equal(preprocess(picture(1)), kept)


@pytest.mark.parametrize(("spec", "reason"), SPECS, ids=[reason for _, reason in SPECS])
def test_a_tensor_that_is_given_is_filled_in_place(spec: InputSpec, reason: str):
    preprocess, given = Preprocessor(spec), np.zeros((1, spec.height, spec.width, 3), spec.dtype)
    filled = preprocess(picture(5), out=given)
    assert filled is given, reason
    assert np.array_equal(given, preprocess(picture(5)))


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((1, 32, 24, 3), np.int8),
        np.zeros((24, 32, 3), np.int8),
        np.zeros((1, 24, 32, 3), np.uint8),
        np.zeros((1, 24, 64, 3), np.int8)[:, :, ::2],
    ],
    ids=["sides", "no batch", "type", "gaps"],
)
def test_a_tensor_that_does_not_fit_is_refused_and_left_alone(out: np.ndarray):
    with pytest.raises(ValueError, match=r"expected contiguous int8 of shape \(1, 24, 32, 3\)"):
        Preprocessor(spec())(picture(5), out=out)
    assert not out.any()


def test_a_part_of_a_picture_is_seen_like_a_copy_of_it():
    part = picture(3, 200, 200)[20:150, 10:190]
    preprocess = Preprocessor(spec())
    expected = preprocess(part.copy()).copy()
    assert np.array_equal(preprocess(part), expected)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((48, 64), np.uint8), "grey"),
        (np.zeros((48, 64, 1), np.uint8), "one channel"),
        (np.zeros((48, 64, 4), np.uint8), "with transparency"),
        (np.zeros((3, 48, 64), np.uint8), "channels first"),
        (np.zeros((1, 48, 64, 3), np.uint8), "a batch"),
        (np.zeros((48, 64, 3), np.float32), "floats"),
        (np.zeros((48, 64, 3), np.int8), "signed"),
        (np.zeros((0, 64, 3), np.uint8), "no rows"),
        (np.zeros((48, 0, 3), np.uint8), "no columns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize(
    "take", [check_image, Preprocessor(spec()), lambda image: resize_rgb(image, 8, 8)], ids=["check", "tensor", "rgb"]
)
def test_what_is_no_colour_picture_is_refused_with_a_remedy(take: Any, image: np.ndarray, reason: str):
    with pytest.raises(SourceError, match=r"expected \(height, width, 3\) uint8 .*check source") as refusal:
        take(image)
    assert str(image.shape) in str(refusal.value), reason


@pytest.mark.parametrize(
    ("width", "height", "expected", "reason"),
    [
        (640, 480, (640, 480), "a camera frame stays"),
        (100, 50, (100, 50), "nothing is enlarged"),
        (1280, 960, (640, 480), "twice the size"),
        (960, 1280, (480, 640), "upright"),
        (6400, 3, (640, 1), "a strip keeps a pixel of height"),
        (1000, 700, (640, 448), "the sides keep their ratio"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_photograph_is_shrunk_to_a_camera_frame(width: int, height: int, expected: tuple[int, int], reason: str):
    image = picture(0, width, height)
    fitted = fit_frame(image)
    assert (fitted.shape[1], fitted.shape[0]) == expected, reason
    assert fitted.dtype == np.uint8
    assert (fitted is image) == (max(width, height) <= FRAME_SIDE_PX)


def test_shrinking_averages_instead_of_skipping_pixels():
    stripes = np.zeros((1280, 1280, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.unique(fit_frame(stripes)).tolist() == [100]
