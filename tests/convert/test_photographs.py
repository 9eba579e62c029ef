"""Photographs of any origin come as upright, opaque BGR, and what is no whole picture is refused with its reason."""

import io
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from convert.photographs import GROUND, UnreadableError, decode, files_of
from edge.errors import ConfigError
from tests.photo_rig import draw_object

Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")
pytestmark = pytest.mark.convert

SCENE = draw_object(1, 80, 60)


def encoded(image: Any, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def picture(mode: str = "RGB") -> Any:
    return Image.fromarray(np.ascontiguousarray(SCENE[:, :, ::-1])).convert(mode)


def close(found: np.ndarray, wanted: np.ndarray, levels: float) -> bool:
    return found.shape == wanted.shape and float(np.abs(found.astype(int) - wanted.astype(int)).mean()) < levels


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGB", "PNG"), ("RGB", "WEBP"), ("RGB", "BMP")]
)
def test_colour_survives_whatever_the_file_holds(mode: str, kind: str) -> None:
    assert close(decode(encoded(picture(mode), kind)), SCENE, 6)


@pytest.mark.parametrize(("mode", "kind"), [("L", "JPEG"), ("L", "PNG")])
def test_grey_photographs_get_three_equal_channels(mode: str, kind: str) -> None:
    found = decode(encoded(picture(mode), kind))
    assert found.shape == (60, 80, 3)
    assert (found[..., 0] == found[..., 2]).all()


def test_sixteen_bits_become_eight() -> None:
    content = cv2.imencode(".png", SCENE.astype(np.uint16) * 257)[1].tobytes()
    assert (decode(content) == SCENE).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "16-bit PNG", "palette PNG", "grey PNG"])
def test_what_is_transparent_is_laid_on_mid_grey(kind: str) -> None:
    opacity = np.zeros((60, 80), np.uint8)
    opacity[:, :40] = 255
    cut_out = picture("LA" if kind == "grey PNG" else "RGBA")
    cut_out.putalpha(Image.fromarray(opacity))
    if kind == "16-bit PNG":
        wide = np.dstack([SCENE, opacity]).astype(np.uint16) * 257
        content = cv2.imencode(".png", wide)[1].tobytes()
    elif kind == "palette PNG":
        flat = Image.fromarray((opacity > 0).astype(np.uint8), mode="P")
        flat.putpalette([10, 200, 10, 250, 0, 0])
        content = encoded(flat, "PNG", transparency=0)
    elif kind == "WEBP":
        content = encoded(cut_out, "WEBP", lossless=True)
    else:
        content = encoded(cut_out, "PNG")
    found = decode(content)
    assert (found[:, 40:] == GROUND).all()
    assert not (found[:, :40] == GROUND).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_turns_the_photograph_upright(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(np.ascontiguousarray(np.rot90(SCENE)[:, :, ::-1]))
    assert close(decode(encoded(lying, kind, exif=exif)), SCENE, 6)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_transparency_is_turned_with_the_colours(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    cut_out = picture("RGBA")
    opaque = np.zeros((60, 80), np.uint8)
    opaque[:20, :30] = 255
    cut_out.putalpha(Image.fromarray(opaque))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(cut_out, "PNG", exif=exif))))
    found = decode(encoded(cut_out, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {})))
    wanted = np.asarray(upright)
    is_clear = wanted[..., 3] == 0
    assert found.shape == wanted[..., :3].shape
    assert (found[is_clear] == GROUND).all()
    assert (found[~is_clear] == wanted[..., 2::-1][~is_clear]).all()


def test_an_exif_block_that_is_cut_off_turns_nothing() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    cut_out = picture("RGBA")
    cut_out.putalpha(200)
    content = encoded(cut_out, "PNG", exif=exif)
    place = content.index(b"eXIf") + 4
    assert decode(content).shape == (80, 60, 3)
    assert decode(content[:place] + b"\xff" * 2 + content[place + 2 :]).shape == (60, 80, 3)


def test_a_header_that_claims_too_many_pixels_is_refused() -> None:
    content = bytearray(cv2.imencode(".jpg", SCENE)[1].tobytes())
    height_and_width = content.index(b"\xff\xc0") + 5
    content[height_and_width : height_and_width + 4] = (60000).to_bytes(2, "big") * 2
    with pytest.raises(UnreadableError, match="claims 60000 x 60000 pixels"):
        decode(bytes(content))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.97])
def test_a_truncated_file_is_refused(kind: str, share: float) -> None:
    content = encoded(picture(), kind)
    with pytest.raises(UnreadableError, match="truncated"):
        decode(content[: int(len(content) * share)])


def test_the_end_of_an_embedded_preview_is_not_the_end_of_the_photograph() -> None:
    preview, content = encoded(picture().resize((16, 12)), "JPEG"), encoded(picture(), "JPEG")
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    whole = content[:2] + segment + content[2:]
    assert close(decode(whole), SCENE, 6)
    with pytest.raises(UnreadableError, match="truncated"):
        decode(whole[: -len(content) // 3])


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty file"), (b"no picture", "cannot be decoded")])
def test_no_picture_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        decode(content)


def test_a_name_that_is_no_text_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"jar\xff.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(ConfigError, match="rename the file"):
        list(files_of(tmp_path))
