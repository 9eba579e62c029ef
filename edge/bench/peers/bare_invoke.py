"""An interpreter and nothing but its `invoke()`: the yardstick. It names nothing and looks at no frame."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from _child import Argument, Classify, Facts, Image, serve


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`; `runtime` in the argument is that of the configuration, LiteRT where there is none."""
    model = (Path(argument["model"]) / "model.tflite").read_bytes()
    package, make = _library(argument.get("runtime", "litert"))
    interpreter = make(model_content=model, num_threads=argument["threads"])
    interpreter.allocate_tensors()

    def invoke(_: Image) -> str:
        interpreter.invoke()
        return ""

    return invoke, {"library": f"{package} {version(package)}", "precision": "int8"}


def _library(runtime: str) -> tuple[str, Any]:
    """The package, and its class."""
    if runtime == "tflite_runtime":
        from tflite_runtime.interpreter import Interpreter as TfliteInterpreter

        return "tflite-runtime", TfliteInterpreter
    from ai_edge_litert.interpreter import Interpreter

    return "ai-edge-litert", Interpreter


if __name__ == "__main__":
    serve(open_peer)
