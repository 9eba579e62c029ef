"""A report such as a bench writes, drawn from a seed: nothing is measured for it."""

from typing import Any

import numpy as np

from edge.bench.report import (
    Contender,
    Distribution,
    Figure,
    FrameSet,
    MachineFacts,
    ModelFacts,
    Noise,
    Report,
    Series,
    Soak,
    Stage,
)
from edge.bench.stats import slope

ROUNDS = 9
INVOKE_US = 5230.0
STAGES = {
    "presence": ("presence: thumbnail and look, every frame", 96.0, 0.02),
    "preprocess": ("preprocess: resize and quantize into the model's input", 205.0, 0.02),
    "invoke": ("invoke: the inference", INVOKE_US, 0.01),
    "name": ("name: probabilities and energy from the raw output", 38.0, 0.03),
    "decide": ("decide: vote, policy and state machine", 31.0, 0.04),
    "gate_command": ("gate command: from the decision to the first command on the pins", 118.0, 0.06),
    "turn_idle": ("whole turn of a frame of the empty tray", 62.0, 0.03),
    "frame_to_label": ("frame in memory -> label", 5490.0, 0.012),
}
WAITS_US = {
    "capture": ("capture: a frame's age when the loop has it", 700.0),
    "rest_to_decision": ("item at rest -> decision", 200_000.0),
    "decision_to_pin": ("decision -> first command on the pins", 480.0),
}
MATRIX = {
    "waste-mobilenetv2 0.4.1, litert, 1 thread, frames of 640x480": 1.0,
    "waste-mobilenetv2 0.4.1, litert, 2 threads, frames of 640x480": 0.56,
    "waste-mobilenetv2 0.4.1, litert, 4 threads, frames of 640x480": 0.34,
    "waste-mobilenetv2 0.4.1, tflite_runtime, 1 thread, frames of 640x480": 1.08,
    "waste-mobilenetv2 0.4.1, tflite_runtime, 2 threads, frames of 640x480": 0.61,
    "waste-mobilenetv2 0.4.1, tflite_runtime, 4 threads, frames of 640x480": 0.39,
}
PEERS = {
    "edge-sorter": 1.03,
    "bare invoke() of LiteRT: the yardstick, no frame and no label": 1.0,
    "LiteRT, the loop of its own examples": 1.31,
    "tflite-runtime, the same loop": 1.4,
    "MediaPipe ImageClassifier, int8 with uint8 ends": 1.62,
    "ONNX Runtime, int8": 2.42,
    "Keras predict() on TensorFlow, float32": 11.3,
}


def rounds_about(rng: np.random.Generator, middle: float, scatter: float = 0.012, count: int = ROUNDS) -> list[float]:
    """Rounds that lie about `middle`."""
    return [float(f"{value:.6g}") for value in middle * np.exp(rng.normal(0.0, scatter, count))]


def make_figures(rng: np.random.Generator, scatter: float = 0.012, faster: float = 1.0) -> dict[str, Figure]:
    """Headline figures; times are `faster` times as short."""

    def figure(title: str, unit: Any, middle: float, **more: Any) -> Figure:
        return Figure.of(title, unit, rounds_about(rng, middle, scatter), **more)

    return {
        "label_ratio": figure("frame to label / bare invoke, processor time", "ratio", 1.036, goal=1.05),
        "overhead_tail": figure("our own overhead a frame: p99 / p50", "ratio", 1.31, goal=2.0),
        "loop_ratio": figure("whole turn of a classified frame / bare invoke, processor time", "ratio", 1.071),
        "throughput_ratio": figure(
            "frames/s with all stages / bare invoke", "ratio", 0.962, better="higher", goal=0.95
        ),
        "bare_invoke_us": figure("bare invoke, processor time", "us", INVOKE_US / faster),
        "label_us": figure("frame to label, processor time", "us", 5490.0 / faster),
        "presence_us": figure("presence, a frame, processor time", "us", 96.0 / faster, goal=100.0),
        "rest_to_decision_s": figure("item at rest -> decision at 30 frames/s", "s", 0.201, goal=0.25),
        "decision_to_pin_ms": Figure.of("decision -> first command on the pins, p99", "ms", [0.62], goal=5.0),
        "missed_frames": Figure.of("frames missed of 984 at 30 frames/s", "frames", [0.0], goal=0.0),
        "idle_share": figure("empty tray at 20 frames/s, share of a core", "share", 0.0148, goal=0.015),
        "frames_per_s": figure("frames one after another", "frames/s", 182.0 * faster, better="higher"),
        "start_to_first_label_s": figure("start of the process to its first label", "s", 0.364 / faster, goal=2.0),
        "start_import_s": figure("start of the process to the end of its imports", "s", 0.21 / faster),
        "memory_peak_mb": Figure.of("largest resident memory", "MB", [95.2], goal=150.0),
        "memory_end_mb": Figure.of("resident memory while sorting", "MB", [73.1]),
    }


