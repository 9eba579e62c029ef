"""Which layers lose precision when a network becomes int8, and what each of them costs the logits.

The float and the int8 file come from the same converter and hold the same operators in the same order, so that their
tensors are compared operator by operator. Signal-to-quantization-noise ratios (SQNR) as in Nagel et al., "A White
Paper on Neural Network Quantization" (arXiv:2106.08295), whose section on debugging also proposes to quantize a single
layer at a time; the layer that leaves the logits least alike is the one that hurts.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

from convert.graph import Operator, constant, operators, read_tree
from convert.network import to_real
from edge.classify.interpreters import open_interpreter
from edge.errors import BundleError

__all__ = ["LayerError", "as_json", "layer_errors", "markdown", "sqnr_db"]

EXACT_DB = 120.0
"""Stands for "no noise at all", which has no logarithm."""
_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
_SHOWN = 15
_Float = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LayerError:
    """What quantization does to one operator. Decibels are SQNR: 20 dB is an error of 10 %, 40 dB of 1 %.

    Attributes:
        layer, kind: name of the Keras layer and the operator.
        logits_db: of the logits when this layer alone is quantized (weights and output), the rest being float.
        rounding_db: of its float output after rounding and clipping to the int8 grid.
        weights_db: of its int8 weights, None for an operator without weights.
        total_db: of its output in the int8 network, with the errors of all layers before it.
        relative_rmse: the same as total_db, as root mean square error over root mean square of the float output.
    """

    layer: str
    kind: str
    logits_db: float
    rounding_db: float
    weights_db: float | None
    total_db: float
    relative_rmse: float


def sqnr_db(signal_power: float, noise_power: float) -> float:
    """Signal-to-quantization-noise ratio in dB, at most EXACT_DB; 0 for noise without any signal."""
    if noise_power <= 0:
        return EXACT_DB
    if signal_power <= 0:
        return 0.0
    return min(EXACT_DB, 10 * math.log10(signal_power / noise_power))


def layer_errors(floating: bytes, int8: bytes, pictures: npt.NDArray[np.uint8]) -> list[LayerError]:
    """Compare an int8 TFLite network with its float twin, layer by layer.

    Args:
        floating: float32 TFLite file without any optimization.
        int8: full-integer TFLite file, converted from the same Keras model.
        pictures: (N, side, side, 3) uint8 RGB; some 16 to 32 of them are enough.
    Returns: one entry an operator, the one that hurts most first.
    Raises: BundleError if the two files do not hold the same operators, or LiteRT refuses one.
    """
    float_tree, int8_tree = read_tree(floating), read_tree(int8)
    pairs = _pairs(float_tree, int8_tree)
    pixels = pictures.view(np.int8) ^ np.int8(-128)  # the input has scale 2/255 and zero point -1, see quantize()
    wanted = _outputs(floating, to_real(pictures), [one.output for one, _ in pairs])
    found = _outputs(int8, pixels, [other.output for _, other in pairs])
    float_logits = np.stack([row[-1] for row in wanted])
    entries = []
    for place, (one, other) in enumerate(pairs):
        scale, zero = _grid(int8_tree, other.output)
        signal = noise = rounding = 0.0
        for reals, steps in zip(wanted, found, strict=True):
            real, step = reals[place].astype(np.float64), steps[place].astype(np.float64)
            nearest = np.clip(np.round(real / scale) + zero, -128, 127)
            signal += float(np.square(real).sum())
            noise += float(np.square((step - zero) * scale - real).sum())
            rounding += float(np.square((nearest - zero) * scale - real).sum())
        weights = _weights(float_tree, int8_tree, one, other)
        alone = _logits(_with_one_quantized(floating, one, (scale, zero), weights), to_real(pictures))
        entries.append(
            LayerError(
                layer=other.layer,
                kind=other.kind,
                logits_db=_round(_compare(float_logits, alone)),
                rounding_db=_round(sqnr_db(signal, rounding)),
                weights_db=None if weights is None else _round(_compare(*weights)),
                total_db=_round(sqnr_db(signal, noise)),
                relative_rmse=round(math.sqrt(noise / signal), 4) if signal else 0.0,
            )
        )
    return sorted(entries, key=lambda entry: entry.logits_db)


def markdown(entries: Sequence[LayerError]) -> str:
    """The worst layers as a table."""
    lines = [
        "| layer | operator | logits, this layer alone int8 | weights | its output rounded | its output in int8 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for entry in entries[:_SHOWN]:
        weights = "–" if entry.weights_db is None else _decibels(entry.weights_db)
        lines.append(
            f"| {entry.layer} | {entry.kind} | {_decibels(entry.logits_db)} | {weights} "
            f"| {_decibels(entry.rounding_db)} | {_decibels(entry.total_db)} ({entry.relative_rmse:.1%}) |"
        )
    return "\n".join(lines) + "\n"


def as_json(entries: Sequence[LayerError]) -> list[dict[str, Any]]:
    """The entries, ready for JSON."""
    return [asdict(entry) for entry in entries]


def _decibels(value: float) -> str:
    return "exact" if value >= EXACT_DB else f"{value:.1f} dB"


def _pairs(float_tree: Any, int8_tree: Any) -> list[tuple[Operator, Operator]]:
    """Operators that correspond. The int8 file may convert types on the way; nothing else may differ."""
    casts = {"QUANTIZE", "DEQUANTIZE"}
    ones = [operator for operator in operators(float_tree) if operator.kind not in casts]
    others = [operator for operator in operators(int8_tree) if operator.kind not in casts]
    first = float_tree.subgraphs[0].tensors
    second = int8_tree.subgraphs[0].tensors
    for place in range(max(len(ones), len(others))):
        one = ones[place] if place < len(ones) else None
        other = others[place] if place < len(others) else None
        if (
            one is None
            or other is None
            or one.kind != other.kind
            or list(first[one.output].shape) != list(second[other.output].shape)
        ):
            raise BundleError(
                f"operator {place} is {_named(one)} in the float file and {_named(other)} in the int8 file; both must "
                "come from one Keras model and one TensorFlow"
            )
    return list(zip(ones, others, strict=True))


def _named(operator: Operator | None) -> str:
    return "missing" if operator is None else f"{operator.kind} of {operator.layer}"


def _grid(tree: Any, index: int) -> tuple[float, int]:
    """Scale and zero point of an int8 tensor."""
    quantization = tree.subgraphs[0].tensors[index].quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
        name = tree.subgraphs[0].tensors[index].name.decode()
        raise BundleError(f"tensor {name} of the int8 file has no scale; quantize the model with integers only")
    return float(quantization.scale[0]), int(quantization.zeroPoint[0])


def _weights(float_tree: Any, int8_tree: Any, one: Operator, other: Operator) -> tuple[_Float, _Float] | None:
    """The weights of an operator, float and as its int8 weights stand for them, both in the shape of the file."""
    if one.kind not in _WEIGHTED:
        return None
    real, steps = constant(float_tree, one.inputs[1]), constant(int8_tree, other.inputs[1])
    quantization = int8_tree.subgraphs[0].tensors[other.inputs[1]].quantization
    if real is None or steps is None or quantization is None or real.shape != steps.shape:
        return None
    shape = np.ones(steps.ndim, int)
    if len(quantization.scale) > 1:
        shape[quantization.quantizedDimension] = len(quantization.scale)
    scale = np.asarray(quantization.scale, np.float32).reshape(shape)
    return np.asarray(real, np.float32), np.asarray(steps * scale, np.float32)


def _with_one_quantized(
    floating: bytes, operator: Operator, grid: tuple[float, int], weights: tuple[_Float, _Float] | None
) -> bytes:
    """The float file, one operator's weights and output rounded as int8 does it."""
    from ai_edge_litert import schema_py_generated as schema

    tree = read_tree(floating)
    graph = tree.subgraphs[0]
    if weights is not None:
        tensor = graph.tensors[operator.inputs[1]]
        tree.buffers[tensor.buffer].data = np.frombuffer(weights[1].tobytes(), np.uint8)
    place = next(at for at, one in enumerate(graph.operators) if one.outputs[0] == operator.output)
    rounded, real = len(graph.tensors), len(graph.tensors) + 1
    graph.tensors += [
        _tensor(schema, graph.tensors[operator.output].shape, kind, grid)
        for kind in (schema.TensorType.INT8, schema.TensorType.FLOAT32)
    ]
    for reader in graph.operators:
        reader.inputs = [real if index == operator.output else index for index in reader.inputs]
    graph.outputs = [real if index == operator.output else index for index in graph.outputs]
    graph.operators[place + 1 : place + 1] = [
        _cast(schema, tree, schema.BuiltinOperator.QUANTIZE, operator.output, rounded),
        _cast(schema, tree, schema.BuiltinOperator.DEQUANTIZE, rounded, real),
    ]
    tree.signatureDefs = None
    # Pack() aligns to 4 bytes only: enough for float32, though not for a file that ships.
    builder = flatbuffers.Builder(len(floating) + 4096)
    builder.Finish(tree.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensor(schema: Any, shape: Sequence[int], kind: int, grid: tuple[float, int]) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = "rounded", list(shape), kind, 0
    if kind == schema.TensorType.INT8:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [grid[0]], [grid[1]]
    return tensor


def _cast(schema: Any, tree: Any, builtin: int, source: int, target: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 2 if builtin == schema.BuiltinOperator.DEQUANTIZE else 1
    tree.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = len(tree.operatorCodes) - 1, [source], [target]
    return operator


def _outputs(model: bytes, pictures: npt.NDArray[Any], wanted: Sequence[int]) -> list[list[npt.NDArray[Any]]]:
    """The named tensors of every picture, from the plain kernels: a delegate would keep its own to itself."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model,
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    rows = []
    for picture in pictures:
        interpreter.set_tensor(place, picture[None])
        interpreter.invoke()
        rows.append([interpreter.get_tensor(index) for index in wanted])
    return rows


def _logits(model: bytes, pictures: _Float) -> _Float:
    interpreter = open_interpreter("litert", model, threads=1)
    source = interpreter.tensor(interpreter.get_input_details()[0]["index"])
    target = interpreter.tensor(interpreter.get_output_details()[0]["index"])
    rows = []
    for picture in pictures:
        source()[...] = picture
        interpreter.invoke()
        rows.append(target().copy())
    return np.stack(rows)


def _compare(wanted: npt.NDArray[Any], found: npt.NDArray[Any]) -> float:
    signal = float(np.square(wanted.astype(np.float64)).sum())
    return sqnr_db(signal, float(np.square(found.astype(np.float64) - wanted).sum()))


def _round(decibels: float) -> float:
    return round(decibels, 2)
