"""TFLite Metadata: written, read back, and harmless to the model."""

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from convert.metadata import ALIGNMENT, ModelText, add_metadata, read_metadata
from convert.quantize import is_wholly_delegated, tensors
from edge.bundle import InputTensor
from edge.classify.interpreters import open_interpreter
from edge.errors import BundleError


@pytest.fixture
def text(labels: tuple[str, ...]) -> ModelText:
    return ModelText("waste", "1.2.3", "Names waste – möglichst gut.", "someone", "MIT", labels, 127.5, 127.5, 32)


def run(model: bytes, image: np.ndarray) -> list[int]:
    interpreter = open_interpreter("litert", model, threads=1)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return list(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].tolist())


def test_what_is_written_is_read_back(tiny_model: Callable[..., bytes], text: ModelText) -> None:
    assert read_metadata(add_metadata(tiny_model(), text)) == text


def test_the_described_model_computes_the_same(tiny_model: Callable[..., bytes], text: ModelText) -> None:
    plain, described = tiny_model(), add_metadata(tiny_model(), text)
    rng = np.random.default_rng(2)
    for _ in range(5):
        image = rng.integers(-128, 128, (1, 32, 32, 3), dtype=np.int8)
        assert run(plain, image) == run(described, image)
    assert tensors(plain) == tensors(described)


def test_every_buffer_lies_on_a_border_that_kernels_can_read(tiny_model: Callable[..., bytes], text: ModelText) -> None:
    model = schema.Model.GetRootAs(add_metadata(tiny_model(), text), 0)
    places = []
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        if buffer.DataLength():
            places.append(buffer._tab.Vector(buffer._tab.Offset(4)) % ALIGNMENT)
    assert places
    assert set(places) == {0}


def test_labels_stand_in_a_zip_archive_behind_the_model(tiny_model: Callable[..., bytes], text: ModelText) -> None:
    with zipfile.ZipFile(io.BytesIO(add_metadata(tiny_model(), text))) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt") == b"glass\npaper\ntrash\n"


def test_the_same_model_gives_the_same_bytes(tiny_model: Callable[..., bytes], text: ModelText) -> None:
    assert add_metadata(tiny_model(), text) == add_metadata(tiny_model(), text)


def test_metadata_is_not_written_twice(tiny_model: Callable[..., bytes], text: ModelText) -> None:
    with pytest.raises(BundleError, match="already"):
        add_metadata(add_metadata(tiny_model(), text), text)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 100])
def test_a_file_that_is_no_model_is_refused(text: ModelText, content: bytes) -> None:
    with pytest.raises(BundleError, match="no TFLite file"):
        add_metadata(content, text)


def test_a_model_without_metadata_says_so(tiny_model: Callable[..., bytes]) -> None:
    with pytest.raises(BundleError, match="no TFLite Metadata"):
        read_metadata(tiny_model())


def test_the_input_takes_pixels_by_one_xor(tiny_model: Callable[..., bytes]) -> None:
    source, _ = tensors(tiny_model())
    assert isinstance(source, InputTensor)
    every_pixel = np.arange(256, dtype=np.uint8)
    assert np.array_equal(source.spec().quantization_table().view(np.uint8), every_pixel ^ 0x80)


def test_one_delegate_takes_the_tiny_model_whole(tiny_model: Callable[..., bytes]) -> None:
    assert is_wholly_delegated(tiny_model())
