"""Sections, tables and figures of the page, with their numbers."""

from collections.abc import Iterable, Sequence

from edge.bench.markup import Html, el, join
from edge.bench.wording import pretty

__all__ = ["Captions", "facts", "key", "remarks", "section", "table_row"]

_ON_ONE_PAGE = 16
"""Rows of a table that is not broken between two pages."""


class Captions:
    """Numbers tables and figures in the order in which they are made, from 1 without a gap."""

    def __init__(self) -> None:
        self._figures = 0
        self._tables = 0

    @property
    def next_figure(self) -> int:
        """The number of the figure that is made next."""
        return self._figures + 1

    def figure(self, content: Html | Sequence[Html], *caption: str) -> Html:
        """A plot, or several side by side, with its caption below."""
        self._figures += 1
        body = content if isinstance(content, Html) else el("div", *content, class_="panels")
        head = el("b", f"Figure {self._figures}. ")
        return el("figure", body, el("figcaption", head, *caption))

    def table(self, head: Sequence[str], rows: Iterable[Html], *caption: str, text: Sequence[str] = ()) -> Html:
        """A table with its caption above.

        Args:
            text: heads whose columns are text and not numbers; the first column always is.
        """
        self._tables += 1
        columns = [el("th", name, scope="col", class_="text" if name in text else None) for name in head]
        title = el("figcaption", el("b", f"Table {self._tables}. "), *caption)
        lines = list(rows)
        table = el("table", el("thead", el("tr", *columns)), el("tbody", *lines))
        kind = "tabled whole" if len(lines) <= _ON_ONE_PAGE else "tabled"
        return el("figure", title, el("div", table, class_="table"), class_=kind)


def table_row(name: str, values: Sequence[str], kinds: Sequence[str] = (), *, is_same: bool = False) -> Html:
    """A row.

    Args:
        kinds: a class for each value; `num` where they are fewer.
        is_same: it goes on with the row above.
    """
    classes = [*kinds, *["num"] * (len(values) - len(kinds))]
    written = (el("td", value, class_=kind or None) for value, kind in zip(values, classes, strict=True))
    return el("tr", el("th", pretty(name), scope="row"), *written, class_="same" if is_same else None)


def facts(pairs: Iterable[tuple[str, str | None]]) -> Html:
    """Names and values; what is not known is left out."""
    return el("dl", *(join(el("dt", name), el("dd", value)) for name, value in pairs if value), class_="facts")


def remarks(texts: Sequence[str]) -> Html:
    """Remarks as a list; empty without one."""
    return el("ul", *(el("li", pretty(text[:1].upper() + text[1:])) for text in texts)) if texts else Html("")


def key(*entries: tuple[str, str]) -> Html:
    """What the colours of a figure mean, for its caption: class and words."""
    return join(*(el("span", el("i", class_=f"swatch {kind}"), f"{words} ", class_="key") for kind, words in entries))


def section(title: str, name: str, *content: str) -> Html:
    """A section with its heading; empty without content."""
    if not any(content):
        return Html("")
    return el("section", el("h2", title), *content, id=name)
