"""ONNX Runtime on the processor, with the network as `to_onnx.py` wrote it: bit-equal steps, uint8 in and out."""

from importlib.metadata import version

import cv2
import numpy as np
from _child import Argument, Classify, Facts, Image, input_side, labels, serve


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`."""
    import onnxruntime

    cv2.setNumThreads(argument["threads"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = argument["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(argument["network"], options, providers=["CPUExecutionProvider"])
    names: list[str] = labels(argument)
    side = input_side(argument)

    def classify(frame: Image) -> str:
        rgb = cv2.cvtColor(cv2.resize(frame, side), cv2.COLOR_BGR2RGB)
        logits = session.run(None, {"image": rgb[np.newaxis]})[0][0]
        return names[int(np.argmax(logits))]

    return classify, {"library": f"onnxruntime {version('onnxruntime')}", "precision": "int8"}


if __name__ == "__main__":
    serve(open_peer)
