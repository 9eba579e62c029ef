"""LiteRT and nothing but `invoke()`: the yardstick. It names nothing and looks at no frame."""

from importlib.metadata import version
from pathlib import Path

from _child import Argument, Classify, Facts, Image, serve


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`."""
    from ai_edge_litert.interpreter import Interpreter

    model = (Path(argument["model"]) / "model.tflite").read_bytes()
    interpreter = Interpreter(model_content=model, num_threads=argument["threads"])
    interpreter.allocate_tensors()

    def invoke(_: Image) -> str:
        interpreter.invoke()
        return ""

    return invoke, {"library": f"ai-edge-litert {version('ai-edge-litert')}", "precision": "int8"}


if __name__ == "__main__":
    serve(open_peer)
