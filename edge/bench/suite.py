"""The whole measurement: every part in turns over the rounds, then what takes real time, then whole processes."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import edge
from edge.bench import label, live, loop, process
from edge.bench.allocations import collector_pause_ms, measure_allocations, pause_figure
from edge.bench.facts import machine_facts
from edge.bench.frames import describe, play_frames, still_frames
from edge.bench.noise import spread_of, stolen_of, verdict_of
from edge.bench.report import Figure, ModelFacts, Noise, Report
from edge.bench.samples import Clock
from edge.bench.throughput import measure_throughput
from edge.bench.timed import LoopRound
from edge.bench.wording import percent
from edge.bundle import Bundle
from edge.classifier import open_classifier
from edge.classify.tflite import TfliteClassifier
from edge.clock import utc_now
from edge.config import Config
from edge.memory import collector_at_rest, settle
from edge.records import Frame

__all__ = ["FULL", "QUICK", "Plan", "measure", "noise_of", "soak_step"]

SOAK_FRAMES = 10
CODE = ("edge", "models", "config", "pyproject.toml", "constraints.txt")
"""What decides about a figure; a change elsewhere leaves the commit what it is."""
_SENTENCES = {
    "quiet": "This machine was quiet: {}.",
    "fair": "This machine was fairly quiet: {}; small differences do not show.",
    "noisy": "This machine was too noisy to be compared with others: {}; stop what else runs, and repeat it.",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: of everything that is measured in turns.
        frames: classified in a round, and bare inferences beside them.
        plays: of the item through the loop, a round.
        items: sorted in real time, five seconds each.
        idle_s: seconds of an empty tray in real time, one a round.
        throughput_frames: of a round.
        starts: of whole processes.
    """

    rounds: int = 9
    frames: int = 60
    plays: int = 15
    items: int = 9
    idle_s: int = 9
    throughput_frames: int = 100
    starts: int = 9


FULL = Plan()
QUICK = Plan(rounds=7, frames=20, plays=4, items=1, idle_s=2, throughput_frames=40, starts=2)


def measure(
    config: Config,
    plan: Plan,
    fps: float,
    command: str,
    progress: Callable[[str], None],
    *,
    file: Path | None = None,
    has_processes: bool = True,
) -> Report:
    """Measure this machine.

    Args:
        fps: of the camera that real time is measured with.
        command: to be written into the report.
        progress: told in a few words what is being done.
        file: where the configuration was read, for errors.
        has_processes: also start whole processes.
    Raises: SorterError.
    """
    machine = machine_facts()
    config = config.model_copy(update={"model": config.model.model_copy(update={"threads": config.model.threads or 1})})
    progress("renders the frames")
    frames, stills = play_frames(fps), still_frames()
    bundle, classifier = open_classifier(config, file)
    start_s = time.perf_counter()
    labels, loops, kept = _in_turns(config, bundle, classifier, frames, stills, plan, progress)
    progress("sorts in real time")
    found = live.measure_live(config, bundle, classifier, frames, fps, items=plan.items, idle_rounds=plan.idle_s)
    bare_s = float(np.median([one.us("bare", "wall") for one in labels])) / 1e6
    progress("captures, classifies and moves at the same time")
    found.throughput = measure_throughput(config, classifier, frames, plan.rounds, plan.throughput_frames, bare_s)
    clock: Clock = "cpu" if config.model.threads == 1 else "wall"
    bare_us = [one.us("bare", clock) for one in labels]
    figures = {
        **label.figures_of(labels, clock),
        **live.figures_of(found, fps),
        **live.pins_figure([*(one.samples["decision_to_pin"] for one in loops), found.samples["decision_to_pin"]]),
        **loop.figures_of(loops, bare_us, clock),
        **kept,
        **label.measure_warm_up(classifier.runtime, bundle.model, config.model.threads or 1, plan.rounds),
    }
    if has_processes:
        progress("starts whole processes")
        figures |= process.figures_of(
            process.measure_process(config, bundle.folder, stills[0], classifier.runtime, plan.starts)
        )
    classifier.close()
    return Report(
        schema=2,
        version=edge.__version__,
        commit=_commit(),
        utc=utc_now(),
        command=command,
        machine=machine,
        model=_model_facts(bundle, classifier, config),
        frames=describe([*frames, *_as_frames(stills)], fps),
        settings={"plan": asdict(plan), "fps": fps, "config": _settings(config)},
        noise=noise_of(labels, clock),
        figures=figures,
        stages={
            **live.stages_of(found, start_s),
            **loop.stages_of(loops, start_s, clock),
            **label.stages_of(labels, start_s, clock),
        },
    )


