"""A sorter around a source that a measurement brings: simulated pins, a real ledger, a classifier that knows."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from edge.bench.timed import open_gate, open_parts
from edge.bundle import Bundle
from edge.config import Config
from edge.ports import PresenceDetector, Source
from edge.records import BgrImage, ModelId, Prediction, Prepared
from edge.runtime import Runtime

__all__ = ["KnowingClassifier", "open_sorter"]


class KnowingClassifier:
    """Says the same, surely, of every picture, and costs next to nothing (`ports.Classifier`)."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        rest = 0.01 / max(len(bundle.labels) - 1, 1)
        self._probabilities = (0.99, *[rest] * (len(bundle.labels) - 1))

    @property
    def labels(self) -> tuple[str, ...]:
        return self._bundle.labels

    @property
    def model(self) -> ModelId:
        return self._bundle.id

    def prepare(self, image: BgrImage, out: Prepared | None = None) -> Prepared:
        return image

    def classify(self, image: BgrImage, t_s: float = 0.0, prepared: Prepared | None = None) -> Prediction:
        return Prediction(t_s, self._bundle.labels, self._probabilities, 0.0)

    def close(self) -> None:
        """Nothing is held."""


@contextmanager
def open_sorter(
    config: Config, bundle: Bundle, source: Source, presence: PresenceDetector, folder: Path
) -> Iterator[Runtime]:
    """A runtime that has begun. Raises: SorterError.

    Args:
        folder: where its ledger lies until it is closed.
    """
    with (
        open_gate(config) as gate,
        closing(source),
        open_parts(config, bundle, source, presence, KnowingClassifier(bundle), gate, folder=folder) as runtime,
    ):
        source.open()
        runtime.begin()
        yield runtime
