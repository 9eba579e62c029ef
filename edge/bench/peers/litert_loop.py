"""The loop of LiteRT's own examples: resize, normalize, quantize, set_tensor, invoke, get_tensor, argmax.

Normalized as its label_image.py does it, quantized as its guide to integer models does it.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _child import Argument, Classify, Facts, Image, input_side, labels, serve

__all__ = ["canonical_loop"]

MEAN, STD = 127.5, 127.5
"""The example's own defaults, and what the models here are trained with."""


def canonical_loop(interpreter: Any, argument: Argument) -> Classify:
    """The examples' loop over an interpreter, which LiteRT and tflite-runtime have in common."""
    cv2.setNumThreads(argument["threads"])
    interpreter.allocate_tensors()
    image, logits = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = image["quantization"]
    names: list[str] = labels(argument)
    side = input_side(argument)

    def classify(frame: Image) -> str:
        rgb = cv2.cvtColor(cv2.resize(frame, side), cv2.COLOR_BGR2RGB)
        real = (rgb.astype(np.float32) - MEAN) / STD
        steps = (real / scale + zero_point).astype(image["dtype"])
        interpreter.set_tensor(image["index"], np.expand_dims(steps, axis=0))
        interpreter.invoke()
        scores = interpreter.get_tensor(logits["index"])[0]
        return names[int(np.argmax(scores))]

    return classify


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`."""
    from ai_edge_litert.interpreter import Interpreter

    path = str(Path(argument["model"]) / "model.tflite")
    loop = canonical_loop(Interpreter(model_path=path, num_threads=argument["threads"]), argument)
    return loop, {"library": f"ai-edge-litert {version('ai-edge-litert')}", "precision": "int8"}


if __name__ == "__main__":
    serve(open_peer)
