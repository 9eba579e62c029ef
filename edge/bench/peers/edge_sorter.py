"""This program's own way from a frame to its label: the classifier that `run` sorts with."""

from importlib.metadata import version
from pathlib import Path

import cv2
from _child import Argument, Classify, Facts, serve


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`; `runtime` in the argument is that of the configuration."""
    import edge
    from edge.bundle import load_bundle
    from edge.classify.tflite import TfliteClassifier
    from edge.memory import settle

    # As `edge.app` does, which would want the libraries of pins and screens as well.
    cv2.setNumThreads(1)
    bundle = load_bundle(Path(argument["model"]))
    classifier = TfliteClassifier(bundle, argument.get("runtime", "auto"), argument["threads"])
    settle()
    package = "ai-edge-litert" if classifier.runtime == "litert" else "tflite-runtime"
    facts = {"library": f"edge-sorter {edge.__version__}, {package} {version(package)}", "precision": "int8"}
    return lambda frame: classifier.classify(frame).label, facts


if __name__ == "__main__":
    serve(open_peer)
