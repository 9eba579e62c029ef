"""HTML and SVG from trees of calls: what was not built here is escaped, so that no name in a report can be markup."""

import html
import re

__all__ = ["Html", "el", "join", "plain", "visible"]

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""Controls, separators and signs that turn the direction of writing: a name with one is not what it looks like."""
_EMPTY = frozenset({"br", "meta", "line", "rect", "circle", "path"})
"""Elements that never have content here, written with a slash: HTML and XML read them alike."""


class Html(str):
    """Text that is markup already. Only this module makes it."""

    __slots__ = ()


def plain(text: object) -> str:
    """One line of the text without signs that are not seen; each of them becomes U+FFFD."""
    return _UNSEEN.sub("\ufffd", " ".join(str(text).split()))


def join(*parts: str) -> Html:
    """The parts one after another; what is not markup is escaped."""
    return Html("".join(part if isinstance(part, Html) else html.escape(visible(part)) for part in parts))


def visible(text: str) -> str:
    """The text without signs that are not seen, its lines and tabs kept."""
    return _UNSEEN.sub("\ufffd", text)


def el(tag: str, *content: str, **attributes: object) -> Html:
    """An element.

    Args:
        content: escaped unless it is markup.
        attributes: `class_` for `class`, `stroke_width` for `stroke-width`; None leaves one out. Numbers are written
            with at most two decimals.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(_value(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _EMPTY:
        return Html(f"<{tag}{written}/>")
    return Html(f"<{tag}{written}>{join(*content)}</{tag}>")


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return visible(str(value))
