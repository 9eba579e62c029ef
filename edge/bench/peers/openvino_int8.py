"""OpenVINO on the processor. It reads the bundle's model.tflite itself; colour and type are turned within its graph.

Which layers stay int8 is its own choice: 2026.4.1 computes depthwise ones in floating point. `precision` says it.
"""

from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from _child import Argument, Classify, Facts, Image, input_side, labels, serve


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`."""
    import openvino
    from openvino.preprocess import ColorFormat, PrePostProcessor

    cv2.setNumThreads(argument["threads"])
    core = openvino.Core()
    model = core.read_model(Path(argument["model"]) / "model.tflite")
    names: list[str] = labels(argument)
    side = input_side(argument)
    model.reshape([1, side[1], side[0], 3])
    steps = PrePostProcessor(model)
    layout = openvino.Layout("NHWC")
    tensor = steps.input().tensor().set_element_type(openvino.Type.u8)
    tensor.set_layout(layout).set_color_format(ColorFormat.BGR)
    steps.input().model().set_layout(layout)
    # The model's int8 is the pixel less 128.
    to_int8 = steps.input().preprocess().convert_color(ColorFormat.RGB).convert_element_type(openvino.Type.f32)
    to_int8.mean(128.0).convert_element_type(openvino.Type.i8)
    settings = {"INFERENCE_NUM_THREADS": argument["threads"], "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(steps.build(), "CPU", settings)
    request = compiled.create_infer_request()

    def classify(frame: Image) -> str:
        logits = request.infer(cv2.resize(frame, side)[np.newaxis], share_inputs=True, share_outputs=True)[0]
        return names[int(np.argmax(logits))]

    layers = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ops()]
    used = {layer["runtimePrecision"].value for layer in layers if layer["layerType"].value == "Convolution"}
    return classify, {"library": f"openvino {version('openvino')}", "precision": ", ".join(sorted(used))}


if __name__ == "__main__":
    serve(open_peer)
