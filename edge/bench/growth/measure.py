"""All axes, one after the other."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import edge
from edge.bench.facts import machine_facts
from edge.bench.growth.book import real_disk
from edge.bench.growth.ledger import measure_ledger
from edge.bench.growth.plan import PLANS, Scale
from edge.bench.growth.rate import measure_rate
from edge.bench.growth.records import Growth
from edge.bench.growth.size import measure_size
from edge.bench.growth.uptime import measure_uptime
from edge.bench.growth.votes import measure_bins, measure_labels
from edge.bench.noise import spread_of, stolen_of, verdict_of
from edge.bench.report import Noise
from edge.bench.samples import Samples, now
from edge.bench.wording import percent
from edge.classifier import open_classifier, vote_policy
from edge.classify.tflite import TfliteClassifier
from edge.clock import utc_now
from edge.config import Config

__all__ = ["measure_growth"]


READINGS, INVOKES = 5, 10


def measure_growth(
    config: Config,
    scale: Scale,
    progress: Callable[[str], None],
    *,
    file: Path | None = None,
    folder: Path | None = None,
) -> Growth:
    """Measure how cost grows along every axis.

    Args:
        scale: `quick` takes less than a minute; `full` goes to ten million rows and a million frames.
        progress: called with a few words before each step that takes long.
        file: where the configuration was read, for errors.
        folder: where ledgers are made and removed again; None takes one on a real disk.
    Raises: BundleError, ConfigError, LedgerError, SorterError.
    """
    plan = PLANS[scale]
    start_s = time.monotonic()
    utc, machine = utc_now(), machine_facts()
    config = config.model_copy(update={"model": config.model.model_copy(update={"threads": 1})})
    bundle, classifier = open_classifier(config, file)
    policy = vote_policy(config, bundle)
    with tempfile.TemporaryDirectory(prefix="edge-sorter-growth-", dir=folder or real_disk(config)) as name:
        place = Path(name)
        yardstick = _Yardstick(classifier)
        # First, so that what the process holds is the sorter's and not the other axes'.
        uptime = measure_uptime(config, plan, bundle, place, progress)
        yardstick.read()
        progress(f"frame size: {len(plan.sizes_px)} sizes")
        size = measure_size(config, plan, classifier)
        yardstick.read()
        progress(f"frame rate: {len(plan.rates_fps)} rates, in real time")
        rate = measure_rate(config, plan, bundle, place)
        yardstick.read()
        progress("labels and bins")
        labels, bins = measure_labels(plan, classifier, policy), measure_bins(plan, policy)
        yardstick.read()
        ledger = measure_ledger(config, plan, place, progress)
        yardstick.read()
    return Growth(
        version=edge.__version__,
        utc=utc,
        scale=scale,
        took_s=round(time.monotonic() - start_s, 1),
        model=f"{bundle.id.name} {bundle.id.version}",
        machine=machine,
        noise=yardstick.noise(),
        axes=(size, rate, labels, bins, ledger, uptime),
    )


class _Yardstick:
    """The bare inference, between the axes: how steady the machine was."""

    def __init__(self, classifier: TfliteClassifier) -> None:
        self._classifier = classifier
        self._samples: list[Samples] = []
        self.read()

    def read(self) -> None:
        """A few rounds of it."""
        for _ in range(READINGS):
            samples = Samples()
            for _ in range(INVOKES):
                began = now()
                self._classifier.invoke()
                samples.add(began, now())
            self._samples.append(samples)

    def noise(self) -> Noise:
        """Of all readings."""
        spread = spread_of([statistics.median(samples.cpu) for samples in self._samples])
        stolen = stolen_of(sum(sum(one.cpu) for one in self._samples), sum(sum(one.wall) for one in self._samples))
        verdict = verdict_of(spread, stolen)
        told = f"the bare inference between the axes spread by {percent(spread)}, {percent(stolen)} of it was stolen"
        return Noise(spread=spread, stolen=stolen, verdict=verdict, sentence=f"The machine was {verdict}: {told}.")
