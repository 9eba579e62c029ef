"""Opens a TFLite interpreter of the library that the config asks for."""

import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError, ConfigError

__all__ = ["Interpreter", "RuntimeName", "has_delegate", "open_interpreter", "resolve_runtime"]

RuntimeName = Literal["litert", "tflite_runtime"]
_MODULES: dict[RuntimeName, str] = {"litert": "ai_edge_litert", "tflite_runtime": "tflite_runtime"}
_log = logging.getLogger(__name__)


class Interpreter(Protocol):
    """The part of a TFLite interpreter that is used here; both libraries have it."""

    def allocate_tensors(self) -> None: ...
    def invoke(self) -> None: ...
    def get_input_details(self) -> list[dict[str, Any]]: ...
    def get_output_details(self) -> list[dict[str, Any]]: ...
    def tensor(self, tensor_index: int) -> Callable[[], npt.NDArray[Any]]: ...


def resolve_runtime(wanted: Literal["auto", "litert", "tflite_runtime"]) -> RuntimeName:
    """The library to use; `auto` takes LiteRT, then tflite-runtime with a warning.

    Raises: ConfigError if it is not installed.
    """
    candidates: list[RuntimeName] = ["litert", "tflite_runtime"] if wanted == "auto" else [wanted]
    for name in candidates:
        if importlib.util.find_spec(_MODULES[name]) is not None:
            if name == "tflite_runtime":
                _log.warning(
                    "tflite-runtime runs int8 models without XNNPACK, about 20 times slower than LiteRT; "
                    "install ai-edge-litert unless this is a 32-bit system"
                )
            return name
    packages = " nor ".join("ai-edge-litert" if name == "litert" else "tflite-runtime" for name in candidates)
    missing = f"neither {packages} is installed" if len(candidates) > 1 else f"{packages} is not installed"
    raise ConfigError(f"model.runtime is {wanted}, but {missing}; install it in this environment")


def open_interpreter(runtime: RuntimeName, model: bytes, threads: int) -> Interpreter:
    """An interpreter with its tensors allocated.

    Args:
        threads: processor threads that one inference may use.
    Raises: BundleError if the library does not take the model.
    """
    try:
        with _without_native_chatter():
            return _make_interpreter(runtime, model, threads)
    except (ValueError, RuntimeError) as exc:
        raise BundleError(f"{runtime} does not take the model ({exc}); install a bundle made for it") from exc


def has_delegate(interpreter: Interpreter) -> bool:
    """True if a delegate (XNNPACK) runs the graph, so that an inference is as fast as it can be."""
    list_operations = getattr(interpreter, "_get_ops_details", None)
    if list_operations is None:
        return False
    return any(operation["op_name"] == "DELEGATE" for operation in list_operations())


def _make_interpreter(runtime: RuntimeName, model: bytes, threads: int) -> Interpreter:
    interpreter: Interpreter
    if runtime == "litert":
        from ai_edge_litert.interpreter import Interpreter as LiteRtInterpreter

        interpreter = LiteRtInterpreter(model_content=model, num_threads=threads)
    else:
        if int(np.__version__.split(".")[0]) >= 2:
            raise ConfigError(
                f"tflite-runtime needs numpy < 2, found {np.__version__}; give it an environment of its own "
                "(docs/runtimes.md)"
            )
        from tflite_runtime.interpreter import Interpreter as TfliteInterpreter

        interpreter = TfliteInterpreter(model_content=model, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


@contextmanager
def _without_native_chatter() -> Iterator[None]:
    """Keep the libraries' INFO lines off standard error, which is for messages that matter; all else goes through."""
    sys.stderr.flush()
    kept = os.dup(2)
    with os.fdopen(os.memfd_create("native-log"), "w+b") as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            log.seek(0)
            for line in log:
                if not line.startswith(b"INFO:"):
                    os.write(2, line)