def make_stage(rng: np.random.Generator, title: str, middle_us: float, scatter: float, *, samples: int = 4000) -> Stage:
    """A stage with a tail, and with wall time beside its processor time."""
    cpu = middle_us * np.exp(rng.normal(0.0, scatter, samples)) * (1 + 0.6 * (rng.random(samples) > 0.985))
    wall = cpu * 1.01 + rng.exponential(0.02 * middle_us, samples) + 3000 * (rng.random(samples) > 0.998)
    t_s = np.linspace(0.0, 62.0, samples)
    return Stage(
        title=title,
        cpu=Distribution.of(cpu.tolist(), "us", "cpu"),
        wall=Distribution.of(wall.tolist(), "us", "wall"),
        series=Series.of(t_s.tolist(), wall.tolist(), "us"),
    )


def make_wait(rng: np.random.Generator, title: str, middle_us: float) -> Stage:
    """Forty waits in wall time alone."""
    wall = (middle_us * (1 + 0.167 * rng.integers(0, 3, 40)) + rng.exponential(0.01 * middle_us, 40)).tolist()
    return Stage(
        title=title,
        cpu=None,
        wall=Distribution.of(wall, "us", "wall"),
        series=Series.of([1.5 * place for place in range(40)], wall, "us"),
    )


def make_stages(rng: np.random.Generator) -> dict[str, Stage]:
    """What works, and what waits."""
    works = {name: make_stage(rng, *given) for name, given in STAGES.items()}
    return works | {name: make_wait(rng, *given) for name, given in WAITS_US.items()}


def make_soak(rng: np.random.Generator) -> Soak:
    """An hour; the board grows hot, is throttled for some minutes, and the clock falls with it."""
    t_s = [5.0 * place for place in range(720)]
    hot = [50 + 33 * (1 - float(np.exp(-at / 900))) + float(rng.normal(0, 0.3)) for at in t_s]
    throttled = [1.0 if 2300 < at < 2700 or 3100 < at < 3300 else 0.0 for at in t_s]
    clock = [1200.0 if is_slow else 1800.0 for is_slow in throttled]
    label = [5600 * 1800 / mhz * float(np.exp(rng.normal(0, 0.01))) for mhz in clock]
    columns: dict[str, tuple[float | None, ...]] = {
        "label_us": tuple(label),
        "temperature_c": tuple(None if 1000 < at < 1100 else one for at, one in zip(t_s, hot, strict=True)),
        "clock_mhz": tuple(clock),
        "power_w": tuple(3.9 + 0.02 * (one - 50) for one in hot),
        "resident_mb": tuple(73.0 + at / 36000 for at in t_s),
        "processor_share": tuple(0.17 + float(rng.normal(0, 0.01)) for _ in t_s),
        "threads": tuple(4.0 for _ in t_s),
        "is_undervolted": tuple(float(at == 1800.0) for at in t_s),
        "is_throttled": tuple(throttled),
        "is_soft_limited": tuple(float(one > 80.0) for one in hot),
    }
    slopes = {
        name: slope([at / 3600 for at, value in zip(t_s, values, strict=True) if value is not None], given)
        for name, values in columns.items()
        if not name.startswith("is_") and (given := [value for value in values if value is not None])
    }
    remarks = ("throttled from minute 38, in 17% of the points: temperature 81 C, clock 1800 -> 1200 MHz",)
    return Soak(duration_s=3600.0, t_s=tuple(t_s), columns=columns, slopes_per_hour=slopes, remarks=remarks)


