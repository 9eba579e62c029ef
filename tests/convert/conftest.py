"""A whole int8 classifier of a few hundred bytes, built without TensorFlow."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from convert.metadata import ModelText, add_metadata
from convert.package import Parts
from edge.bundle import Thresholds

SIDE = 32
LABELS = ("glass", "paper", "trash")


def _tensor(name: str, shape: list[int], kind: int, buffer: int, scale: float, zero: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, buffer
    if scale:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [scale]
        tensor.quantization.zeroPoint = [zero]
    return tensor


def _operator(code: int, inputs: list[int], output: int, options: Any, kind: int) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, [output]
    operator.builtinOptions, operator.builtinOptionsType = options, kind
    return operator


def _code(builtin: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 2 if builtin == schema.BuiltinOperator.MEAN else 4
    return code


def build_tiny_model(labels: int = len(LABELS), input_scale: float = 2 / 255) -> bytes:
    """The mean colour through one linear layer: (1, 32, 32, 3) int8 to (1, labels) int8 logits."""
    weights = np.random.default_rng(1).integers(-127, 128, (labels, 3), dtype=np.int8)
    contents = [b"", b"", np.array([1, 2], np.int32).tobytes(), b"", weights.tobytes(), b""]
    contents[5] = np.zeros(labels, np.int32).tobytes()
    kinds = schema.TensorType
    graph = schema.SubGraphT()
    graph.name = "main"
    graph.tensors = [
        _tensor("image", [1, SIDE, SIDE, 3], kinds.INT8, 1, input_scale, -1),
        _tensor("axes", [2], kinds.INT32, 2, 0.0, 0),
        _tensor("mean", [1, 3], kinds.INT8, 3, input_scale, -1),
        _tensor("weights", [labels, 3], kinds.INT8, 4, 0.01, 0),
        _tensor("bias", [labels], kinds.INT32, 5, input_scale * 0.01, 0),
        _tensor("logits", [1, labels], kinds.INT8, 1, 0.05, 3),
    ]
    graph.inputs, graph.outputs = [0], [5]
    reducer, dense = schema.ReducerOptionsT(), schema.FullyConnectedOptionsT()
    reducer.keepDims = False
    options = schema.BuiltinOptions
    graph.operators = [
        _operator(0, [0, 1], 2, reducer, options.ReducerOptions),
        _operator(1, [2, 3, 4], 5, dense, options.FullyConnectedOptions),
    ]
    model = schema.ModelT()
    model.version, model.description = 3, "tiny"
    model.operatorCodes = [_code(schema.BuiltinOperator.MEAN), _code(schema.BuiltinOperator.FULLY_CONNECTED)]
    model.subgraphs = [graph]
    model.buffers = []
    for content in contents:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8) if content else None
        model.buffers.append(buffer)
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="session")
def tiny_model() -> Callable[..., bytes]:
    return build_tiny_model


@pytest.fixture
def labels() -> tuple[str, ...]:
    return LABELS


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_works() -> Iterator[None]:
    """A shell that runs the tests in the background has SIGINT ignored, and so would every process they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def parts(tiny_model: Callable[..., bytes], labels: tuple[str, ...]) -> Parts:
    """What a bundle is written from."""
    text = ModelText("tiny", "1", "d", "a", "MIT", labels, 127.5, 127.5, 32)
    counts = {part: dict.fromkeys(labels, 4) for part in ("train", "val", "test")}
    return Parts(
        name="tiny",
        version="1",
        labels=labels,
        model=add_metadata(tiny_model(), text),
        temperature=1.5,
        thresholds=Thresholds(confidence=0.6, margin=0.2),
        seed=1,
        data={"photographs": counts, "digest_sha256": "0" * 64},
        training={
            "weights": None,
            "settings": {"seed": 1, "alpha": 1.0, "side_px": 32, "residue": ["trash"], "rendered": 10},
            "utc_date": "2026-11-22",
        },
        metrics={},
    )
