"""Text of unknown origin (names of files, labels, events) as it may be shown on a terminal or written to a log."""

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""A text in which nothing can steer a terminal, forge a line of a log or hide what stands there.

    Control characters, line breaks, signs that turn the direction of writing, and bytes that are no UTF-8 are written
    as an escape (`\x1b`, `\n`, `\u202e`, `\udcff`); everything else, the plain space too, stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)