def make_contenders(rng: np.random.Generator) -> tuple[tuple[Contender, ...], tuple[Contender, ...]]:
    """A matrix of six and eight peers, one of which is missing."""

    def figures(factor: float) -> dict[str, Figure]:
        return {
            "label_ratio": Figure.of("processor time / bare invoke()", "ratio", rounds_about(rng, factor, 0.02)),
            "label_us": Figure.of("processor time from a frame to its label", "us", rounds_about(rng, 5300.0 * factor)),
            "start_s": Figure.of("start of the process to its first label", "s", [0.27 + 0.03 * factor]),
            "agreement": Figure.of("labels equal to those of edge-sorter", "share", [1.0] * ROUNDS, better="higher"),
        }

    facts = {"library": "ai-edge-litert 2.3.0", "precision": "int8", "threads": "1"}
    matrix = tuple(Contender(title=title, settings=facts, figures=figures(factor)) for title, factor in MATRIX.items())
    peers = [Contender(title=title, settings=facts, figures=figures(factor)) for title, factor in PEERS.items()]
    return matrix, (*peers, Contender(title="ncnn, int8", missing="ncnn has no wheel for this Python; use Python 3.11"))


def make_report(seed: int = 1, **changes: Any) -> Report:
    """A whole report of a Pi 4; `changes` replaces whole fields."""
    rng = np.random.default_rng(seed)
    matrix, peers = make_contenders(rng)
    fields: dict[str, Any] = {
        "version": "0.1.0",
        "commit": "bb25a87c0ffee1234567890abcdef1234567890a",
        "utc": "2026-11-26T00:31:07Z",
        "command": "edge-sorter bench --full --rounds 9 --soak 3600 --json pi4.json",
        "machine": MachineFacts(
            model="ARM Cortex-A72 r0p3",
            board="Raspberry Pi 4 Model B Rev 1.4",
            architecture="aarch64",
            cores=4,
            memory_mb=3885,
            os="Debian GNU/Linux 12 (bookworm)",
            kernel="6.6.51+rpt-rpi-v8",
            python="3.11.2",
            is_virtual=False,
            governor="ondemand",
            clock_mhz=1500.0,
            clock_max_mhz=1800.0,
            temperature_c=52.1,
            throttled="0x80000",
            throttled_meaning=("soft temperature limit has occurred",),
            load=0.14,
            libraries={"ai-edge-litert": "2.3.0", "numpy": "2.4.6", "opencv-python-headless": "5.0.0.93"},
        ),
        "model": ModelFacts(
            name="waste-mobilenetv2",
            version="0.4.1",
            sha256="9f2c" * 16,
            runtime="LiteRT 2.3.0",
            threads=1,
            input_px=(224, 224),
            has_delegate=True,
        ),
        "frames": FrameSet(version=1, width_px=640, height_px=480, fps=30.0, frames=82, sha256="ab01" * 16),
        "settings": {"rounds": ROUNDS, "plays": 12, "threads": 1, "soak_s": 3600, "vote": {"min_frames": 3}},
        "noise": Noise(
            spread=0.021,
            stolen=0.004,
            verdict="quiet",
            sentence="The machine was quiet: its rounds of the bare inference spread by 2.1 %.",
        ),
        "figures": make_figures(rng),
        "stages": make_stages(rng),
        "matrix": matrix,
        "peers": peers,
        "soak": make_soak(rng),
        "remarks": ("The camera was simulated.",),
    }
    return Report(**{**fields, **changes})
