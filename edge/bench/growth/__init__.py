"""How cost grows: with the frame's size and rate, labels, bins, the ledger's rows, and the hours of running."""

from edge.bench.growth.markdown import to_markdown
from edge.bench.growth.measure import measure_growth
from edge.bench.growth.records import Growth

__all__ = ["Growth", "measure_growth", "to_markdown"]