def _in_turns(
    config: Config,
    bundle: Bundle,
    classifier: TfliteClassifier,
    frames: Sequence[Frame],
    stills: npt.NDArray[np.uint8],
    plan: Plan,
    progress: Callable[[str], None],
) -> tuple[list[label.LabelRound], list[LoopRound], dict[str, Figure]]:
    """Labels, bare inferences and whole turns, round after round; then what a turn allocates."""
    labels: list[label.LabelRound] = []
    loops: list[LoopRound] = []
    pauses_ms: list[float] = []
    with loop.open_loop(config, bundle, classifier, frames) as rig:
        label.measure_label(classifier, stills, plan.frames)
        rig.play(1)
        settle()
        with collector_at_rest():
            for number in range(1, plan.rounds + 1):
                progress(f"round {number} of {plan.rounds}")
                labels.append(label.measure_label(classifier, stills, plan.frames))
                loops.append(rig.play(plan.plays))
                pauses_ms.append(collector_pause_ms())
        progress("counts what a frame allocates")
        kept = measure_allocations(rig, 2) | pause_figure(pauses_ms)
    return labels, loops, kept


def noise_of(rounds: Sequence[label.LabelRound], clock: Clock = "cpu") -> Noise:
    """How steady the bare inference was: over its rounds, and beside the wall."""
    bare = [one.samples["bare"] for one in rounds]
    spread = spread_of([one.us("bare", clock) for one in rounds])
    stolen = stolen_of(sum(sum(one.cpu) for one in bare), sum(sum(one.wall) for one in bare))
    verdict = verdict_of(spread, stolen)
    told = f"the bare inference's rounds spread by {percent(spread)}, and {percent(stolen)} of its time went to others"
    return Noise(spread=spread, stolen=stolen, verdict=verdict, sentence=_SENTENCES[verdict].format(told))


def _model_facts(bundle: Bundle, classifier: TfliteClassifier, config: Config) -> ModelFacts:
    return ModelFacts(
        name=bundle.id.name,
        version=bundle.id.version,
        sha256=bundle.id.sha256,
        runtime=classifier.runtime,
        threads=config.model.threads or 1,
        input_px=bundle.manifest.input.shape[1:3],
        has_delegate=classifier.is_delegated,
    )


def _settings(config: Config) -> dict[str, Any]:
    """What decides how much work a frame is."""
    return config.model_dump(mode="json", include={"presence", "settle", "vote", "gate", "routes", "model"})


def _as_frames(stills: npt.NDArray[np.uint8]) -> list[Frame]:
    return [Frame(number, 0.0, image) for number, image in enumerate(stills)]


def _commit() -> str | None:
    """Of the checkout that the program lies in; with `+` where something in it was changed."""
    root = Path(edge.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    with suppress(OSError, subprocess.SubprocessError):
        called = [
            subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=5)  # noqa: S607 - the git of who measures
            for arguments in (
                ["rev-parse", "--short=12", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no", "--", *CODE],
            )
        ]
        return called[0].stdout.strip() + ("+" if called[1].stdout.strip() else "")
    return None


@contextmanager
def soak_step(config: Config) -> Iterator[Callable[[], dict[str, float]]]:
    """A bit of the real work for `soak.soak`: frames to labels, bare inferences between, and the item sorted once.

    Yields: a function that does it, and returns medians in microseconds.
    """
    bundle, classifier = open_classifier(config)
    stills = still_frames()
    with loop.open_loop(config, bundle, classifier, play_frames()) as rig, collector_at_rest() as collect:
        settle()

        def step() -> dict[str, float]:
            labels, turns = label.measure_label(classifier, stills, SOAK_FRAMES), rig.play(1)
            collect(time.monotonic())
            return {
                "label_us": labels.us("frame_to_label", "wall"),
                "invoke_us": labels.us("bare", "wall"),
                "label_cpu_us": labels.us("frame_to_label", "cpu"),
                "idle_turn_us": turns.us("turn_idle", "cpu"),
            }

        try:
            yield step
        finally:
            classifier.close()
