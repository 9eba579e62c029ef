"""The list of peers: what each is called, what it needs, and which script measures it."""

import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.bench.peers.environment import Run, environment, network, run_quietly
from edge.bench.workers import Worker, clean_environment
from edge.errors import ConfigError

__all__ = [
    "BARE_INVOKE",
    "EDGE_SORTER",
    "LITERT_RUNTIME",
    "PEERS",
    "TFLITE_RUNTIME",
    "Peer",
    "choose_peers",
    "open_worker",
]

LITERT = "ai-edge-litert==2.3.0"
"""Also what converters read the bundle's model with."""
NUMPY = "numpy==2.4.6"
OPENCV = "opencv-python-headless==5.0.0.93"
PYDANTIC = "pydantic==2.14.3"
LITERT_RUNTIME = (LITERT, NUMPY, OPENCV, PYDANTIC)
TFLITE_RUNTIME = ("tflite-runtime==2.14.0", "numpy==1.26.4", "opencv-python-headless==4.11.0.86", PYDANTIC)
"""Enough to run this program's own classifier as well; tflite-runtime needs NumPy below 2."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program to measure.

    Attributes:
        name: on the command line and in the report.
        script: in this folder.
        library: names the environment; peers with the same requirements share it.
        requirements: pinned to what was tried; none means the environment of this process.
        converter: see `environment.network`; empty if the script reads the bundle's own model.
        settings: go into the script's argument.
    """

    name: str
    title: str
    script: str
    library: str = ""
    requirements: tuple[str, ...] = ()
    converter: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


EDGE_SORTER = Peer("edge_sorter", "edge-sorter", "edge_sorter.py")
BARE_INVOKE = Peer("bare_invoke", "bare invoke() of LiteRT: the yardstick, no frame and no label", "bare_invoke.py")
PEERS = (
    Peer(
        "litert",
        "LiteRT, the loop of its own examples",
        "litert_loop.py",
        "litert",
        LITERT_RUNTIME,
    ),
    Peer(
        "litert_least",
        "LiteRT, the least that a loop by hand can do",
        "litert_least.py",
        "litert",
        LITERT_RUNTIME,
    ),
    Peer(
        "tflite_runtime",
        "tflite-runtime, the same loop",
        "tflite_runtime_loop.py",
        "tflite-runtime",
        TFLITE_RUNTIME,
    ),
    Peer(
        "mediapipe",
        "MediaPipe ImageClassifier, int8 with uint8 ends",
        "mediapipe_classifier.py",
        "mediapipe",
        ("mediapipe==1.2.2", LITERT, NUMPY, "opencv-contrib-python==5.1.0.95"),
        ("to_uint8.py", "model.tflite"),
    ),
    Peer(
        "onnxruntime",
        "ONNX Runtime, int8",
        "onnxruntime_int8.py",
        "onnxruntime",
        ("onnxruntime==1.31.1", "onnx==1.23.2", LITERT, NUMPY, OPENCV),
        ("to_onnx.py", "model.onnx"),
    ),
    Peer(
        "openvino",
        "OpenVINO, int8 but for what it prefers in floating point",
        "openvino_int8.py",
        "openvino",
        ("openvino==2026.4.1", NUMPY, OPENCV),
    ),
    Peer(
        "ncnn_int8",
        "ncnn, int8 (symmetric: 7 bits after a relu6)",
        "ncnn_net.py",
        "ncnn",
        ("ncnn==1.0.20261020", LITERT, NUMPY, OPENCV),
        ("to_ncnn.py", ".", "int8"),
        {"precision": "int8"},
    ),
    Peer(
        "ncnn_float",
        "ncnn, float (16-bit where the processor has it)",
        "ncnn_net.py",
        "ncnn",
        ("ncnn==1.0.20261020", LITERT, NUMPY, OPENCV),
        ("to_ncnn.py", ".", "float"),
        {"precision": "float"},
    ),
    Peer(
        "keras",
        "Keras predict() on TensorFlow, float32",
        "keras_predict.py",
        "keras",
        (
            "tensorflow-cpu==2.21.0; platform_machine == 'x86_64'",
            "tensorflow==2.21.0; platform_machine != 'x86_64'",
            "keras==3.15.1",
            LITERT,
            NUMPY,
            OPENCV,
        ),
        ("to_keras.py", "model.keras"),
    ),
)


def choose_peers(names: Sequence[str] | None) -> tuple[Peer, ...]:
    """Peers by name, in the list's order; all of them without names. Raises: ConfigError for an unknown name."""
    known = {peer.name: peer for peer in PEERS}
    for name in names or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"there is no peer {name}; {hint}")
    return tuple(peer for peer in PEERS if names is None or peer.name in names)


def open_worker(
    peer: Peer,
    argument: Mapping[str, Any],
    package: Path,
    *,
    name: str | None = None,
    folder: Path | None = None,
    run: Run = run_quietly,
) -> Worker:
    """A worker of the peer, not yet started; its environment and its network are made first where they are missing.

    Args:
        argument: `frames`, `model` and `threads`; see `_child.py`.
        package: a folder from which `edge_sorter.py` imports `edge`, and nothing else is to be had.
        name: of the worker, if not the peer's.
        folder: instead of `environment.peers_folder()`.
    Raises: SorterError in one sentence.
    """
    python = environment(peer.library, peer.requirements, folder, run)
    whole = {**argument, **peer.settings}
    if peer.converter:
        made = network(peer.name, python, peer.converter, Path(argument["model"]), folder, run)
        whole["network"] = os.fspath(made)
    script = Path(__file__).parent / peer.script
    has_edge = peer.script == EDGE_SORTER.script
    variables = clean_environment(package if has_edge or python == Path(sys.executable) else None)
    return Worker(name or peer.name, [str(python), str(script)], whole, variables)
