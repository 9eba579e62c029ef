"""The same loop with tflite-runtime, the package that most tutorials for the Raspberry Pi still install."""

from importlib.metadata import version
from pathlib import Path

from _child import Argument, Classify, Facts, serve
from litert_loop import canonical_loop


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`."""
    from tflite_runtime.interpreter import Interpreter

    path = str(Path(argument["model"]) / "model.tflite")
    loop = canonical_loop(Interpreter(model_path=path, num_threads=argument["threads"]), argument)
    return loop, {"library": f"tflite-runtime {version('tflite-runtime')}", "precision": "int8"}


if __name__ == "__main__":
    serve(open_peer)
