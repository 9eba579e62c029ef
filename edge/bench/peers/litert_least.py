"""LiteRT with the least that a loop by hand can do for these int8 models: resize, swap colours, flip a bit, argmax."""

from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from _child import Argument, Classify, Facts, Image, input_side, labels, serve


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`."""
    from ai_edge_litert.interpreter import Interpreter

    cv2.setNumThreads(argument["threads"])
    model = str(Path(argument["model"]) / "model.tflite")
    interpreter = Interpreter(model_path=model, num_threads=argument["threads"])
    interpreter.allocate_tensors()
    image = interpreter.get_input_details()[0]["index"]
    logits = interpreter.get_output_details()[0]["index"]
    names: list[str] = labels(argument)
    side = input_side(argument)

    def classify(frame: Image) -> str:
        rgb = cv2.cvtColor(cv2.resize(frame, side), cv2.COLOR_BGR2RGB)
        # The model's int8 is the pixel less 128, which is its top bit turned.
        interpreter.set_tensor(image, (rgb ^ 0x80).view(np.int8)[np.newaxis])
        interpreter.invoke()
        return names[int(interpreter.get_tensor(logits)[0].argmax())]

    return classify, {"library": f"ai-edge-litert {version('ai-edge-litert')}", "precision": "int8"}


if __name__ == "__main__":
    serve(open_peer)
