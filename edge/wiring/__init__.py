"""What an installer connects where: the wires of a configuration as rows, as a table and as a picture of the header."""

from edge.wiring.picture import wiring_svg
from edge.wiring.remarks import wiring_remarks
from edge.wiring.rows import WiringRow, wiring_rows
from edge.wiring.table import wiring_text

__all__ = ["WiringRow", "wiring_remarks", "wiring_rows", "wiring_svg", "wiring_text"]
