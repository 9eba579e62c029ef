"""Give the bundle's model uint8 ends, for libraries that take no int8 pictures: `to_uint8.py BUNDLE FILE.tflite`.

Standalone. A quantize layer at each end moves the values by 128, as TensorFlow's converter does it when it is asked for
uint8; all between stays, the metadata and the label file too.
"""

import copy
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

__all__ = ["with_uint8_ends"]


def with_uint8_ends(model: bytes) -> bytes:
    """The same .tflite with uint8 input and output. Raises: ValueError if it has not one int8 end on either side."""
    root = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    graph = root.subgraphs[0]
    for ends, is_input in ((graph.inputs, True), (graph.outputs, False)):
        if len(ends) != 1 or graph.tensors[ends[0]].type != schema.TensorType.INT8:
            raise ValueError(f"the model's {'input' if is_input else 'output'} is no single int8 tensor")
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = 1
    root.operatorCodes.append(code)
    number = len(root.operatorCodes) - 1
    outside = [_uint8_twin(graph, ends[0]) for ends in (graph.inputs, graph.outputs)]
    graph.operators.insert(0, _quantize(number, outside[0], int(graph.inputs[0])))
    graph.operators.append(_quantize(number, int(graph.outputs[0]), outside[1]))
    renamed = {int(graph.inputs[0]): outside[0], int(graph.outputs[0]): outside[1]}
    graph.inputs, graph.outputs = [outside[0]], [outside[1]]
    for signature in root.signatureDefs or []:
        for tensor in [*signature.inputs, *signature.outputs]:
            tensor.tensorIndex = renamed.get(tensor.tensorIndex, tensor.tensorIndex)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(root.Pack(builder), b"TFL3")
    return _with_files_of(model, bytes(builder.Output()))


def _uint8_twin(graph: Any, index: int) -> int:
    twin = copy.deepcopy(graph.tensors[index])
    twin.name = b"uint8_" + (twin.name if isinstance(twin.name, bytes) else twin.name.encode())
    twin.type, twin.buffer = schema.TensorType.UINT8, 0
    twin.quantization.zeroPoint = [int(zero_point) + 128 for zero_point in twin.quantization.zeroPoint]
    graph.tensors.append(twin)
    return len(graph.tensors) - 1


def _quantize(code: int, source: int, target: int) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [source], [target]
    operator.builtinOptionsType, operator.builtinOptions = (
        schema.BuiltinOptions.QuantizeOptions,
        schema.QuantizeOptionsT(),
    )
    return operator


def _with_files_of(model: bytes, result: bytes) -> bytes:
    """TFLite Metadata keeps the label file in a ZIP archive behind the model."""
    out = io.BytesIO(result)
    with zipfile.ZipFile(io.BytesIO(model)) as archive, zipfile.ZipFile(out, "a") as copied:
        for name in archive.namelist():
            copied.writestr(name, archive.read(name))
    return out.getvalue()


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(with_uint8_ends((Path(sys.argv[1]) / "model.tflite").read_bytes()))
