"""The event book: that it can be written, and that it holds together. It is read only."""

import os
from collections.abc import Iterator
from pathlib import Path

from edge.board.processes import Program
from edge.doctor.findings import Finding, blocker, note, ok, refused, warning
from edge.doctor.machine import Machine
from edge.doctor.storage import existing_folder
from edge.errors import LedgerError
from edge.ledger_format import damaged_dir, sidecar
from edge.ledger_read import LedgerReader
from edge.ledger_repair import find_loss

__all__ = ["check_ledger"]

SMALL_BYTES = 8 * 10**6
"""A book up to this size is read from end to end: some ten thousand rows."""
_OWNER_REMEDY = "run doctor as the sorter's user, or give that user its file and folder with chown"


def check_ledger(machine: Machine, path: Path, sorter: Program | None) -> Iterator[Finding]:
    """Args: sorter: process that writes it now."""
    if sorter is not None:
        yield ok("ledger.writer", f"{path} is in use by {sorter}")
    yield from _set_aside(path)
    if not path.exists():
        yield _missing(machine, path)
        return
    if sorter is None and not (machine.may_use(path) and machine.may(path.parent, os.W_OK | os.X_OK)):
        yield blocker("ledger.access", f"{machine.user.name} may not write {path} and into its folder", _OWNER_REMEDY)
    try:
        with LedgerReader(path) as reader:
            yield _rows(path, reader)
            intent = reader.open_intent() if sorter is None else None
            if intent is not None:
                yield note(
                    "ledger.intent",
                    f"{path} has an item that was interrupted: {intent['label'] or 'an item'} for {intent['route']}; "
                    "the next start writes down that what became of it is unknown",
                )
    except LedgerError as exc:
        yield refused("ledger.rows", exc)


def _set_aside(path: Path) -> Iterator[Finding]:
    folder = damaged_dir(path)
    try:
        count = sum(1 for file in folder.iterdir() if file.suffix == path.suffix and file.stem.startswith(path.stem))
    except OSError:
        return
    if count:
        yield warning(
            "ledger.damaged",
            f"{folder} holds {count} ledgers that were damaged and set aside",
            "keep a copy, read what is left with edge-sorter ledger export --salvage --ledger FILE, check the disk, "
            f"then empty {folder}",
        )


def _missing(machine: Machine, path: Path) -> Finding:
    loss = None if sidecar(path, ".next").exists() else find_loss(path)
    if loss is not None:
        return blocker(
            "ledger.file",
            f"{path} {loss}",
            "restore it from a copy, or move what is left away to begin anew; the next start begins anew by itself "
            "where ledger.when_damaged is set_aside",
        )
    folder = existing_folder(path)
    if not machine.may(folder, os.W_OK | os.X_OK):
        return blocker(
            "ledger.access",
            f"{path} does not exist, and {machine.user.name} may not make it in {folder}",
            f"run: sudo install -d -o {machine.user.name} {path.absolute().parent} (the unit edge-sorter.service makes "
            "/var/lib/edge-sorter itself when it starts)",
        )
    return ok("ledger.file", f"{path} does not exist yet: the first run makes it")


def _rows(path: Path, reader: LedgerReader) -> Finding:
    size = path.stat().st_size
    if size > SMALL_BYTES:
        reader.tail(1)
        return note(
            "ledger.rows",
            f"{path} has {size / 1e6:.0f} MB: it opens and its last row can be read, the others were not",
            f"run: edge-sorter ledger verify --ledger {path}",
        )
    verified = reader.verify()
    if verified.is_clean:
        return ok("ledger.rows", f"{path} holds together: {verified.rows} rows of {verified.boots} boots")
    more = f", and {len(verified.problems) - 1} more" if len(verified.problems) > 1 else ""
    return blocker(
        "ledger.rows",
        f"{path} does not hold together: {verified.problems[0]}{more}",
        f"see all with edge-sorter ledger verify --ledger {path}; keep a copy, then restore it or begin a new file",
    )
