"""Reports read from files."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge.bench.report import SCHEMA, Report
from edge.errors import ConfigError

__all__ = ["read_report"]

_KIND = "edge-sorter-bench"
_OWN_FIRST = frozenset({"label_ratio", "rounds", "machine"})
"""Keys of the first schema, which named no kind."""


def read_report(path: Path) -> Report:
    """Read a report.

    Raises: ConfigError, in one sentence, if there is no such file, or it holds no report of this schema.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise ConfigError(f"cannot read {path} ({exc.strerror}); give a file that `bench --json` wrote") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is no text, expected a report that `bench --json` wrote") from exc
    _check_kind(path, _parse(path, text))
    try:
        return Report.read(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise ConfigError(f"{path}: {where}: {message}; the report was changed or cut: measure again") from exc


def _parse(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        where = f", line {exc.lineno}" if isinstance(exc, json.JSONDecodeError) else ""
        raise ConfigError(f"{path} is no JSON{where}, expected a report that `bench --json` wrote") from exc


def _check_kind(path: Path, found: Any) -> None:
    """Raises: ConfigError unless it is a report of this schema, by its own words."""
    schema = found.get("schema") if isinstance(found, dict) else None
    if isinstance(found, dict) and "kind" not in found and schema == 1 and found.keys() >= _OWN_FIRST:
        raise ConfigError(f"{path} is a report of schema 1, of an older edge-sorter; measure again with this one")
    if not isinstance(found, dict) or found.get("kind") != _KIND:
        raise ConfigError(f"{path} is no report of a bench; give a file that `bench --json` wrote")
    if schema != SCHEMA:
        is_newer = isinstance(schema, int) and schema > SCHEMA
        remedy = "read it with a newer edge-sorter" if is_newer else "measure again with this edge-sorter"
        raise ConfigError(f"{path} is a report of schema {schema!r}, expected {SCHEMA}; {remedy}")
