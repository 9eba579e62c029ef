"""The event book as lines of JSON or CSV, to a stream or, all or nothing, to a file."""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.errors import ConfigError, LedgerError
from edge.ledger_format import BASE_FIELDS, ITEM_FIELDS, encode_record
from edge.paths import sync_folder

__all__ = ["CSV_COLUMNS", "csv_lines", "jsonl_lines", "write_file"]

CSV_COLUMNS = (
    *BASE_FIELDS,
    *(column for name, inner in ITEM_FIELDS.items() for column in ([f"{name}.{field}" for field in inner] or [name])),
    "other",
)
"""An item's fields, the nested ones under `outer.inner`; all further fields are JSON in `other`."""


def jsonl_lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One line a record, without its end; byte for byte what the ledger stores."""
    return map(encode_record, records)


def csv_lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A heading and one row a record (RFC 4180), without their ends; what is no text or number is JSON."""
    yield _csv_line(CSV_COLUMNS)
    for record in records:
        flat: dict[str, Any] = {}
        other: dict[str, Any] = {}
        for name, value in record.items():
            if isinstance(value, dict) and ITEM_FIELDS.get(name):
                flat |= {f"{name}.{inner}": cell for inner, cell in value.items()}
            else:
                flat[name] = value
        for name in [name for name in flat if name not in CSV_COLUMNS or name == "other"]:
            other[name] = flat.pop(name)
        flat["other"] = other or None
        yield _csv_line(_cell(flat.get(column)) for column in CSV_COLUMNS)


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _csv_line(cells: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def write_file(path: Path, lines: Iterable[str], *, is_forced: bool) -> None:
    """Write `path` whole and durable, or leave what was there.

    Args:
        is_forced: replace a file of this name.
    Raises: ConfigError if there is one and `is_forced` is False; LedgerError if it cannot be written.
    """
    if path.exists() and not is_forced:
        raise ConfigError(f"{path} exists; name another file or give --force")
    # A rename and no link, and no chmod: exports go to FAT sticks too.
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with fresh.open("w", encoding="utf-8", newline="") as stream:
                stream.writelines(line + "\n" for line in lines)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as exc:
        raise LedgerError(f"cannot write {path}: {exc.strerror}; check the folder and its free space") from exc
