"""The default configuration as a commented YAML file, written from the models so that the two cannot differ."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from edge.config import Config

__all__ = ["default_yaml"]

_HEAD = """\
# Every key with its default. Copy what you change; what you leave out keeps its default.
# Names end in their unit: _s seconds, _px pixels, _deg degrees, _us microseconds.
"""


def default_yaml() -> str:
    """YAML text that reads back as `Config()`."""
    return _HEAD + "\n".join(_section(Config(), indent=0)) + "\n"


def _section(section: BaseModel, indent: int) -> list[str]:
    pad = " " * indent
    lines: list[str] = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        comment = f"  # {field.description}" if field.description else ""
        if isinstance(value, BaseModel):
            title = (type(value).__doc__ or "").strip().splitlines()[0]
            lines += ["", f"{pad}# {title}", f"{pad}{name}:", *_section(value, indent + 2)]
        elif isinstance(value, Mapping) and not value:
            lines.append(f"{pad}{name}: {{}}{comment}")
        elif isinstance(value, Mapping):
            lines += [f"{pad}{name}:{comment}", *(f"{pad}  {key}: {_scalar(item)}" for key, item in value.items())]
        else:
            lines.append(f"{pad}{name}: {_scalar(value)}{comment}")
    return lines


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
