"""Reading all of the event book: the full files of the archive, then the one that is written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.errors import LedgerError
from edge.ledger_audit import Audit, VerifyReport
from edge.ledger_files import archived
from edge.ledger_format import translated
from edge.ledger_read import LedgerReader, LedgerView
from edge.ledger_tally import Summary, Tally

__all__ = ["LedgerShelf"]


class LedgerShelf(LedgerView):
    """A read-only view of a ledger with its archive, oldest file first; files that were set aside are not in it.

    Args:
        path: the database that is written.
    Raises: LedgerError as `LedgerReader` does.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # First: if it is rotated meanwhile it is found in the archive too, and left out there.
        self._last = LedgerReader(path)
        try:
            with translated("read the archive of", path):
                self._archive = [file for file in archived(path.resolve()) if not self._is_last(file)]
        except BaseException:
            self._last.close()
            raise

    @property
    def files(self) -> int:
        """How many files there are."""
        return len(self._archive) + 1

    def close(self) -> None:
        """Give the files back; may be called twice."""
        self._last.close()

    def tail(self, count: int) -> list[dict[str, Any]]:
        """As `LedgerReader.tail`, over as many files as it takes."""
        records = self._last.tail(count)
        for path in reversed(self._archive):
            if len(records) >= count:
                break
            with LedgerReader(path) as reader:
                records = reader.tail(count - len(records)) + records
        return records

    def iterate(self, type_: str | None = None) -> Iterator[dict[str, Any]]:
        """As `LedgerReader.iterate`."""
        for reader in self._readers():
            yield from reader.iterate(type_)

    def summary(self) -> Summary:
        """As `LedgerReader.summary`."""
        tally = Tally()
        for reader in self._readers():
            reader.count(tally)
        return tally.summary()

    def verify(self) -> VerifyReport:
        """As `LedgerReader.verify`, and that each file goes on where the one before it ended."""
        audit = Audit()
        for path in self._archive:
            try:
                reader = LedgerReader(path)
            except LedgerError as exc:
                audit.problem(str(exc))
                continue
            with reader:
                reader.check(audit, is_named=True)
        self._last.check(audit, is_named=True)
        return audit.report()

    def _readers(self) -> Iterator[LedgerReader]:
        for path in self._archive:
            with LedgerReader(path) as reader:
                yield reader
        yield self._last

    def _is_last(self, file: Path) -> bool:
        status = file.stat()
        return (status.st_dev, status.st_ino) == self._last.inode
